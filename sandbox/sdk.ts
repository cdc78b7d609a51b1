/**
 * What plugins written in TypeScript or JavaScript import as "ironclaw". It runs inside the guest, whose only way out are the functions
 * that `host` below holds; what it may ask of them is what its owner granted.
 */

/** Put there by the engine before this module is read. */
declare const __ironclaw: {
  ask(name: string, payload: string): { text: string } | { refused: string }
  http(
    header: string,
    body: string | ArrayBuffer | undefined,
  ): { header: string; body: ArrayBuffer } | { refused: string }
  log(level: string, line: string): void
  decode(bytes: ArrayBuffer): string
  config: string
}
const host = __ironclaw
Reflect.deleteProperty(globalThis, "__ironclaw")

export type Json = null | boolean | number | string | Json[] | { [key: string]: Json }

/** A JSON Schema of the arguments. */
export type InputSchema = {
  type: "object"
  properties?: Record<string, object>
  required?: string[]
  [key: string]: unknown
}

export type ToolResult = {
  content: { type: "text"; text: string }[]
  isError?: boolean
  structuredContent?: Record<string, unknown>
}

export type Tool = {
  name: string
  /** When to use it, in a sentence or two. */
  description: string
  input: InputSchema
  /** MCP's hints, such as `readOnlyHint`. They never widen what a tool may do. */
  annotations?: Record<string, unknown>
  /** A text, a JSON value, or a whole MCP result. What it throws is told to the model as this tool's failure. */
  run(input: never): unknown
}

/** A tool, with the types of its input as `run` declares them. */
export function defineTool<Input>(tool: Omit<Tool, "run"> & { run(input: Input): unknown }): Tool {
  return tool
}

/** `export const { describe, call } = definePlugin(toolA, toolB)`: the two functions that a tool plugin exports. */
export function definePlugin(...tools: Tool[]) {
  return {
    describe: () => ({
      tools: tools.map(({ name, description, input, annotations }) => ({
        name,
        description,
        inputSchema: input,
        ...(annotations ? { annotations } : {}),
      })),
    }),
    async call({ params }: { params: { name: string; arguments?: unknown } }): Promise<ToolResult> {
      const tool = tools.find(({ name }) => name === params.name)
      if (!tool) return { content: [{ type: "text", text: `There is no tool "${params.name}" here` }], isError: true }
      try {
        // Checked against `input` by the host before the call; the author declared the type that belongs to it.
        return resultOf(await tool.run((params.arguments ?? {}) as never))
      } catch (error) {
        return {
          content: [{ type: "text", text: error instanceof Error ? error.message : String(error) }],
          isError: true,
        }
      }
    },
  }
}

function resultOf(value: unknown): ToolResult {
  if (typeof value === "string") return { content: [{ type: "text", text: value }] }
  if (typeof value === "object" && value !== null) {
    if ("content" in value && Array.isArray(value.content)) return value as ToolResult
    const text = JSON.stringify(value)
    return Array.isArray(value)
      ? { content: [{ type: "text", text }] }
      : { content: [{ type: "text", text }], structuredContent: value as Record<string, unknown> }
  }
  return { content: [{ type: "text", text: value === undefined ? "" : JSON.stringify(value) }] }
}

export type Channel = {
  start?(input: never): unknown
  /** A webhook's request, its signature already checked. */
  receive?(input: never): unknown
  poll?(input: never): unknown
  /** Sends a reply to where it belongs. */
  respond(input: never): unknown
  status?(): unknown
  stop?(): unknown
}

/** `export const { start, receive, poll, respond, status, stop } = defineChannel({ … })`. What is absent does nothing. */
export function defineChannel(channel: Channel): Required<Channel> {
  const nothing = () => null
  return {
    start: nothing,
    receive: nothing,
    poll: nothing,
    status: () => ({ ok: true }),
    stop: nothing,
    ...channel,
  }
}

export type HttpRequest = {
  url: string
  method?: string
  headers?: Record<string, string>
  /** Text goes as UTF-8; anything else is sent as JSON. */
  body?: string | Uint8Array | Json
}

/** Header names in lower case. */
export type HttpResponse = {
  status: number
  ok: boolean
  headers: Record<string, string>
  bytes: Uint8Array
  text(): string
  json(): unknown
}

/** Sends a request to a host that the owner granted; throws what the host says when it refuses. Secrets are put in outside of the plugin. */
export function http({ url, method = "GET", headers = {}, body }: HttpRequest): HttpResponse {
  const isBytes = body instanceof Uint8Array
  const isJson = body !== undefined && typeof body !== "string" && !isBytes
  const all = isJson && !("content-type" in headers) ? { "content-type": "application/json", ...headers } : headers
  const sent = isBytes ? body.slice().buffer : isJson ? JSON.stringify(body) : body
  const answer = host.http(JSON.stringify({ url, method, headers: all }), sent as string | ArrayBuffer | undefined)
  if ("refused" in answer) throw new Error(answer.refused)
  const { status, headers: got } = JSON.parse(answer.header) as { status: number; headers: Record<string, string> }
  const text = () => host.decode(answer.body)
  return {
    status,
    ok: status >= 200 && status < 300,
    headers: got,
    bytes: new Uint8Array(answer.body),
    text,
    json: (): unknown => JSON.parse(text()),
  }
}

function ask(name: string, payload: Record<string, unknown>): unknown {
  const answer = host.ask(name, JSON.stringify(payload))
  if ("refused" in answer) throw new Error(answer.refused)
  return JSON.parse(answer.text)
}

export const memory = {
  /** The document's text, or null where there is none. */
  read: (path: string) => ask("memory_read", { path }) as string | null,
  write: (path: string, content: string) => void ask("memory_write", { path, content }),
}

/** Whether the owner has set this secret. Its value is never seen here. */
export const hasSecret = (name: string) => ask("secret_exists", { name }) as boolean

/** Calls another tool by the alias that the manifest gives it. */
export const callTool = (alias: string, input: Json) => ask("tool_invoke", { alias, arguments: input })

/** Hands in a message that came by this channel. */
export const emitMessage = (message: Record<string, Json>) => ask("message_emit", message)
export const requestPairing = (peer: Record<string, Json>) => ask("pairing_request", peer)

export const log = {
  debug: (line: string) => host.log("debug", line),
  info: (line: string) => host.log("info", line),
  warn: (line: string) => host.log("warn", line),
  error: (line: string) => host.log("error", line),
}

/** What the owner configured; values are texts. */
export const config: Readonly<Record<string, string>> = Object.freeze(JSON.parse(host.config) as Record<string, string>)

/** `url` with these parameters behind it; what is undefined is left out. */
export function withQuery(url: string, query: Record<string, string | number | boolean | undefined>): string {
  const pairs = Object.entries(query).flatMap(([name, value]) =>
    value === undefined ? [] : [`${encodeURIComponent(name)}=${encodeURIComponent(value)}`],
  )
  return pairs.length === 0 ? url : `${url}${url.includes("?") ? "&" : "?"}${pairs.join("&")}`
}

// What somebody else's JSON holds at a place, whatever stands there: an answer in another form is read as one that says nothing.
export const fieldsOf = (value: unknown): Record<string, unknown> =>
  typeof value === "object" && value !== null && !Array.isArray(value) ? { ...value } : {}
export const itemsOf = (value: unknown): unknown[] => (Array.isArray(value) ? value : [])
export const textOf = (value: unknown): string => (typeof value === "string" ? value : "")
export const numberOf = (value: unknown): number | undefined => (typeof value === "number" ? value : undefined)
