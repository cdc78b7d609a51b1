/**
 * Question: may these bytes go to this host? And if so: the only way on which they go.
 * Fails closed by: URL, headers, body, address, answer are each judged before the next step; a judge that throws is a refusal.
 * Known limits: HTTP/1.1 only; no WebSocket yet; a request body is held whole in memory (within its cap) so that it can be scanned;
 * the order and timing of allowed requests is not judged here (that is the flow gate's question).
 * Source: ARCHITECTURE law 2; RFC 9110; OWASP SSRF prevention.
 */
import type { Clock } from "../clock.ts"
import { AppError } from "../errors.ts"
import { type Act, beginAct, defaultCaps, type EgressCaller, type EgressCaps, type EgressRecord } from "./egress-act.ts"
import { respond, type ScanResponse } from "./egress-answer.ts"
import { type GivenBody, readRequestBody } from "./egress-body.ts"
import { carriesSecret, injectCredentials, stripCredentials } from "./egress-credentials.ts"
import { exchange, type Outgoing } from "./egress-exchange.ts"
import { harmlessOf, headerPairs, judgeHeaders } from "./egress-headers.ts"
import { type Connect, connectBySocket, createPool, type Resolve, resolveBySystem } from "./egress-pool.ts"
import { placeOf, refusal } from "./egress-record.ts"
import { judgeUrl } from "./hosts.ts"

export type { EgressCaller, EgressCaps, EgressCredential, EgressRecord } from "./egress-act.ts"
export type { ScanResponse } from "./egress-answer.ts"

/** Shaped like the global `fetch`, for the libraries that are handed one. Rejects with an AppError `egress.…`, or the signal's reason. */
export type EgressFetch = ((input: string | URL | Request, init?: RequestInit) => Promise<Response>) & {
  /** Does nothing: no connection is made before a request was judged. */
  preconnect(url: string | URL): void
}

export type ScannedRequest = { method: string; url: URL; headers: Headers; body: Uint8Array | null }
export type ScanVerdict = { verdict: "allow" } | { verdict: "deny"; why: string }
/** Reads what is about to leave: URL, headers and body as the caller gave them, before any secret is put in. */
export type ScanRequest = (caller: EgressCaller, request: ScannedRequest) => ScanVerdict | Promise<ScanVerdict>

export type EgressDeps = {
  resolve: Resolve
  connect: Connect
  clock: Clock
  /** Called once for each call of a fetch, when it ended or was refused. A refusal and the end of a body wait for it. */
  onRequest: (record: EgressRecord) => void | Promise<void>
  scanRequest: ScanRequest
  scanResponse: ScanResponse
  limits: { caps: EgressCaps; maxInFlight: number }
}

export type InFlight = Pick<EgressRecord, "principal" | "purpose" | "method" | "host" | "bytesOut" | "bytesIn"> & {
  startedAtMs: number
}

export type Egress = {
  fetchFor(who: EgressCaller): EgressFetch
  /** Requests that have not ended; `startedAtMs` is the clock's monotonic time. */
  inFlight(): InFlight[]
  counters(): { requests: number; refused: number; lookups: number; connections: number }
  /** Ends every request under way with this reason, or those of one principal: lockdown, a revoked grant. */
  abortAll(reason: Error, principal?: string): void
  close(): void
}

/** Name service and sockets of the system: what the composition root passes in. */
export const systemNetwork: { resolve: Resolve; connect: Connect } = {
  resolve: resolveBySystem,
  connect: connectBySocket,
}

/** Half a thousand sockets stay below the usual limit of 1024 file descriptors. */
export const defaultLimits: EgressDeps["limits"] = { caps: defaultCaps, maxInFlight: 512 }

const MAX_REDIRECTS = 3
const MAX_LOCATION_CHARACTERS = 8192
const redirectStatuses: readonly number[] = [301, 302, 303, 307, 308]

type Given = { url: string; method: string; pairs: [string, string][]; body: GivenBody | null }

export function createEgress(deps: EgressDeps): Egress {
  const { clock, limits } = deps
  const pool = createPool(deps)
  const acts = new Set<Act>()
  const counters = { requests: 0, refused: 0 }

  async function onEnd(act: Act, record: EgressRecord): Promise<void> {
    acts.delete(act)
    if (record.outcome === "refused") counters.refused++
    await deps.onRequest(record)
  }

  function fetchFor(who: EgressCaller): EgressFetch {
    const send = async (input: string | URL | Request, init: RequestInit = {}): Promise<Response> => {
      const request = input instanceof Request ? input : null
      const method = (init.method ?? request?.method ?? "GET").toUpperCase()
      const signal = init.signal ?? request?.signal ?? null
      signal?.throwIfAborted()
      counters.requests++
      const act = beginAct(who, { ...limits.caps, ...who.caps }, method, signal, { clock, onEnd })
      try {
        const given = {
          url: typeof input === "string" ? input : input instanceof URL ? input.href : input.url,
          method,
          pairs: headerPairs(init.headers ?? request?.headers),
          body: init.body ?? request?.body ?? null,
        }
        const outgoing = injectCredentials(act, await judge(act, given))
        return await follow(act, outgoing, init.redirect ?? request?.redirect ?? "follow")
      } catch (error) {
        throw await act.fail(error)
      }
    }
    return Object.assign(send, { preconnect: () => {} })
  }

  /** Every judgement that can be made before a name is resolved. */
  async function judge(act: Act, { url, method, pairs, body }: Given): Promise<Outgoing> {
    const { record, caps, who } = act
    const target = judgeUrl(url, method, who)
    if (target.url) Object.assign(record, placeOf(target.url))
    if (target.verdict === "deny") throw act.refuse("egress", target.why)
    const judged = judgeHeaders(pairs)
    if (judged.verdict === "deny") throw act.refuse("egress", judged.why)
    if (body !== null && (method === "GET" || method === "HEAD")) throw act.refuse("egress", `a ${method} with a body`)
    admit(act)
    const { bytes, contentType } = await readRequestBody(body, caps.maxRequestBytes, act.stop.signal)
    const { headers } = judged
    if (contentType !== null && !headers.has("content-type")) headers.set("content-type", contentType)
    record.verdicts["egress"] = "allow"
    const scanned = await scan(who, { method, url: target.url, headers: new Headers(headers), body: bytes })
    if (scanned.verdict !== "allow") throw act.refuse("leak", scanned.why)
    record.verdicts["leak"] = "allow"
    return { url: target.url, kind: target.kind, method, headers, body: bytes }
  }

  async function scan(who: EgressCaller, request: ScannedRequest): Promise<ScanVerdict> {
    try {
      return await deps.scanRequest(who, request)
    } catch {
      // A scanner that breaks is a refusal; its own log says how it broke.
      return { verdict: "deny", why: "the scan of the request failed" }
    }
  }

  function admit(act: Act): void {
    const { principal } = act.who
    const own = [...acts].filter((other) => other.who.principal === principal).length
    if (own >= act.caps.maxInFlight || acts.size >= limits.maxInFlight) {
      act.refuse("egress", "too many requests at a time")
      throw new AppError("egress.busy", `${principal} already has ${own} requests under way`, { retryAfterSeconds: 1 })
    }
    acts.add(act)
  }

  /** Sends, and judges every redirect like a first request. */
  async function follow(act: Act, first: Outgoing, redirect: RequestInit["redirect"]): Promise<Response> {
    let outgoing = first
    for (;;) {
      const answer = await exchange(act, pool, outgoing)
      const status = answer.statusCode ?? 0
      const { location } = answer.headers
      if (redirect === "manual" || location === undefined || !redirectStatuses.includes(status)) {
        return respond(act, outgoing, answer, deps.scanResponse)
      }
      answer.destroy() // its body says nothing that the location does not
      act.record.status = status
      if (redirect === "error") throw act.refuse("redirect", "the answer is a redirect")
      outgoing = redirected(act, outgoing, status, location)
    }
  }

  return {
    fetchFor,
    inFlight: () =>
      [...acts].map(({ record, startedAtMs }) => {
        const { principal, purpose, method, host, bytesOut, bytesIn } = record
        return { principal, purpose, method, host, bytesOut, bytesIn, startedAtMs }
      }),
    counters: () => ({ ...counters, ...pool.counters() }),
    abortAll(reason, principal) {
      for (const act of acts) if (principal === undefined || act.who.principal === principal) act.stop.abort(reason)
    },
    close() {
      for (const act of acts) act.stop.abort(refusal("the service is stopping"))
      pool.close()
    },
  }
}

/** The next request, judged anew. What was injected is gone, and across origins so is whatever might hold a key, the body included. */
function redirected(act: Act, from: Outgoing, status: number, location: string): Outgoing {
  const { record, who } = act
  if (from.kind === "local") throw act.refuse("redirect", "a local endpoint may not redirect")
  if (record.hops.length === MAX_REDIRECTS) throw act.refuse("redirect", `more than ${MAX_REDIRECTS} redirects`)
  if (location.length > MAX_LOCATION_CHARACTERS || /[^\u0021-\u007e]|\\/.test(location)) {
    throw act.refuse("redirect", "a redirect to a malformed URL")
  }
  if (carriesSecret(act, location)) throw act.refuse("redirect", "a redirect to a URL that holds the secret")
  const next = URL.parse(location, from.url.href)
  if (!next) throw act.refuse("redirect", "a redirect to a malformed URL")
  // RFC 9110 15.4: 303 asks for GET; after 301 and 302 everyone turns POST into GET.
  const toGet = status === 303 ? from.method !== "HEAD" : status <= 302 && from.method === "POST"
  const method = toGet ? "GET" : from.method
  const target = judgeUrl(next.href, method, { allow: who.allow, local: [] })
  if (target.verdict === "deny") throw act.refuse("redirect", `a redirect: ${target.why}`)
  const sameOrigin = target.url.origin === from.url.origin
  const body = toGet ? null : from.body
  if (body !== null && !sameOrigin) throw act.refuse("redirect", "a redirect that would send the body to another host")
  record.hops.push(target.url.hostname)
  record.verdicts["redirect"] = "allow"
  const headers = sameOrigin ? new Headers(from.headers) : harmlessOf(from.headers)
  stripCredentials(headers, who.credentials)
  for (const name of toGet ? [...headers.keys()] : []) if (name.startsWith("content-")) headers.delete(name)
  return { url: target.url, kind: "public", method, headers, body }
}
