/** Opens the wire to one model: the provider package of its format, loaded when first needed, with our egress as its `fetch`. */
import type { LanguageModelV4 } from "@ai-sdk/provider"
import type { Vendor, WireFormat } from "./catalogue.ts"
import { NotAStream } from "./failures.ts"
import type { Key } from "./settings.ts"

export type Fetch = (url: string, init?: RequestInit) => Promise<Response>

/** The header that proves who we are to a vendor. The egress gate puts it in, after it has read what we send. */
export type Credential = { header: string; value: string; secretName: string }

/** The egress gate's fetch toward one vendor. Asked anew for every request, so that it can see whose turn it is and a key that changed. */
export type FetchFor = (to: { vendor: Vendor; baseUrl: string; credential: Credential | null }) => Fetch

export type WireSpec = {
  vendor: Vendor
  /** As the vendor names it. */
  modelName: string
  baseUrl: string
  fetch: Fetch
}

type Open = (spec: WireSpec) => LanguageModelV4

const openers: Record<Exclude<WireFormat, "demo">, () => Promise<{ open: Open }>> = {
  openai: () => import("./wire-openai.ts"),
  anthropic: () => import("./wire-anthropic.ts"),
  google: () => import("./wire-google.ts"),
}

export async function openWire(format: Exclude<WireFormat, "demo">, spec: WireSpec): Promise<LanguageModelV4> {
  const { open } = await openers[format]()
  return open({ ...spec, fetch: wireFetch(spec) })
}

/** The header that carries the key, by format. */
const keyHeaders: Record<WireFormat, { header: string; prefix: string }> = {
  openai: { header: "authorization", prefix: "Bearer " },
  anthropic: { header: "x-api-key", prefix: "" },
  google: { header: "x-goog-api-key", prefix: "" },
  demo: { header: "x-none", prefix: "" },
}

export function credentialOf(vendor: Vendor, key: Key | null): Credential | null {
  if (key === null) return null
  const { header, prefix } = keyHeaders[vendor.format]
  return { header, value: prefix + key.value, secretName: key.name }
}

/** The packages insist on a key. They get this one, and its header is taken off again: no object of theirs ever holds a true key. */
export const NO_KEY = "-"
/** An error body is a sentence in JSON; what is longer is a page or an attack. */
const MAX_ERROR_BYTES = 65_536

function wireFetch({ fetch }: WireSpec): Fetch {
  return async (url, init) => {
    const headers = new Headers(init?.headers)
    for (const { header } of Object.values(keyHeaders)) headers.delete(header)
    headers.set("user-agent", "ironclaw")
    const response = await fetch(url, { ...init, headers, redirect: "error" }) // no vendor redirects; a key must not wander
    if (!response.ok) {
      const body = await readBounded(response, MAX_ERROR_BYTES)
      return new Response(body, { status: response.status, statusText: response.statusText, headers: response.headers })
    }
    const type = response.headers.get("content-type") ?? ""
    // Some servers send a stream of events with no type or text/plain; a page or a JSON object is none.
    if (/json|html/i.test(type)) throw new NotAStream(response.status, await readBounded(response, MAX_ERROR_BYTES))
    return response
  }
}

export async function readBounded(response: Response, maxBytes: number): Promise<string> {
  if (!response.body) return ""
  const chunks: Uint8Array[] = []
  let size = 0
  // A body yields bytes; leaving the loop cancels the rest of it.
  for await (const chunk of response.body as AsyncIterable<Uint8Array>) {
    chunks.push(chunk)
    size += chunk.byteLength
    if (size >= maxBytes) break
  }
  return new TextDecoder().decode(Buffer.concat(chunks).subarray(0, maxBytes))
}
