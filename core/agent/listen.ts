/**
 * Listens to one model call: gathers text and tool calls, passes deltas on as they come. What the model says passes the reply gate here,
 * before anything is told or kept, so that deltas, partial texts and rows are made of the same characters.
 */
import { STOPPED } from "../llm/failures.ts"
import type {
  FinishReason,
  Model,
  ModelEvent,
  ModelFailure,
  ModelId,
  ModelRequest,
  ModelToolCall,
  ModelUsage,
} from "../llm/model.ts"
import type { TextFilter } from "../safety/links.ts"

type TextKind = "text" | "thinking"

export type Heard = {
  text: string
  calls: { call: ModelToolCall; problem?: string }[]
  end: { state: "finished"; reason: FinishReason } | { state: "failed"; failure: ModelFailure }
  model: ModelId
  usage: ModelUsage
}

export async function listen(
  model: Model,
  request: ModelRequest,
  options: {
    signal: AbortSignal
    /** A gate of its own for each text. */
    gate: () => TextFilter
    onDelta: (kind: TextKind, text: string) => void
    onFallback: (from: ModelId, to: ModelId, failure: ModelFailure) => void
  },
): Promise<Heard> {
  let text = ""
  const calls: Heard["calls"] = []
  const gates: Record<TextKind, TextFilter> = { text: options.gate(), thinking: options.gate() }
  const tell = (kind: TextKind, cleared: string) => {
    if (cleared === "") return
    if (kind === "text") text += cleared
    options.onDelta(kind, cleared)
  }
  const endThought = () => {
    tell("thinking", gates.thinking.end())
    gates.thinking = options.gate()
  }
  const stream = model.stream(request, { signal: options.signal })
  for await (const event of untilStopped(stream, { model: model.id, signal: options.signal })) {
    if (event.type !== "thinking") endThought()
    if (event.type === "finished" || event.type === "failed") tell("text", gates.text.end())
    if (event.type === "text" || event.type === "thinking") tell(event.type, gates[event.type].push(event.text))
    else if (event.type === "tool_call")
      calls.push(event.problem === undefined ? { call: event.call } : { call: event.call, problem: event.problem })
    else if (event.type === "fallback") options.onFallback(event.from, event.to, event.failure)
    else if (event.type === "finished")
      return { text, calls, end: { state: "finished", reason: event.reason }, model: event.model, usage: event.usage }
    else
      return { text, calls, end: { state: "failed", failure: event.failure }, model: event.model, usage: event.usage }
  }
  // The contract says a stream ends with one of the two; a model that breaks it has failed.
  const failure: ModelFailure = {
    message: "The model's stream ended without an end",
    kind: "garbage",
    status: null,
    retryable: false,
    retryAfterMs: null,
  }
  return {
    text,
    calls,
    end: { state: "failed", failure },
    model: model.id,
    usage: NO_USAGE,
  }
}

const NO_USAGE: ModelUsage = { inputTokens: 0, cachedInputTokens: 0, outputTokens: 0, costUsdMicros: 0 }

/** What a model that was stopped may still say of itself, such as what it cost: its end comes in the next turn of the event loop. */
const LAST_WORDS_MS = 500

/** A model that does not listen to its signal is left behind: else its turn would run, and hold its session, for ever. */
async function* untilStopped(
  stream: AsyncIterable<ModelEvent>,
  { model, signal }: { model: ModelId; signal: AbortSignal },
): AsyncGenerator<ModelEvent> {
  const deaf = Promise.withResolvers<null>()
  const onAbort = () =>
    AbortSignal.timeout(LAST_WORDS_MS).addEventListener("abort", () => deaf.resolve(null), { once: true })
  if (signal.aborted) onAbort()
  else signal.addEventListener("abort", onAbort, { once: true })
  const iterator = stream[Symbol.asyncIterator]()
  try {
    for (;;) {
      const next = await Promise.race([iterator.next(), deaf.promise])
      if (next === null) {
        yield { type: "failed", failure: STOPPED, model, usage: NO_USAGE }
        return
      }
      if (next.done) return
      yield next.value
    }
  } finally {
    signal.removeEventListener("abort", onAbort)
    iterator.return?.().catch(() => {}) // it is over; a model that hangs answers this no more than anything else
  }
}
