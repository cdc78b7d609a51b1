/**
 * Connections of the egress gate: a name is resolved once, every answer is judged, the socket goes to a judged address, and an idle
 * one is used again only for the same principal, scheme, host and port. Plain node:http(s), because it shows connecting, the
 * handshake and the answer as separate steps; a request on a pooled loopback connection costs about 0.15 ms (2026-11, 2 cores).
 */
import http from "node:http"
import https from "node:https"
import { isIP, connect as connectPlain, type Socket } from "node:net"
import { connect as connectTls } from "node:tls"
import type { Clock } from "../clock.ts"
import { AppError } from "../errors.ts"
import { isLoopback, judgeAddress, judgeLocalAddress } from "./addresses.ts"
import { asEgressError } from "./egress-record.ts"
import { claimPass } from "../guard.ts"
import { withoutBrackets } from "./hosts.ts"

/** All addresses of a name, in the order in which to try them. */
export type Resolve = (host: string) => Promise<string[]>
/** Opens one socket to exactly this address; `serverName` null is plain TCP. The socket is ready for bytes when this resolves. */
export type Connect = (target: ConnectTarget) => Promise<Socket>
type ConnectTarget = { address: string; port: number; serverName: string | null; signal: AbortSignal }

/** Where one request goes; everything a new connection for it must know. */
export type Route = {
  principal: string
  kind: "public" | "local"
  secure: boolean
  /** As in the URL, without brackets. */
  host: string
  port: number
  connectMs: number
  signal: AbortSignal
  onAddress: (address: string) => void
}

export type Pool = {
  agentFor(route: Route): http.Agent
  counters(): { lookups: number; connections: number }
  close(): void
}

const IDLE_MS = 30_000 // how long an unused connection stays; a server that closes earlier says so, and its hint is obeyed
const MAX_IDLE = 4 // idle connections kept per principal and host
const MAX_ADDRESSES = 4 // of one name: two of each family are tried before we give up
const ATTEMPT_MS = 2_500 // for one of several addresses, so that a dead IPv6 route does not eat the whole time to connect

const passEgress = claimPass("egress")

export function createPool(deps: { resolve: Resolve; connect: Connect; clock: Clock }): Pool {
  const { resolve, connect, clock } = deps
  const counters = { lookups: 0, connections: 0 }
  const agents = { plain: agent(http), secure: agent(https) }

  function agent(protocol: { Agent: typeof http.Agent }): http.Agent {
    const made = new protocol.Agent({ keepAlive: true, maxFreeSockets: MAX_IDLE, timeout: IDLE_MS, scheduling: "lifo" })
    // An agent hands the request's own options to both of these, so the route is there.
    const routeOf = (options: unknown) => (options as { route: Route }).route
    return Object.assign(made, {
      getName: (options: unknown) => keyOf(routeOf(options)),
      createConnection(options: unknown, ready: (error: Error | null, socket?: Socket) => void) {
        open(routeOf(options)).then((socket) => ready(null, socket), ready)
      },
    })
  }

  async function open(route: Route): Promise<Socket> {
    const timeout = new AbortController()
    const cancel = clock.after(route.connectMs, () =>
      timeout.abort(new AppError("egress.timeout", `${route.host} could not be connected to in ${route.connectMs} ms`)),
    )
    const signal = AbortSignal.any([route.signal, timeout.signal])
    try {
      const addresses = await judgedAddresses(route, signal)
      let failure: AppError | undefined
      for (const [i, address] of addresses.entries()) {
        signal.throwIfAborted()
        try {
          const socket = await attempt(route, address, signal, i === addresses.length - 1)
          counters.connections++
          route.onAddress(address)
          return socket
        } catch (error) {
          failure = asEgressError(error, `${route.host}:${route.port}`)
          // Whoever answers there is not who we want: another address of the same name does not make it better.
          if (failure.code === "egress.tls") break
        }
      }
      signal.throwIfAborted()
      throw failure ?? new AppError("egress.unreachable", `${route.host} has no address to try`)
    } finally {
      cancel()
    }
  }

  async function judgedAddresses(route: Route, signal: AbortSignal): Promise<string[]> {
    const judge = route.kind === "local" ? judgeLocalAddress : judgeAddress
    const answers = isIP(route.host) ? [route.host] : await lookUp(route.host, signal)
    if (answers.length === 0) throw new AppError("egress.dns", `The name ${route.host} has no address`)
    for (const answer of answers) {
      const verdict = judge(answer)
      // One forbidden answer condemns all: which of them gets used must not depend on luck.
      if (verdict.verdict === "deny")
        throw new AppError("egress.refused", `The name ${route.host} leads to a forbidden address: ${verdict.why}`)
      if (isLocalhost(route.host) && !isLoopback(answer))
        throw new AppError("egress.refused", "The name localhost does not lead to this machine")
    }
    return interleave(answers).slice(0, MAX_ADDRESSES)
  }

  async function lookUp(host: string, signal: AbortSignal): Promise<string[]> {
    if (isLocalhost(host)) return ["127.0.0.1", "::1"] // RFC 6761: never a question for a name server
    counters.lookups++
    try {
      return await abortable(resolve(host), signal)
    } catch (error) {
      signal.throwIfAborted()
      throw new AppError("egress.dns", `The name ${host} could not be resolved`, { cause: error })
    }
  }

  async function attempt(route: Route, address: string, signal: AbortSignal, last: boolean): Promise<Socket> {
    const target = { address, port: route.port, serverName: route.secure ? route.host : null }
    if (last) return connect({ ...target, signal })
    const short = new AbortController()
    const cancel = clock.after(ATTEMPT_MS, () =>
      short.abort(new AppError("egress.timeout", `${address} did not answer in ${ATTEMPT_MS} ms`)),
    )
    try {
      return await connect({ ...target, signal: AbortSignal.any([signal, short.signal]) })
    } finally {
      cancel()
    }
  }

  return {
    agentFor: (route) => (route.secure ? agents.secure : agents.plain),
    counters: () => ({ ...counters }),
    close() {
      agents.plain.destroy()
      agents.secure.destroy()
    },
  }
}

/** The system's resolver: its hosts file, its search of A and AAAA. */
export const resolveBySystem: Resolve = async (host) => {
  const found = await passEgress(() => Bun.dns.lookup(host))
  return found.map(({ address }) => address)
}

/** The real thing. The peer's address is compared once more after connecting: what was judged is what we speak to. */
export const connectBySocket: Connect = ({ address, port, serverName, signal }) =>
  new Promise((resolve, reject) => {
    signal.throwIfAborted()
    const socket = passEgress(() =>
      serverName === null
        ? connectPlain({ host: address, port, noDelay: true })
        : connectTls({
            host: address,
            port,
            // A name in SNI must be a name; an address is checked against the certificate's addresses.
            ...(isIP(serverName) ? {} : { servername: serverName }),
            minVersion: "TLSv1.2",
            rejectUnauthorized: true, // said aloud, because an environment variable can turn the default off
            ALPNProtocols: ["http/1.1"],
          }),
    )
    const stop = () => finish(signal.reason)
    const finish = (error: unknown) => {
      signal.removeEventListener("abort", stop)
      socket.off("error", finish)
      if (error === null && isIP(socket.remoteAddress ?? "") && withoutZone(socket.remoteAddress) === address)
        return resolve(socket)
      socket.on("error", () => {}) // already told; a late one must not take the process down
      socket.destroy()
      reject(error ?? new AppError("egress.refused", "The connection went to another address than the one judged"))
    }
    signal.addEventListener("abort", stop, { once: true })
    socket.once("error", finish)
    socket.once(serverName === null ? "connect" : "secureConnect", () => {
      socket.setNoDelay(true)
      finish(null)
    })
  })

function keyOf(route: Route): string {
  return [route.principal, route.kind, route.secure ? "https" : "http", route.host, route.port].join("\n")
}

function isLocalhost(host: string): boolean {
  return host === "localhost" || host.endsWith(".localhost")
}

function withoutZone(address = ""): string {
  return withoutBrackets(address.replace(/^::ffff:(?=\d+\.)/, "").replace(/%.*$/, ""))
}

/** IPv6 and IPv4 by turns, first family first (RFC 8305): a family that does not work costs one attempt. */
function interleave(addresses: readonly string[]): string[] {
  const unique = [...new Set(addresses)]
  const first = isIP(unique[0] ?? "")
  const same = unique.filter((address) => isIP(address) === first)
  const other = unique.filter((address) => isIP(address) !== first)
  return same.flatMap((address, i) => [address, ...other.slice(i, i + 1)]).concat(other.slice(same.length))
}

async function abortable<T>(work: Promise<T>, signal: AbortSignal): Promise<T> {
  signal.throwIfAborted()
  const { promise, reject } = Promise.withResolvers<never>()
  const stop = () => reject(signal.reason)
  signal.addEventListener("abort", stop, { once: true })
  try {
    return await Promise.race([work, promise])
  } finally {
    signal.removeEventListener("abort", stop)
  }
}
