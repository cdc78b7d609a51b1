/** What a guest asks of the host, counted against its quotas and handed to the function that answers. */
import { type GuestCall, HostRefusal } from "./guest.ts"
import type { Ask } from "./messages.ts"

export type HostAnswer = { header: unknown; body: Uint8Array } | { refused: string }

export type AskedOfHost = {
  call: Pick<GuestCall, "limits" | "host" | "signal">
  usage: { requests: number; toolCalls: number }
  ask: Ask
  body: Uint8Array
  signal: AbortSignal
}

/** Throws a HostRefusal for what the guest may read, and anything else for what it may not. */
export async function hostAnswer({ call, usage, ask, body, signal }: AskedOfHost): Promise<HostAnswer> {
  const { limits, host } = call
  if (ask.name === "http") {
    if (!host.http) throw new HostRefusal("This plugin was granted no requests")
    if (++usage.requests > limits.maxRequests)
      throw new HostRefusal(`No more than ${limits.maxRequests} requests in one call`)
    const { method, url, headers } = ask
    const response = await host.http({ method, url, headers, body }, { signal })
    return { header: { status: response.status, headers: response.headers }, body: response.body }
  }
  const work = host.functions[ask.name]
  if (!work) throw new HostRefusal(`This plugin was not granted "${ask.name}"`)
  if (ask.name === "tool_invoke" && ++usage.toolCalls > limits.maxToolCalls)
    throw new HostRefusal(`No more than ${limits.maxToolCalls} calls of other tools in one call`)
  const answer = await work(payloadOf(body), { signal })
  return { header: {}, body: new TextEncoder().encode(JSON.stringify(answer ?? null)) }
}

function payloadOf(body: Uint8Array): unknown {
  try {
    return JSON.parse(new TextDecoder("utf-8", { fatal: true }).decode(body))
  } catch {
    throw new HostRefusal("What was asked is no JSON")
  }
}
