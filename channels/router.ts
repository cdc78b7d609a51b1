/**
 * What was said, on its way to where it belongs: rows that wait are handed to their channel's code one after the other for each place,
 * and each piece at most once. What was certainly not sent is tried again, more and more rarely; what may have been sent is not.
 */
import type { Cancel, Clock } from "#core/clock.ts"
import type { Db, Row, Statement, Writer } from "#core/db/db.ts"
import { storableText } from "#core/db/storable.ts"
import { preview, type LabelName, type NewEvent } from "#core/event.ts"
import type { DeliveryId, MessageId, SessionId, TurnId } from "#core/id.ts"
import type { Log } from "#core/log.ts"
import type { ReplyGate } from "#core/safety/reply.ts"
import type { People } from "#core/session/person.ts"
import { sharedTopic } from "#core/session/place.ts"
import { messageCharactersOf } from "#sandbox/channel-manifest.ts"
import type { LivePlugin } from "#sandbox/live-plugin.ts"
import { type ChannelCalls, MAX_CALL_MS } from "./calls.ts"
import { externalIdOf, SentAnswer } from "./channel.ts"
import { splitText } from "./split.ts"

/** Waits between tries: a network that hiccups, one that restarts, one that is down for the day. Eight tries in some eleven hours. */
const WAITS_S = [5, 30, 120, 600, 1_800, 7_200, 28_800]
/** Whoever holds it longer than its call may take has died with it. */
const LEASE_MS = MAX_CALL_MS + 30_000
/** At once in this process; of one place always one after the other. */
const MAX_AT_ONCE = 4
/** Other processes put replies on their way too; those of this one are told at once. */
const LOOK_EVERY_MS = 5_000
const MAX_PARTS = 50

export type Router = {
  start(): void
  /** Something may wait. */
  wake(): void
  stop(): Promise<void>
}

export type RouterDeps = {
  db: Db
  writer: Pick<Writer, "commit">
  clock: Clock
  log: Log
  calls: ChannelCalls
  /** The channels that run. */
  live: () => readonly LivePlugin[]
  reply: Pick<ReplyGate, "whole">
  people: Pick<People, "identify">
  redact: (text: string) => string
  /** Nothing is sent while everything is stopped. */
  mayRun: () => boolean
  /** Nobody else uses the database: what is under way at the start was cut off. */
  isAlone: boolean
}

type Delivery = {
  id: DeliveryId
  channel: string
  peer: string
  topic: string
  agentId: string
  sessionId: SessionId | null
  turnId: TurnId | null
  messageId: MessageId | null
  note: string
  attempts: number
  partsSent: number
  labels: LabelName[]
  source: string
}
/** What became of a piece. `unknown`: it may have been sent. */
type Sent =
  | { state: "sent" }
  | { state: "retry"; why: string; afterS: number | null }
  | { state: "failed" | "unknown"; why: string }

/** What fails more often than this lets those behind it pass: one that never goes out keeps nobody silent. */
const IN_ORDER_TRIES = 3

const CLAIM = `update deliveries set state = 'sending', attempts = attempts + 1, lease_until = $2::timestamptz
  where id = (select d.id from deliveries d where d.state = 'waiting' and d.channel = any($3) and d.next_at <= $1::timestamptz
      and not exists (select 1 from deliveries e where e.channel = d.channel and e.peer = d.peer and e.topic = d.topic
        and e.position < d.position and (e.state = 'sending' or (e.state = 'waiting' and e.attempts < ${IN_ORDER_TRIES})))
    order by d.position limit 1 for update skip locked)
  returning id, channel, peer, topic, agent_id, session_id, turn_id, message_id, note, attempts, parts_sent, labels, source`

export function createRouter({
  db,
  writer,
  clock,
  log,
  calls,
  live,
  reply,
  people,
  redact,
  mayRun,
  isAlone,
}: RouterDeps): Router {
  const running = new Set<Promise<void>>()
  let isOn = false
  let isFirst = true
  let looking: Promise<void> | null = null
  let again = false
  let cancel: Cancel | null = null

  const at = (ms = 0) => new Date(clock.nowMs() + ms).toISOString()

  async function look(): Promise<void> {
    const channels = live().map(({ pin }) => pin.name)
    if (channels.length === 0 || !mayRun()) return
    await giveUpAbandoned()
    while (isOn && mayRun() && running.size < MAX_AT_ONCE) {
      const [row] = await db.query({ sql: CLAIM, params: [at(), at(LEASE_MS), channels] })
      if (!row) return
      const delivery = deliveryOf(row)
      const work = carry(delivery)
        .catch((error: unknown) => log.error("A reply was not carried", { channel: delivery.channel, error }))
        .finally(() => {
          running.delete(work)
          wake()
        })
      running.add(work)
    }
  }

  /** Whoever sent them has died: whether they arrived nobody knows. */
  async function giveUpAbandoned(): Promise<void> {
    const all = isFirst && isAlone
    isFirst = false
    const rows = await db.query({
      sql: `update deliveries set state = 'unknown', ended_at = $1::timestamptz, note = '', error = $2
        where state = 'sending' and ($3 or lease_until < $1::timestamptz)
        returning id, channel, peer, topic, agent_id, session_id, turn_id, message_id, note, attempts, parts_sent, labels, source`,
      params: [at(), CUT_OFF, all],
    })
    for (const row of rows) await tell([], failedEvents(deliveryOf(row), CUT_OFF))
  }

  async function carry(delivery: Delivery): Promise<void> {
    const channel = live().find(({ pin }) => pin.name === delivery.channel)
    if (!channel) return settle(delivery, { state: "retry", why: "Its channel is not there", afterS: null })
    if (!(await mayHear(delivery))) return settle(delivery, { state: "failed", why: NOT_FOR_THEM })
    const text = await textOf(delivery)
    if (text === null) return settle(delivery, { state: "failed", why: "The message is gone" })
    const parts = splitText(text, messageCharactersOf(channel.pin.manifest.capabilities?.channel ?? {})).slice(
      0,
      MAX_PARTS,
    )
    const replyTo = await answeredBy(delivery)
    for (let part = delivery.partsSent; part < parts.length; part++) {
      const sent = await sendPart(channel, delivery, { text: parts[part] ?? "", part, parts: parts.length, replyTo })
      if (sent.state !== "sent") return settle(delivery, sent)
      delivery.partsSent = part + 1
      if (delivery.partsSent < parts.length)
        await db.query({
          sql: "update deliveries set parts_sent = $2, lease_until = $3::timestamptz where id = $1",
          params: [delivery.id, delivery.partsSent, at(LEASE_MS)],
        })
    }
    await settle(delivery, { state: "sent" }, preview(redact(text)))
  }

  /** Whom the owner turned away, or took for themselves no more, since it was said: what was meant for the owner goes to nobody else. */
  async function mayHear({ channel, peer, topic, sessionId, turnId }: Delivery): Promise<boolean> {
    if (sessionId === null || sharedTopic(topic) !== null) return true // our own words, or a place and nobody's address
    const identity = await people.identify({ channel, externalId: peer })
    if (identity === null || identity.role === "owner") return identity !== null
    const [turn] = await db.query({
      sql: "select ceiling is not null as guest from turns where id = $1",
      params: [turnId],
    })
    return turn?.["guest"] === true
  }

  async function sendPart(
    channel: LivePlugin,
    { id, peer, topic }: Delivery,
    { text, part, parts, replyTo }: { text: string; part: number; parts: number; replyTo: string | null },
  ): Promise<Sent> {
    const shared = sharedTopic(topic)
    const called = await calls.call(channel, {
      name: "respond",
      input: {
        id: `${id}:${part + 1}`,
        to: { id: peer, shared: shared !== null, topic: shared ?? "" },
        text,
        part: part + 1,
        parts,
        replyTo: part === 0 ? replyTo : null,
      },
      answer: SentAnswer,
    })
    if (!called.ok) {
      if (called.touched) return { state: "unknown", why: called.why }
      // What was refused because everything is stopped goes out once that is over.
      const isForGood = called.refused && mayRun()
      return { ...(isForGood ? { state: "failed" } : { state: "retry", afterS: null }), why: called.why }
    }
    const answer = called.value
    if (answer === null || answer.state === "sent") return { state: "sent" }
    const why = answer.why ?? "The channel says that it failed, and not why"
    return answer.retry === false
      ? { state: "failed", why }
      : { state: "retry", why, afterS: answer.retryAfterSeconds ?? null }
  }

  /** As it is stored, with what became a secret since taken out. */
  async function textOf({ messageId, note }: Delivery): Promise<string | null> {
    if (messageId === null) return reply.whole(note, AS_STORED)
    const [row] = await db.query({ sql: "select text from messages where id = $1", params: [messageId] })
    return row ? reply.whole(String(row["text"]), AS_STORED) : null
  }

  async function answeredBy({ turnId, channel }: Delivery): Promise<string | null> {
    if (turnId === null) return null
    const [row] = await db.query({
      sql: `select c.external_id from messages m join channel_messages c on c.message_id = m.id and c.channel = $2
        where m.turn_id = $1 and m.role = 'person' order by m.position limit 1`,
      params: [turnId, channel],
    })
    return row ? externalIdOf(String(row["external_id"])) : null
  }

  async function settle(delivery: Delivery, sent: Sent, told = ""): Promise<void> {
    const { id, channel, attempts, partsSent, sessionId, messageId, agentId, labels, source } = delivery
    const waitS = WAITS_S[attempts - 1]
    if (sent.state === "retry" && waitS !== undefined) {
      const nextAt = at(Math.max(waitS, sent.afterS ?? 0) * 1_000)
      await db.query({
        sql: `update deliveries set state = 'waiting', parts_sent = $2, next_at = $3::timestamptz, lease_until = null, error = $4
          where id = $1 and state = 'sending'`,
        params: [id, partsSent, nextAt, errorText(sent.why)],
      })
      return
    }
    const state = sent.state === "retry" ? "failed" : sent.state
    const why = sent.state === "sent" ? "" : errorText(sent.why)
    const ended: Statement = {
      // A note is our own words for one reader: said, they are nobody's any more.
      sql: `update deliveries set state = $2, parts_sent = $3, ended_at = $4::timestamptz, lease_until = null, note = '', error = $5
        where id = $1`,
      params: [id, state, partsSent, at(), why],
    }
    if (state !== "sent") {
      log.warn("A channel did not carry what was said", { channel, delivery: id, state, why })
      return tell([ended], failedEvents(delivery, why))
    }
    const isSaid = sessionId !== null && messageId !== null
    await tell(
      [ended],
      isSaid
        ? [
            {
              type: "message.delivered",
              sessionId,
              messageId,
              channel: `plugin:${channel}`,
              preview: told,
              agentId,
              labels,
              source,
            },
          ]
        : [],
    )
  }

  function failedEvents(
    { sessionId, messageId, channel, agentId, labels, source }: Delivery,
    error: string,
  ): NewEvent[] {
    if (sessionId === null || messageId === null) return []
    return [
      {
        type: "message.undelivered",
        sessionId,
        messageId,
        channel: `plugin:${channel}`,
        error: preview(error),
        agentId,
        labels,
        source,
      },
    ]
  }

  async function tell(statements: Statement[], events: NewEvent[]): Promise<void> {
    if (statements.length + events.length > 0) await writer.commit({ statements, events })
  }

  const errorText = (why: string) => storableText(preview(redact(why), 500))

  function wake(): void {
    if (!isOn) return
    if (looking) {
      again = true
      return
    }
    cancel?.()
    cancel = null
    looking = look()
      .catch((error: unknown) => log.error("What waits to be said could not be looked at", { error }))
      .finally(() => {
        looking = null
        if (!isOn) return
        if (again) {
          again = false
          wake()
        } else cancel = clock.after(LOOK_EVERY_MS, wake)
      })
  }

  return {
    start() {
      isOn = true
      wake()
    },
    wake,
    async stop() {
      isOn = false
      cancel?.()
      await looking
      await Promise.all(running)
    },
  }
}

const CUT_OFF = "The service ended while it was being sent; whether it arrived nobody knows"
const NOT_FOR_THEM = "It was meant for whom the owner has turned away since, or knows as somebody else"
/** What is stored has passed the gate once, with what its turn knew of links; a second time takes out secrets and pictures alone. */
const AS_STORED = { labels: [], mayLink: () => true }

/** Columns as the schema types them. */
function deliveryOf(row: Row): Delivery {
  return {
    id: row["id"] as DeliveryId,
    channel: row["channel"] as string,
    peer: row["peer"] as string,
    topic: row["topic"] as string,
    agentId: row["agent_id"] as string,
    sessionId: row["session_id"] as SessionId | null,
    turnId: row["turn_id"] as TurnId | null,
    messageId: row["message_id"] as MessageId | null,
    note: row["note"] as string,
    attempts: Number(row["attempts"]),
    partsSent: Number(row["parts_sent"]),
    labels: row["labels"] as LabelName[],
    source: row["source"] as string,
  }
}
