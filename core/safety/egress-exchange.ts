/** One request on the wire and the head of its answer, over a pooled or a new connection. Part of the egress gate. */
import http, { type IncomingMessage } from "node:http"
import https from "node:https"
import { AppError } from "../errors.ts"
import type { Act } from "./egress-act.ts"
import { acceptEncoding } from "./egress-body.ts"
import type { Pool, Route } from "./egress-pool.ts"
import { codeOf, portOf, requestBytes } from "./egress-record.ts"
import { withoutBrackets } from "./hosts.ts"

/** A request that passed every judgement. */
export type Outgoing = {
  url: URL
  kind: "public" | "local"
  method: string
  headers: Headers
  body: Uint8Array | null
  /** Path and query with the owner's secrets in them: for the socket alone. */
  wirePath?: string
}

const MAX_INFORMATIONAL = 8 // 1xx answers before the real one; a server sends one or two
const MAX_ANSWER_HEAD_BYTES = 65_536
const repeatable: readonly string[] = ["GET", "HEAD", "OPTIONS"]
const withoutLength: readonly string[] = [...repeatable, "DELETE"]

/** An idle connection that turns out to be closed is replaced once, where repeating changes nothing. */
export async function exchange(act: Act, pool: Pool, outgoing: Outgoing): Promise<IncomingMessage> {
  const { hostname } = outgoing.url
  const { firstByteMs } = act.caps
  const cancel = act.timeout(firstByteMs, `${hostname} did not begin to answer in ${firstByteMs} ms`)
  try {
    const first = await attempt(act, pool, outgoing)
    if (!("stale" in first)) return first
    const second = await attempt(act, pool, outgoing)
    if ("stale" in second) throw second.stale
    return second
  } finally {
    cancel()
  }
}

function attempt(act: Act, pool: Pool, outgoing: Outgoing): Promise<IncomingMessage | { stale: unknown }> {
  const { url, method, body } = outgoing
  const { signal } = act.stop
  const secure = url.protocol === "https:"
  const route: Route = {
    principal: act.who.principal,
    kind: outgoing.kind,
    secure,
    host: withoutBrackets(url.hostname),
    port: portOf(url),
    connectMs: act.caps.connectMs,
    signal,
    onAddress: (address) => {
      act.record.address = address
    },
  }
  const headers = fieldsOf(outgoing)
  signal.throwIfAborted()
  act.record.bytesOut += requestBytes(method, url, headers, body)
  return new Promise((resolve, reject) => {
    // `route` is no option of node:http: its agent hands all options on to the pool, which reads the route there.
    const options = {
      agent: pool.agentFor(route),
      route,
      method,
      host: route.host,
      port: route.port,
      path: outgoing.wirePath ?? url.pathname + url.search,
      headers,
      setHost: false,
      maxHeaderSize: MAX_ANSWER_HEAD_BYTES,
    }
    const request = (secure ? https : http).request(options)
    const onAbort = () => {
      request.destroy()
      reject(signal.reason)
    }
    signal.addEventListener("abort", onAbort, { once: true })
    let informational = 0
    request.on("information", () => {
      if (++informational <= MAX_INFORMATIONAL) return
      request.destroy(new AppError("egress.garbled", `${url.hostname} sends no final answer`))
    })
    request.on("upgrade", (_answer, socket) => {
      socket.destroy()
      reject(new AppError("egress.garbled", `${url.hostname} switched to another protocol`))
    })
    request.on("error", (error) => {
      signal.removeEventListener("abort", onAbort)
      const wasClosed = request.reusedSocket && ["ECONNRESET", "EPIPE"].includes(codeOf(error))
      if (wasClosed && repeatable.includes(method)) resolve({ stale: error })
      else reject(error)
    })
    request.on("response", (answer) => {
      answer.on("close", () => signal.removeEventListener("abort", onAbort))
      resolve(answer)
    })
    request.end(body ?? undefined)
  })
}

/** The caller's headers, and those that are ours to set. */
function fieldsOf({ url, method, headers, body }: Outgoing): Record<string, string> {
  const fields: Record<string, string> = {
    accept: "*/*",
    "user-agent": "ironclaw", // some APIs refuse a request without one
    ...Object.fromEntries(headers),
    host: url.host,
    "accept-encoding": acceptEncoding,
  }
  // A method that usually has a body says so when it has none, so that no server waits for one or guesses.
  if (body !== null || !withoutLength.includes(method)) fields["content-length"] = String(body?.byteLength ?? 0)
  return fields
}
