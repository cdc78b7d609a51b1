/** What a caller may put in a request's headers, and what of it follows a redirect. Part of the egress gate: {@link file://./egress.ts}. */

/** What frames a message or names its host is ours alone to set: RFC 9110 7.6.1, and the forms that smuggle a second request. */
const refusedNames = new Set([
  "host",
  "connection",
  "keep-alive",
  "proxy-authenticate",
  "proxy-authorization",
  "proxy-connection",
  "te",
  "trailer",
  "transfer-encoding",
  "upgrade",
  "expect",
  "http2-settings",
  "via",
  "forwarded",
  "alt-used",
])

/** Set by us from the body and from what we can decode. A caller's own value is not needed. */
const ownNames = new Set(["content-length", "accept-encoding"])

/** Across origins only these go along: a key may hide in any other header. */
const harmlessNames = new Set(["accept", "accept-language", "user-agent"])

/** Of a response: framing that no longer fits the body handed on. */
const framingNames = new Set([
  "connection",
  "keep-alive",
  "proxy-authenticate",
  "te",
  "trailer",
  "transfer-encoding",
  "upgrade",
])

const MAX_HEADER_BYTES = 32_768 // servers commonly take 8 to 16 KiB; tokens and cookies together stay well below

type HeadersVerdict = { verdict: "allow"; headers: Headers } | { verdict: "deny"; why: string }

/** Takes the pairs before any class trims or joins them, so that the bytes judged are the bytes given. */
export function judgeHeaders(given: Iterable<readonly [string, string]>): HeadersVerdict {
  const headers = new Headers()
  let bytes = 0
  for (const [name, value] of given) {
    const lower = name.toLowerCase()
    if (!/^[!#$%&'*+.^_`|~0-9a-z-]+$/.test(lower)) return { verdict: "deny", why: "a header name that is no token" }
    if (/[^\t\u0020-\u007e\u0080-\u00ff]/.test(value))
      return { verdict: "deny", why: `a control or wide character in the header ${lower}` }
    if (refusedNames.has(lower)) return { verdict: "deny", why: `the header ${lower} is not the caller's to set` }
    bytes += name.length + value.length + 4 // ": " and CRLF
    if (!ownNames.has(lower)) headers.append(lower, value)
  }
  return bytes > MAX_HEADER_BYTES
    ? { verdict: "deny", why: `more than ${MAX_HEADER_BYTES} bytes of headers` }
    : { verdict: "allow", headers }
}

/** The pairs as the caller wrote them. A Headers object has already refused control characters inside a value. */
export function headerPairs(init: RequestInit["headers"]): [string, string][] {
  if (!init) return []
  if (init instanceof Headers) return [...init.entries()]
  const pairs = Array.isArray(init) ? init : Object.entries(init)
  return pairs.flatMap(([name, value]): [string, string][] =>
    value === undefined || value === null
      ? []
      : [[String(name), Array.isArray(value) ? value.join(", ") : String(value)]],
  )
}

export function harmlessOf(headers: Headers): Headers {
  return new Headers([...headers].filter(([name]) => harmlessNames.has(name)))
}

/** A response's headers without framing; without encoding and length too where there is a body, which was decoded and may be rewritten. */
export function responseHeaders(rawPairs: readonly string[], hasBody: boolean): Headers {
  const headers = new Headers()
  for (let i = 0; i + 1 < rawPairs.length; i += 2) {
    const name = (rawPairs[i] ?? "").toLowerCase()
    if (framingNames.has(name) || (hasBody && (name === "content-encoding" || name === "content-length"))) continue
    try {
      headers.append(name, rawPairs[i + 1] ?? "")
    } catch {
      // A header that the class refuses is of no use to any caller.
    }
  }
  return headers
}
