/** What the egress gate says of a request afterwards: its record, and every failure as an AppError without a secret in it. */
import { AppError } from "../errors.ts"
import { preview } from "../event.ts"
import { withoutBrackets } from "./hosts.ts"

/** Path and query names; values and whatever looks like a token are left out, for a key may stand in either. */
export function redactedPath(url: URL): string {
  const segments = url.pathname.split("/").map((segment) => (isTokenLike(segment) ? "…" : segment))
  const names = [...new Set(url.searchParams.keys())].map((name) => (isTokenLike(name) ? "…" : name))
  return preview(segments.join("/") + (names.length > 0 ? `?${names.join("&")}` : ""))
}

/** Long, or 16 characters and more that mix letters and digits: ids lose too, which a preview can bear. */
function isTokenLike(text: string): boolean {
  return text.length > 40 || (text.length >= 16 && /\d/.test(text) && /[a-z]/i.test(text))
}

export function portOf(url: URL): number {
  return url.port === "" ? (url.protocol === "https:" ? 443 : 80) : Number(url.port)
}

export function placeOf(url: URL): { scheme: string; host: string; port: number; path: string } {
  return {
    scheme: url.protocol.slice(0, -1),
    host: withoutBrackets(url.hostname),
    port: portOf(url),
    path: redactedPath(url),
  }
}

/** Bytes of a request on the wire: its line, headers and body. */
export function requestBytes(
  method: string,
  url: URL,
  headers: Record<string, string>,
  body: Uint8Array | null,
): number {
  const line = method.length + url.pathname.length + url.search.length + 12 // two spaces, "HTTP/1.1", CRLF
  const fields = Object.entries(headers).reduce((sum, [name, value]) => sum + name.length + value.length + 4, 2)
  return line + fields + (body?.byteLength ?? 0)
}

export function refusal(why: string): AppError {
  return new AppError("egress.refused", `The request was refused: ${why}`)
}

export function isRefusal(error: unknown): boolean {
  return error instanceof AppError && (error.code === "egress.refused" || error.code === "egress.busy")
}

export function whyOf(error: unknown): string {
  if (error instanceof AppError) return error.message
  return error instanceof Error && error.name === "AbortError" ? "stopped by the caller" : "stopped"
}

const tlsCodes = /^(ERR_TLS|ERR_SSL|ERR_OSSL|CERT_|DEPTH_ZERO|SELF_SIGNED|UNABLE_TO_|HOSTNAME_MISMATCH|EPROTO)/

/** Any failure of a connection as an AppError; system messages stay in `cause`, for they may quote what was sent. */
export function asEgressError(error: unknown, where: string): AppError {
  if (error instanceof AppError) return error
  const code = codeOf(error)
  if (tlsCodes.test(code))
    return new AppError("egress.tls", `The identity of ${where} could not be proved (${code})`, { cause: error })
  if (code === "HPE_HEADER_OVERFLOW")
    return new AppError("egress.too_large", `${where} sends too many headers`, { cause: error })
  if (/^(HPE_|Z_|ERR_BROTLI|ERR_ZSTD|ZSTD_|ERR__ERROR|ERR_PADDING|ERR_STREAM_PREMATURE)/.test(code)) {
    return new AppError("egress.garbled", `The answer of ${where} could not be read (${code})`, { cause: error })
  }
  return new AppError("egress.unreachable", `The connection to ${where} failed (${code || "unknown reason"})`, {
    cause: error,
  })
}

/** A system error's code, where there is one that can be shown. */
export function codeOf(error: unknown): string {
  const code = typeof error === "object" && error !== null && "code" in error ? error.code : ""
  return typeof code === "string" && /^[A-Z0-9_]{1,60}$/.test(code) ? code : ""
}
