/** Markdown that arrives in pieces, cut into blocks: those that are finished are rendered once and for all, the last one again and again. */
import { type MarkdownLook, plainLines, renderMarkdown } from "./markdown.ts"

export type MarkdownStream = {
  /** Adds text; gives the lines of the blocks that it finished. */
  push(text: string, look: MarkdownLook): string[]
  /** How the unfinished rest looks now. */
  tail(look: MarkdownLook): string[]
  /** The rest, as it is. */
  end(look: MarkdownLook): string[]
}

/** A longer unfinished block is shown by its last part and unstyled until it ends: it would be rendered thirty times a second. */
const MAX_TAIL = 16_384
const PLAIN_TAIL = 4_096

const FENCE = /^ {0,3}(`{3,}|~{3,})([^`]*)$/
const INNER_FENCE = /^\s*(?:(?:[-*+]|\d{1,9}[.)])\s+)?(`{3,}|~{3,})[^`]*$/
const HEADING = /^ {0,3}#{1,6}(?:\s|$)/
const ITEM = /^ {0,3}(?:[-*+]|\d{1,9}[.)])(?:\s|$)/
/** What may begin a list right below a line of text. */
const INTERRUPTING_ITEM = /^ {0,3}(?:[-*+]|1[.)])\s+\S/

type Kind = "none" | "code" | "list" | "heading" | "text"

export function createMarkdownStream(): MarkdownStream {
  /** The line that has no end yet. */
  let partial = ""
  let lines: string[] = []
  let kind: Kind = "none"
  let fence: string | null = null
  /** A blank line came in a list: the next line tells whether the list goes on. */
  let blankInList = false
  let blankBefore = false
  let last: Kind = "none"

  const gap = () => last !== "none" && (blankBefore || isApart(last) || isApart(kind))
  const withGap = (rendered: string[]) => (rendered.length > 0 && gap() ? ["", ...rendered] : rendered)

  function finish(look: MarkdownLook): string[] {
    if (kind === "none") return []
    const rendered = withGap(renderMarkdown(lines.join("\n"), look))
    last = kind
    blankBefore = blankInList
    lines = []
    kind = "none"
    fence = null
    blankInList = false
    return rendered
  }

  function start(line: string, look: MarkdownLook): string[] {
    lines = [line]
    const opened = FENCE.exec(line)?.[1]
    kind = opened ? "code" : HEADING.test(line) ? "heading" : ITEM.test(line) ? "list" : "text"
    fence = opened ?? (kind === "list" ? (INNER_FENCE.exec(line)?.[1] ?? null) : null)
    return kind === "heading" ? finish(look) : []
  }

  function feed(line: string, look: MarkdownLook): string[] {
    const isBlank = line.trim() === ""
    if (kind === "none") {
      if (!isBlank) return start(line, look)
      blankBefore = true
      return []
    }
    if (fence !== null) {
      lines.push(line)
      if (!closes(line, fence)) return []
      fence = null
      return kind === "code" ? finish(look) : []
    }
    if (isBlank) {
      if (kind === "list") {
        lines.push(line)
        blankInList = true
        return []
      }
      const finished = finish(look)
      blankBefore = true
      return finished
    }
    if (begins(line)) return [...finish(look), ...start(line, look)]
    blankInList = false
    lines.push(line)
    if (kind === "list") fence = INNER_FENCE.exec(line)?.[1] ?? null
    return []
  }

  /** Whether this line, which is not blank, is the first of another block. */
  function begins(line: string): boolean {
    if (kind === "list") {
      const isItem = ITEM.test(line) && isNumbered(line) === isNumbered(lines[0] ?? "")
      const belongs = /^ {2,}/.test(line) || (blankInList ? isItem : ITEM.test(line))
      return blankInList ? !belongs : !belongs && (FENCE.test(line) || HEADING.test(line))
    }
    return FENCE.test(line) || HEADING.test(line) || INTERRUPTING_ITEM.test(line)
  }

  return {
    push(text, look) {
      const whole = (partial + text.replaceAll("\r\n", "\n")).split("\n")
      partial = whole.pop() ?? ""
      return whole.flatMap((line) => feed(line, look))
    },
    tail(look) {
      const open = partial.trim() === "" ? lines : [...lines, partial]
      if (open.length === 0) return []
      const size = open.reduce((sum, line) => sum + line.length + 1, 0)
      if (size > MAX_TAIL) return plainLines(open.join("\n").slice(-PLAIN_TAIL), look.width)
      // What the partial line may become is another block's first line: then it is shown as that already.
      if (kind !== "none" && partial.trim() !== "" && fence === null && begins(partial))
        return [
          ...withGap(renderMarkdown(lines.join("\n"), look)),
          ...(blankInList ? [""] : []),
          ...renderMarkdown(partial, look),
        ]
      return withGap(renderMarkdown(open.join("\n"), look))
    },
    end(look) {
      const rest = partial === "" ? [] : feed(partial, look)
      partial = ""
      return [...rest, ...finish(look)]
    },
  }
}

function isApart(kind: Kind): boolean {
  return kind === "code" || kind === "heading"
}

function isNumbered(line: string): boolean {
  return /^\s*\d/.test(line)
}

function closes(line: string, fence: string): boolean {
  const mark = line.trim()
  return mark.length >= fence.length && mark === fence.charAt(0).repeat(mark.length)
}
