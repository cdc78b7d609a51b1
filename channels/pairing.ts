/**
 * How a stranger becomes known: their first message is answered with a code, and nothing else happens until the owner has typed that
 * code where they prove to be there. Few may wait at a time, so that nobody is flooded, and no code is shown but to who asked.
 */
import { createHash } from "node:crypto"
import type { Clock } from "#core/clock.ts"
import type { Db, Writer } from "#core/db/db.ts"
import { insertRow } from "#core/db/insert.ts"
import { pairings as table } from "#core/db/schema.ts"
import { storableText } from "#core/db/storable.ts"
import { AppError } from "#core/errors.ts"
import { preview } from "#core/event.ts"
import { visibleText } from "#core/safety/approval-question.ts"
import type { NoteRefusal } from "#core/safety/refusals.ts"
import { deliveryStatements } from "#core/session/deliveries.ts"
import type { Identity, KnownIdentity, People } from "#core/session/person.ts"
import { pluginPlace } from "#core/session/place.ts"

/** Letters and digits that nobody takes for one another, 32 of them: eight are 40 bits, and an hour is too short to try them. */
const ALPHABET = "ABCDEFGHJKLMNPQRSTUVWXYZ23456789"
const CODE_LENGTH = 8
const EXPIRES_MS = 3_600_000
/** Who was turned away is not asked about again for a day. */
const DENIED_MS = 24 * 3_600_000
const MAX_OPEN = 3
/** Asked for within an hour, turned away or not. */
const MAX_PER_HOUR = 6

export type Asking = Identity & { name: string; createdAt: string; expiresAt: string }

export type Pairing = {
  /** A stranger's message, or their wish. Says nothing where they were told already, or too many wait. */
  ask(stranger: Identity & { name: string }): Promise<"asked" | "refused">
  list(): Promise<{ asking: Asking[]; known: KnownIdentity[] }>
  /** Who was told this code. Throws `not_found`. */
  find(given: { channel: string; code: string }): Promise<Asking>
  /** Throws `conflict` where they ask no more. */
  approve(asking: Asking, as: "owner" | "known"): Promise<void>
  /** Turns a request away, or takes back what was approved. Throws `not_found`. */
  deny(identity: Identity): Promise<void>
}

export type PairingDeps = {
  db: Db
  writer: Pick<Writer, "commit">
  clock: Clock
  people: People
  noteRefusal: NoteRefusal
}

export function createPairing({ db, writer, clock, people, noteRefusal }: PairingDeps): Pairing {
  /** One after the other, so that two at once do not both find room. */
  let queue: Promise<unknown> = Promise.resolve()

  async function askNow({ channel, externalId, name }: Identity & { name: string }): Promise<"asked" | "refused"> {
    const nowMs = clock.nowMs()
    const at = (ms: number) => new Date(nowMs + ms).toISOString()
    await db.query({ sql: "delete from pairings where expires_at <= $1", params: [at(0)] })
    const [counts] = await db.query({
      sql: `select count(*) filter (where external_id = $2)::int as own, count(*) filter (where state = 'open')::int as open,
          count(*) filter (where created_at > $3)::int as recent from pairings where channel = $1`,
      params: [channel, externalId, at(-EXPIRES_MS)],
    })
    const isTold = Number(counts?.["own"]) > 0
    const hasRoom = Number(counts?.["open"]) < MAX_OPEN && Number(counts?.["recent"]) < MAX_PER_HOUR
    if (isTold || !hasRoom) {
      const why = isTold ? "A stranger, who was told a code" : "A stranger, and too many wait to be let in"
      noteRefusal({ gate: "sender", why, who: "stranger", what: `plugin:${channel}:${externalId}` })
      return "refused"
    }
    const code = newCode()
    await writer.commit({
      statements: [
        insertRow(table, {
          channel,
          externalId,
          name: storableText(preview(visibleText(name), 100)),
          codeSha256: hashOf(code),
          state: "open",
          createdAt: at(0),
          expiresAt: at(EXPIRES_MS),
        }),
        ...note(
          { channel, externalId },
          `I do not know you yet. If you know my owner, tell them this code: ${shown(code)}. It is good for an hour.`,
        ),
      ],
      events: [{ type: "pairing.changed", channel, change: "asked", ...untrusted(channel) }],
      audit: [
        {
          ...untrusted(channel),
          act: "message.in",
          principal: "stranger",
          subject: `plugin:${channel}:${preview(externalId, 80)}`,
          outcome: "refused",
          preview: "Told a code for pairing",
          verdicts: { sender: "deny: a stranger, who is told a code" },
        },
      ],
    })
    return "asked"
  }

  const open = () =>
    db.orm
      .select()
      .from(table)
      .orderBy(table.createdAt)
      .then((rows) => rows.filter((row) => row.state === "open" && row.expiresAt > clock.iso()))

  return {
    ask(stranger) {
      const mine = queue.then(() => askNow(stranger))
      queue = mine.catch(() => {}) // whoever asked hears of it
      return mine
    },
    async list() {
      const [asking, known] = await Promise.all([open(), people.list()])
      return { asking: asking.map(askingOf), known }
    },
    async find({ channel, code }) {
      const hash = hashOf(code.toUpperCase().replaceAll(/[\s-]/g, ""))
      const row = (await open()).find((one) => one.channel === channel && one.codeSha256 === hash)
      if (row) return askingOf(row)
      throw new AppError("not_found", `Nobody on ${channel.slice(0, 80)} was told this code within an hour`, {
        hint: "`ironclaw pairing list` shows who asks. Codes are told to them alone; a new message of theirs brings a new one once the old one has ended.",
      })
    },
    async approve({ channel, externalId, name }, as) {
      await people.link(
        { channel, externalId },
        {
          as,
          name: name === "" ? preview(externalId, 100) : name,
          also: [
            // Only while they ask: who was turned away in this very moment, or whose channel went, is not let in.
            {
              sql: `with done as (delete from pairings where channel = $1 and external_id = $2 and state = 'open' returning 1)
                select expect_rows(count(*), 1, 'They ask no more') from done`,
              params: [channel, externalId],
            },
            ...note({ channel, externalId }, "You are known now. What you write from here on is answered."),
          ],
        },
      )
    },
    async deny({ channel, externalId }) {
      const expiresAt = new Date(clock.nowMs() + DENIED_MS).toISOString()
      const [row] = await db.query({
        sql: `update pairings set state = 'denied', expires_at = $3 where channel = $1 and external_id = $2 returning 1 as found`,
        params: [channel, externalId, expiresAt],
      })
      const wasKnown = await people.unlink({ channel, externalId })
      if (row && !wasKnown)
        await writer.commit({
          statements: [],
          events: [
            { type: "pairing.changed", channel, change: "denied", agentId: "main", labels: [], source: "owner" },
          ],
          audit: [
            {
              agentId: "main",
              act: "owner.change",
              principal: "owner",
              subject: `identity:${channel}:${preview(externalId, 100)}`,
              outcome: "denied",
              labels: [],
              source: "owner",
            },
          ],
        })
      if (!row && !wasKnown)
        throw new AppError(
          "not_found",
          `Nobody on ${channel.slice(0, 80)} asks or is known as "${externalId.slice(0, 100)}"`,
        )
    },
  }
}

function note({ channel, externalId }: Identity, text: string) {
  return deliveryStatements({
    place: pluginPlace(channel, { senderId: externalId, shared: null }),
    agentId: "main",
    sessionId: null,
    turnId: null,
    labels: [],
    source: "host",
    note: text,
  })
}

function untrusted(channel: string) {
  return { agentId: "main", labels: ["untrusted" as const], source: `plugin:${channel}` }
}

function askingOf({ channel, externalId, name, createdAt, expiresAt }: typeof table.$inferSelect): Asking {
  return { channel, externalId, name, createdAt, expiresAt }
}

function newCode(): string {
  return Array.from(
    crypto.getRandomValues(new Uint8Array(CODE_LENGTH)),
    (byte) => ALPHABET[byte % ALPHABET.length],
  ).join("")
}

function shown(code: string): string {
  return `${code.slice(0, 4)}-${code.slice(4)}`
}

function hashOf(code: string): string {
  return createHash("sha256").update(code).digest("hex")
}
