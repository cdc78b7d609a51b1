/** What a model answers, written in each vendor's wire format: the events of a stream, and OpenAI's whole answer. */

export type WireFormat = "openai" | "anthropic" | "google"
/** `arguments` as a string is sent as it is, so that a test can send what is not JSON. */
export type ReplyCall = { id?: string; name: string; arguments: unknown }
export type Reply = {
  text?: string
  thinking?: string
  toolCalls?: ReplyCall[]
  finish?: "stop" | "length" | "tool_calls" | "filter"
  /** null: the vendor reports none. */
  usage?: { inputTokens: number; cachedInputTokens?: number; cacheWriteTokens?: number; outputTokens: number } | null
  /** Characters of text in one chunk (default 8). */
  chunkCharacters?: number
}

const USAGE = { inputTokens: 20, outputTokens: 5 }

function pieces(text: string, size: number): string[] {
  const out: string[] = []
  for (let at = 0; at < text.length; at += size) out.push(text.slice(at, at + size))
  return out
}

const argumentsText = (call: ReplyCall) =>
  typeof call.arguments === "string" ? call.arguments : JSON.stringify(call.arguments)

export function replyEvents(format: WireFormat, reply: Reply): string[] {
  if (format === "anthropic") return anthropicEvents(reply)
  if (format === "google") return googleEvents(reply)
  return openaiEvents(reply)
}

const data = (value: unknown) => `data: ${JSON.stringify(value)}\n\n`
const named = (value: { type: string }) => `event: ${value.type}\ndata: ${JSON.stringify(value)}\n\n`

function openaiEvents(reply: Reply): string[] {
  const size = reply.chunkCharacters ?? 8
  const base = { id: "chatcmpl-1", object: "chat.completion.chunk", created: 1, model: "fake-model" }
  const chunk = (delta: unknown, finish_reason: string | null = null) =>
    data({ ...base, choices: [{ index: 0, delta, finish_reason }] })
  const events = [chunk({ role: "assistant", content: "" })]
  for (const piece of pieces(reply.thinking ?? "", size)) events.push(chunk({ reasoning_content: piece }))
  for (const piece of pieces(reply.text ?? "", size)) events.push(chunk({ content: piece }))
  for (const [index, call] of (reply.toolCalls ?? []).entries()) {
    const id = call.id ?? `call_${index}`
    events.push(chunk({ tool_calls: [{ index, id, type: "function", function: { name: call.name, arguments: "" } }] }))
    for (const piece of pieces(argumentsText(call), size)) {
      events.push(chunk({ tool_calls: [{ index, function: { arguments: piece } }] }))
    }
  }
  const finish = reply.finish ?? (reply.toolCalls?.length ? "tool_calls" : "stop")
  events.push(chunk({}, finish === "filter" ? "content_filter" : finish))
  const usage = openaiUsage(reply)
  if (usage) events.push(data({ ...base, choices: [], usage }))
  events.push("data: [DONE]\n\n")
  return events
}

function openaiUsage(reply: Reply) {
  if (reply.usage === null) return undefined
  const { inputTokens, outputTokens, cachedInputTokens } = { cachedInputTokens: 0, ...USAGE, ...reply.usage }
  return {
    prompt_tokens: inputTokens,
    completion_tokens: outputTokens,
    total_tokens: inputTokens + outputTokens,
    prompt_tokens_details: { cached_tokens: cachedInputTokens },
  }
}

/** OpenAI's answer when the client does not stream. */
export function replyJson(reply: Reply): unknown {
  const calls = (reply.toolCalls ?? []).map((call, index) => ({
    id: call.id ?? `call_${index}`,
    type: "function",
    function: { name: call.name, arguments: argumentsText(call) },
  }))
  const message = { role: "assistant", content: reply.text ?? null, ...(calls.length > 0 ? { tool_calls: calls } : {}) }
  return {
    id: "chatcmpl-1",
    object: "chat.completion",
    created: 1,
    model: "fake-model",
    choices: [{ index: 0, message, finish_reason: reply.finish ?? (calls.length > 0 ? "tool_calls" : "stop") }],
    usage: openaiUsage(reply),
  }
}

function anthropicEvents(reply: Reply): string[] {
  const size = reply.chunkCharacters ?? 8
  const { inputTokens, outputTokens, cachedInputTokens, cacheWriteTokens } = {
    cachedInputTokens: 0,
    cacheWriteTokens: 0,
    ...USAGE,
    ...reply.usage,
  }
  const usage = {
    input_tokens: inputTokens - cachedInputTokens - cacheWriteTokens,
    cache_read_input_tokens: cachedInputTokens,
    cache_creation_input_tokens: cacheWriteTokens,
    output_tokens: 1,
  }
  const message = {
    id: "msg_1",
    type: "message",
    role: "assistant",
    model: "fake-model",
    content: [],
    stop_reason: null,
    usage,
  }
  const events = [named({ type: "message_start", message } as { type: string })]
  let index = 0
  const block = (content_block: unknown, deltas: unknown[]) => {
    events.push(named({ type: "content_block_start", index, content_block } as { type: string }))
    for (const delta of deltas) events.push(named({ type: "content_block_delta", index, delta } as { type: string }))
    events.push(named({ type: "content_block_stop", index } as { type: string }))
    index += 1
  }
  if (reply.thinking !== undefined) {
    const deltas: unknown[] = pieces(reply.thinking, size).map((thinking) => ({ type: "thinking_delta", thinking }))
    deltas.push({ type: "signature_delta", signature: "c2lnbmF0dXJl" })
    block({ type: "thinking", thinking: "", signature: "" }, deltas)
  }
  if (reply.text !== undefined) {
    block(
      { type: "text", text: "" },
      pieces(reply.text, size).map((text) => ({ type: "text_delta", text })),
    )
  }
  for (const [at, call] of (reply.toolCalls ?? []).entries()) {
    const deltas = pieces(argumentsText(call), size).map((partial_json) => ({ type: "input_json_delta", partial_json }))
    block({ type: "tool_use", id: call.id ?? `toolu_${at}`, name: call.name, input: {} }, deltas)
  }
  const finish = reply.finish ?? (reply.toolCalls?.length ? "tool_calls" : "stop")
  const stop_reason = { stop: "end_turn", length: "max_tokens", tool_calls: "tool_use", filter: "refusal" }[finish]
  const delta = { stop_reason, stop_sequence: null }
  events.push(named({ type: "message_delta", delta, usage: { output_tokens: outputTokens } } as { type: string }))
  events.push(named({ type: "message_stop" }))
  return events
}

function googleEvents(reply: Reply): string[] {
  const size = reply.chunkCharacters ?? 8
  const parts: unknown[] = []
  for (const text of pieces(reply.thinking ?? "", size)) parts.push({ text, thought: true })
  for (const text of pieces(reply.text ?? "", size)) parts.push({ text })
  for (const call of reply.toolCalls ?? []) {
    parts.push({ functionCall: { name: call.name, args: call.arguments }, thoughtSignature: "c2lnbmF0dXJl" })
  }
  const { inputTokens, outputTokens, cachedInputTokens } = { cachedInputTokens: 0, ...USAGE, ...reply.usage }
  const usageMetadata =
    reply.usage === null
      ? undefined
      : {
          promptTokenCount: inputTokens,
          candidatesTokenCount: outputTokens,
          cachedContentTokenCount: cachedInputTokens,
          totalTokenCount: inputTokens + outputTokens,
        }
  const finishReason = { stop: "STOP", tool_calls: "STOP", length: "MAX_TOKENS", filter: "SAFETY" }[
    reply.finish ?? "stop"
  ]
  const events = parts.map((part) => data({ candidates: [{ index: 0, content: { role: "model", parts: [part] } }] }))
  events.push(
    data({
      candidates: [{ index: 0, content: { role: "model", parts: [{ text: "" }] }, finishReason }],
      usageMetadata,
    }),
  )
  return events
}
