/** What a channel's manifest says: where it hears from, how its requests are signed, and how much it may hand in. */
import { int, type Static, t } from "#core/schema.ts"

const strict = { additionalProperties: false } as const
const HeaderName = t.String({ pattern: "^[A-Za-z][A-Za-z0-9-]{0,63}$" })

/** How often a channel is asked at most, whatever it would like. */
const LEAST_POLL_MS = 5_000
export const DEFAULT_POLL_MS = 30_000
const DAY_MS = 24 * 3_600_000
/** A person writes less; a group that does has the rest a minute later. */
const PER_MINUTE = 30
const PER_HOUR = 600
/** The least that the networks people use accept in one message. */
const MESSAGE_CHARACTERS = 2_000

/** The time is signed too, in a header of its own, and may differ from ours by so much. */
const Timestamp = t.Object(
  { header: HeaderName, tolerance_seconds: t.Optional(int({ minimum: 10, maximum: 600 })) },
  strict,
)

export const Signature = t.Union([
  t.Object(
    {
      type: t.Literal("hmac-sha256"),
      header: HeaderName,
      encoding: t.Optional(t.Union([t.Literal("hex"), t.Literal("base64")])),
      prefix: t.Optional(t.String({ maxLength: 20, pattern: "^[\\x21-\\x7e]*$", description: "As in sha256=…" })),
      timestamp: t.Optional(Timestamp),
      signed: t.Optional(
        t.String({
          maxLength: 60,
          pattern: "^[\\x20-\\x7e]*\\{body\\}$",
          description: "What is signed: {timestamp} and {body}, as in v0:{timestamp}:{body}",
        }),
      ),
    },
    strict,
  ),
  t.Object({ type: t.Literal("token"), header: HeaderName }, strict),
  t.Object({ type: t.Literal("ed25519"), header: HeaderName, timestamp: Timestamp }, strict),
])
export type Signature = Static<typeof Signature>

export const ChannelCapability = t.Object(
  {
    allowed_paths: t.Optional(
      t.Array(t.String({ maxLength: 200, pattern: "^/webhooks/[a-z][a-z0-9-]*(/[A-Za-z0-9_-]+)*$" }), { maxItems: 5 }),
    ),
    allow_polling: t.Optional(t.Boolean()),
    min_poll_interval_ms: t.Optional(int({ minimum: LEAST_POLL_MS, maximum: DAY_MS })),
    emit_rate_limit: t.Optional(
      t.Object(
        {
          messages_per_minute: t.Optional(int({ minimum: 1, maximum: 600 })),
          messages_per_hour: t.Optional(int({ minimum: 1, maximum: 10_000 })),
        },
        strict,
      ),
    ),
    max_message_characters: t.Optional(
      int({ minimum: 100, maximum: 100_000, description: "Of one message that it sends; longer replies are split" }),
    ),
    webhook: t.Optional(
      t.Object({ secret_name: t.String({ pattern: "^[A-Za-z][A-Za-z0-9_]{0,63}$" }), signature: Signature }, strict),
    ),
  },
  strict,
)
export type ChannelCapability = Static<typeof ChannelCapability>

/** What is asked of a channel beyond the form of what it says: paths of the manifest, and words. */
export function channelProblems({
  name,
  kind,
  channel,
  forTools,
}: {
  name: string
  kind: string | undefined
  channel: ChannelCapability | undefined
  /** What else it asks for, that only tools may have. */
  forTools: readonly string[]
}): Problem[] {
  const at = (path: string, words: string): Problem => ({ path: `capabilities/channel${path}`, words })
  if (kind !== "channel") return channel === undefined ? [] : [at("", "only a plugin of kind channel")]
  if (channel === undefined) return [at("", "a channel says where it hears from")]
  const { allowed_paths: paths = [], allow_polling: polls = false, webhook } = channel
  const own = `/webhooks/${name}`
  return [
    ...forTools.map((path) => ({ path, words: "a channel carries messages and has no such thing" })),
    ...(polls || paths.length > 0 ? [] : [at("", "it neither polls nor has a path, and hears nothing")]),
    ...(paths.length > 0 && !webhook
      ? [at("/webhook", "what comes to its paths has to be signed, and this says how")]
      : []),
    ...(webhook && paths.length === 0
      ? [at("/allowed_paths", "it says how requests are signed, and has no path for any")]
      : []),
    ...paths
      .filter((path) => path !== own && !path.startsWith(`${own}/`))
      .map((path) => at("/allowed_paths", `${path} is not ${own} and not below it`)),
    ...(webhook ? signatureProblems(webhook.signature).map((words) => at("/webhook/signature/signed", words)) : []),
  ]
}
type Problem = { path: string; words: string }

function signatureProblems(signature: Signature): string[] {
  if (signature.type !== "hmac-sha256") return []
  const signed = signature.signed ?? "{body}"
  const times = signed.split("{timestamp}").length - 1
  if (signed.split("{body}").length !== 2) return ["{body} stands in it once, at its end"]
  if (signature.timestamp && times !== 1) return ["a time that is not signed can be changed"]
  return !signature.timestamp && times > 0 ? ["it names a time, and no header says where that is"] : []
}

export function emitRatesOf({ emit_rate_limit: given }: ChannelCapability): { perMinute: number; perHour: number } {
  const perHour = given?.messages_per_hour ?? PER_HOUR
  return { perMinute: Math.min(given?.messages_per_minute ?? PER_MINUTE, perHour), perHour }
}

export function messageCharactersOf({ max_message_characters: most }: ChannelCapability): number {
  return most ?? MESSAGE_CHARACTERS
}

/** What a channel asks for, in words. */
export function channelSentences(name: string, channel: ChannelCapability): string[] {
  const { perMinute, perHour } = emitRatesOf(channel)
  const { allowed_paths: paths = [], webhook, allow_polling: polls = false } = channel
  const seconds = Math.round((channel.min_poll_interval_ms ?? DEFAULT_POLL_MS) / 1_000)
  return [
    `carry messages of people to the assistant, and what it answers to them, as the channel ${name}`,
    `say which of the people you let in on ${name} a message is from, those whom you let in before this version too`,
    ...(webhook
      ? paths.map((path) => `receive requests at ${path}, ${signatureWords(webhook.signature, webhook.secret_name)}`)
      : []),
    ...(polls ? [`look for news by itself, at most every ${seconds} s`] : []),
    `hand in at most ${perMinute} messages a minute and ${perHour} an hour`,
    `remember up to 1 MB of its own between calls, which nobody else reads`,
  ]
}

function signatureWords(signature: Signature, secretName: string): string {
  switch (signature.type) {
    case "hmac-sha256":
      return `each signed with your ${secretName}`
    case "token":
      return `each with your ${secretName} in the header ${signature.header}`
    case "ed25519":
      return `each signed by the key whose public half is your ${secretName}`
  }
}
