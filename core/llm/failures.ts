/** What went wrong with a vendor, in our words: one table from status, code and text to a kind, whether to retry, and when. */
import { AppError, type ErrorCode } from "../errors.ts"
import type { Vendor } from "./catalogue.ts"
import type { ModelFailure } from "./model.ts"

type Kind = ModelFailure["kind"]

/** Why we ended a call ourselves. Thrown inside this folder only, never out of it. */
export type Interruption = { interrupted: "aborted" | "first_byte" | "idle"; afterMs: number }

export function isInterruption(error: unknown): error is Interruption {
  return typeof error === "object" && error !== null && "interrupted" in error
}

/** A 200 that is no stream of events; thrown by the fetch that wraps the vendor's. */
export class NotAStream extends Error {
  readonly status: number
  readonly responseBody: string
  constructor(status: number, responseBody: string) {
    super("The answer is no stream of events")
    this.name = "NotAStream"
    this.status = status
    this.responseBody = responseBody
  }
}

/** Vendors' words for a prompt that does not fit: all are 400 (Groq: 413 too), and only the text tells. */
const overflowWords =
  /context_length_exceeded|exceed_context_size|model_context_window_exceeded|maximum context length|maximum prompt length|prompt is too long|prompt too long|exceed(s|ed)? (the )?(model'?s? )?(max(imum)? )?context|context (window|length|size)( is)? exceeded|input token count .{0,40}exceeds|input tokens exceed|longer than the (maximum )?(model|context) length|greater than the context length|context the overflows|too large for model with \d+ maximum|available context size|reduce the length of (the|your) (messages|prompt)|`?inputs`? tokens \+ .{0,30}must be <=/i
const creditWords =
  /insufficient_quota|insufficient.{0,12}(balance|credit|funds)|credit balance is too low|billing_error|exceeded your current quota|payment required/i
const keyWords = /api key not valid|invalid.{0,12}api.?key|incorrect api key|API_KEY_INVALID/i
const overloadWords = /overloaded|at capacity|server is busy|temporarily unavailable|try again later|\bcapacity\b/i
const networkCodes =
  /ConnectionRefused|ConnectionClosed|ConnectionReset|FailedToOpenSocket|ECONN|ETIMEDOUT|EPIPE|ENOTFOUND|EAI_AGAIN|socket|connect|network|terminated|cut by/i

export const MAX_MESSAGE_CHARACTERS = 400 // a vendor's sentence or two; a page of HTML is no message

export type FailureContext = {
  vendor: Vendor
  /** The address that was asked, for the message. */
  host: string
  modelName: string
  /** Takes secrets out of the vendor's words. */
  redact: (text: string) => string
  nowMs: number
}

/** What the egress gate says, by its codes; its messages hold no secret and are shown as they are. */
const egressKinds: Partial<Record<ErrorCode, Judgement>> = {
  "egress.busy": { kind: "overloaded", retryable: true },
  "egress.dns": { kind: "network", retryable: true },
  "egress.unreachable": { kind: "network", retryable: true },
  "egress.timeout": { kind: "timeout", retryable: true },
  "egress.garbled": { kind: "garbage", retryable: false },
}

export function toFailure(error: unknown, context: FailureContext): ModelFailure {
  if (isInterruption(error)) return interruptedFailure(error, context)
  const ours = appErrorIn(error)
  if (ours) {
    const { kind, retryable } = egressKinds[ours.code] ?? { kind: "network" as const, retryable: false }
    const message = `${context.vendor.title}: ${tidy(context.redact(ours.message))} ${ours.hint}`
    return { message, kind, status: null, retryable, retryAfterMs: null }
  }
  const facts = factsOf(error)
  const { kind, retryable, hint } = judge(facts, context)
  const words = tidy(context.redact(facts.text))
  const status = facts.status === null ? "" : ` (${facts.status})`
  return {
    message: `${context.vendor.title}${status}: ${words || describe(kind)}${hint ? ` ${hint}` : ""}`,
    kind,
    status: facts.status,
    retryable,
    retryAfterMs: retryable || kind === "rate_limit" ? retryAfterMs(facts, context.nowMs) : null,
  }
}

/** The provider packages wrap what our fetch throws. */
function appErrorIn(error: unknown): AppError | null {
  if (error instanceof AppError) return error
  return error instanceof Error && error.cause !== undefined ? appErrorIn(error.cause) : null
}

/** A person, or a deadline above, ended the call: no fault of the model's. */
export const STOPPED: ModelFailure = {
  message: "Stopped",
  kind: "aborted",
  status: null,
  retryable: false,
  retryAfterMs: null,
}

function interruptedFailure({ interrupted, afterMs }: Interruption, { vendor }: FailureContext): ModelFailure {
  const seconds = Math.round(afterMs / 1000)
  const base = { status: null, retryAfterMs: null }
  if (interrupted === "aborted") return STOPPED
  if (interrupted === "first_byte") {
    return {
      ...base,
      kind: "timeout",
      retryable: true,
      message: `${vendor.title} did not begin to answer within ${seconds} s`,
    }
  }
  return {
    ...base,
    kind: "timeout",
    retryable: true,
    message: `${vendor.title} sent nothing for ${seconds} s and was given up`,
  }
}

type Judgement = { kind: Kind; retryable: boolean; hint?: string }

function judge(facts: Facts, { vendor, host, modelName }: FailureContext): Judgement {
  const { status, text, code } = facts
  const words = `${code} ${text}`
  if (overflowWords.test(words)) return { kind: "context_overflow", retryable: false }
  if (creditWords.test(words) || status === 402) {
    return { kind: "auth", retryable: false, hint: "The account has no credit left; see the vendor's billing page." }
  }
  if (status === 401 || status === 403 || keyWords.test(words)) {
    return { kind: "auth", retryable: false, hint: keyHint(vendor) }
  }
  if (status === 404) {
    const hint = vendor.local
      ? `Is the model "${modelName}" installed there?`
      : `Does the model "${modelName}" exist? \`ironclaw model list --live\` asks.`
    return { kind: "bad_request", retryable: false, hint }
  }
  if (status === 408) return { kind: "timeout", retryable: true }
  if (status === 413) return { kind: "too_large", retryable: false }
  if (status === 429) return { kind: "rate_limit", retryable: true }
  if (status !== null && status >= 500) return { kind: "overloaded", retryable: true }
  if (status !== null && status >= 400) return { kind: "bad_request", retryable: false }
  if (facts.shape === "garbage")
    return { kind: "garbage", retryable: false, hint: `Does ${host} speak this vendor's language?` }
  if (/rate.?limit/i.test(words)) return { kind: "rate_limit", retryable: true }
  if (overloadWords.test(words) || /server_error|internal|api_error/i.test(code))
    return { kind: "overloaded", retryable: true }
  if (facts.shape === "vendor_error") return { kind: "bad_request", retryable: false }
  if (facts.shape === "cut") return { kind: "network", retryable: true }
  if (networkCodes.test(words)) {
    return {
      kind: "network",
      retryable: true,
      hint: vendor.local ? `Is the server at ${host} running?` : "Is the machine online?",
    }
  }
  return { kind: "network", retryable: false }
}

function keyHint({ title, keyNames, keyUrl }: Vendor): string {
  const name = keyNames[0] ?? "LLM_API_KEY"
  return `Check ${name}${keyUrl ? `; ${title} gives keys at ${keyUrl}` : ""}.`
}

const descriptions: Partial<Record<Kind, string>> = {
  auth: "The key was refused.",
  rate_limit: "Too many requests.",
  overloaded: "The vendor is overloaded.",
  too_large: "The request is too large.",
  garbage: "The answer could not be read.",
  network: "The connection failed.",
}
const describe = (kind: Kind) => descriptions[kind] ?? "The request failed."

type Facts = {
  status: number | null
  code: string
  text: string
  shape: "response" | "vendor_error" | "garbage" | "cut" | "other"
  headers: Record<string, string | undefined>
}

/** Reads what the provider packages throw and send, by shape and not by class: two copies of a package must not matter. */
function factsOf(error: unknown): Facts {
  if (error instanceof NotAStream) {
    const body = bodyFacts(error.responseBody)
    const shape = body.text ? "vendor_error" : "garbage"
    return { status: body.status, code: body.code, text: body.text || error.message, shape, headers: {} }
  }
  const none: Facts = { status: null, code: "", text: String(error), shape: "other", headers: {} }
  if (typeof error === "string") return { ...none, shape: "vendor_error" }
  if (!isRecord(error)) return none
  const name = typeof error["name"] === "string" ? error["name"] : ""
  const message = typeof error["message"] === "string" ? error["message"] : ""
  const status = statusOf(error["statusCode"]) ?? statusOf(error["code"])
  const cause = error["cause"]

  // An error event of a shape that the package does not know, or a broken event.
  if (/TypeValidation/.test(name) && isRecord(error["value"]) && error["value"]["error"] !== undefined) {
    return { ...none, ...bodyFacts(JSON.stringify(error["value"])), shape: "vendor_error" }
  }
  if (/JSONParse|TypeValidation/.test(name))
    return { ...none, text: "It sent an event that could not be read.", shape: "garbage" }
  if (
    /InvalidResponseData|NoContentGenerated|EmptyResponseBody/.test(name) ||
    /without a finish reason|stream ended/i.test(message)
  ) {
    const isCut = /ended/i.test(message)
    return { ...none, text: isCut ? "The answer broke off." : message, shape: isCut ? "cut" : "garbage" }
  }
  if (isRecord(cause) && !status && /JSONParse|TypeValidation/.test(String(cause["name"]))) return factsOf(cause)
  if (cause instanceof NotAStream || isInterruption(cause)) return factsOf(cause)
  if (typeof error["responseBody"] === "string" || status !== null) {
    const body = bodyFacts(typeof error["responseBody"] === "string" ? error["responseBody"] : "")
    // The package of the vendor parsed the error event of a stream already.
    const type = typeof error["type"] === "string" ? error["type"] : ""
    const hasHeaders = isRecord(error["responseHeaders"])
    return {
      status: status ?? body.status,
      code: `${body.code} ${type}`.trim(),
      text: body.text || message,
      shape: "response",
      // Headers come from the response object, so their values are strings.
      headers: hasHeaders ? (error["responseHeaders"] as Record<string, string | undefined>) : {},
    }
  }
  if (!(error instanceof Error)) {
    const body = bodyFacts(JSON.stringify({ error }))
    return {
      ...none,
      status: body.status,
      code: body.code,
      text: body.text || "It reported an error.",
      shape: "vendor_error",
    }
  }
  const code = `${name} ${typeof error["code"] === "string" ? error["code"] : ""}`
  const inner = isRecord(cause) && typeof cause["message"] === "string" ? ` ${cause["message"]}` : ""
  return { ...none, code, text: message + inner }
}

/** `{"error": {"message", "type", "code", "status"}}` and what is near to it. */
function bodyFacts(body: string): { status: number | null; code: string; text: string } {
  let parsed: unknown
  try {
    parsed = JSON.parse(body)
  } catch {
    return { status: null, code: "", text: /^\s*</.test(body) ? "" : body } // a page is no message
  }
  if (Array.isArray(parsed)) parsed = parsed[0] // Gemini sends a list of one
  if (!isRecord(parsed)) return { status: null, code: "", text: "" }
  const error = isRecord(parsed["error"]) ? parsed["error"] : parsed
  const text = [error["message"], parsed["message"], parsed["error"], parsed["detail"]].find(
    (part) => typeof part === "string",
  )
  const code = [error["type"], error["code"], error["status"]].filter((part) => typeof part === "string").join(" ")
  const details: unknown[] = Array.isArray(error["details"]) ? error["details"] : []
  const delay = details.find((detail) => isRecord(detail) && typeof detail["retryDelay"] === "string")
  const wait = isRecord(delay) ? ` Retry in ${String(delay["retryDelay"])}.` : ""
  return { status: statusOf(error["code"]), code, text: typeof text === "string" ? text + wait : "" }
}

function statusOf(value: unknown): number | null {
  const status = typeof value === "string" && /^\d{3}$/.test(value) ? Number(value) : value
  return typeof status === "number" && status >= 400 && status <= 599 ? status : null
}

/** From `retry-after-ms`, `retry-after` (seconds or a date), or the vendor's words. */
function retryAfterMs({ headers, text }: Facts, nowMs: number): number | null {
  const exact = Number(headers["retry-after-ms"])
  if (exact > 0) return Math.ceil(exact)
  const header = headers["retry-after"]
  if (header !== undefined && header !== "") {
    const seconds = Number(header)
    if (Number.isFinite(seconds)) return Math.max(0, Math.ceil(seconds * 1000))
    const at = Date.parse(header)
    if (!Number.isNaN(at)) return Math.max(0, at - nowMs)
  }
  const said = /(?:try again|retry) in (?:(\d+)m)?(\d+(?:\.\d+)?)\s*(ms|s)/i.exec(text)
  if (!said) return null
  const [, minutes = "0", amount = "0", unit] = said
  return Math.ceil(Number(minutes) * 60_000 + Number(amount) * (unit === "ms" ? 1 : 1000))
}

function tidy(text: string): string {
  const line = text.replaceAll("\u0000", "").replace(/\s+/g, " ").trim().toWellFormed()
  return line.length <= MAX_MESSAGE_CHARACTERS ? line : `${line.slice(0, MAX_MESSAGE_CHARACTERS - 1)}…`.toWellFormed()
}

export function isRecord(value: unknown): value is Record<string, unknown> {
  return typeof value === "object" && value !== null && !Array.isArray(value)
}
