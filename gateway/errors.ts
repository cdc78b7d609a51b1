/** What a client is told when something goes wrong: the code, message and hint of an AppError, and of anything else nothing but an id. */
import { AppError, type ErrorCode, errorCatalogue } from "#core/errors.ts"
import { randomToken } from "#core/id.ts"
import type { Log } from "#core/log.ts"

export type ErrorAnswers = {
  /** Never throws. What is no AppError is logged (redacted there) under the id that the answer names. */
  answer(error: unknown, at: { method: string; path: string }): Response
}

export function createErrorAnswers({ log }: { log: Log }): ErrorAnswers {
  return {
    answer(error, { method, path }) {
      if (error instanceof OpenAiFailure) return error.toResponse()
      const known = error instanceof AppError ? error : hidden(error, { method, path, log })
      const body = path.startsWith("/v1/") ? openAiError(known) : { error: known.toBody() }
      const headers = new Headers()
      if (known.retryAfterSeconds !== undefined) headers.set("Retry-After", String(known.retryAfterSeconds))
      if (known.code === "client.unauthorized") headers.set("WWW-Authenticate", "Bearer")
      return Response.json(body, { status: known.status, headers })
    },
  }
}

function hidden(error: unknown, { method, path, log }: { method: string; path: string; log: Log }): AppError {
  const id = randomToken(6) // 48 bits: enough to find a line in a log
  log.error("A request failed", { id, method, path, error })
  return new AppError("internal", `Something went wrong (${id})`, { cause: error })
}

/** OpenAI's names for the codes its clients act upon; the rest keeps ours. */
const openAiCodes: Readonly<Partial<Record<ErrorCode, string>>> = {
  "client.unauthorized": "invalid_api_key",
  "client.forbidden": "insufficient_permissions",
  "client.rate_limited": "rate_limit_exceeded",
  "client.too_many_streams": "rate_limit_exceeded",
  "model.unknown": "model_not_found",
  internal: "internal_error",
}

export type OpenAiError = { error: { message: string; type: string; param: string | null; code: string | null } }

/** The shape (and the types) by which OpenAI's official clients choose their exception. */
export function openAiError(error: AppError): OpenAiError {
  const sentence = /[.?!]$/.test(error.message) ? error.message : `${error.message}.`
  return {
    error: {
      message: `${sentence} ${error.hint}`,
      type: openAiType(error.status),
      param: null,
      code: openAiCodes[error.code] ?? error.code.replaceAll(".", "_"),
    },
  }
}

/** A failure that only OpenAI's shape can say in full: which parameter, or a code that its clients act upon. */
export class OpenAiFailure extends Error {
  readonly status: number
  readonly body: OpenAiError
  readonly retryAfterSeconds: number | null

  constructor(
    status: number,
    message: string,
    {
      code = null,
      param = null,
      retryAfterSeconds = null,
    }: { code?: string | null; param?: string | null; retryAfterSeconds?: number | null } = {},
  ) {
    super(message)
    this.name = "OpenAiFailure"
    this.status = status
    this.body = { error: { message, type: openAiType(status), param, code } }
    this.retryAfterSeconds = retryAfterSeconds
  }

  toResponse(): Response {
    const headers = this.retryAfterSeconds === null ? {} : { "Retry-After": String(this.retryAfterSeconds) }
    return Response.json(this.body, { status: this.status, headers })
  }
}

function openAiType(status: number): string {
  if (status === 401) return "authentication_error"
  if (status === 403) return "permission_error"
  if (status === 429) return "rate_limit_error"
  return status >= 500 ? "server_error" : "invalid_request_error"
}

/** Statuses that the document lists for every route. */
export const commonErrors: readonly ErrorCode[] = [
  "input.invalid",
  "client.unauthorized",
  "client.forbidden",
  "client.rate_limited",
  "internal",
]

/** The headers of every answer, whatever its status. A page of ours brings its own policy. */
export function harden(response: Response): Response {
  const { headers } = response
  headers.set("X-Content-Type-Options", "nosniff")
  headers.set("X-Frame-Options", "DENY")
  headers.set("Referrer-Policy", "no-referrer")
  headers.set("Cross-Origin-Resource-Policy", "same-origin")
  headers.set("Cross-Origin-Opener-Policy", "same-origin")
  if (!headers.has("Content-Security-Policy"))
    headers.set("Content-Security-Policy", "default-src 'none'; frame-ancestors 'none'")
  if (!headers.has("Cache-Control")) headers.set("Cache-Control", "no-store")
  return response
}

export function isErrorCode(code: string): code is ErrorCode {
  return Object.hasOwn(errorCatalogue, code)
}
