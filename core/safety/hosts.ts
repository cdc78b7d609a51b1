/**
 * Question: may this principal send this method to this URL?
 * Fails closed by: anything that is not plainly inside one rule is refused; a rule that is itself not well-formed matches nothing.
 * Known limits: the query is not judged (the leak scan reads it); no public-suffix list, so `*.co.uk` is a possible, foolish rule.
 * Source: WHATWG URL; RFC 6761 special-use names; OWASP SSRF prevention; measured against a corpus of 608 hostile and benign URLs.
 */
import { judgeLocalAddress, parseIp } from "./addresses.ts"

/** Https on port 443, by name. `*.example.com` is one or more labels below example.com, never example.com itself. */
export type HostRule = {
  host: string
  port?: 443
  /** Absent: every path. `/v1` covers `/v1` and `/v1/…`, not `/v1x`. */
  pathPrefix?: string
  /** Absent: every method of {@link methods}. */
  methods?: string[]
}

/** Made by the owner alone: this scheme, host and port exactly; no redirects are followed from it. Without `methods`, every method. */
export type LocalEndpoint = { scheme: "http" | "https"; host: string; port: number; methods?: readonly string[] }

type UrlVerdict =
  | { verdict: "allow"; url: URL; kind: "public" | "local" }
  | { verdict: "deny"; why: string; url: URL | null }

type Allowed = { allow: readonly HostRule[]; local: readonly LocalEndpoint[] }

/** CONNECT and TRACE are no requests of ours. */
const methods: readonly string[] = ["GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"]

/** Names that never mean a host of the public internet, whoever answers for them. */
const specialNames = [
  "localhost",
  "localdomain",
  "local",
  "internal",
  "intranet",
  "lan",
  "home.arpa",
  "onion",
  "alt",
  "invalid",
]

const MAX_URL_CHARACTERS = 8192 // what common servers accept in a request line
const MAX_HOST_CHARACTERS = 253 // RFC 1035, in text form
const MAX_DECODES = 3 // more layers of %25 than that are an attack, not a path

export function judgeUrl(url: string, method: string, rules: Allowed): UrlVerdict {
  const raw = judgeRaw(url)
  if (raw !== null) return deny(raw)
  const parsed = URL.parse(url)
  if (!parsed) return deny("the URL cannot be parsed")
  if (!methods.includes(method)) return deny(`the method ${JSON.stringify(method.slice(0, 20))} is not used`, parsed)
  if (parsed.username || parsed.password) return deny("a user name or password in the URL", parsed)
  parsed.hash = ""
  const local = rules.local.filter((endpoint) => isAtEndpoint(parsed, url, endpoint))
  if (local.length > 0) {
    if (local.some((endpoint) => (endpoint.methods ?? methods).includes(method))) return judgeLocal(parsed)
    return deny(`the method ${method} at this address is not among those allowed`, parsed)
  }
  return judgePublic(parsed, method, rules.allow)
}

/** What the bytes say before any parser repairs them: parsers differ in how they repair, so nothing that needs it passes. */
function judgeRaw(url: string): string | null {
  if (url.length > MAX_URL_CHARACTERS) return `the URL is longer than ${MAX_URL_CHARACTERS} characters`
  if (/[\u0000-\u0020\u007f-\u00a0\\\u2028\u2029\ufeff]/.test(url))
    return "a control character, space or backslash in the URL"
  if (!url.isWellFormed()) return "half a surrogate pair in the URL"
  const authority = /^https?:\/\/([^/?#]+)/i.exec(url)?.[1]
  if (authority === undefined) return "not an absolute https URL"
  if (authority.includes("@")) return "a user name or password in the URL"
  if (authority.includes("%")) return "a percent-encoded host"
  return null
}

function judgeLocal(url: URL): UrlVerdict {
  const host = withoutBrackets(url.hostname)
  if (parseIp(host) === null) return { verdict: "allow", url, kind: "local" }
  const address = judgeLocalAddress(host)
  return address.verdict === "allow" ? { verdict: "allow", url, kind: "local" } : deny(address.why, url)
}

function judgePublic(url: URL, method: string, rules: readonly HostRule[]): UrlVerdict {
  if (url.protocol !== "https:") return deny(`the scheme ${url.protocol} is not https`, url)
  if (url.port !== "") return deny(`the port ${url.port} is not 443`, url)
  const name = judgeName(url.hostname)
  if (name !== null) return deny(name, url)
  const ofHost = rules.filter((rule) => coversHost(rule.host, url.hostname))
  if (ofHost.length === 0) return deny(`the host ${url.hostname} is not among those allowed`, url)
  // The parser escapes the braces of a placeholder for a secret; a rule has them as they were written.
  const pathname = url.pathname.replaceAll(/%7B([A-Z][A-Z0-9_]{0,63})%7D/g, "{$1}")
  const ofPath = ofHost.filter((rule) => coversPath(rule.pathPrefix ?? "/", pathname))
  if (ofPath.length === 0) return deny(`this path on ${url.hostname} is not among those allowed`, url)
  if (!ofPath.some((rule) => (rule.methods ?? methods).includes(method))) {
    return deny(`the method ${method} on this path of ${url.hostname} is not among those allowed`, url)
  }
  return { verdict: "allow", url, kind: "public" }
}

/** Null where `host` is a plain, complete public name. */
function judgeName(host: string): string | null {
  if (host.startsWith("[") || parseIp(host) !== null) return "an IP address instead of a name"
  if (host.length > MAX_HOST_CHARACTERS) return "the host name is too long"
  const labels = host.split(".")
  // A trailing dot leaves an empty label. URL parsing has already folded case and turned IDN into xn-- labels.
  if (!labels.every((label) => /^[a-z0-9_]([a-z0-9_-]{0,61}[a-z0-9_])?$/.test(label))) return "not a plain host name"
  if (labels.length < 2) return `the host ${host} is not a full name`
  if (specialNames.some((name) => host === name || host.endsWith(`.${name}`)))
    return `the host ${host} is no public name`
  return null
}

/** Both sides go through the same parser, so a rule may be written with capitals or as IDN. */
export function coversHost(rule: string, host: string): boolean {
  const wildcard = rule.startsWith("*.")
  const name = nameIn(rule)
  if (name === null) return false
  return wildcard ? host.endsWith(`.${name}`) : host === name
}

/** Whether a rule can ever cover a host: else it is a mistake of whoever wrote it. */
export function isHostRule(rule: string): boolean {
  return nameIn(rule) !== null
}

function nameIn(rule: string): string | null {
  const name = /[/?#@:\\%\s]/.test(rule) ? null : URL.parse(`https://${rule.startsWith("*.") ? rule.slice(2) : rule}`)
  return name && judgeName(name.hostname) === null ? name.hostname : null
}

/** Inside the prefix as written, and still inside after every decoding and dot segment that some server might apply. */
function coversPath(prefix: string, pathname: string): boolean {
  if (!prefix.startsWith("/")) return false
  if (prefix === "/") return true
  let path = pathname
  for (let decodes = 0; decodes <= MAX_DECODES; decodes++) {
    if (!startsWithin(prefix, path) || !startsWithin(prefix, resolveDots(path))) return false
    const decoded = decodeOnce(path)
    if (decoded === null) return false
    if (decoded === path) return true
    path = decoded
  }
  return false
}

function startsWithin(prefix: string, path: string): boolean {
  return prefix.endsWith("/") ? path.startsWith(prefix) : path === prefix || path.startsWith(`${prefix}/`)
}

/** Dot segments as the laxest server reads them: backslash is a slash, `..;x` is `..`, empty segments vanish. */
function resolveDots(path: string): string {
  const kept: string[] = []
  const segments = path.replaceAll("\\", "/").split("/")
  for (const segment of segments) {
    const name = (segment.split(";")[0] ?? "").trim()
    if (name === "..") kept.pop()
    else if (name !== "" && name !== ".") kept.push(segment)
  }
  const last = segments.at(-1)
  return `/${kept.join("/")}${kept.length > 0 && (last === "" || last === "." || last === "..") ? "/" : ""}`
}

function decodeOnce(path: string): string | null {
  try {
    // A lone percent sign stands for itself, as every server reads it.
    const decoded = decodeURIComponent(path.replace(/%(?![0-9a-f]{2})/gi, "%25"))
    return /[\u0000-\u001f\u007f]/.test(decoded) ? null : decoded
  } catch {
    // Not UTF-8 (overlong forms of "." and "/" among them): what a server makes of it cannot be known.
    return null
  }
}

/** The URL's own spelling must be the endpoint's: 2130706433 or 0x7f.1 is not 127.0.0.1 here. */
function isAtEndpoint(url: URL, raw: string, endpoint: LocalEndpoint): boolean {
  const host = hostOf(endpoint.host)
  const port = url.port === "" ? (url.protocol === "https:" ? 443 : 80) : Number(url.port)
  if (host === null || url.protocol !== `${endpoint.scheme}:` || port !== endpoint.port || url.hostname !== host)
    return false
  const spelled = /^https?:\/\/(\[[^\]]*\]|[^/?#:]*)/i.exec(raw)?.[1]?.toLowerCase()
  return spelled === host || parseIp(withoutBrackets(host)) === null
}

function hostOf(host: string): string | null {
  const bracketed = host.includes(":") && !host.startsWith("[") ? `[${host}]` : host
  return /[/?#@\\%\s]/.test(host) ? null : (URL.parse(`http://${bracketed}`)?.hostname ?? null)
}

/** "[::1]" → "::1": what sockets and the address gate take. */
export function withoutBrackets(host: string): string {
  return host.startsWith("[") ? host.slice(1, -1) : host
}

function deny(why: string, url: URL | null = null): UrlVerdict {
  return { verdict: "deny", why, url }
}
