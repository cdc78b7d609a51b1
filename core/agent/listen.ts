/** Listens to one model call: gathers text and tool calls, passes deltas on as they come. */
import type {
  FinishReason,
  Model,
  ModelFailure,
  ModelId,
  ModelRequest,
  ModelToolCall,
  ModelUsage,
} from "../llm/model.ts"

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
    onDelta: (kind: "text" | "thinking", text: string) => void
    onFallback: (from: ModelId, to: ModelId, failure: ModelFailure) => void
  },
): Promise<Heard> {
  let text = ""
  const calls: Heard["calls"] = []
  for await (const event of model.stream(request, { signal: options.signal })) {
    if (event.type === "text") {
      text += event.text
      options.onDelta("text", event.text)
    } else if (event.type === "thinking") options.onDelta("thinking", event.text)
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
    usage: { inputTokens: 0, cachedInputTokens: 0, outputTokens: 0, costUsdMicros: 0 },
  }
}
