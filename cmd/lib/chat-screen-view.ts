/** The chat on a terminal that can be drawn on: finished text scrolls up, what is still open is redrawn below it, the line to type last. */
import type { Cancel, Clock } from "#core/clock.ts"
import type { Editor } from "./chat-editor.ts"
import type { Frame, Screen, Size } from "./chat-screen.ts"
import {
  type ChatView,
  PROMPT,
  personLines,
  spokenLines,
  type ToolCallEnd,
  type ToolCallStart,
  durationText,
  toolLines,
} from "./chat-view.ts"
import { type MarkdownStream, createMarkdownStream } from "./markdown-stream.ts"
import { cleanText, plainLines } from "./markdown.ts"
import { type Style, truncate } from "./ui.ts"

export type ScreenView = ChatView & {
  frame(size: Size): Frame
  /** A remark above the line to type, for a while. */
  hint(text: string): void
  /** Writes what is open as it stands, for the chat is left. */
  finish(): void
}

type Deps = {
  /** Called late, for the screen asks the view for its frames. */
  screen: () => Pick<Screen, "size" | "commit" | "refresh">
  editor: Pick<Editor, "layout">
  style: Style
  colours: boolean
  clock: Clock
}

/** Something of the running turn that is not written for good. */
type Open =
  | {
      kind: "text"
      stream: MarkdownStream
      /** Lines of finished blocks. */
      ready: string[]
      /** Some of its lines are written. */
      begun: boolean
      ended: boolean
    }
  | { kind: "tool"; call: ToolCallStart; end: ToolCallEnd | null }

/** Wider lines are hard to read; terminals are often much wider. */
const MAX_WIDTH = 110
const HINT_MS = 2_000
const SECOND_MS = 1_000
/** Characters of a thought that are kept: one line of it is shown. */
const THOUGHT_KEPT = 400
/** Rows of the line to type that are shown at most. */
const MAX_INPUT_ROWS = 10
const MAX_QUEUED_SHOWN = 3

export function createScreenView({ screen, editor, style, colours, clock }: Deps): ScreenView {
  const open: Open[] = []
  const asides: (readonly string[])[] = []
  let thought = ""
  let run: { what: string; startedMs: number } | null = null
  let queue: readonly string[] = []
  let answers: string | null = null
  let isLost = false
  let hint: { text: string; cancel: Cancel } | null = null
  let tick: Cancel | null = null
  /** What was written last, for good: each thing stands apart from the one above it, but for tool lines that follow each other. */
  let above: "nothing" | "tool" | "other" = "nothing"

  const widthOf = ({ columns }: Size) => Math.max(10, Math.min(columns - 1, MAX_WIDTH))
  const width = () => widthOf(screen().size)
  const look = (size: Size = screen().size) => ({ width: widthOf(size), colours })

  const gapBefore = (kind: "tool" | "other", last = above) =>
    last === "nothing" || (kind === "tool" && last === "tool") ? [] : [""]

  function write(
    lines: readonly string[],
    { kind = "other", goesOn = false }: { kind?: "tool" | "other"; goesOn?: boolean } = {},
  ) {
    if (lines.length === 0) return
    screen().commit(goesOn ? lines : [...gapBefore(kind), ...lines])
    above = kind
  }
  function writeText(item: Open & { kind: "text" }) {
    const lines = item.ready.splice(0)
    write(lines, { goesOn: item.begun })
    item.begun ||= lines.length > 0
    return lines.length > 0
  }
  function writeTool({ call, end }: Open & { kind: "tool" }) {
    write(toolLines({ ...call, end }, { width: width(), style }), { kind: "tool" })
  }
  /** Writes what is finished at the top of what is open. */
  function flush() {
    for (let first = open[0]; first; first = open[0]) {
      if (first.kind === "text") {
        if (writeText(first) || first.ended) writeAsides()
        if (!first.ended) break
      } else {
        if (!first.end) break
        writeTool(first)
      }
      open.shift()
    }
    screen().refresh()
  }
  function endText() {
    const last = open.at(-1)
    if (last?.kind !== "text" || last.ended) return
    last.ready.push(...last.stream.end(look()))
    last.ended = true
  }
  /** What is said beside the running turn's text: not in the middle of a paragraph, but below it. */
  function aside(lines: readonly string[]) {
    asides.push(lines)
    if (open.length === 0) writeAsides()
    screen().refresh()
  }
  function writeAsides() {
    for (const lines of asides.splice(0)) write(lines)
  }
  function writeOpen() {
    thought = ""
    endText()
    // A call whose end was not told ended with its turn.
    for (const item of open.splice(0)) {
      if (item.kind === "text") writeText(item)
      else writeTool(item)
    }
    writeAsides()
  }
  /** The time at the running turn goes on. */
  function keepTime() {
    tick?.()
    tick = null
    if (run)
      tick = clock.after(SECOND_MS, () => {
        screen().refresh()
        keepTime()
      })
  }

  function bottom(size: Size): string[] {
    const room = widthOf(size)
    const oneLine = (text: string) => style.dim(truncate(cleanText(text).replace(/\s+/g, " ").trim(), room))
    const lines = queue.slice(0, MAX_QUEUED_SHOWN).map((text) => oneLine(`queued: ${text}`))
    if (queue.length > MAX_QUEUED_SHOWN) lines.push(oneLine(`and ${queue.length - MAX_QUEUED_SHOWN} more queued`))
    if (isLost) lines.push(style.yellow(truncate("The service does not answer; trying again …", room)))
    if (answers !== null) lines.push(...plainLines(answers, room).map(style.yellow))
    if (hint) lines.push(...plainLines(hint.text, room).map(style.dim))
    else if (run) {
      const time = durationText(Math.floor((clock.monotonicMs() - run.startedMs) / SECOND_MS) * SECOND_MS)
      lines.push(oneLine(`${run.what} … ${time === "0 ms" ? "" : `${time.replace(".0", "")} · `}Ctrl-C stops`))
    }
    return lines
  }
  function middle(size: Size): string[] {
    const lines: string[] = []
    let last = above
    for (const item of open) {
      const own =
        item.kind === "tool"
          ? toolLines({ ...item.call, end: item.end }, { width: widthOf(size), style })
          : [...item.ready, ...(item.ended ? [] : item.stream.tail(look(size)))]
      if (own.length === 0) continue
      const kind = item.kind === "tool" ? "tool" : "other"
      const goesOn = item.kind === "text" && item.begun
      lines.push(...(goesOn ? [] : gapBefore(kind, last)), ...own)
      last = kind
    }
    for (const beside of asides) lines.push("", ...beside)
    if (thought !== "") {
      if (lines.length === 0 && above !== "nothing") lines.push("")
      const line = cleanText(thought).replace(/\s+/g, " ").trim()
      const room = widthOf(size) - 2
      lines.push(style.dim(`~ ${Bun.stringWidth(line) > room ? line.slice(-Math.floor(room / 2)) : line}`))
    }
    return lines
  }

  return {
    finish: writeOpen,
    frame(size) {
      const input = editor.layout({ width: Math.max(4, size.columns - 1), prompt: PROMPT })
      const inputRows = Math.min(input.lines.length, MAX_INPUT_ROWS, Math.max(1, size.rows - 3))
      const from = Math.max(0, Math.min(input.row - inputRows + 1, input.lines.length - inputRows))
      const typed = input.lines
        .slice(from, from + inputRows)
        .map((line) => (line.startsWith(PROMPT) ? style.cyan(PROMPT) + line.slice(PROMPT.length) : line))
      const below = bottom(size).slice(-Math.max(0, size.rows - 2 - inputRows))
      const roomAbove = Math.max(0, size.rows - 2 - inputRows - below.length)
      const whole = roomAbove === 0 ? [] : middle(size)
      const upper = whole.length > roomAbove ? [style.dim("…"), ...whole.slice(whole.length - roomAbove + 1)] : whole
      const blank = above === "nothing" ? [] : [""]
      const lines = [...upper, ...blank, ...below, ...typed]
      return { lines, row: lines.length - inputRows + input.row - from, column: input.column }
    },
    hint(text) {
      hint?.cancel()
      hint = {
        text,
        cancel: clock.after(HINT_MS, () => {
          hint = null
          screen().refresh()
        }),
      }
      screen().refresh()
    },
    person(text) {
      aside(personLines(text, { width: width(), style }))
    },
    say: (text) => aside(spokenLines(text, width())),
    note: (text) => aside(spokenLines(text, width()).map(style.dim)),
    warn: (text) => aside(plainLines(text, width()).map(style.yellow)),
    question(text) {
      writeOpen() // in the part that is redrawn, a long question would be cut to the rows there are
      write(plainLines(text, width()).map(style.yellow))
      screen().refresh()
    },
    asking(how) {
      answers = how
      screen().refresh()
    },
    problem({ message, hint: advice }) {
      aside([
        ...plainLines(`Error: ${message}`, width()).map(style.red),
        ...(advice ? plainLines(advice, width()).map(style.dim) : []),
      ])
    },
    text(part) {
      thought = ""
      let last = open.at(-1)
      if (last?.kind !== "text" || last.ended) {
        const begun = part.replace(/^\s*\n/, "")
        if (begun === "") return
        last = {
          kind: "text",
          stream: createMarkdownStream(),
          ready: [],
          begun: false,
          ended: false,
        }
        open.push(last)
        last.ready.push(...last.stream.push(begun, look()))
      } else last.ready.push(...last.stream.push(part, look()))
      flush()
    },
    thinking(part) {
      thought = (thought + part).slice(-THOUGHT_KEPT)
      screen().refresh()
    },
    toolStarted(call) {
      thought = ""
      endText()
      open.push({ kind: "tool", call, end: null })
      flush()
    },
    toolFinished(call) {
      const begun = open.find((item) => item.kind === "tool" && item.call.callId === call.callId)
      if (begun?.kind === "tool") begun.end = call
      else {
        endText() // refused before it began
        open.push({ kind: "tool", call: { ...call, preview: "" }, end: call })
      }
      flush()
    },
    discard() {
      open.length = 0
      thought = ""
      screen().refresh()
    },
    endTurn(line) {
      writeOpen()
      write(plainLines(line, width()).map(style.dim))
      screen().refresh()
    },
    running(what) {
      run = what === null ? null : { what, startedMs: clock.monotonicMs() }
      keepTime()
      screen().refresh()
    },
    queued(texts) {
      queue = texts
      screen().refresh()
    },
    connection(state) {
      isLost = state === "lost"
      screen().refresh()
    },
  }
}
