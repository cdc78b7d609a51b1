/**
 * A scripted model server on loopback that speaks three wire formats: OpenAI chat completions, Anthropic messages, Gemini
 * streamGenerateContent. It does what its scripts say, in order, then what its mode says; it keeps every request it got.
 *
 * In a test: `const server = startModelServer(); server.script({ text: "hi" }, { status: 429, retryAfter: "1" })`.
 * As a process: `bun test/fakes/model-server.ts --port 0 [--mode echo|instant]` prints one line, `{"url":"http://127.0.0.1:…"}`;
 * scripts then go to `POST /__script` (one or an array), requests come from `GET /__requests`, `DELETE /__requests` forgets them.
 * Base URLs for the three formats: `<url>/v1`, `<url>/v1`, `<url>/v1beta`.
 */
import { type Reply, type WireFormat, replyEvents, replyJson } from "./model-wire.ts"

export type ModelScript = Reply & {
  /** Waits before the head of the response. */
  delayMs?: number
  /** Waits between chunks, so that tokens are slow. */
  chunkDelayMs?: number
  /** An HTTP status other than 200, with the vendor's usual error body unless `body` is given. */
  status?: number
  retryAfter?: string
  /** The error's message in the vendor's shape, or a whole body of its own. */
  message?: string
  body?: string
  headers?: Record<string, string>
  /**
   * hang: never answers. hang_after_head: 200, then silence. hang_in_middle: half of the chunks, then silence. cut: half of the chunks,
   * then the connection dies. end_early: half of the chunks, then a clean end without the finish. garbage: bytes that are no events.
   * garbage_chunk: an event that is no JSON, in the middle. html: a 200 page. json_error: a 200 with an error object. stream_error: an
   * error event in the middle of the stream. context_overflow: the vendor's own words for a prompt that is too long.
   */
  fault?:
    | "hang"
    | "hang_after_head"
    | "hang_in_middle"
    | "cut"
    | "end_early"
    | "garbage"
    | "garbage_chunk"
    | "html"
    | "json_error"
    | "stream_error"
    | "context_overflow"
  /** Answers this many requests with this script (default 1). */
  times?: number
}

export type RecordedRequest = {
  format: WireFormat
  path: string
  headers: Record<string, string>
  body: Record<string, unknown>
}
export type ModelServerMode = "echo" | "instant"
export type ModelServer = {
  url: string
  port: number
  requests: RecordedRequest[]
  /** Appends to the queue; the queue is answered before the mode is. */
  script(...scripts: ModelScript[]): void
  /** Answers by the request instead of the queue; null falls through to the queue. */
  decide(choose: (request: RecordedRequest) => ModelScript | null): void
  /** Forgets scripts, decisions and requests. */
  reset(): void
  /** Requests that are being answered now. */
  open(): number
  stop(): Promise<void>
}

const INSTANT: Reply = { text: "Hello." }

export function startModelServer({
  port = 0,
  mode = "echo",
  record = true,
}: { port?: number; mode?: ModelServerMode; record?: boolean } = {}): ModelServer {
  const queue: ModelScript[] = []
  const requests: RecordedRequest[] = []
  let choose: (request: RecordedRequest) => ModelScript | null = () => null
  let open = 0
  const instant = new Map<string, string>()

  async function answer(request: Request, url: URL): Promise<Response> {
    const format = formatOf(url.pathname)
    if (format === null) return new Response("no such path", { status: 404 })
    if (mode === "instant" && queue.length === 0 && !record) {
      await request.text()
      const known = instant.get(format) ?? replyEvents(format, INSTANT).join("")
      instant.set(format, known)
      return new Response(known, { headers: { "content-type": "text/event-stream" } })
    }
    const body = parseBody(await request.text())
    const recorded = { format, path: url.pathname + url.search, headers: Object.fromEntries(request.headers), body }
    if (record) requests.push(recorded)
    const script =
      choose(recorded) ?? nextOf(queue) ?? (mode === "instant" ? INSTANT : { text: `echo: ${lastText(body)}` })
    return respond({ format, script, body, signal: request.signal })
  }

  const server = Bun.serve({
    port,
    hostname: "127.0.0.1",
    idleTimeout: 0, // a hang must hang
    async fetch(request) {
      const url = new URL(request.url)
      if (url.pathname === "/__script") {
        const sent: unknown = await request.json()
        // The control path is ours: who posts there posts scripts.
        queue.push(...((Array.isArray(sent) ? sent : [sent]) as ModelScript[]))
        return new Response("ok")
      }
      if (url.pathname === "/__requests") {
        if (request.method === "DELETE") requests.length = 0
        return Response.json(requests)
      }
      if (url.pathname.endsWith("/models") && request.method === "GET") {
        if (url.pathname.startsWith("/v1beta"))
          return Response.json({ models: [{ name: "models/fake-model", inputTokenLimit: 32_000 }] })
        return Response.json({
          object: "list",
          data: [
            { id: "fake-model", object: "model" },
            { id: "other-model", object: "model" },
          ],
        })
      }
      open += 1
      try {
        return await answer(request, url)
      } finally {
        open -= 1
      }
    },
  })
  const boundPort = server.port ?? 0
  return {
    url: `http://127.0.0.1:${boundPort}`,
    port: boundPort,
    requests,
    script: (...scripts) => void queue.push(...scripts),
    decide: (next) => void (choose = next),
    reset() {
      queue.length = 0
      requests.length = 0
      choose = () => null
    },
    open: () => open,
    stop: () => server.stop(true),
  }
}

function formatOf(path: string): WireFormat | null {
  if (path.endsWith("/chat/completions")) return "openai"
  if (path.endsWith("/messages")) return "anthropic"
  if (path.includes(":streamGenerateContent") || path.includes(":generateContent")) return "google"
  return null
}

function nextOf(queue: ModelScript[]): ModelScript | undefined {
  const next = queue[0]
  if (next === undefined) return undefined
  if ((next.times ?? 1) > 1) queue[0] = { ...next, times: (next.times ?? 1) - 1 }
  else queue.shift()
  return next
}

function parseBody(text: string): Record<string, unknown> {
  try {
    const parsed: unknown = JSON.parse(text)
    // An object by the check; a request of another shape is kept as an empty one.
    return typeof parsed === "object" && parsed !== null ? (parsed as Record<string, unknown>) : {}
  } catch {
    return {} // what was sent is not JSON: the recorded body shows it by being empty
  }
}

/** The last user text of any of the three formats. */
function lastText(body: Record<string, unknown>): string {
  const list = body["messages"] ?? body["contents"]
  if (!Array.isArray(list)) return ""
  for (const message of list.toReversed()) {
    if (message?.role !== "user") continue
    const content: unknown = message.content ?? message.parts
    if (typeof content === "string") return content
    if (Array.isArray(content)) {
      const texts = content.map((part) => part?.text).filter((text) => typeof text === "string")
      if (texts.length > 0) return texts.join("\n")
    }
  }
  return ""
}

type Answering = { format: WireFormat; script: ModelScript; body: Record<string, unknown>; signal: AbortSignal }

async function respond({ format, script, body, signal }: Answering): Promise<Response> {
  const { fault, status = 200, delayMs = 0, chunkDelayMs = 0 } = script
  if (delayMs > 0) await Bun.sleep(delayMs)
  if (fault === "hang") return new Promise<Response>(() => {})
  if (status !== 200) return errorResponse(format, status, script)
  if (fault === "context_overflow") return overflowResponse(format)
  if (fault === "html")
    return new Response("<html><body>Bad gateway</body></html>", { headers: { "content-type": "text/html" } })
  if (fault === "json_error")
    return Response.json({ error: { message: script.message ?? "engine is overloaded", type: "server_error" } })
  if (fault === "garbage") {
    return new Response("\u0000\u0001 this is not an event stream \n\n{]\n\n", {
      headers: { "content-type": "text/event-stream" },
    })
  }
  if (format === "openai" && body["stream"] !== true) return Response.json(replyJson(script))

  const headers = { "content-type": "text/event-stream", ...script.headers }
  const events = replyEvents(format, script)
  if (fault === undefined && chunkDelayMs === 0) return new Response(events.join(""), { headers })

  const half = Math.max(1, Math.floor(events.length / 2))
  const chunks =
    fault === undefined
      ? events
      : fault === "hang_after_head"
        ? [": the head leaves with the first byte\n\n"]
        : events.slice(0, half)
  if (fault === "garbage_chunk") chunks.push("data: {not json\n\n", ...events.slice(half))
  if (fault === "stream_error") chunks.push(streamError(format, script.message ?? "The server is overloaded"))
  const encoder = new TextEncoder()
  return new Response(
    new ReadableStream<Uint8Array>({
      async start(controller) {
        for (const chunk of chunks) {
          if (signal.aborted) return controller.close()
          controller.enqueue(encoder.encode(chunk))
          if (chunkDelayMs > 0) await Bun.sleep(chunkDelayMs)
        }
        if (fault === "hang_after_head" || fault === "hang_in_middle") return
        if (fault === "cut") {
          await Bun.sleep(5) // lets what was written leave before the connection dies
          return controller.error() // with nothing in it, Bun cuts the connection and prints nothing
        }
        controller.close()
      },
    }),
    { headers },
  )
}

const errorTypes: Record<number, string> = {
  400: "invalid_request_error",
  401: "authentication_error",
  403: "permission_error",
  404: "not_found_error",
  413: "request_too_large",
  429: "rate_limit_error",
  500: "api_error",
  529: "overloaded_error",
}

function errorResponse(format: WireFormat, status: number, script: ModelScript): Response {
  const message = script.message ?? `scripted ${status}`
  const type = errorTypes[status] ?? "api_error"
  const body =
    script.body ??
    JSON.stringify(
      format === "openai"
        ? { error: { message, type, param: null, code: null } }
        : format === "anthropic"
          ? { type: "error", error: { type, message } }
          : { error: { code: status, message, status: type.toUpperCase() } },
    )
  const headers: Record<string, string> = { "content-type": "application/json", ...script.headers }
  if (script.retryAfter !== undefined) headers["retry-after"] = script.retryAfter
  return new Response(body, { status, headers })
}

function overflowResponse(format: WireFormat): Response {
  if (format === "openai") {
    const message =
      "This model's maximum context length is 128000 tokens. However, your messages resulted in 150000 tokens."
    return Response.json(
      { error: { message, type: "invalid_request_error", param: "messages", code: "context_length_exceeded" } },
      { status: 400 },
    )
  }
  if (format === "anthropic") {
    const message = "prompt is too long: 210000 tokens > 200000 maximum"
    return Response.json({ type: "error", error: { type: "invalid_request_error", message } }, { status: 400 })
  }
  const message = "The input token count (1200000) exceeds the maximum number of tokens allowed (1048576)."
  return Response.json({ error: { code: 400, message, status: "INVALID_ARGUMENT" } }, { status: 400 })
}

function streamError(format: WireFormat, message: string): string {
  if (format === "anthropic") {
    return `event: error\ndata: ${JSON.stringify({ type: "error", error: { type: "overloaded_error", message } })}\n\n`
  }
  return `data: ${JSON.stringify({ error: { message, type: "server_error", ...(format === "google" ? { code: 503, status: "UNAVAILABLE" } : { code: "overloaded" }) } })}\n\n`
}

if (import.meta.main) {
  const flag = (name: string) => {
    const at = process.argv.indexOf(`--${name}`)
    return at === -1 ? undefined : process.argv[at + 1]
  }
  const mode = flag("mode") === "instant" ? "instant" : "echo"
  const server = startModelServer({ port: Number(flag("port") ?? 0), mode, record: mode === "echo" })
  console.log(JSON.stringify({ url: server.url }))
}
