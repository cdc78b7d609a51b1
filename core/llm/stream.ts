/** One attempt at one model: the vendor's stream as our events. Never throws; ends with exactly one `finished` or `failed`. */
import type {
  LanguageModelV4,
  LanguageModelV4CallOptions,
  LanguageModelV4ReasoningPart,
  LanguageModelV4Usage,
  SharedV4ProviderMetadata,
} from "@ai-sdk/provider"
import type { Clock } from "../clock.ts"
import { isStorableJson, storableText } from "../db/storable.ts"
import { newId } from "../id.ts"
import type { ModelRow } from "./catalogue-models.ts"
import type { Vendor } from "./catalogue.ts"
import { costUsdMicros, type TokenCounts } from "./cost.ts"
import { type FailureContext, isRecord, toFailure } from "./failures.ts"
import type { FinishReason, ModelEvent, ModelId, ModelRequest, ModelUsage } from "./model.ts"
import { createTextCallWatch, noTextCalls } from "./text-calls.ts"
import type { ThoughtMemory } from "./thoughts.ts"
import { estimateTextTokens, estimateTokens, type TokenFamily } from "./tokens.ts"
import { startWaiting, type Waits } from "./waiting.ts"

export type Attempt = {
  id: ModelId
  vendor: Vendor
  row: ModelRow
  wire: () => Promise<LanguageModelV4>
  request: ModelRequest
  options: LanguageModelV4CallOptions
  waits: Waits
  clock: Clock
  thoughts: ThoughtMemory
  signal: AbortSignal
  failureContext: () => FailureContext
}

type HeardCall = { name: string; input: string; metadata: SharedV4ProviderMetadata | null }

export async function* streamOnce(attempt: Attempt): AsyncGenerator<ModelEvent, void, undefined> {
  const { id, vendor, row, request, options, clock, thoughts } = attempt
  const waiting = startWaiting({ clock, waits: attempt.waits, signal: attempt.signal })
  const watch =
    row.textCalls && request.trusted && request.tools.length > 0 ? createTextCallWatch(request.tools) : noTextCalls
  const text = createTextCleaner()
  const thinking = createTextCleaner()
  const calls: HeardCall[] = []
  const thoughtParts = new Map<string, LanguageModelV4ReasoningPart>()
  let closeStream: () => void = () => {}
  let hasAnswered = false // the vendor took the request, so it may bill it
  let outputCharacters = 0
  const usageSoFar = () => (hasAnswered ? estimatedUsage(attempt, outputCharacters) : { ...NO_USAGE })

  try {
    const wire = await waiting.for(attempt.wire())
    const answering = Promise.resolve(wire.doStream({ ...options, abortSignal: waiting.signal }))
    // An answer that comes after we gave up is closed, not left to run.
    void answering.then(({ stream }) => (waiting.ended ? stream.cancel() : undefined)).catch(() => {})
    const { stream } = await waiting.for(answering)
    hasAnswered = true
    const reader = stream.getReader()
    closeStream = () => void reader.cancel().catch(() => {}) // it is over; why closing it failed does not matter
    for (;;) {
      const { done, value: part } = await waiting.for(reader.read())
      if (done) throw new Error("The stream ended without a finish reason")
      if (part.type === "text-delta") {
        waiting.begun()
        outputCharacters += part.delta.length
        const shown = watch.push(text.push(part.delta))
        if (shown) yield { type: "text", text: shown }
      } else if (part.type === "reasoning-delta" || part.type === "reasoning-start") {
        waiting.begun()
        const delta = part.type === "reasoning-delta" ? part.delta : ""
        outputCharacters += delta.length
        noteThought(thoughtParts, { id: part.id, delta, metadata: part.providerMetadata })
        const shown = thinking.push(delta)
        if (shown) yield { type: "thinking", text: shown }
      } else if (part.type === "tool-input-delta") {
        waiting.begun()
        outputCharacters += part.delta.length
      } else if (part.type === "tool-call") {
        if (!part.providerExecuted)
          calls.push({ name: part.toolName, input: part.input, metadata: part.providerMetadata ?? null })
      } else if (part.type === "error") {
        throw part.error
      } else if (part.type === "finish") {
        const { unified } = part.finishReason
        if (unified === "interrupted" || unified === "error")
          throw new Error("The stream ended without a finish reason")
        const heldBack = watch.end()
        if ("text" in heldBack && heldBack.text) yield { type: "text", text: heldBack.text }
        const reason = finishReason(unified)
        let called = 0
        // What the length limit cut off is never run; nobody can tell which of the calls were whole.
        if (reason !== "length" && reason !== "filter") {
          const kept = vendor.format === "anthropic" ? [...thoughtParts.values()] : []
          for (const [index, call] of calls.entries()) {
            const event = readCall(call)
            if (index === 0 || call.metadata)
              thoughts.keep(vendor, event.call, { thinking: index === 0 ? kept : [], metadata: call.metadata })
            yield event
            called += 1
          }
          for (const call of calls.length === 0 && "calls" in heldBack ? heldBack.calls : []) {
            yield { type: "tool_call", call: { id: newId("call"), ...call } }
            called += 1
          }
        }
        const usage = reportedUsage(row, part.usage) ?? usageSoFar()
        yield { type: "finished", reason: settled(reason, called), model: id, usage }
        return
      }
    }
  } catch (error) {
    yield { type: "failed", failure: toFailure(error, attempt.failureContext()), model: id, usage: usageSoFar() }
  } finally {
    waiting.end()
    closeStream()
  }
}

function noteThought(
  parts: Map<string, LanguageModelV4ReasoningPart>,
  { id, delta, metadata }: { id: string; delta: string; metadata: SharedV4ProviderMetadata | undefined },
): void {
  const part = parts.get(id) ?? { type: "reasoning", text: "" }
  part.text += delta
  if (metadata) part.providerOptions = metadata
  parts.set(id, part)
}

/** Arguments must be a JSON object; what they are instead goes back to the model with the problem said. */
function readCall({ name, input }: HeardCall): Extract<ModelEvent, { type: "tool_call" }> {
  const id = newId("call") // vendors repeat ids, and each has its own rules for them
  const refuse = (problem: string) => ({
    type: "tool_call" as const,
    call: { id, name: storableText(name), arguments: {} },
    problem,
  })
  let args: unknown
  try {
    args = input.trim() === "" ? {} : JSON.parse(input)
  } catch (error) {
    const why = error instanceof Error ? error.message : "not JSON"
    return refuse(`The arguments are not valid JSON (${why}). Send one JSON object.`)
  }
  if (!isRecord(args)) return refuse("The arguments must be one JSON object.")
  if (!isStorableJson(JSON.stringify(args)))
    return refuse("The arguments must not contain NUL characters or halves of surrogate pairs.")
  return { type: "tool_call", call: { id, name: storableText(name), arguments: args } }
}

function finishReason(unified: string): FinishReason {
  if (unified === "length") return "length"
  if (unified === "content-filter") return "filter"
  if (unified === "tool-calls") return "tool_calls"
  return "stop"
}

/** Vendors say "stop" beside calls and "tool_calls" beside none; what was heard decides. */
function settled(reason: FinishReason, calls: number): FinishReason {
  if (reason === "length" || reason === "filter") return reason
  return calls > 0 ? "tool_calls" : "stop"
}

/** Text for people and the database: no NUL, which Postgres refuses, and no half of a surrogate pair that a vendor split over chunks. */
function createTextCleaner(): { push(delta: string): string } {
  let half = ""
  return {
    push(delta) {
      let text = half ? half + delta : delta
      half = ""
      const last = text.charCodeAt(text.length - 1)
      if (last >= 0xd800 && last <= 0xdbff) {
        half = text.slice(-1)
        text = text.slice(0, -1)
      }
      if (text.includes("\u0000")) text = text.replaceAll("\u0000", "")
      return text.isWellFormed() ? text : text.toWellFormed()
    },
  }
}

const NO_USAGE: ModelUsage = { inputTokens: 0, cachedInputTokens: 0, outputTokens: 0, costUsdMicros: 0 }

/** Null where the vendor reported nothing. */
function reportedUsage(row: ModelRow, { inputTokens, outputTokens }: LanguageModelV4Usage): ModelUsage | null {
  if (inputTokens.total === undefined && outputTokens.total === undefined) return null
  const counts: TokenCounts = {
    input: count(inputTokens.total),
    cachedInput: count(inputTokens.cacheRead),
    cacheWrite: count(inputTokens.cacheWrite),
    output: count(outputTokens.total),
  }
  return toUsage(row, counts)
}

/** What a call that broke off, or whose vendor does not count, has probably used. Better than 0: limits must hold for those too. */
function estimatedUsage({ row, vendor, request }: Attempt, outputCharacters: number): ModelUsage {
  const family: TokenFamily =
    vendor.format === "openai"
      ? vendor.name === "openai"
        ? "openai"
        : "other"
      : vendor.format === "google"
        ? "google"
        : "anthropic"
  let input = 0
  for (const part of request.system) input += estimateTextTokens(part.text, family)
  for (const message of request.messages) input += estimateTokens(message, family)
  if (request.tools.length > 0) input += estimateTextTokens(JSON.stringify(request.tools), family)
  return toUsage(row, { input, cachedInput: 0, cacheWrite: 0, output: Math.ceil(outputCharacters / 4) }) // 4: English text, see tokens.ts
}

function toUsage(row: ModelRow, counts: TokenCounts): ModelUsage {
  const { input, cachedInput, output } = counts
  return {
    inputTokens: input,
    cachedInputTokens: Math.min(cachedInput, input),
    outputTokens: output,
    costUsdMicros: costUsdMicros(row.price, counts),
  }
}

const MAX_COUNT = 2_147_483_647 // the column's, and more than any window
function count(tokens: number | undefined): number {
  return tokens !== undefined && tokens > 0 ? Math.min(Math.floor(tokens), MAX_COUNT) : 0
}
