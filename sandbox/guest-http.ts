/** A guest's requests: counted in the database, bounded, sent through the gate that its plugin's grant opens. */
import { AppError } from "#core/errors.ts"
import { type GuestRequest, type GuestResponse, type HostContext, HostRefusal } from "./child/guest.ts"
import { ratesOf, sizesOf } from "./limits.ts"
import type { Logins } from "./logins.ts"
import type { PluginPins } from "./pins.ts"
import type { PluginPin } from "./plugin.ts"
import { endpointsOf } from "./plugin-config.ts"
import { missingSecrets, secretsToward } from "./plugin-credentials.ts"

export type GuestHttpDeps = {
  /** Bound to this plugin and what it was granted. */
  fetch: (url: string, init?: RequestInit) => Promise<Response>
  pins: Pick<PluginPins, "countRequest">
  logins: Pick<Logins, "valueFor" | "prepare" | "renew">
  /** The egress gate said no. */
  onRefused: () => void
  /** What the owner could do about an answer, in words. */
  onAdvice: (words: string) => void
}

const each = { minute: "a minute", hour: "an hour" } as const

export function guestHttp(pin: PluginPin, { fetch, pins, logins, onRefused, onAdvice }: GuestHttpDeps) {
  const { name, manifest } = pin
  return async function sendRequest(request: GuestRequest, { signal }: HostContext): Promise<GuestResponse> {
    const { maxRequestBytes, maxResponseBytes } = sizesOf(manifest)
    const login = await logins.prepare(pin, request.url)
    if ("refused" in login) throw new HostRefusal(login.refused)
    const [missing] = missingSecrets(manifest, { url: request.url, secretValue: logins.valueFor(pin) })
    if (missing !== undefined) throw new HostRefusal(howToSet(pin, missing))
    if (request.body.length > maxRequestBytes) throw new HostRefusal(`A request has at most ${maxRequestBytes} bytes`)
    const over = await pins.countRequest(name, ratesOf(manifest))
    if (over !== null) throw new HostRefusal(`No more than ${over.limit} requests ${each[over.per]}`)
    const send = () =>
      fetch(request.url, {
        method: request.method,
        headers: request.headers,
        ...(request.body.length > 0 ? { body: request.body.slice() } : {}),
        signal,
      })
    try {
      let response = await send()
      // A host that does not take the token has done nothing yet; with another one it is asked once more.
      if (response.status === 401 && login.version !== null && (await logins.renew(pin, login.version))) {
        await response.body?.cancel()
        response = await send()
      }
      const [unaccepted] = response.status === 401 ? secretsToward(manifest, request.url) : []
      if (unaccepted !== undefined)
        onAdvice(
          `${new URL(request.url).hostname} did not take the owner's ${unaccepted}: \`ironclaw tool auth ${name}\` sets another`,
        )
      const headers: Record<string, string> = {}
      for (const [field, value] of response.headers) if (field !== "set-cookie") headers[field] = value
      return { status: response.status, headers, body: await readBounded(response, maxResponseBytes) }
    } catch (error) {
      if (!(error instanceof AppError)) throw error
      if (error.code === "egress.refused") onRefused()
      throw new HostRefusal(error.message)
    }
  }
}

/** Whether it was granted any host, or given an address of the owner's own: a guest without one has no requests to make. */
export function reachesHosts({ manifest, config }: PluginPin): boolean {
  const { rules, local } = endpointsOf(manifest, config)
  return (manifest.capabilities?.http?.allowlist.length ?? 0) + rules.length + local.length > 0
}

/** For the model to tell its owner: what a host says of a request without a key helps neither. */
function howToSet({ name }: PluginPin, secret: string): string {
  return `The owner has not set ${secret} yet. Ask them to run \`ironclaw tool auth ${name}\` in a terminal`
}

async function readBounded(response: Response, maxBytes: number): Promise<Uint8Array> {
  // Bodies of the egress gate are streams of bytes; the type of a Response leaves that open.
  const body = response.body as ReadableStream<Uint8Array> | null
  if (body === null) return new Uint8Array()
  const reader = body.getReader()
  const chunks: Uint8Array[] = []
  let size = 0
  for (;;) {
    const { done, value } = await reader.read()
    if (done) return new Uint8Array(Buffer.concat(chunks))
    size += value.length
    if (size > maxBytes) {
      await reader.cancel()
      throw new HostRefusal(`The answer has more than ${maxBytes} bytes`)
    }
    chunks.push(value)
  }
}
