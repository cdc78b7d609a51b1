/** POST /webhooks/…: what comes from outside without a token of ours. Counted, read raw, judged by its signature, taken once. */
import { createHash } from "node:crypto"
import type { Channels } from "#channels/channels.ts"
import type { Receipts } from "#channels/receipts.ts"
import type { Clock } from "#core/clock.ts"
import { AppError } from "#core/errors.ts"
import type { Log } from "#core/log.ts"
import type { NoteRefusal } from "#core/safety/refusals.ts"
import type { Signature } from "#sandbox/channel-manifest.ts"
import type { LivePlugin } from "#sandbox/live-plugin.ts"
import { readBytes } from "./body.ts"
import { createLimiter } from "./limits.ts"
import { judgeWebhook } from "./webhooks.ts"

export const WEBHOOK_PREFIX = "/webhooks/"

export type WebhookDoorDeps = {
  channels: Pick<Channels, "atPath" | "secretOf" | "receive">
  receipts: Receipts
  noteRefusal: NoteRefusal
  clock: Clock
  log: Log
}

/** What networks send is a few KB; files are sent as addresses. */
const MAX_BODY_BYTES = 512 * 1024
/** A network hands in what it has at once after a break, and behind a proxy all come from one address; more is an attack, or a loop. */
const PEER = { burst: 120, perSecond: 20 }
/** For those whose signature was right: a group in uproar. */
const CHANNEL = { burst: 120, perSecond: 10 }
const MAX_HEADERS = 40
const MAX_HEADER_CHARACTERS = 1_000
/** Headers that a guest is shown: what networks say of their request, never who is allowed what. */
const SHOWN = /^(?:content-type|user-agent|x-[a-z0-9-]+)$/
const HIDDEN = /^x-(?:forwarded|real-ip|original|api-key|auth)/
const MAX_ANSWER_CHARACTERS = 64 * 1024
/** Of the statuses that a guest may answer with. */
const WITHOUT_BODY: readonly number[] = [204, 205, 304]

export function createWebhookDoor({ channels, receipts, noteRefusal, clock, log }: WebhookDoorDeps) {
  const peers = createLimiter({ clock, ...PEER })
  const perChannel = createLimiter({ clock, ...CHANNEL })
  /** Requests that a channel is hearing, by name and digest: as many as the limits let in. */
  const underWay = new Map<string, Promise<void>>()

  /** One answer whatever was wrong: nobody learns which channels there are, or how far they got. */
  function refused(why: string, { path, peer }: { path: string; peer: string }): AppError {
    log.info("A webhook was refused", { path: path.slice(0, 200), peer, why })
    noteRefusal({ gate: "webhook", why, who: peer, what: `POST ${path}` })
    return new AppError("webhook.refused", "The request is not signed as it has to be")
  }

  /** Throws `webhook.refused`, `client.rate_limited`, `input.too_large`, `input.too_slow`. */
  async function take(request: Request, { path, peer }: { path: string; peer: string }): Promise<Response> {
    limit(peers.take(peer))
    const channel = channels.atPath(path)
    const webhook = channel?.pin.manifest.capabilities?.channel?.webhook
    if (request.method !== "POST" || !channel || !webhook) throw refused("No channel has this path", { path, peer })
    const { signature } = webhook
    // Who sends no signature sends no body that would be read.
    if (!request.headers.get(signature.header)) throw refused(`There is no header ${signature.header}`, { path, peer })
    const announced = Number(request.headers.get("content-length") ?? 0)
    if (announced > MAX_BODY_BYTES) throw tooLarge()
    const body = request.body === null ? new Uint8Array() : await readBytes(request.body, MAX_BODY_BYTES, clock)
    const secret = channels.secretOf(channel)
    const judged = judgeWebhook({ signature, secret, headers: request.headers, body, nowMs: clock.nowMs() })
    if (judged.verdict === "deny") throw refused(judged.why, { path, peer })

    const { name } = channel.pin
    limit(perChannel.take(name))
    // Hex may be written in either case, and is one signature all the same.
    const digest = createHash("sha256")
      .update(JSON.stringify([path, request.headers.get(signature.header)?.toLowerCase()]))
      .update(body)
      .digest("hex")
    // A copy that comes while the first is being heard waits for what becomes of it.
    const key = `${name} ${digest}`
    for (let former = underWay.get(key); former; former = underWay.get(key)) await former
    const heard = Promise.withResolvers<void>()
    underWay.set(key, heard.promise)
    try {
      if (await receipts.has(name, digest)) return new Response(null, { status: 200 })
      return await hear(request, { channel, signature, path, body, digest })
    } finally {
      underWay.delete(key)
      heard.resolve()
    }
  }

  async function hear(request: Request, { channel, signature, path, body, digest }: Signed): Promise<Response> {
    const text = textOf(body)
    if (text === null) throw new AppError("input.invalid", "The body is no UTF-8")
    const query = request.url.includes("?") ? request.url.slice(request.url.indexOf("?")) : ""
    const { status, body: said } = await channels.receive(channel, {
      path,
      query: Object.fromEntries(new URLSearchParams(query)),
      headers: shownHeaders(request.headers, [signature.header, ...timeHeader(signature)]),
      body: text,
    })
    // What failed comes again, and is looked at again.
    if (status < 500) await receipts.add(channel.pin.name, digest)
    return answerOf(status, said)
  }

  return take
}

type Signed = { channel: LivePlugin; signature: Signature; path: string; body: Uint8Array; digest: string }

function limit(seconds: number): void {
  if (seconds > 0)
    throw new AppError("client.rate_limited", "Too many requests in a short time", { retryAfterSeconds: seconds })
}

function tooLarge(): AppError {
  return new AppError("input.too_large", `A webhook's body has at most ${MAX_BODY_BYTES} bytes`)
}

function timeHeader(signature: Signature): string[] {
  return signature.type === "token" || !signature.timestamp ? [] : [signature.timestamp.header]
}

function shownHeaders(headers: Headers, signing: readonly string[]): Record<string, string> {
  const withheld = new Set(signing.map((name) => name.toLowerCase()))
  const shown: Record<string, string> = {}
  for (const [name, value] of headers) {
    if (!SHOWN.test(name) || HIDDEN.test(name) || withheld.has(name)) continue
    if (Object.keys(shown).length >= MAX_HEADERS) break
    shown[name] = value.slice(0, MAX_HEADER_CHARACTERS)
  }
  return shown
}

function textOf(body: Uint8Array): string | null {
  try {
    return new TextDecoder("utf-8", { fatal: true }).decode(body)
  } catch {
    return null
  }
}

/** A guest's words as data: JSON, or text that no browser reads as a page. */
function answerOf(status: number, said: unknown): Response {
  const isEmpty = said === null || said === undefined || said === "" || WITHOUT_BODY.includes(status)
  if (isEmpty) return new Response(null, { status })
  const isText = typeof said === "string"
  const text = isText ? said : JSON.stringify(said)
  if (text.length > MAX_ANSWER_CHARACTERS) return new Response(null, { status: 503 })
  const type = isText ? "text/plain; charset=utf-8" : "application/json"
  return new Response(text, { status, headers: { "Content-Type": type } })
}
