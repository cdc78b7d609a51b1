/** How far a text is code, and whether an image began in its paragraph, character by character: for the gate of links. */

/** A longer line is no fence. */
const MAX_FENCE_LINE = 200

const NEWLINE = 10
const EXCLAMATION = 33
const BRACKET = 91
const TICK = 96

type Fence = { mark: string; length: number }

export type MarkdownWatch = {
  feed(text: string): void
  /** Between the fences of a block, or in a span of backticks. */
  readonly inCode: boolean
  /** `![` came in this paragraph. */
  readonly inImage: boolean
}

/**
 * Only fences at the very beginning of a line count: those in lists and quotes end where their list or quote ends, and who misjudged
 * that would take for code what is shown as text.
 */
export function createMarkdownWatch(): MarkdownWatch {
  let line = ""
  let fence: Fence | null = null
  /** Backticks that opened a span. */
  let span = 0
  let ticks = 0
  let inImage = false
  let last = 0

  const spanAfter = () => (ticks === 0 ? span : span === 0 ? ticks : span === ticks ? 0 : span)

  function addToLine(text: string, from: number, to: number): void {
    if (line.length < MAX_FENCE_LINE && to > from)
      line += text.slice(from, Math.min(to, from + MAX_FENCE_LINE - line.length))
  }

  function endLine(): void {
    span = spanAfter()
    ticks = 0
    const isBlank = /^[ \t\r]*$/.test(line)
    if (isBlank) inImage = false
    if (fence) {
      const [, mark = ""] = /^ {0,3}(`+|~+)[ \t\r]*$/.exec(line) ?? []
      if (mark.startsWith(fence.mark) && mark.length >= fence.length) fence = null
    } else {
      const [, mark = "", rest = ""] = /^(`{3,}|~{3,})(.*)$/s.exec(line) ?? []
      if (mark !== "" && (mark.startsWith("~") || !rest.includes("`")))
        fence = { mark: mark.charAt(0), length: mark.length }
    }
    // Three backticks left open are a fence that did not begin its line; where that ends is not known.
    if (fence || isBlank || span >= 3) span = 0
    line = ""
  }

  return {
    feed(text) {
      let from = 0 // what of `line` is still to be added
      for (let at = 0; at < text.length; at++) {
        const code = text.charCodeAt(at)
        if (code === BRACKET && last === EXCLAMATION) inImage = true
        last = code
        if (code === NEWLINE) {
          addToLine(text, from, at)
          from = at + 1
          endLine()
        } else if (fence === null) {
          if (code === TICK) ticks += 1
          else if (ticks > 0) {
            span = spanAfter()
            ticks = 0
          }
        }
      }
      addToLine(text, from, text.length)
    },
    get inCode() {
      return fence !== null || spanAfter() > 0
    },
    get inImage() {
      return inImage
    },
  }
}
