/** A Channel: a way people reach the assistant. What its plugin hands in and is handed, as schemas: it is believed no further than these. */
import type { Statement } from "#core/db/db.ts"
import { int, judgeShape, type Static, t } from "#core/schema.ts"

/** Characters that a person does not see, in a class of a pattern: controls, and what has no width or turns the line around. */
export const UNSEEN = "\\x00-\\x1f\\x7f-\\x9f\\u00ad\\u200b-\\u200f\\u2028-\\u202e\\u2060-\\u206f\\ufeff"

const strict = { additionalProperties: false } as const
/** Ids of a network: any text on one line, without blanks at its ends that nobody would see. */
const ExternalId = t.String({ maxLength: 200, pattern: `^(?!\\s)[^${UNSEEN}]+(?<!\\s)$` })
/** As people name themselves: shown with care, and never what anything is decided by. */
const Name = t.String({ maxLength: 200 })
const Sender = t.Object({ id: ExternalId, name: t.Optional(Name) }, strict)

export const EmittedMessage = t.Object(
  {
    id: ExternalId,
    sender: Sender,
    conversation: t.Optional(
      t.Object({ id: ExternalId, topic: t.Optional(t.String({ maxLength: 200, pattern: `^[^${UNSEEN}]*$` })) }, strict),
    ),
    text: t.String({ minLength: 1, maxLength: 100_000, pattern: "\\S" }),
  },
  strict,
)
export type EmittedMessage = Static<typeof EmittedMessage>

export const PairingAsked = t.Object({ sender: Sender }, strict)

/** A message's place among all of its channel: conversations number theirs each for itself. */
export function markOf({
  place,
  isShared,
  externalId,
}: {
  place: string
  isShared: boolean
  externalId: string
}): string {
  return JSON.stringify([isShared ? "shared" : "alone", place, externalId])
}

/** The network's own id again; null where it is none of ours. */
export function externalIdOf(mark: string): string | null {
  const shape = judgeShape(Mark, JSON.parse(mark))
  return shape.ok ? shape.value[2] : null
}
const Mark = t.Tuple([t.String(), t.String(), t.String()])

/** A webhook's answer, within what no browser or server takes for anything else. */
export const WebhookAnswer = t.Union([
  t.Null(),
  t.Object({ status: t.Optional(int({ minimum: 200, maximum: 599 })), body: t.Optional(t.Unknown()) }, strict),
])

export const SentAnswer = t.Union([
  t.Null(),
  t.Object({ state: t.Literal("sent") }),
  t.Object({
    state: t.Literal("failed"),
    retry: t.Optional(t.Boolean()),
    why: t.Optional(t.String({ maxLength: 2_000 })),
    retryAfterSeconds: t.Optional(int({ minimum: 0, maximum: 86_400 })),
  }),
])

export const StatusAnswer = t.Object({ ok: t.Boolean(), detail: t.Optional(t.String({ maxLength: 500 })) })

/** How a channel is, for its owner. */
export type ChannelStatus = {
  name: string
  /** Of its plugin. */
  state: "active" | "inactive" | "disabled" | "broken" | "missing"
  version: string
  description: string
  /** Where its requests come in. */
  paths: readonly string[]
  /** Null: it does not poll. */
  pollEveryMs: number | null
  started: boolean
  lastPollAt: string | null
  lastOkAt: string | null
  /** Starts and polls that failed, in a row. */
  failures: number
  lastError: string
  deliveries: { waiting: number; failed: number; unknown: number }
  /** Who is known by it, and who asks to be. */
  people: number
  asking: number
}

/** What the doctor judges of a channel that runs. */
export type ChannelHealth = Pick<ChannelStatus, "name" | "failures" | "lastError"> & {
  /** Of its webhook; null: it has none. */
  secretName: string | null
  secret: "set" | "missing" | "short" | null
  /** Failed or lost within a day. */
  undelivered: number
}

/** What anybody could try: 16 characters of a random text are 64 bits and more. */
export const LEAST_SECRET_CHARACTERS = 16

/** Under which its messages are counted, beside its requests: no plugin is called so. */
export function emitCountOf(channel: string): string {
  return `${channel} emit`
}

/** What has to be gone with a channel's plugin, so that the next one of its name begins with nothing. */
export function forgetChannelStatements(channel: string): Statement[] {
  const tables = ["channel_states", "channel_messages", "channel_memory", "deliveries", "pairings", "webhook_receipts"]
  return [
    ...tables.map((table) => ({ sql: `delete from ${table} where channel = $1`, params: [channel] })),
    { sql: "delete from plugin_rates where plugin = $1", params: [emitCountOf(channel)] },
  ]
}
