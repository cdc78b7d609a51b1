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
  decode(bytes: ArrayBuffer, charset?: string): string
  encode(text: string): ArrayBuffer
  /** Called by the engine at the beginning of each call. */
  configure: (config: string) => void
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

/** Where it happens, and what the value is made of. */
export type HookPlace = {
  agent: string
  channel: string
  session: string | null
  turn: string | null
  person: string | null
  labels: readonly ("untrusted" | "private" | "vetted")[]
  source: string
}
export type Refusal = { verdict: "refuse"; why: string }
/** `labels`: what it is made of besides. */
export type Passing<Change> = { verdict: "pass"; labels?: ("untrusted" | "private")[] } & Partial<Change>
type Judge<Value, Change> = (
  value: Value,
  place: HookPlace,
) => Refusal | Passing<Change> | void | Promise<Refusal | Passing<Change> | void>
type Text = { text: string }
type Nothing = Record<never, never>

/** By the points that the manifest asks for. What gives nothing lets the value pass as it is; what throws refuses it. */
export type HookJudges = {
  "message.in"?: Judge<{ text: string; images: number }, Text>
  "tool.call"?: Judge<{ tool: string; arguments: unknown }, { arguments: Record<string, unknown> }>
  "response.transform"?: Judge<Text, Text>
  "reply.out"?: Judge<Text, Nothing>
  "session.start"?: Judge<{ why: "created" }, Nothing>
  "session.end"?: Judge<{ why: "deleted" | "cleared" | "left" }, Nothing>
}

/** `export const { describe, hook } = defineHooks({ … })`; beside tools, `hook` alone: `describe` is then definePlugin's. */
export function defineHooks(judges: HookJudges) {
  return {
    describe: () => ({ tools: [] }),
    async hook({ params }: { params: HookPlace & { point: keyof HookJudges; value: unknown } }): Promise<unknown> {
      const { point, value, ...place } = params
      const judge = Object.hasOwn(judges, point) ? judges[point] : undefined
      if (!judge) throw new Error(`There is no hook for ${point} here`)
      // The host sends each point the value that belongs to it.
      return (await judge(value as never, place)) ?? { verdict: "pass" }
    },
  }
}

/** A message as a channel hands it in. */
export type ChannelMessage = {
  /** The network's own id of the message: one that comes again is not taken again. */
  id: string
  /** `id`: what nobody can take over; a name is for reading alone. */
  sender: { id: string; name?: string }
  /** Where others read along: a group, a room. Absent: the sender is alone with the assistant. */
  conversation?: { id: string; topic?: string }
  text: string
}

/** Its signature is checked already. */
export type WebhookRequest = {
  path: string
  query: Record<string, string>
  /** Names in lower case. */
  headers: Record<string, string>
  /** As UTF-8. */
  body: string
}
/** What is answered; absent: 200 and nothing. A body that is no text goes as JSON. */
export type WebhookAnswer = { status?: number; body?: Json } | null | void

/** Something to be sent. `id` is the same when it is tried again, for networks that take each once. */
export type Outgoing = {
  id: string
  /** `shared`: a conversation's id, else a sender's. */
  to: { id: string; shared: boolean; topic: string }
  text: string
  /** A long reply comes in several. */
  part: number
  parts: number
  /** The id of the message that it answers. */
  replyTo: string | null
}
/** Nothing: it was sent. What throws before any request was made is tried again; after one, nobody knows, and it is not. */
export type Sent =
  | { state: "sent" }
  | { state: "failed"; retry?: boolean; why?: string; retryAfterSeconds?: number }
  | null
  | void

export type Channel = {
  /** Once for each version, before anything else; tried again while it throws. */
  start?(): unknown
  receive?(request: WebhookRequest): WebhookAnswer
  /** Looks for news. */
  poll?(): unknown
  respond(outgoing: Outgoing): Sent
  /** `ok: false` where something has to be done, with what. */
  status?(): { ok: boolean; detail?: string }
  /** Before it is taken away. */
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

/** Milliseconds since 1970. Coarse; nothing else tells the time here, and where its owner lives is not told at all. */
export const nowMs = () => Date.now()

/** UTF-8. */
export const encodeText = (text: string) => new Uint8Array(host.encode(text.toWellFormed()))

/** `charset` is a label as mail and pages carry it, such as "iso-8859-2" or "shift_jis". One that nobody knows counts as UTF-8. */
export const decodeText = (bytes: Uint8Array, charset = "utf-8") => host.decode(bytes.slice().buffer, charset)

function ask(name: string, payload: object): unknown {
  const answer = host.ask(name, JSON.stringify(payload))
  if ("refused" in answer) throw new Error(answer.refused)
  return JSON.parse(answer.text)
}

/** A tool's: documents of the assistant, where it was granted some. A channel's: its own alone, up to 1 MB. */
export const memory = {
  /** The document's text, or null where there is none. */
  read: (path: string) => ask("memory_read", { path }) as string | null,
  /** Null takes a channel's away. */
  write: (path: string, content: string | null) => void ask("memory_write", { path, content }),
  /** A channel's own paths that begin so, in order. */
  list: (prefix: string) => ask("memory_list", { prefix }) as string[],
}

/** Whether the owner has set this secret. Its value is never seen here. */
export const hasSecret = (name: string) => ask("secret_exists", { name }) as boolean

/** Calls another tool by the alias that the manifest gives it. */
export const callTool = (alias: string, input: Json) => ask("tool_invoke", { alias, arguments: input })

/** `accepted`: it is on record, and will be answered. `stranger`: nobody knows the sender, who is told a code. */
export type Emitted = { state: "accepted" | "duplicate" | "stranger" | "refused"; why?: string }

/** Hands in a message that came by this channel, from `receive` or `poll`. */
export const emitMessage = (message: ChannelMessage) => ask("message_emit", message) as Emitted
/** Has a sender whom nobody knows told a code, as their first message would. */
export const requestPairing = (sender: ChannelMessage["sender"]) =>
  ask("pairing_request", { sender }) as { state: "known" | "asked" | "refused" }

export const log = {
  debug: (line: string) => host.log("debug", line),
  info: (line: string) => host.log("info", line),
  warn: (line: string) => host.log("warn", line),
  error: (line: string) => host.log("error", line),
}

/** What the owner configured; values are texts. */
export let config: Readonly<Record<string, string>> = Object.freeze({})
// This module is evaluated once, before there is a call: what belongs to one comes with it.
host.configure = (text) => void (config = Object.freeze(JSON.parse(text) as Record<string, string>))

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

const BLOCK = /^(?:p|div|br|tr|h[1-6]|table|section|article|header|footer|blockquote|pre|hr|ul|ol|dd|dt)$/
const VOID = /^(?:br|hr|img|input|meta|link|col|area|base|wbr|source|embed)$/
const UNSEEN = /^(?:script|style|head|title|template|noscript|svg)$/
/** How pages and mails hide what is meant for nobody's eyes: summaries for lists, and orders to an assistant. */
const HIDDEN =
  /display\s*:\s*none|visibility\s*:\s*hidden|mso-hide\s*:\s*all|(?:font-size|opacity|max-height)\s*:\s*0[a-z%]*\s*(?:[;"'!]|$)/i
const MAX_TAG = 2_000

/** What a person would see of HTML, as text. One pass: each byte is looked at once, whatever a stranger made of it. */
export function htmlText(html: string): string {
  const kept: string[] = []
  let hidden: { name: string; depth: number } | null = null
  for (let at = 0; at < html.length;) {
    const open = html.indexOf("<", at)
    if (!hidden) kept.push(html.slice(at, open === -1 ? html.length : open).replaceAll(/\s+/g, " "))
    if (open === -1) break
    const isComment = html.startsWith("<!--", open)
    const close = html.indexOf(isComment ? "-->" : ">", open)
    if (close === -1) break
    at = close + (isComment ? 3 : 1)
    const tag = html.slice(open, Math.min(close, open + MAX_TAG))
    const name = /^<\/?([a-z][a-z0-9]*)/i.exec(tag)?.[1]?.toLowerCase() ?? ""
    if (isComment || name === "") continue
    const isEnd = tag.startsWith("</")
    if (hidden) {
      if (name === hidden.name) hidden.depth += isEnd ? -1 : 1
      if (hidden.depth === 0) hidden = null
    } else if (!isEnd && !VOID.test(name) && (UNSEEN.test(name) || isHidden(tag))) hidden = { name, depth: 1 }
    else if (name === "li") kept.push(isEnd ? "" : "\n- ")
    else if (BLOCK.test(name)) kept.push("\n")
    else if (isEnd && (name === "td" || name === "th")) kept.push(" ")
  }
  return kept
    .join("")
    .replaceAll(/&(?:#(\d{1,7})|#x([0-9a-f]{1,6})|([a-z]{2,8}));/gi, letterOf)
    .replaceAll(/[\u200b-\u200f\u202a-\u202e\u2060-\u2064\u2066-\u2069\u00ad\ufeff]|\u034f/g, "")
    .split("\n")
    .map((line) => line.trim())
    .join("\n")
    .replaceAll(/\n{3,}/g, "\n\n")
    .trim()
}

function isHidden(tag: string): boolean {
  return HIDDEN.test(tag) || /\shidden(?:[\s=/]|$)/i.test(tag.replaceAll(/"[^"]*"|'[^']*'/g, ""))
}

const ENTITIES = new Map(
  "amp & lt < gt > quot \" apos ' copy © reg ® euro € hellip … ndash – mdash — lsquo ‘ rsquo ’ ldquo “ rdquo ” bull • middot · auml ä ouml ö uuml ü Auml Ä Ouml Ö Uuml Ü szlig ß eacute é egrave è agrave à ccedil ç ntilde ñ"
    .split(" ")
    .flatMap((name, at, all) => (at % 2 === 0 ? [[name, all[at + 1] ?? ""] as const] : [])),
).set("nbsp", " ")

function letterOf(whole: string, decimal?: string, hex?: string, name?: string): string {
  if (name !== undefined) return ENTITIES.get(name) ?? whole
  const code = decimal === undefined ? Number.parseInt(hex ?? "", 16) : Number(decimal)
  return code > 0 && code <= 0x10ffff ? String.fromCodePoint(code).toWellFormed() : ""
}
