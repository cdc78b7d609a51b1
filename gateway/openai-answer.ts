/** Answers in OpenAI's words: one object, or chunks of a stream. */
import type { FinishReason, ModelToolCall, ModelUsage } from "#core/llm/model.ts"

/** What is told of an answer as it comes. */
export type AnswerPart = { type: "text"; text: string } | { type: "tool_calls"; calls: ModelToolCall[] }
/** What is known at its end. */
export type AnswerEnd = { finishReason: FinishReason; model: string; usage: Omit<ModelUsage, "costUsdMicros"> }

/** An answer under way. `parts` ends normally when `end` resolves; both reject with the same error. */
export type Answer = {
  id: string
  headers: Record<string, string>
  parts: AsyncIterable<AnswerPart>
  end: Promise<AnswerEnd>
}

const finishReasons: Readonly<Record<FinishReason, string>> = {
  stop: "stop",
  length: "length",
  tool_calls: "tool_calls",
  filter: "content_filter",
}

function usageOf({ inputTokens, outputTokens, cachedInputTokens }: AnswerEnd["usage"]) {
  return {
    prompt_tokens: inputTokens,
    completion_tokens: outputTokens,
    total_tokens: inputTokens + outputTokens,
    prompt_tokens_details: { cached_tokens: cachedInputTokens, audio_tokens: 0 },
    completion_tokens_details: {
      reasoning_tokens: 0,
      audio_tokens: 0,
      accepted_prediction_tokens: 0,
      rejected_prediction_tokens: 0,
    },
  }
}

function toolCallOf({ id, name, arguments: args }: ModelToolCall) {
  return {
    id,
    type: "function",
    function: { name, arguments: typeof args === "string" ? args : JSON.stringify(args ?? {}) },
  }
}

export async function completion({ id, parts, end }: Answer, createdSeconds: number) {
  let text = ""
  const calls: ModelToolCall[] = []
  for await (const part of parts) {
    if (part.type === "text") text += part.text
    else calls.push(...part.calls)
  }
  const { finishReason, model, usage } = await end
  return {
    id,
    object: "chat.completion",
    created: createdSeconds,
    model,
    choices: [
      {
        index: 0,
        message: {
          role: "assistant",
          content: text === "" && calls.length > 0 ? null : text,
          refusal: null,
          ...(calls.length > 0 ? { tool_calls: calls.map(toolCallOf) } : {}),
        },
        logprobs: null,
        finish_reason: finishReasons[finishReason],
      },
    ],
    usage: usageOf(usage),
  }
}

/** The lines of a stream, the closing `[DONE]` included. Rejects where the answer does. */
export async function* completionLines(
  { id, parts, end }: Answer,
  { createdSeconds, model, includeUsage }: { createdSeconds: number; model: string; includeUsage: boolean },
): AsyncGenerator<string> {
  const line = (delta: Record<string, unknown>, finish: string | null = null) =>
    dataLine({
      id,
      object: "chat.completion.chunk",
      created: createdSeconds,
      model,
      choices: [{ index: 0, delta, logprobs: null, finish_reason: finish }],
      ...(includeUsage ? { usage: null } : {}),
    })
  let hasBegun = false
  let index = 0
  for await (const part of parts) {
    if (!hasBegun) yield line({ role: "assistant", content: part.type === "text" ? "" : null, refusal: null })
    hasBegun = true
    if (part.type === "text") yield line({ content: part.text })
    else yield line({ tool_calls: part.calls.map((call) => ({ index: index++, ...toolCallOf(call) })) })
  }
  const { finishReason, usage } = await end
  if (!hasBegun) yield line({ role: "assistant", content: "", refusal: null })
  yield line({}, finishReasons[finishReason])
  if (includeUsage) {
    yield dataLine({
      id,
      object: "chat.completion.chunk",
      created: createdSeconds,
      model,
      choices: [],
      usage: usageOf(usage),
    })
  }
  yield "data: [DONE]\n\n"
}

export function dataLine(value: unknown): string {
  return `data: ${JSON.stringify(value)}\n\n`
}
