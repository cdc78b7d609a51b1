/**
 * The stand-in that needs no key, no network and costs nothing: rules that call the real tools, so that anyone can try the whole path.
 * It is no model and says so. It calls a tool only for what the person's own last message says, never for what a result says.
 */
import type { Clock } from "../clock.ts"
import { newId } from "../id.ts"
import { type DemoStep, planDemo } from "./demo-rules.ts"
import { extractSummary } from "./demo-summary.ts"
import { STOPPED } from "./failures.ts"
import type { FinishReason, Model, ModelMessage, ModelRequest } from "./model.ts"
import { estimateTextTokens, estimateTokens } from "./tokens.ts"

export const DEMO_ID = "demo/demo"
const CONTEXT_TOKENS = 100_000 // it keeps nothing; large enough that compaction is only made when asked for
const PIECE_CHARACTERS = 12 // about what a model sends at a time, so that streaming is seen

export function createDemoModel({ clock }: { clock: Clock }): Model {
  return {
    id: DEMO_ID,
    contextTokens: CONTEXT_TOKENS,
    maxOutputTokens: 4_096,
    sees: { images: false, thinking: false, tools: true },
    async *stream(request, { signal }) {
      const inputTokens = inputOf(request)
      let written = 0
      const usage = () => ({
        inputTokens,
        cachedInputTokens: 0,
        outputTokens: Math.ceil(written / 4),
        costUsdMicros: 0,
      })
      const answer = answerTo(request)
      for (const text of piecesOf(answer.text)) {
        // A turn of the event loop between pieces: a stop gets its chance, and other sessions go on.
        await clock.sleep(0, signal).catch(() => {}) // it rejects when stopped, which the next line sees
        if (signal.aborted) {
          yield { type: "failed", failure: STOPPED, model: DEMO_ID, usage: usage() }
          return
        }
        written += text.length
        yield { type: "text", text }
      }
      for (const { name, arguments: args } of answer.calls) {
        yield { type: "tool_call", call: { id: newId("call"), name, arguments: args } }
      }
      const reason: FinishReason = answer.calls.length > 0 ? "tool_calls" : "stop"
      yield { type: "finished", reason, model: DEMO_ID, usage: usage() }
    },
  }
}

function answerTo(request: ModelRequest): DemoStep {
  const asked = lastPersonMessage(request.messages)
  const isSummary = request.tools.length === 0 && isSummaryRequest(request, asked.text)
  if (isSummary) return { text: extractSummary(asked.text), calls: [] }
  const results = request.messages.slice(asked.at + 1).filter((message) => message.role === "tool")
  const mayCall = request.toolChoice !== "none"
  return planDemo({ text: asked.text, results, tools: mayCall ? request.tools : [] })
}

function isSummaryRequest({ system }: ModelRequest, text: string): boolean {
  return (
    /^\s*(summari[sz]e|transcript)/i.test(text) || (system[0]?.text ?? "").startsWith("You condense a conversation")
  )
}

/** How the program's own notes begin; see core/agent. They stand where a person's message would, and are none. */
const HOST_NOTE = "[Note from the program"

/** The last thing that a person said; notes of the host and results come after it. */
function lastPersonMessage(messages: readonly ModelMessage[]): { at: number; text: string } {
  for (let at = messages.length - 1; at >= 0; at--) {
    const message = messages[at]
    if (message?.role !== "user") continue
    const text = message.content
      .map((part) => (part.type === "text" ? part.text : "[image]"))
      .join("\n")
      .trim()
    if (!text.startsWith(HOST_NOTE)) return { at, text }
  }
  return { at: -1, text: "" }
}

function piecesOf(text: string): string[] {
  // By code points, so that no piece ends inside a character.
  const pieces: string[] = []
  let piece = ""
  for (const character of text) {
    piece += character
    if (piece.length >= PIECE_CHARACTERS) {
      pieces.push(piece)
      piece = ""
    }
  }
  if (piece) pieces.push(piece)
  return pieces
}

function inputOf({ system, messages }: ModelRequest): number {
  let tokens = 0
  for (const part of system) tokens += estimateTextTokens(part.text)
  for (const message of messages) tokens += estimateTokens(message)
  return tokens
}
