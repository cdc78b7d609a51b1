/**
 * /api/ws: requests and events over one WebSocket. A request frame becomes a Request for the same app, with the headers of the
 * connection: no handler, no schema and no authority of its own. Events are the lines of the event stream, as frames.
 */
import { AppError } from "#core/errors.ts"
import { describeProblems, int, judgeShape, t } from "#core/schema.ts"
import type { RequestMeta } from "./caller.ts"

/** A route as frames name it: `method` is its operation id. */
export type NamedRoute = {
  name: string
  method: string
  path: string
  pathFields: readonly string[]
  queryFields: readonly string[]
  hasBody: boolean
}

export type WsConnection = {
  /** A text frame of the client. */
  receive(text: string): void
  /** The socket has room again. */
  drain(): void
  close(): void
}

export type WsDeps = {
  routes: ReadonlyMap<string, NamedRoute>
  handle: (request: Request, meta: RequestMeta) => Promise<Response>
  /** The request that was upgraded: its Host, Origin and Authorization are those of every request after it. */
  upgraded: { headers: Headers; meta: RequestMeta; query: string }
  /** Hands a frame over; false where the socket has no room, and the next one must wait for `drain`. */
  send: (frame: string) => boolean
  end: (code: number, reason: string) => void
}

const RequestFrame = t.Object(
  {
    type: t.Literal("req"),
    id: t.Union([t.String({ minLength: 1, maxLength: 100 }), int()]),
    method: t.String({ minLength: 1, maxLength: 100 }),
    params: t.Optional(t.Record(t.String(), t.Unknown())),
  },
  { additionalProperties: false },
)

/** A page or terminal has one or two requests under way; waiting for turns is what takes long. */
const MAX_REQUESTS = 32
const EVENTS = "events.subscribe"
const POLICY_VIOLATION = 1008 // RFC 6455, 7.4.1
const TRY_AGAIN_LATER = 1013 // IANA's registry of close codes

export function createWsConnection({ routes, handle, upgraded, send, end }: WsDeps): WsConnection {
  const closed = new AbortController()
  let running = 0
  /** Null while the socket takes frames. Never replaced while somebody may wait for it. */
  let noRoom: PromiseWithResolvers<void> | null = null
  let subscription = new AbortController()

  function tell(frame: string) {
    if (closed.signal.aborted) return
    if (!send(frame)) noRoom ??= Promise.withResolvers<void>()
  }
  function goOn() {
    noRoom?.resolve()
    noRoom = null
  }
  const answer = (id: string | number | null, result: { payload: unknown } | { error: unknown }) =>
    tell(JSON.stringify({ type: "res", id, ok: "payload" in result, ...result }))

  function requestOf(route: NamedRoute, params: Record<string, unknown>, signal: AbortSignal): Request {
    const rest = { ...params }
    const take = (field: string) => {
      const value = rest[field]
      delete rest[field]
      return value
    }
    let path = route.path
    for (const field of route.pathFields) {
      const value = take(field)
      if (typeof value !== "string" || value === "" || value === "." || value === "..") {
        throw new AppError("input.invalid", `/params/${field}: Expected a text`)
      }
      path = path.replace(`:${field}`, encodeURIComponent(value.toWellFormed()))
    }
    const query = new URLSearchParams()
    for (const field of route.queryFields) {
      const value = take(field)
      if (value !== undefined) query.append(field, typeof value === "string" ? value : JSON.stringify(value))
    }
    const [unknown] = Object.keys(rest)
    if (!route.hasBody && unknown !== undefined) {
      throw new AppError("input.invalid", `${route.name} has no parameter "${unknown}"`)
    }
    const headers = headersOf(upgraded.headers)
    if (route.hasBody) headers.set("content-type", "application/json")
    const search = query.size > 0 ? `?${query.toString()}` : ""
    return new Request(`http://localhost${path}${search}`, {
      method: route.method,
      headers,
      signal,
      ...(route.hasBody ? { body: JSON.stringify(rest) } : {}),
    })
  }

  async function serve(text: string): Promise<void> {
    let id: string | number | null = null
    try {
      const frame = parseFrame(text)
      id = frame.id
      const route = routes.get(frame.method)
      if (!route)
        throw new AppError("not_found", `There is no method "${frame.method}"`, {
          hint: "Methods are the operation ids in /api/openapi.json.",
        })
      if (running >= MAX_REQUESTS)
        throw new AppError("client.rate_limited", `${MAX_REQUESTS} requests are under way already`, {
          retryAfterSeconds: 1,
        })
      running++
      try {
        const signal = route.name === EVENTS ? AbortSignal.any([closed.signal, renewed().signal]) : closed.signal
        const response = await handle(requestOf(route, frame.params ?? {}, signal), upgraded.meta)
        if (response.headers.get("content-type")?.startsWith("text/event-stream") && response.body) {
          if (route.name !== EVENTS)
            throw new AppError("input.invalid", "Streamed answers are for HTTP; leave `stream` out")
          answer(id, { payload: { subscribed: true } })
          void pump(response.body)
          return
        }
        const body: unknown = await response.json()
        answer(id, response.ok ? { payload: body } : { error: errorOf(body) })
      } finally {
        running--
      }
    } catch (error) {
      const known =
        error instanceof AppError
          ? error
          : new AppError("internal", "The request could not be served", { cause: error })
      answer(id, { error: known.toBody() })
    }
  }

  /** One subscription at a time: a new one takes the place of the one before. */
  function renewed(): AbortController {
    subscription.abort()
    subscription = new AbortController()
    return subscription
  }

  async function subscribe(): Promise<void> {
    const request = new Request(`http://localhost/api/events${upgraded.query}`, {
      headers: headersOf(upgraded.headers),
      signal: AbortSignal.any([closed.signal, renewed().signal]),
    })
    const response = await handle(request, upgraded.meta)
    if (response.ok && response.body) return pump(response.body)
    tell(JSON.stringify({ type: "res", id: null, ok: false, error: errorOf(await response.json()) }))
    end(POLICY_VIOLATION, "no event stream")
  }

  /** Events as frames, as fast as the socket takes them; what waits meanwhile is counted, and bounded, in the stream. */
  async function pump(stream: ReadableStream<Uint8Array>): Promise<void> {
    const mine = subscription
    const decoder = new TextDecoder()
    let rest = ""
    for await (const bytes of stream) {
      rest += decoder.decode(bytes, { stream: true })
      const blocks = rest.split("\n\n")
      rest = blocks.pop() ?? ""
      for (const block of blocks) {
        const frame = frameOf(block)
        if (frame === null) continue
        await noRoom?.promise
        tell(frame)
      }
    }
    // The stream ends by itself only where this client was too slow for it.
    if (mine === subscription && !mine.signal.aborted)
      end(TRY_AGAIN_LATER, "reads too slowly; connect again with ?after=")
  }

  subscribe().catch(() => end(TRY_AGAIN_LATER, "the event stream broke off"))
  return {
    receive: (text) => void serve(text),
    drain: goOn,
    close() {
      closed.abort()
      goOn()
    },
  }
}

function parseFrame(text: string) {
  let value: unknown
  try {
    value = JSON.parse(text)
  } catch {
    throw new AppError("input.invalid", "The frame is not valid JSON")
  }
  const parsed = judgeShape(RequestFrame, value)
  if (parsed.ok) return parsed.value
  throw new AppError("input.invalid", `The frame is not valid: ${describeProblems(parsed.problems)}`)
}

/** `id: 7`, `event: …`, `data: {…}` → the frame; null for a heartbeat. The event's own bytes are passed on as they are. */
function frameOf(block: string): string | null {
  const seq = /^id: (\d+)$/m.exec(block)?.[1]
  const data = /^data: (.*)$/m.exec(block)?.[1]
  if (data === undefined) return null
  return seq === undefined ? `{"type":"event","event":${data}}` : `{"type":"event","seq":${seq},"event":${data}}`
}

/** What the gate looks at, as it came with the connection. */
function headersOf(from: Headers): Headers {
  const headers = new Headers()
  for (const name of ["host", "origin", "authorization", "sec-fetch-site"]) {
    const value = from.get(name)
    if (value !== null) headers.set(name, value)
  }
  return headers
}

function errorOf(body: unknown): unknown {
  return typeof body === "object" && body !== null && "error" in body
    ? body.error
    : { code: "internal", message: "Something went wrong", hint: "" }
}
