/** The chat where nothing can be drawn (TERM=dumb, output into a pipe): lines in the order in which things happen. */
import { type ChatView, PROMPT, toolLines, type ToolCallStart } from "./chat-view.ts"
import { cleanText } from "./markdown.ts"
import type { Style } from "./ui.ts"

/** Long enough that lines are cut by whoever reads them, not by us. */
const WIDTH = 1_000

export function createPlainView({ write, style }: { write: (text: string) => void; style: Style }): ChatView {
  const calls = new Map<string, ToolCallStart>()
  /** A line has begun and has no end yet. */
  let isOpen = false
  let waiting = 0
  const lines = (texts: readonly string[]) => {
    if (isOpen) write("\n")
    isOpen = false
    for (const text of texts) write(`${text}\n`)
  }
  const own = (text: string) => lines(cleanText(text).split("\n"))
  return {
    person: () => {}, // it stands there already, as it was typed
    say: own,
    note: own,
    warn: (text) => own(`Warning: ${text}`),
    question: own,
    asking(how) {
      if (how === null) return
      own(how)
      write(PROMPT)
    },
    problem: ({ message, hint }) => own([`Error: ${message}`, ...(hint ? [hint] : [])].join("\n")),
    text(part) {
      const shown = cleanText(part)
      const begun = isOpen ? shown : shown.replace(/^\n+/, "")
      if (begun === "") return
      write(begun)
      isOpen = !begun.endsWith("\n")
    },
    thinking: () => {},
    toolStarted(call) {
      calls.set(call.callId, call)
    },
    toolFinished(end) {
      const call = calls.get(end.callId) ?? { ...end, preview: "" }
      calls.delete(end.callId)
      lines(toolLines({ ...call, end }, { width: WIDTH, style }))
    },
    discard: () => own("(The answer begins anew.)"),
    endTurn(line) {
      calls.clear()
      own(line)
      write(PROMPT)
    },
    running: () => {},
    queued(texts) {
      if (texts.length > waiting) own("queued")
      waiting = texts.length
    },
    connection(state) {
      own(state === "lost" ? "The service does not answer; trying again …" : "The service answers again.")
    },
  }
}
