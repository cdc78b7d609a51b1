/**
 * relay: a mailbox for programs. Each request is signed JSON: `{from: {id, name?}, id?, text?, ack?: [ids]}`. A text is handed in as that
 * sender's message; the answer holds the replies that wait for that sender, which stay until a later request acknowledges them. The same
 * bytes within the same second are the same request, and are taken once: any further field makes them another.
 */
import { defineChannel, emitMessage, hasSecret, memory, type Json, type Outgoing } from "ironclaw"

type Asked = { from: { id: string; name?: string }; id?: string; text?: string; ack: string[] }

/** A part of a path of memory. */
const SENDER = /^[A-Za-z0-9][A-Za-z0-9._@-]{0,63}$/
const REPLY = /^[A-Za-z0-9_:-]{1,100}$/
/** Whoever never fetches has no more kept for them. */
const MAX_WAITING = 100

const boxOf = (sender: string) => `out/${sender}/`

function readAsked(body: string): Asked | string {
  let value: Record<string, unknown>
  try {
    value = JSON.parse(body) as Record<string, unknown>
  } catch {
    return "The body is no JSON"
  }
  const from = value?.["from"] as { id?: unknown; name?: unknown } | undefined
  const { id, text, ack = [] } = value ?? {}
  if (typeof from?.id !== "string" || !SENDER.test(from.id)) return "from.id is 1 to 64 letters, digits and . _ @ -"
  if (from.name !== undefined && typeof from.name !== "string") return "from.name is a text"
  if (text !== undefined && (typeof text !== "string" || typeof id !== "string")) return "text and its id are texts"
  if (!Array.isArray(ack) || !ack.every((one) => typeof one === "string" && REPLY.test(one)))
    return "ack is a list of ids of replies"
  return {
    from: { id: from.id, ...(from.name === undefined ? {} : { name: from.name }) },
    ...(text === undefined ? {} : { id: id as string, text }),
    ack: ack as string[],
  }
}

export const { start, receive, poll, respond, status, stop } = defineChannel({
  receive({ body }) {
    const asked = readAsked(body)
    if (typeof asked === "string") return { status: 400, body: { error: asked } }
    const box = boxOf(asked.from.id)
    for (const id of asked.ack) memory.write(box + id, null)
    const taken =
      asked.text === undefined || asked.id === undefined
        ? null
        : emitMessage({ id: asked.id, sender: asked.from, text: asked.text })
    const replies = memory.list(box).map((path) => JSON.parse(memory.read(path) ?? "null") as Json)
    return { body: { message: taken as Json, replies } }
  },
  respond({ id, to, text, part, parts, replyTo }: Outgoing) {
    if (to.shared) return { state: "failed", retry: false, why: "A relay has no conversations of several people" }
    const box = boxOf(to.id)
    if (memory.list(box).length >= MAX_WAITING)
      return { state: "failed", why: `${to.id} has ${MAX_WAITING} replies waiting and fetches none` }
    memory.write(box + id, JSON.stringify({ id, text, part, parts, replyTo }))
    return { state: "sent" }
  },
  status: () =>
    hasSecret("relay_signing_secret")
      ? { ok: true, detail: `${memory.list("out/").length} replies wait to be fetched` }
      : { ok: false, detail: "Its secret is not set: `ironclaw secret set relay_signing_secret`" },
})
