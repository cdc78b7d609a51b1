/** A vendor's model behind one interface. Contract: `stream` never throws and never rejects; what goes wrong is an event. */
import type { ThinkingLevel } from "../db/schema.ts"

/** Name as the owner writes it: `<vendor>/<model>`, e.g. `anthropic/claude-sonnet-4-5`, or `demo/demo`. */
export type ModelId = string

export type ModelText = { type: "text"; text: string }
export type ModelImage = { type: "image"; mediaType: string; base64: string }
export type ModelToolCall = { id: string; name: string; arguments: unknown }
export type ModelMessage =
  | { role: "user"; content: (ModelText | ModelImage)[] }
  | { role: "assistant"; text: string; toolCalls: ModelToolCall[] }
  | { role: "tool"; toolCallId: string; toolName: string; text: string; isError: boolean }

/** A tool as the model is shown it; `parameters` is JSON Schema. */
export type ToolOffer = { name: string; description: string; parameters: Record<string, unknown> }
export type ToolChoice = "auto" | "none" | "required" | { name: string }

export type ModelRequest = {
  /** Stable parts first: everything up to the last part with `cache: true` is a prefix that vendors may cache. */
  system: { text: string; cache: boolean }[]
  messages: ModelMessage[]
  tools: ToolOffer[]
  toolChoice?: ToolChoice
  thinking?: ThinkingLevel
  maxOutputTokens?: number
  temperature?: number
  topP?: number
  stop?: string[]
  /** True where nothing untrusted is in `messages`: only then may tool calls that a model writes as text count. */
  trusted: boolean
}

export type ModelUsage = { inputTokens: number; cachedInputTokens: number; outputTokens: number; costUsdMicros: number }
export type FinishReason = "stop" | "length" | "tool_calls" | "filter"
export type ModelFailure = {
  /** The vendor's words, redacted and bounded, with what to do. */
  message: string
  kind:
    | "auth"
    | "rate_limit"
    | "overloaded"
    | "bad_request"
    | "too_large"
    | "context_overflow"
    | "timeout"
    | "network"
    | "garbage"
    | "limit"
    | "aborted"
  status: number | null
  retryable: boolean
  retryAfterMs: number | null
}

export type ModelEvent =
  | { type: "text"; text: string }
  | { type: "thinking"; text: string }
  /** Whole and parsed. `problem` is set where the arguments were not JSON: hand it back to the model, do not run it. */
  | { type: "tool_call"; call: ModelToolCall; problem?: string }
  /** A model of the chain failed and the next one is tried; only ever before the first delta. */
  | { type: "fallback"; from: ModelId; to: ModelId; failure: ModelFailure }
  /** Exactly one of these two ends a stream. Usage is what was used so far, in both. */
  | { type: "finished"; reason: FinishReason; model: ModelId; usage: ModelUsage }
  | { type: "failed"; failure: ModelFailure; model: ModelId; usage: ModelUsage }

export type Model = {
  readonly id: ModelId
  readonly contextTokens: number
  readonly maxOutputTokens: number
  readonly sees: { images: boolean; thinking: boolean; tools: boolean }
  stream(request: ModelRequest, options: { signal: AbortSignal }): AsyncIterable<ModelEvent>
}

/** The models of this installation: catalogue, keys, failover chains, health. */
export type Models = {
  /** The model for this id (null: the configured default) with its failover chain behind it. Throws `model.unknown`, `model.no_key`. */
  get(id: ModelId | null): Model
  readonly defaultId: ModelId
  /** Catalogue rows and what the vendors' own lists say, for `model list`. Asks the vendors only when `live`. */
  list(options: { live: boolean; signal: AbortSignal }): Promise<ModelListing[]>
  /** Health of the models used since the start: breaker, cooldown, last failure. */
  status(): ModelStatus[]
}

export type ModelListing = {
  id: ModelId
  vendor: string
  contextTokens: number
  inputUsdMicrosPerMillion: number | null
  outputUsdMicrosPerMillion: number | null
  configured: boolean
}
export type ModelStatus = {
  id: ModelId
  state: "ok" | "cooling" | "open"
  failuresInARow: number
  coolingUntil: string | null
  lastFailure: string | null
}
