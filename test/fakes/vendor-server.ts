/** What the fakes of vendors' APIs have in common: requests are kept, a route answers, and a test says what the next answer is instead. */
import type { Answer } from "#test/core/safety/fake-internet.ts"

export type VendorRequest = {
  method: string
  path: string
  query: Record<string, string>
  headers: Record<string, string | string[] | undefined>
  /** Parsed where it is JSON, else the text. */
  body: unknown
}
export type VendorAnswer = {
  status?: number
  headers?: Record<string, string>
  body?: unknown
  /** In the place of a body. */
  bytes?: Uint8Array
}

export type VendorServer = {
  answer: Answer
  requests: VendorRequest[]
  /** What the next request is answered with, whatever it asks for. */
  next(...answers: VendorAnswer[]): void
  /** The last request. Throws where there was none. */
  last(): VendorRequest
}

/** A body that is a text is sent as it is; anything else as JSON. */
export function createVendorServer(route: (request: VendorRequest) => VendorAnswer): VendorServer {
  const requests: VendorRequest[] = []
  const instead: VendorAnswer[] = []
  return {
    requests,
    next: (...answers) => void instead.push(...answers),
    last() {
      const request = requests.at(-1)
      if (!request) throw new Error("The vendor was not asked")
      return request
    },
    async answer(request, reply) {
      let text = ""
      for await (const part of request) text += String(part)
      const url = new URL(request.url ?? "/", "https://vendor.invalid")
      const asked: VendorRequest = {
        method: request.method ?? "",
        path: url.pathname,
        query: Object.fromEntries(url.searchParams),
        headers: request.headers,
        body: parsed(text),
      }
      requests.push(asked)
      const { status = 200, headers = {}, body = "", bytes } = instead.shift() ?? route(asked)
      reply.writeHead(status, { "content-type": "application/json; charset=utf-8", ...headers })
      reply.end(status === 204 ? undefined : bytes ? bytes : typeof body === "string" ? body : JSON.stringify(body))
    },
  }
}

function parsed(text: string): unknown {
  try {
    return JSON.parse(text)
  } catch {
    return text
  }
}
