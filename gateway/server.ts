/**
 * The gateway: one app behind one gate, reached over TCP, the 0600 socket or from this process. Around the app stand the gate, the
 * limits on bodies, the shape of errors and the headers of every answer, so that no route can forget them.
 */
import { chmodSync } from "node:fs"
import type { Server, ServerWebSocket } from "bun"
import { Elysia } from "elysia"
import { AppError } from "#core/errors.ts"
import { claimPass } from "#core/guard.ts"
import { mayPassLockdown } from "./api/lockdown.ts"
import { createApp, pathOf } from "./app.ts"
import { type ClientRequest, createClientGate, judgeBinding, judgePlace } from "./auth.ts"
import { type BodyLimits, readJsonBody } from "./body.ts"
import { createCalls, inProcess, type RequestMeta } from "./caller.ts"
import type { GatewayDeps } from "./deps.ts"
import { createErrorAnswers, harden } from "./errors.ts"
import { describeApi, namedRoutes, type RouteFacts } from "./openapi.ts"
import { createStreams } from "./stream.ts"
import { createWebhookDoor, WEBHOOK_PREFIX } from "./webhook-door.ts"
import { createWsConnection, type WsConnection } from "./ws.ts"

export type TlsFiles = { cert: string; key: string }
export type ListenTcp = { host: string; port: number; tls?: TlsFiles }
export type ListenSocket = { socket: string }
export type Listener = {
  /** `http://127.0.0.1:3000`, or the socket's path. */
  readonly address: string
  /** Ends it; open streams are closed. */
  stop(): Promise<void>
}

export type Gateway = {
  /** The same app without a network: for commands that hold the home's lock themselves. */
  handle(request: Request, meta?: RequestMeta): Promise<Response>
  /** Throws `gateway.insecure_address`, `gateway.address_taken`. */
  listen(where: ListenTcp | ListenSocket): Promise<Listener>
  /** Watchers connected now. */
  readonly streams: number
  /** Ends what they watch; they may come back where the gate lets them. */
  endStreams(): void
  close(): Promise<void>
}

const MIB = 1_048_576
/** A message has 4 MiB at most; escaped as JSON it may take twice that. */
const MAX_TEXT_BODY_BYTES = 8 * MIB
/** Besides the text 8 images of at most 5 MiB each, in base64, of which few send more than some; 40 MiB holds the usual full case. */
const MAX_IMAGE_BODY_BYTES = 40 * MIB
/** In these a NUL or half a surrogate pair becomes U+FFFD; in ids, names and paths it is refused. */
const textFields: ReadonlySet<string> = new Set(["content", "text"])
/** A connection on which nothing moves this long is cut: slow clients hold no place. Answers that take longer say so themselves. */
const IDLE_SECONDS = 30
const MAX_FRAME_BYTES = MAX_TEXT_BODY_BYTES
/** What Bun buffers for a slow WebSocket before it says stop, and at which it cuts the connection. */
const MAX_WS_BUFFER_BYTES = 2 * MIB

/** Requests still under way may take this long when the gateway ends; those that wait for a turn were told by then. */
const STOP_MS = 2_000

const CLIENT_GONE = 499 // nginx's number for it; only logs of a proxy between would ever show it

const listening = claimPass("listener")

type SocketData = { connect(socket: ServerWebSocket<SocketData>): WsConnection; connection: WsConnection | null }

export function createGateway(deps: GatewayDeps): Gateway {
  const { log, clock, ownerToken, findToken } = deps
  const calls = createCalls()
  const streams = createStreams(deps)
  const webhooks = createWebhookDoor({ ...deps, receipts: deps.webhookReceipts })
  const errors = createErrorAnswers({ log })
  let boundHost = "127.0.0.1"
  const gate = createClientGate({ clock, ownerToken, findToken, policy: () => ({ ...deps.policy(), boundHost }) })
  const app = createApp(deps, {
    calls,
    streams,
    readBody: (request) => readJsonBody(request, limitsFor(pathOf(request.url)), clock),
    answerError,
  })
  const described: RouteFacts[] = [
    ...app.routes,
    {
      method: "GET",
      path: "/api/openapi.json",
      hooks: { detail: { operationId: "openapi", summary: "This document" } },
    },
    {
      method: "GET",
      path: "/api/ws",
      hooks: { detail: { operationId: "ws", summary: "Requests and events over one WebSocket" } },
    },
  ]
  const document = JSON.stringify(describeApi(described, { version: deps.version }))
  const served = app.use(
    new Elysia().get(
      "/api/openapi.json",
      () => new Response(document, { headers: { "Content-Type": "application/json" } }),
    ),
  )
  const routes = namedRoutes(app.routes.filter(({ path }) => path !== "/api/openapi.json"))
  const listeners = new Set<Listener>()

  function answerError(error: unknown, request: Request): Response {
    // Nobody reads it, and that somebody went away is no fault of ours.
    if (request.signal.aborted) return new Response(null, { status: CLIENT_GONE })
    return errors.answer(error, { method: request.method, path: pathOf(request.url) })
  }

  async function handle(request: Request, meta: RequestMeta = inProcess): Promise<Response> {
    try {
      const path = pathOf(request.url)
      if (path.startsWith(WEBHOOK_PREFIX)) return harden(await takeWebhook(request, { path, meta }))
      const refused = await judge(request, meta)
      return harden(refused ?? (await served.handle(request)))
    } catch (error) {
      return harden(answerError(error, request))
    }
  }

  /** Whoever sends it has no token of ours: its place and the signature over its bytes are what is judged. */
  async function takeWebhook(request: Request, { path, meta }: { path: string; meta: RequestMeta }): Promise<Response> {
    const asked = clientRequest(request, meta)
    const place = judgePlace(asked, { ...deps.policy(), boundHost })
    if (place?.verdict === "refuse") throw new AppError(place.code, place.why)
    if (deps.lockdown.active) throw new AppError("lockdown.active", "The owner has stopped everything")
    return webhooks(request, { path, peer: meta.peer })
  }

  /** null where the gate lets it through. */
  async function judge(request: Request, meta: RequestMeta): Promise<Response | null> {
    const asked = clientRequest(request, meta)
    const verdict = await gate.judge(asked)
    if (verdict.verdict === "allow") {
      if (deps.lockdown.active && !mayPassLockdown({ path: asked.path, method: request.method, via: meta.via })) {
        const stopped = new AppError("lockdown.active", "The owner has stopped everything")
        noteRefused("lockdown", { why: stopped.message, who: verdict.caller.tokenId ?? meta.peer, asked, request })
        return errors.answer(stopped, { method: request.method, path: asked.path })
      }
      calls.set(request, { caller: verdict.caller, meta })
      return null
    }
    const { code, why, retryAfterSeconds } = verdict
    const error = new AppError(code, why, retryAfterSeconds === undefined ? {} : { retryAfterSeconds })
    if (code !== "not_found") {
      log.info("A client was refused", { code, path: asked.path, peer: meta.peer })
      noteRefused("client", { why: `${code}: ${why}`, who: meta.peer, asked, request })
    }
    return errors.answer(error, { method: request.method, path: asked.path })
  }

  function noteRefused(
    gate: "client" | "lockdown",
    { why, who, asked, request }: { why: string; who: string; asked: ClientRequest; request: Request },
  ): void {
    deps.noteRefusal({ gate, why, who, what: `${request.method} ${asked.path}` })
  }

  async function upgrade(
    request: Request,
    server: Server<SocketData>,
    meta: RequestMeta,
  ): Promise<Response | undefined> {
    const refused = await judge(request, meta)
    if (refused) return harden(refused)
    const query = request.url.includes("?") ? request.url.slice(request.url.indexOf("?")) : ""
    const data: SocketData = {
      connection: null,
      connect: (socket) =>
        createWsConnection({
          routes,
          handle,
          upgraded: { headers: request.headers, meta: { ...meta, holdOpen() {} }, query },
          send: (frame) => socket.send(frame) > 0,
          end: (code, reason) => socket.close(code, reason),
        }),
    }
    if (server.upgrade(request, { data })) return undefined
    const error = new AppError("input.invalid", "This path is for WebSockets", {
      hint: "Connect with ws://…/api/ws, or use GET /api/events.",
    })
    return harden(errors.answer(error, { method: request.method, path: "/api/ws" }))
  }

  function serve(where: ListenTcp | ListenSocket): Server<SocketData> {
    const via = "socket" in where ? "socket" : "tcp"
    return Bun.serve<SocketData>({
      ...("socket" in where ? { unix: where.socket } : portOf(where)),
      // Bodies are counted where they are read, and refused with an error that says what is accepted; Bun's own 413 says nothing.
      maxRequestBodySize: Number.MAX_SAFE_INTEGER,
      development: false,
      fetch(request, server) {
        const meta: RequestMeta = {
          via,
          peer: via === "socket" ? "socket" : (server.requestIP(request)?.address ?? "unknown"),
          holdOpen: () => server.timeout(request, 0),
        }
        return pathOf(request.url) === "/api/ws" && request.headers.has("upgrade")
          ? upgrade(request, server, meta)
          : handle(routable(request), meta)
      },
      error: (error) => harden(errors.answer(error, { method: "?", path: "?" })),
      websocket: {
        maxPayloadLength: MAX_FRAME_BYTES,
        backpressureLimit: MAX_WS_BUFFER_BYTES,
        closeOnBackpressureLimit: true,
        idleTimeout: 120, // seconds; Bun sends pings, so only a peer that is gone stays silent
        perMessageDeflate: false, // compressing secrets beside what others wrote leaks them (CRIME)
        open: (socket) => void (socket.data.connection = socket.data.connect(socket)),
        message: (socket, frame) =>
          typeof frame === "string" ? socket.data.connection?.receive(frame) : socket.close(1003, "text frames only"),
        drain: (socket) => socket.data.connection?.drain(),
        close: (socket) => socket.data.connection?.close(),
      },
    })
  }

  return {
    handle,
    async listen(where) {
      if (!("socket" in where)) {
        const why = judgeBinding({
          host: where.host,
          hasTls: where.tls !== undefined,
          trustedProxies: deps.policy().trustedProxies,
          ownerToken,
        })
        if (why !== null) throw new AppError("gateway.insecure_address", why)
        boundHost = where.host
      }
      let server: Server<SocketData>
      try {
        server = listening(() => serve(where))
      } catch (cause) {
        const place = "socket" in where ? where.socket : `${where.host}:${where.port}`
        throw new AppError(
          "gateway.address_taken",
          `The gateway cannot listen on ${place}: ${cause instanceof Error ? cause.message : "unknown"}`,
          { cause },
        )
      }
      if ("socket" in where) chmodSync(where.socket, 0o600) // its folder is 0700, so there was no moment for others
      const listener: Listener = {
        address: "socket" in where ? where.socket : server.url.href.replace(/\/$/, ""),
        async stop() {
          listeners.delete(listener)
          // What is being answered is answered to its end: a verb of another process may be waiting for it.
          await Promise.race([server.stop(false), clock.sleep(STOP_MS)])
          await server.stop(true)
        },
      }
      listeners.add(listener)
      return listener
    },
    get streams() {
      return streams.count
    },
    endStreams: () => streams.closeAll(),
    async close() {
      streams.closeAll()
      await Promise.all([...listeners].map((listener) => listener.stop()))
    },
  }
}

function limitsFor(path: string): BodyLimits {
  if (path.startsWith("/v1/")) return { maxBytes: MAX_IMAGE_BODY_BYTES, textFields: "all" }
  return { maxBytes: path.endsWith("/messages") ? MAX_IMAGE_BODY_BYTES : MAX_TEXT_BODY_BYTES, textFields }
}

function clientRequest({ url, headers }: Request, { via, peer }: RequestMeta): ClientRequest {
  return {
    via,
    peer,
    path: pathOf(url),
    host: headers.get("host"),
    origin: headers.get("origin"),
    fetchSite: headers.get("sec-fetch-site"),
    authorization: headers.get("authorization"),
  }
}

/** Elysia looks for the path right behind "http://"; over TLS it would find the second slash of "https://" instead. */
function routable(request: Request): Request {
  return request.url.startsWith("https:") ? new Request(`http${request.url.slice("https".length)}`, request) : request
}

function portOf({ host, port, tls }: ListenTcp) {
  return {
    hostname: host,
    port,
    idleTimeout: IDLE_SECONDS,
    // Without this, `development: false` makes Bun share the port (SO_REUSEPORT): a second service, or any program of this user, would
    // take half of the requests, and nobody would be told that the port is taken.
    reusePort: false,
    ...(tls ? { tls: tlsOf(tls) } : {}),
  }
}

function tlsOf({ cert, key }: TlsFiles) {
  return { cert: Bun.file(cert), key: Bun.file(key) }
}
