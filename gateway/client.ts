/**
 * The typed client of command line and page: the same calls over TCP, the Unix socket, or into the app of this very process.
 * Types come from the app's routes, so a new route is here without a line. Errors are thrown as the AppError that the service had.
 */
import type { Clock } from "#core/clock.ts"
import { AppError, type ErrorCode, errorCatalogue } from "#core/errors.ts"
import type { Event } from "#core/event.ts"
import { claimPass } from "#core/guard.ts"
import type { SessionId, TurnId } from "#core/id.ts"
import type { App } from "./app.ts"
import { newPart } from "./delta.ts"

type Method = "get" | "post" | "put" | "patch" | "delete"
type Endpoint = { body: unknown; query: unknown; response: unknown }
type Fields<Name extends string, T> = unknown extends T
  ? unknown
  : Record<string, never> extends T
    ? { [K in Name]?: T }
    : { [K in Name]: T }
type Options<E extends Endpoint> = { signal?: AbortSignal } & (unknown extends E["body"]
  ? unknown
  : { body: E["body"] }) &
  Fields<"query", E["query"]>
/** An answer without `error` is data, whatever its status: `/ready` says 503 and why. */
type Data<R> = R[keyof R & (200 | 201 | 202 | 503)]
type Call<E extends Endpoint> =
  Record<string, never> extends Options<E>
    ? (options?: Options<E>) => Promise<Data<E["response"]>>
    : (options: Options<E>) => Promise<Data<E["response"]>>
type ParameterOf<R> = keyof R & `:${string}`
/** `/sessions/:id/messages` is `sessions({ id }).messages`; the last step is the HTTP method. */
type Branch<R> = {
  [K in keyof R as K extends `:${string}` | "*" ? never : K]: K extends Method
    ? R[K] extends Endpoint
      ? Call<R[K]>
      : Branch<R[K]>
    : Branch<R[K]>
} & ([ParameterOf<R>] extends [never]
  ? unknown
  : (parameter: { [K in ParameterOf<R> as K extends `:${infer Name}` ? Name : never]: string }) => Branch<
      R[ParameterOf<R>]
    >)

type Routes = App["~Routes"]

/** Where the service is. `handle` is a gateway in this process. */
export type Via =
  | { url: string; token: string }
  | { socket: string }
  | { handle: (request: Request) => Promise<Response> }

export type EventsQuery = {
  session?: SessionId
  /** Everything after this seq first; else only what happens from now on. */
  after?: number
  signal?: AbortSignal
  /** Told when the connection is lost and when it is back. */
  onConnection?: (state: "connected" | "lost") => void
}

export type Client = {
  /** `await client.api.sessions.get({ query: { limit: 5 } })`. Throws AppError with the service's code, message and hint. */
  api: Branch<Routes["api"]>
  health: Branch<Routes["health"]>
  ready: Branch<Routes["ready"]>
  /**
   * Everything that happens, each event once and in order, across lost connections; ends only with the signal or an error that trying
   * again cannot mend. With `session`, the text of a running turn comes from its beginning.
   */
  events(query?: EventsQuery): AsyncGenerator<Event, void, undefined>
}

const FIRST_RETRY_MS = 250
const LAST_RETRY_MS = 5_000
const methods: ReadonlySet<string> = new Set<Method>(["get", "post", "put", "patch", "delete"])

export function createClient({ via, clock }: { via: Via; clock: Clock }): Client {
  const send = sender(via)

  async function call(
    method: string,
    path: string,
    options: { body?: unknown; query?: Record<string, unknown>; signal?: AbortSignal } = {},
  ): Promise<unknown> {
    const hasBody = options.body !== undefined
    const response = await send(path + queryText(options.query), {
      method: method.toUpperCase(),
      ...(hasBody ? { body: JSON.stringify(options.body), headers: { "Content-Type": "application/json" } } : {}),
      ...(options.signal ? { signal: options.signal } : {}),
    })
    return dataOf(response)
  }

  function branch(path: string): unknown {
    return new Proxy(() => {}, {
      get(_, key) {
        if (typeof key !== "string" || key === "then") return undefined // a branch is no promise
        if (methods.has(key)) return (options?: object) => call(key, path, options)
        return branch(`${path}/${key}`)
      },
      apply(_, __, [parameter]: [Record<string, string>]) {
        return branch(`${path}/${segment(Object.values(parameter)[0] ?? "")}`)
      },
    })
  }

  async function* events({ session, after, signal, onConnection }: EventsQuery = {}): AsyncGenerator<
    Event,
    void,
    undefined
  > {
    let lastId = after === undefined ? null : String(after)
    let retryMs = FIRST_RETRY_MS
    const known = new Map<TurnId, number>()
    const path = `/api/events${queryText({ session })}`
    while (!signal?.aborted) {
      try {
        const headers: Record<string, string> = lastId === null ? {} : { "Last-Event-ID": lastId }
        const response = await send(path, { method: "GET", headers, ...(signal ? { signal } : {}) })
        if (!response.ok || !response.body) await dataOf(response) // throws
        else {
          onConnection?.("connected")
          for await (const block of blocks(response.body)) {
            retryMs = FIRST_RETRY_MS
            lastId = block.id ?? lastId
            if (block.data === null) continue
            // Our own service wrote it from its Event; a newer one may know types that we do not, which readers ignore.
            const event = JSON.parse(block.data) as Event
            if (event.type === "turn.finished" || event.type === "turn.resumed") known.delete(event.turnId)
            if (event.type !== "turn.delta" || event.kind !== "text") yield event
            else {
              const part = newPart(event, known.get(event.turnId) ?? 0)
              if (part) known.set(part.turnId, part.offset + part.text.length)
              if (part) yield part
            }
          }
        }
      } catch (error) {
        if (signal?.aborted) return
        if (!mayRetry(error)) throw error
      }
      if (signal?.aborted) return
      onConnection?.("lost")
      await clock.sleep(retryMs, signal).catch(() => {}) // an abort ends the loop above
      retryMs = Math.min(retryMs * 2, LAST_RETRY_MS)
    }
  }

  // The proxies answer to any path, and the types name exactly those that the app has.
  return {
    api: branch("/api") as Client["api"],
    health: branch("/health") as Client["health"],
    ready: branch("/ready") as Client["ready"],
    events,
  }
}

const ownService = claimPass("own-service")

function sender(via: Via): (path: string, init: RequestInit) => Promise<Response> {
  if ("handle" in via) return (path, init) => via.handle(new Request(`http://localhost${path}`, init))
  const base = "url" in via ? via.url.replace(/\/$/, "") : "http://localhost"
  const where = "socket" in via ? { unix: via.socket } : {}
  return async (path, init) => {
    const headers = new Headers(init.headers)
    if ("token" in via) headers.set("Authorization", `Bearer ${via.token}`)
    try {
      // Never followed: the service redirects nobody, and the token is for it alone. No timeout: turns take what they take.
      return await ownService(() =>
        fetch(base + path, { ...init, ...where, headers, redirect: "error", timeout: false }),
      )
    } catch (cause) {
      if (init.signal?.aborted) throw cause
      throw new AppError("service.unreachable", `No service answers at ${"url" in via ? base : via.socket}`, { cause })
    }
  }
}

/** The answer's data. Throws the AppError that the service had. */
async function dataOf(response: Response): Promise<unknown> {
  let data: unknown
  try {
    data = await response.json()
  } catch (cause) {
    throw new AppError("service.unreachable", `The service answered ${response.status} with what is no JSON`, { cause })
  }
  const error = typeof data === "object" && data !== null && "error" in data && !response.ok ? data.error : null
  if (error === null) return data
  const code = textIn(error, "code")
  const hint = textIn(error, "hint")
  const seconds = Number(response.headers.get("retry-after"))
  throw new AppError(
    isKnown(code) ? code : "internal",
    textIn(error, "message") || `The service answered ${response.status}`,
    {
      ...(hint ? { hint } : {}),
      ...(seconds > 0 ? { retryAfterSeconds: seconds } : {}),
    },
  )
}

function mayRetry(error: unknown): boolean {
  if (!(error instanceof AppError)) return true // the connection broke in mid-stream
  return error.code === "service.unreachable" || error.status === 429 || error.status === 503
}

/** A newer service may have codes that this client does not know. */
function isKnown(code: string): code is ErrorCode {
  return Object.hasOwn(errorCatalogue, code)
}

function textIn(value: unknown, field: string): string {
  const text: unknown = typeof value === "object" && value !== null ? Reflect.get(value, field) : ""
  return typeof text === "string" ? text : ""
}

function segment(text: string): string {
  if (text === "" || text === "." || text === "..") throw new AppError("input.invalid", `"${text}" is no id or name`)
  return encodeURIComponent(text.toWellFormed())
}

function queryText(query: Record<string, unknown> = {}): string {
  const given = Object.entries(query).filter(([, value]) => value !== undefined)
  const text = new URLSearchParams(given.map(([name, value]): [string, string] => [name, String(value)])).toString()
  return text === "" ? "" : `?${text}`
}

/** Server-sent events, as far as our own service writes them. */
async function* blocks(body: ReadableStream<Uint8Array>): AsyncGenerator<{ id: string | null; data: string | null }> {
  const decoder = new TextDecoder()
  let rest = ""
  for await (const bytes of body) {
    rest += decoder.decode(bytes, { stream: true })
    const whole = rest.split("\n\n")
    rest = whole.pop() ?? ""
    for (const block of whole)
      yield { id: /^id: (.*)$/m.exec(block)?.[1] ?? null, data: /^data: (.*)$/m.exec(block)?.[1] ?? null }
  }
}
