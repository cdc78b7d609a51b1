/** http_request: one request to one address, through the egress gate. What it answers is text from outside. */
import { t } from "../schema.ts"
import { mediaTypeOf, readAnswer } from "./answer-body.ts"
import { defineTool, type Tool } from "./tool.ts"
import { effectOf, judgeAddress, needOf, urlField } from "./web-address.ts"

const TIMEOUT_MS = 60_000 // the egress gate's own bound for a whole request
const MAX_BODY_CHARACTERS = 256 * 1024 // more than a model writes in one call
const MAX_ANSWER_BYTES = 1024 * 1024 // an API's answer; the model reads it in pieces of some 16,000 characters
const MAX_SHOWN_HEADER = 300

/** What a request may say of itself. Whatever could carry a key, or change how the message is framed, is not among them. */
const REQUEST_HEADERS: readonly string[] = [
  "accept",
  "accept-language",
  "cache-control",
  "content-type",
  "if-match",
  "if-modified-since",
  "if-none-match",
  "if-unmodified-since",
  "prefer",
  "range",
  "user-agent",
]
const CREDENTIAL_HEADERS =
  /^(?:authorization|proxy-.*|cookie2?|.*(?:token|secret|password|credential|api-?key|auth|session).*)$/
/** Kinds of answer that a reading may ask for. Any other word in a header is the caller's own, and goes out with the request. */
const PLAIN_ACCEPTS: readonly string[] = [
  "*/*",
  "application/json",
  "application/vnd.github+json",
  "application/xml",
  "text/csv",
  "text/html",
  "text/markdown",
  "text/plain",
]
/** What helps to go on: paging, rates, caching, where something was made. */
const SHOWN_HEADERS: readonly string[] = [
  "etag",
  "last-modified",
  "link",
  "location",
  "content-range",
  "retry-after",
  "x-ratelimit-remaining",
  "x-ratelimit-reset",
]

const method = t.Union(
  ["GET", "HEAD", "POST", "PUT", "PATCH", "DELETE"].map((name) => t.Literal(name)),
  { description: "Default GET" },
)
const Input = t.Object(
  {
    url: urlField,
    method: t.Optional(method),
    headers: t.Optional(t.Record(t.String(), t.String(), { description: "No credentials: the program adds those" })),
    body: t.Optional(t.String({ maxLength: MAX_BODY_CHARACTERS })),
    json: t.Optional(t.Object({}, { additionalProperties: true, description: "In place of `body`" })),
  },
  { additionalProperties: false },
)

export function httpTools(): Tool[] {
  const request = defineTool({
    name: "http_request",
    description: "Send an HTTP request to a web API. To read a page, use web_fetch.",
    input: Input,
    problem: ({ url, method = "GET", headers = {}, body, json }) =>
      judgeAddress(url, method) ?? judgeHeaders(headers) ?? judgeBodies({ method, body, json }),
    effect: ({ url, method = "GET", headers = {} }, facts) =>
      saysMore(headers) ? "send" : effectOf({ url, method }, facts),
    needs: ({ url, method = "GET" }) => needOf({ url, method, path: "exact" }),
    timeoutMs: TIMEOUT_MS,
    async run({ url, method = "GET", headers: given = {}, body, json }, { fetch, signal }) {
      const headers = new Headers(given)
      if (json !== undefined && !headers.has("content-type")) headers.set("content-type", "application/json")
      const content = json === undefined ? body : JSON.stringify(json)
      const response = await fetch(url, {
        method,
        headers,
        signal,
        ...(content === undefined ? {} : { body: content }),
      })
      const shown = SHOWN_HEADERS.flatMap((name): [string, string][] => {
        const value = response.headers.get(name)
        return value === null ? [] : [[name, value.slice(0, MAX_SHOWN_HEADER)]]
      })
      const answer = await readAnswer(response, MAX_ANSWER_BYTES)
      return {
        data: {
          status: response.status,
          contentType: mediaTypeOf(response),
          headers: Object.fromEntries<string>(shown),
          ...("what" in answer
            ? { note: `The body is ${answer.what}, ${answer.bytes} bytes, and not shown` }
            : { body: answer.text, ...noteOf(answer) }),
        },
        labels: ["untrusted"],
        source: new URL(response.url).hostname,
      }
    },
  })
  return [request]
}

function noteOf({ cut, isPart }: { cut: boolean; isPart: boolean }): { note?: string } {
  if (cut) return { note: `cut after ${MAX_ANSWER_BYTES} bytes` }
  return isPart ? { note: "a part of the whole; half words at its borders are left out" } : {}
}

/** Whether these headers could carry what the URL must not: a host that the owner named need not be one to tell things to. */
function saysMore(headers: Record<string, string>): boolean {
  const given = Object.entries(headers)
  return given.some(([name, value]) => name.toLowerCase() !== "accept" || !PLAIN_ACCEPTS.includes(value))
}

function judgeHeaders(headers: Record<string, string>): string | null {
  for (const [name, value] of Object.entries(headers)) {
    const lower = name.toLowerCase()
    if (CREDENTIAL_HEADERS.test(lower))
      return `the header ${shownName(lower)} carries credentials, which the program adds by itself where the owner has set them`
    if (!REQUEST_HEADERS.includes(lower))
      return `the header ${shownName(lower)} is not the caller's to set; possible are ${REQUEST_HEADERS.join(", ")}`
    if (value.length > 1_000 || /[^\t\u0020-\u007e]/.test(value))
      return `the header ${lower} holds more than plain text`
  }
  return null
}

function shownName(name: string): string {
  return JSON.stringify(name.slice(0, 40).toWellFormed())
}

function judgeBodies(given: { method: string; body: string | undefined; json: unknown }): string | null {
  const { method, body, json } = given
  if (body !== undefined && json !== undefined) return "it has both `body` and `json`: give one of them"
  const hasBody = body !== undefined || json !== undefined
  return hasBody && (method === "GET" || method === "HEAD") ? `a ${method} has no body` : null
}
