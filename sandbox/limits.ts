/** What a call of a plugin may use: the defaults, and what its manifest says otherwise within what every manifest may say. */
import { defaultLimits, type GuestLimits } from "./child/guest.ts"
import type { Manifest } from "./manifest.ts"

/** One a second on the average, in bursts: more than a person's questions need. */
const PER_MINUTE = 60
const PER_HOUR = 1_000
/** Of an answer; a page of an API's JSON is some ten KB. */
const MAX_RESPONSE_BYTES = 2 * 1024 * 1024
const MAX_REQUEST_BYTES = 1024 * 1024

export function limitsOf({ limits = {}, capabilities }: Manifest): GuestLimits {
  const seconds = capabilities?.http?.timeout_secs
  return {
    memoryMb: limits.memoryMb ?? defaultLimits.memoryMb,
    timeoutMs: limits.timeoutMs ?? defaultLimits.timeoutMs,
    fuel: limits.fuel ?? defaultLimits.fuel,
    maxInputBytes: limits.inputBytes ?? defaultLimits.maxInputBytes,
    maxOutputBytes: limits.outputBytes ?? defaultLimits.maxOutputBytes,
    maxRequests: limits.requestsPerCall ?? defaultLimits.maxRequests,
    maxToolCalls: limits.toolCallsPerCall ?? defaultLimits.maxToolCalls,
    hostTimeoutMs: seconds === undefined ? defaultLimits.hostTimeoutMs : seconds * 1_000,
  }
}

/** Where both places name one, the lower counts. */
export function ratesOf({ limits, capabilities }: Manifest): { perMinute: number; perHour: number } {
  const rate = capabilities?.http?.rate_limit
  const least = (...given: (number | undefined)[]) => Math.min(...given.filter((one) => one !== undefined))
  return {
    perMinute: least(rate?.requests_per_minute ?? limits?.requestsPerMinute ?? PER_MINUTE, limits?.requestsPerMinute),
    perHour: least(rate?.requests_per_hour ?? limits?.requestsPerHour ?? PER_HOUR, limits?.requestsPerHour),
  }
}

export function sizesOf({ capabilities }: Manifest): { maxRequestBytes: number; maxResponseBytes: number } {
  const http = capabilities?.http
  return {
    maxRequestBytes: http?.max_request_bytes ?? MAX_REQUEST_BYTES,
    maxResponseBytes: http?.max_response_bytes ?? MAX_RESPONSE_BYTES,
  }
}
