/**
 * message_send: a message to the owner besides the reply, where they read: in the session of this turn, or, from a turn that nobody
 * watches, in the one where they spoke last. What it says carries the labels of the call and passes the gate of replies.
 */
import { and, count, eq } from "drizzle-orm"
import type { Db, Writer } from "../db/db.ts"
import { insertRow } from "../db/insert.ts"
import { calls, messages } from "../db/schema.ts"
import { storableText } from "../db/storable.ts"
import { preview } from "../event.ts"
import { newId, type PersonId, type SessionId } from "../id.ts"
import { OWNER_CHANNEL } from "../safety/capability.ts"
import type { ReplyGate } from "../safety/reply.ts"
import { t } from "../schema.ts"
import { deliveryStatements } from "../session/deliveries.ts"
import { addressOfSql, UNSHARED_SQL } from "../session/place.ts"
import type { Place } from "../session/session.ts"
import { touchSessionStatement } from "../session/statements.ts"
import { defineTool, type Tool } from "./tool.ts"

/** Two screens. What is longer is a reply, or a document. */
const MAX_CHARACTERS = 4_000
/** Each interrupts a person, and no gate asks before it: a model that goes round in circles, or is told to, must not fill their day. */
const MAX_PER_TURN = 5
/** Where the answer goes to a program, and the session is not looked at. */
const UNWATCHED = "openai"

export type MessageSendDeps = {
  db: Db
  writer: Pick<Writer, "commit">
  clock: { iso(): string }
  ownerId: () => PersonId
  reply: ReplyGate
  /** Secrets by value and by form. */
  redact: (text: string) => string
}

export function messageTools({ db, writer, clock, ownerId, reply, redact }: MessageSendDeps): Tool[] {
  /** A session is the owner's to read where they have spoken in it, nobody reads along, and its address is still theirs. */
  async function findPlace(agentId: string, current: SessionId): Promise<(Place & { id: SessionId }) | null> {
    const spoken = `${UNSHARED_SQL} and ${addressOfSql("$2")} and exists
      (select 1 from messages m where m.session_id = s.id and m.role = 'person' and m.person_id = $2)`
    const columns = "select id, channel, peer, topic from sessions s"
    const own = { sql: `${columns} where id = $1 and ${spoken}`, params: [current, ownerId()] }
    const last = {
      sql: `${columns} where agent_id = $1 and channel <> '${UNWATCHED}' and ${spoken}
        order by updated_at desc, id limit 1`,
      params: [agentId, ownerId()],
    }
    const [here] = await db.query(own)
    const found = here && here["channel"] !== UNWATCHED ? here : ((await db.query(last))[0] ?? here)
    // Columns as the schema types them.
    return found ? (found as Place & { id: SessionId }) : null
  }

  const send = defineTool({
    name: "message_send",
    description: "Send the owner a message besides your reply: from work that nobody watches, or before a long step.",
    input: t.Object(
      { to: t.Literal("owner"), text: t.String({ minLength: 1, maxLength: MAX_CHARACTERS, pattern: "\\S" }) },
      { additionalProperties: false },
    ),
    effect: () => "send",
    needs: () => [{ kind: "send", channel: OWNER_CHANNEL }],
    timeoutMs: 10_000, // three look-ups and a commit
    async run({ text }, { agentId, sessionId, turnId, callId, labels, source, ownerUrls }) {
      const [sent] = await db.orm
        .select({ times: count() })
        .from(calls)
        .where(and(eq(calls.turnId, turnId), eq(calls.tool, "message_send"), eq(calls.state, "done")))
      if ((sent?.times ?? 0) >= MAX_PER_TURN)
        return {
          failed: `${MAX_PER_TURN} messages were sent in this turn, and that is the most. Say the rest in your reply`,
        }
      const place = await findPlace(agentId, sessionId)
      if (!place) return { failed: "The owner has not spoken with this agent yet, so there is no place to send it to" }
      const shown = storableText(reply.whole(redact(text), { labels, mayLink: ownerUrls }))
      const messageId = newId("msg")
      const taint = { labels: [...labels], source }
      const at = { sessionId: place.id, messageId, agentId, ...taint }
      const delivery = deliveryStatements({ ...at, place, turnId: null })
      const told = { ...at, channel: place.channel, preview: preview(shown) }
      await writer.commit({
        statements: [
          // Of no turn, so that it is not taken for that turn's reply; the call that it came from is named.
          insertRow(messages, {
            id: messageId,
            sessionId: place.id,
            turnId: null,
            agentId,
            role: "model",
            text: shown,
            callId,
            ...taint,
          }),
          touchSessionStatement(place.id, { at: clock.iso() }),
          ...delivery,
        ],
        // What a channel carries is told of once it is there.
        events: delivery.length > 0 ? [] : [{ type: "message.delivered", ...told }],
      })
      const where = place.id === sessionId ? "in this conversation" : "where the owner spoke last"
      return { data: { sent: messageId, where }, labels: [], source: "host" }
    },
  })
  return [send]
}
