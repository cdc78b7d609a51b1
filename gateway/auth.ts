/**
 * Question: may this HTTP or WebSocket client call us, and for what?
 * Fails closed by: no known Host, a foreign Origin, no valid token or a path outside the token's scope is a refusal; a token store that fails is one too.
 * Known limits: the right token passes whatever was tried before, so guessing is bounded by the token's length alone (22 characters off
 * loopback); a program that runs as the owner's own user can open the socket, as it can read the home.
 * Source: CVE-2026-25253, GHSA-jmmg-jqc7-5qf4 (page against loopback), CVE-2026-35656 (X-Forwarded-For), CVE-2026-35619 (scopes); Fetch Metadata.
 */
import { timingSafeEqual } from "node:crypto"
import type { Clock } from "#core/clock.ts"
import type { ErrorCode } from "#core/errors.ts"
import { isLoopback, parseIp } from "#core/safety/addresses.ts"
import { type ApiToken, CHAT_SCOPE, isApiToken } from "#core/safety/tokens.ts"
import type { Caller, RequestMeta } from "./caller.ts"
import { createLimiter } from "./limits.ts"

/** What the gate looks at: the bytes that routing uses, and headers as they came. */
export type ClientRequest = {
  via: RequestMeta["via"]
  peer: string
  path: string
  host: string | null
  origin: string | null
  /** `Sec-Fetch-Site`: browsers set it, pages cannot. */
  fetchSite: string | null
  authorization: string | null
}

export type ClientVerdict =
  | { verdict: "allow"; caller: Caller }
  | { verdict: "refuse"; code: ErrorCode; why: string; retryAfterSeconds?: number }

/** Finds a token by the SHA-256 of its text, in hex. */
export type FindToken = (sha256: string) => Promise<ApiToken | null>

/** Where the server listens and what the owner allowed besides. Read for each request, for the lists can change live. */
export type ClientPolicy = {
  boundHost: string
  allowedHosts: readonly string[]
  allowedOrigins: readonly string[]
  /** Addresses that alone may connect where the gateway is bound off loopback without TLS; empty: anyone may. */
  trustedProxies: readonly string[]
}

export type ClientGate = { judge(request: ClientRequest): ClientVerdict | Promise<ClientVerdict> }

/** 132 bits in base64url: what nobody guesses at any rate of tries (the rule of ASVS for session tokens is 64 bits, with throttling). */
const MIN_TOKEN_CHARACTERS = 22
const owner: Caller = { scope: "owner", tokenId: null, ended: null }
const anyone: Caller = { scope: "chat", tokenId: null, ended: null }
/** Paths that need no token, by exact name: they say no more than that something is there. The callback of logins looks for a state that nobody can guess. */
const openPaths: ReadonlySet<string> = new Set(["/health", "/ready", "/oauth/callback"])

// A wrong token costs the peer one of 20; one comes back every 3 s: slips of a person are free, a script is told to wait.
const FAILURES = { burst: 20, perSecond: 1 / 3 }
// A monitor asks once a second; ten of them at once are fine.
const OPEN = { burst: 60, perSecond: 10 }
// Far above what the owner's own page and scripts do (a turn takes milliseconds); stops a script that runs wild from taking all.
const OWNER = { burst: 4_000, perSecond: 2_000 }
// People and their chat clients; a token that leaked is slowed to 10 requests a second.
const CHAT = { burst: 60, perSecond: 10 }

export function createClientGate({
  clock,
  ownerToken,
  findToken,
  policy,
}: {
  clock: Clock
  ownerToken: string
  findToken: FindToken
  policy: () => ClientPolicy
}): ClientGate {
  if (ownerToken === "") throw new Error("An empty owner's token would match an empty header") // createApp always has one
  const ownerDigest = digest(ownerToken)
  const limits = {
    failures: createLimiter({ clock, ...FAILURES }),
    open: createLimiter({ clock, ...OPEN }),
    owner: createLimiter({ clock, ...OWNER }),
    chat: createLimiter({ clock, ...CHAT }),
  }

  function allow(caller: Caller, key: string, limiter = limits.owner): ClientVerdict {
    const seconds = limiter.take(key)
    return seconds === 0 ? { verdict: "allow", caller } : limited(seconds, "Too many requests in a short time")
  }

  function refuseToken(key: string, why: string): ClientVerdict {
    const seconds = limits.failures.take(key)
    return seconds === 0
      ? { verdict: "refuse", code: "client.unauthorized", why }
      : limited(seconds, "Too many wrong tokens")
  }

  async function judgeApiToken(token: string, { path, peer }: ClientRequest): Promise<ClientVerdict> {
    const key = peerKey(peer)
    const seconds = limits.failures.wait(key)
    if (seconds > 0) return limited(seconds, "Too many wrong tokens") // else each guess would cost a query
    const found = await findToken(digest(token).toString("hex"))
    if (!found) return refuseToken(key, "The token is not known, or not valid any more")
    if (!found.scopes.includes(CHAT_SCOPE) || !isChatPath(path)) {
      return { verdict: "refuse", code: "client.forbidden", why: `This token may not use ${path}` }
    }
    return allow({ scope: "chat", tokenId: found.id, ended: found.ended }, found.id, limits.chat)
  }

  return {
    judge(request) {
      const place = judgePlace(request, policy())
      if (place) return place
      // The socket's file is 0600 and this process is the owner's: both are proof enough, but never for what a browser sent.
      if (request.via !== "tcp") return allow(owner, request.via)
      const key = peerKey(request.peer)
      if (openPaths.has(request.path)) return allow(anyone, key, limits.open)
      const token = bearer(request.authorization)
      if (token === null) {
        const seconds = limits.open.take(key)
        return seconds === 0
          ? { verdict: "refuse", code: "client.unauthorized", why: "The request has no token" }
          : limited(seconds, "Too many requests without a token")
      }
      if (timingSafeEqual(digest(token), ownerDigest)) return allow(owner, key)
      if (isApiToken(token)) return judgeApiToken(token, request)
      return refuseToken(key, "The token is wrong")
    },
  }
}

/** May a request that came this way, under this Host and from this page, be looked at at all? null: it may. */
export function judgePlace(request: ClientRequest, policy: ClientPolicy): ClientVerdict | null {
  const { via, path, host, origin, fetchSite, peer } = request
  // A dot segment, a backslash, a NUL or broken encoding could mean another path to whoever reads it after us.
  if (/\\|%5c|%00|\/(?:\.|%2e){1,2}(?:\/|$)/i.test(path) || !isDecodable(path))
    return { verdict: "refuse", code: "not_found", why: "There is no such path" }
  if (via !== "tcp") {
    return origin === null && fetchSite === null ? null : wrongOrigin("A browser has no business on this way in")
  }
  if (
    policy.trustedProxies.length > 0 &&
    !isLoopback(peer.replace(/^::ffff:/i, "")) &&
    !policy.trustedProxies.some((proxy) => sameAddress(proxy, peer))
  ) {
    return {
      verdict: "refuse",
      code: "client.forbidden",
      why: "Only the proxies named in the configuration may connect",
    }
  }
  if (!isKnownHost(host, policy))
    return { verdict: "refuse", code: "client.wrong_host", why: "The Host header names no host of ours" }
  if (origin !== null && !isOwnOrigin(origin, host, policy)) return wrongOrigin("The page that sent this is not ours")
  // A request without Origin that a foreign page caused: an image, a form, a link. Opening a page by a link is allowed, the API is not.
  if (
    origin === null &&
    fetchSite !== null &&
    fetchSite !== "same-origin" &&
    fetchSite !== "none" &&
    /^\/(?:api|v1)\b/.test(path)
  ) {
    return wrongOrigin("The page that sent this is not ours")
  }
  return null
}

/** May the gateway listen there? null: it may; else why not. */
export function judgeBinding({
  host,
  hasTls,
  trustedProxies,
  ownerToken,
}: {
  host: string
  hasTls: boolean
  trustedProxies: readonly string[]
  ownerToken: string
}): string | null {
  if (host === "localhost" || isLoopback(host)) return null
  if (!hasTls && trustedProxies.length === 0)
    return `${host} is not loopback, and there is neither TLS nor a named trusted proxy`
  if (ownerToken.length < MIN_TOKEN_CHARACTERS) {
    return `${host} is not loopback, and the token has fewer than ${MIN_TOKEN_CHARACTERS} characters, so it could be guessed`
  }
  return null
}

function isKnownHost(host: string | null, { boundHost, allowedHosts }: ClientPolicy): boolean {
  const name = host === null ? null : hostnameOf(host)
  if (name === null) return false
  if (name === "localhost" || isLoopback(name)) return true
  if (allowedHosts.some((allowed) => allowed.toLowerCase() === name)) return true
  // Off loopback people call it by its address. A rebinding attack needs a name, so a literal address cannot be one.
  return boundHost !== "localhost" && !isLoopback(boundHost) && parseIp(name) !== null
}

function isDecodable(path: string): boolean {
  if (!path.includes("%")) return true
  try {
    return decodeURIComponent(path) !== ""
  } catch {
    return false // what is no UTF-8 names nothing of ours
  }
}

/** `Host` without port and brackets, in lower case; null where it is not a plain host. */
function hostnameOf(host: string): string | null {
  const found = /^(?:\[([0-9a-f:.]+)\]|([a-z0-9._-]+))(?::\d{1,5})?$/i.exec(host)
  return (found?.[1] ?? found?.[2])?.toLowerCase() ?? null
}

function isOwnOrigin(origin: string, host: string | null, { allowedOrigins }: ClientPolicy): boolean {
  if (allowedOrigins.includes(origin)) return true
  return origin === `http://${host}` || origin === `https://${host}`
}

function isChatPath(path: string): boolean {
  return path.startsWith("/v1/") || openPaths.has(path)
}

function bearer(authorization: string | null): string | null {
  return /^Bearer +([\x21-\x7e]{1,512})$/i.exec(authorization ?? "")?.[1] ?? null
}

/** One key for the many ways to write one address; an IPv6 host has a whole /64 to itself. */
function peerKey(peer: string): string {
  const bytes = addressBytes(peer)
  return bytes ? bytes.subarray(0, 8).toHex() : peer
}

function sameAddress(a: string, b: string): boolean {
  const left = addressBytes(a)
  const right = addressBytes(b)
  return left !== null && right !== null && left.toHex() === right.toHex()
}

/** An IPv4 address that a dual-stack socket shows as IPv6 is that IPv4 address. */
function addressBytes(address: string): Uint8Array | null {
  return parseIp(address.replace(/^::ffff:(?=\d+\.)/i, ""))
}

function digest(text: string): Buffer {
  return new Bun.CryptoHasher("sha256").update(text).digest()
}

function limited(retryAfterSeconds: number, why: string): ClientVerdict {
  return { verdict: "refuse", code: "client.rate_limited", why, retryAfterSeconds }
}

function wrongOrigin(why: string): ClientVerdict {
  return { verdict: "refuse", code: "client.wrong_origin", why }
}
