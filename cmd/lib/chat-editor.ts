/**
 * The line that is being typed: text of one or more lines, a cursor, history, completion. Keys in, a wish out; it draws nothing.
 * node:readline decodes the keys, but its own line editor owns the terminal's last line and cannot live below text that streams.
 */
import { cleanText } from "./markdown.ts"

/** As `emitKeypressEvents` of node:readline gives them. */
export type Key = { sequence: string; name?: string | undefined; ctrl: boolean; meta: boolean; shift: boolean }
export type Wish =
  | { do: "nothing" }
  | { do: "submit"; text: string }
  | { do: "interrupt" }
  | { do: "leave" }
  | { do: "redraw" }
  | { do: "offer"; options: readonly string[] }

/** What there is to say for a text: the same text, longer, and the ways on where there are several. */
export type Complete = (text: string) => { text: string; options: readonly string[] }

export type Editor = {
  readonly text: string
  press(key: Key): Wish
  /** Puts a text back that could not be sent, before what was typed since. */
  restore(text: string): void
  clear(): void
  /** The text in lines of at most `width` cells, and where the cursor is in them. */
  layout(size: { width: number; prompt: string }): { lines: string[]; row: number; column: number }
}

/** A paste longer than this stands as one word in the line, and is whole in the message. */
const LONG_PASTE = { characters: 2_000, lines: 12 }

const graphemes = new Intl.Segmenter("en", { granularity: "grapheme" })
const NOTHING: Wish = { do: "nothing" }

export function createEditor({ history, complete }: { history: readonly string[]; complete: Complete }): Editor {
  let text = ""
  let cursor = 0
  let killed = ""
  /** How far back in the history we are; 0 is the line that is being typed. */
  let back = 0
  let draft = ""
  let pasting: string[] | null = null
  const pastes = new Map<string, string>()

  function set(next: string, at = next.length) {
    text = next
    cursor = at
  }
  function insert(added: string) {
    set(text.slice(0, cursor) + added + text.slice(cursor), cursor + added.length)
  }
  function cut(from: number, to: number, keep = false) {
    if (keep && to > from) killed = text.slice(from, to)
    set(text.slice(0, from) + text.slice(to), from)
  }
  const before = () => {
    let at = 0
    for (const { index } of graphemes.segment(text.slice(0, cursor))) at = index
    return at
  }
  const after = () => cursor + ([...graphemes.segment(text.slice(cursor))][0]?.segment.length ?? 0)
  const wordBefore = () => cursor - (/[^\s]*\s*$/.exec(text.slice(0, cursor))?.[0].length ?? 0)
  const wordAfter = () => cursor + (/^\s*[^\s]*/.exec(text.slice(cursor))?.[0].length ?? 0)
  const lineStart = () => text.lastIndexOf("\n", cursor - 1) + 1
  const lineEnd = () => (text.indexOf("\n", cursor) === -1 ? text.length : text.indexOf("\n", cursor))

  function submit(): Wish {
    const whole = [...pastes].reduce((sum, [token, content]) => sum.replaceAll(token, () => content), text)
    if (whole.trim() === "") return NOTHING
    reset()
    return { do: "submit", text: whole }
  }
  function reset() {
    set("")
    pastes.clear()
    draft = ""
    back = 0
  }
  function recall(step: -1 | 1) {
    const next = back - step
    if (next < 0 || next > history.length) return
    if (back === 0) draft = text
    back = next
    set(history[history.length - back] ?? draft)
  }
  function vertical(step: -1 | 1) {
    const start = lineStart()
    const column = cursor - start
    if (step === -1) {
      if (start === 0) return recall(-1)
      const above = text.lastIndexOf("\n", start - 2) + 1
      cursor = Math.min(above + column, start - 1)
    } else {
      const end = lineEnd()
      if (end === text.length) return recall(1)
      const next = text.indexOf("\n", end + 1)
      cursor = Math.min(end + 1 + column, next === -1 ? text.length : next)
    }
  }
  function endPaste(parts: readonly string[]) {
    const content = plainTyping(parts.join("").replace(/\r\n?/g, "\n"))
    const lineCount = content.split("\n").length
    if (content.length <= LONG_PASTE.characters && lineCount <= LONG_PASTE.lines) return insert(content)
    const token = `[pasted ${pastes.size + 1}: ${lineCount > 1 ? `${lineCount} lines` : `${content.length} characters`}]`
    pastes.set(token, content)
    insert(token)
  }
  function tab(): Wish {
    if (cursor !== text.length) return NOTHING
    const found = complete(text)
    set(found.text)
    return found.options.length > 1 ? { do: "offer", options: found.options } : NOTHING
  }

  function press({ sequence, name, ctrl, meta }: Key): Wish {
    if (name === "paste-start") pasting = []
    else if (name === "paste-end") {
      if (pasting) endPaste(pasting)
      pasting = null
    } else if (pasting) pasting.push(sequence)
    else if (name === "return" && !meta) {
      if (text[cursor - 1] !== "\\" || cursor !== text.length) return submit()
      cut(cursor - 1, cursor)
      insert("\n")
    } else if (name === "return" || name === "enter") insert("\n")
    else if (name === "tab") return tab()
    else if (ctrl) return control(name)
    else if (meta) alternate(name)
    else if (name === "backspace") cut(before(), cursor)
    else if (name === "delete") cut(cursor, after())
    else if (name === "left") cursor = before()
    else if (name === "right") cursor = after()
    else if (name === "up") vertical(-1)
    else if (name === "down") vertical(1)
    else if (name === "home") cursor = lineStart()
    else if (name === "end") cursor = lineEnd()
    else if (!sequence.startsWith("\u001b")) insert(plainTyping(sequence))
    return NOTHING
  }
  function control(name: string | undefined): Wish {
    if (name === "c") return { do: "interrupt" }
    if (name === "l") return { do: "redraw" }
    if (name === "d") {
      if (text === "") return { do: "leave" }
      cut(cursor, after())
    } else if (name === "a") cursor = lineStart()
    else if (name === "e") cursor = lineEnd()
    else if (name === "b") cursor = before()
    else if (name === "f") cursor = after()
    else if (name === "p") vertical(-1)
    else if (name === "n") vertical(1)
    else if (name === "h") cut(before(), cursor)
    else if (name === "w" || name === "backspace") cut(wordBefore(), cursor, true)
    else if (name === "u") cut(lineStart(), cursor, true)
    else if (name === "k") cut(cursor, lineEnd(), true)
    else if (name === "y") insert(killed)
    else if (name === "left") cursor = wordBefore()
    else if (name === "right") cursor = wordAfter()
    return NOTHING
  }
  function alternate(name: string | undefined) {
    if (name === "b" || name === "left") cursor = wordBefore()
    else if (name === "f" || name === "right") cursor = wordAfter()
    else if (name === "d") cut(cursor, wordAfter(), true)
    else if (name === "backspace") cut(wordBefore(), cursor, true)
  }

  return {
    get text() {
      return text
    },
    press,
    clear: reset,
    restore(lost) {
      set(text === "" ? lost : `${lost}\n${text}`)
    },
    layout({ width, prompt }) {
      const indent = " ".repeat(Bun.stringWidth(prompt))
      const lines: string[] = []
      let line = prompt
      let used = indent.length
      let place = { row: 0, column: used }
      const wrap = () => {
        lines.push(line)
        line = indent
        used = indent.length
      }
      for (const { segment, index } of graphemes.segment(text)) {
        const shown = segment === "\n" ? "" : cleanText(segment)
        const cells = Bun.stringWidth(shown)
        if (used + cells > width) wrap()
        if (index === cursor) place = { row: lines.length, column: used }
        if (segment === "\n") wrap()
        else {
          line += shown
          used += cells
        }
      }
      if (cursor === text.length) {
        if (used >= width) wrap()
        place = { row: lines.length, column: used }
      }
      lines.push(line)
      return { lines, ...place }
    },
  }
}

/** What can be typed or pasted as text: no control characters but line breaks and tabs. */
function plainTyping(text: string): string {
  return text.replace(/[\u0000-\u0008\u000b-\u001f\u007f-\u009f]/g, "")
}
