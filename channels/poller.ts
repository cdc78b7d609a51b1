/**
 * Starts channels and has them look for news: each by one process at a time, whichever holds its row's lease, as often as its manifest
 * says at most, and more rarely while it fails.
 */
import type { Cancel, Clock } from "#core/clock.ts"
import type { Db, Row, Writer } from "#core/db/db.ts"
import { storableText } from "#core/db/storable.ts"
import { preview } from "#core/event.ts"
import { randomToken } from "#core/id.ts"
import type { Log } from "#core/log.ts"
import { canonicalJson } from "#core/safety/fingerprint.ts"
import { t } from "#core/schema.ts"
import { DEFAULT_POLL_MS } from "#sandbox/channel-manifest.ts"
import type { Manifest } from "#sandbox/manifest.ts"
import type { LivePlugin } from "#sandbox/live-plugin.ts"
import { type ChannelCalls, MAX_CALL_MS } from "./calls.ts"
import type { Intake } from "./intake.ts"

/** Two calls of it at most, and then some: whoever holds it longer has died. */
const LEASE_MS = 2 * MAX_CALL_MS + 30_000
/** Between looks at what is due. */
const LOOK_EVERY_MS = 1_000
/** What another process polls, or is not due, and what does not poll and was started. */
const OTHERS_MS = 2_000
const IDLE_MS = 60_000
/** A channel that fails is asked again after this, then after twice as long, up to the last. */
const FIRST_WAIT_MS = 10_000
const LAST_WAIT_MS = 30 * 60_000

const Anything = t.Unknown()

export type Poller = {
  start(): void
  /** The channels that run are others now. */
  changed(): void
  stop(): Promise<void>
}

export type PollerDeps = {
  db: Db
  writer: Pick<Writer, "commit">
  clock: Clock
  log: Log
  calls: ChannelCalls
  intake: Intake
  live: () => readonly LivePlugin[]
  redact: (text: string) => string
  mayRun: () => boolean
  /** Nobody else uses the database: whoever holds a lease at the start has died. */
  isAlone: boolean
}

export function pollEveryMsOf({ capabilities }: Manifest): number | null {
  const channel = capabilities?.channel
  return channel?.allow_polling === true ? (channel.min_poll_interval_ms ?? DEFAULT_POLL_MS) : null
}

export function createPoller({
  db,
  writer,
  clock,
  log,
  calls,
  intake,
  live,
  redact,
  mayRun,
  isAlone,
}: PollerDeps): Poller {
  const me = randomToken(12)
  const running = new Map<string, Promise<void>>()
  /** When each is looked at again, in monotonic ms: what is not due here is due nowhere sooner than a look apart. */
  const nextLook = new Map<string, number>()
  const seen = new Map<string, string>()
  let isOn = false
  let cancel: Cancel | null = null
  let looking: Promise<void> = Promise.resolve()

  const at = (ms = 0) => new Date(clock.nowMs() + ms).toISOString()

  async function look(): Promise<void> {
    if (!mayRun()) return
    for (const channel of live()) {
      const { name } = channel.pin
      if (running.has(name) || clock.monotonicMs() < (nextLook.get(name) ?? 0)) continue
      await renew(channel)
      const row = await claim(channel)
      if (!row) {
        nextLook.set(name, clock.monotonicMs() + (pollEveryMsOf(channel.pin.manifest) === null ? IDLE_MS : OTHERS_MS))
        continue
      }
      const work = serve(channel, row)
        .catch((error: unknown) => log.error("A channel could not be looked after", { channel: name, error }))
        .finally(() => {
          running.delete(name)
          nextLook.delete(name)
        })
      running.set(name, work)
    }
  }

  /** Another version, or other settings, do not wait for what the former ones had to. */
  async function renew({ pin: { name, sha256, config } }: LivePlugin): Promise<void> {
    const now = `${sha256} ${canonicalJson(config)}`
    const before = seen.get(name)
    if (before === now) return
    seen.set(name, now)
    await db.query({
      sql: `insert into channel_states as s (channel, next_at) values ($1, $2::timestamptz) on conflict (channel) do update
        set next_at = $2::timestamptz, failures = 0
        where (s.started_sha256 is distinct from $3 or $4) and s.lease_owner is null`,
      params: [name, at(), sha256, before !== undefined],
    })
  }

  async function claim({ pin }: LivePlugin): Promise<Row | undefined> {
    const polls = pollEveryMsOf(pin.manifest) !== null
    const [row] = await db.query({
      sql: `update channel_states set lease_owner = $2, lease_until = $3::timestamptz where channel = $1
            and (lease_until is null or lease_until < $4::timestamptz)
            and next_at <= $4::timestamptz and ($5 or started_sha256 is distinct from $6)
          returning started_sha256, failures`,
      params: [pin.name, me, at(LEASE_MS), at(), polls, pin.sha256],
    })
    return row
  }

  async function serve(channel: LivePlugin, row: Row): Promise<void> {
    const { name, sha256, manifest } = channel.pin
    const failures = Number(row["failures"])
    if (row["started_sha256"] !== sha256) {
      const started = await calls.call(channel, { name: "start", input: {}, answer: Anything })
      if (!started.ok) return isOver() ? letGo(name) : failed(name, { failures, why: started.why })
      await update(name, { sql: "started_sha256 = $3", params: [sha256] })
    }
    const everyMs = pollEveryMsOf(manifest)
    if (everyMs === null) return release(name, { nextAt: at(), polled: false })
    const polled = await calls.call(channel, {
      name: "poll",
      input: {},
      answer: Anything,
      offers: intake.offersFor(channel.pin),
    })
    if (!polled.ok) return isOver() ? letGo(name) : failed(name, { failures, why: polled.why })
    await release(name, { nextAt: at(everyMs), polled: true })
  }

  /** It was ended, and did not fail. */
  const isOver = () => !isOn || !mayRun()
  const letGo = (name: string) => update(name, { sql: "lease_owner = null, lease_until = null", params: [] })

  const release = (name: string, { nextAt, polled }: { nextAt: string; polled: boolean }) =>
    update(name, {
      sql: `lease_owner = null, lease_until = null, failures = 0, last_error = '', next_at = $3::timestamptz,
        last_ok_at = $4::timestamptz${polled ? ", last_poll_at = $4::timestamptz" : ""}`,
      params: [nextAt, at()],
    })

  async function failed(name: string, { failures, why }: { failures: number; why: string }): Promise<void> {
    const waitMs = Math.min(LAST_WAIT_MS, FIRST_WAIT_MS * 2 ** Math.min(failures, 20))
    const error = storableText(preview(redact(why), 500))
    log.warn("A channel failed", { channel: name, failures: failures + 1, error })
    await update(name, {
      sql: "lease_owner = null, lease_until = null, failures = failures + 1, last_error = $3, next_at = $4::timestamptz",
      params: [error, at(waitMs)],
    })
    // Once, and not with every try.
    if (failures === 0)
      await writer.commit({
        statements: [],
        events: [
          {
            type: "channel.failed",
            channel: name,
            error: preview(error),
            agentId: "main",
            labels: ["untrusted"],
            source: `plugin:${name}`,
          },
        ],
      })
  }

  /** Only while the lease is ours. */
  async function update(name: string, { sql, params }: { sql: string; params: unknown[] }): Promise<void> {
    await db.query({
      sql: `update channel_states set ${sql} where channel = $1 and lease_owner = $2`,
      params: [name, me, ...params],
    })
  }

  async function takeOver(): Promise<void> {
    await db.query({ sql: "update channel_states set lease_owner = null, lease_until = null", params: [] })
  }

  function tick(): void {
    if (!isOn) return
    looking = look()
      .catch((error: unknown) => log.error("Channels could not be looked after", { error }))
      .finally(() => {
        if (isOn) cancel = clock.after(LOOK_EVERY_MS, tick)
      })
  }

  return {
    start() {
      if (isOn) return
      isOn = true
      if (isAlone) looking = takeOver().then(tick, tick)
      else tick()
    },
    changed() {
      nextLook.clear()
      // One that went has no row any more: where the same version comes again, it begins anew.
      for (const name of seen.keys()) if (!live().some(({ pin }) => pin.name === name)) seen.delete(name)
    },
    async stop() {
      isOn = false
      cancel?.()
      await looking
      await Promise.all(running.values())
    },
  }
}
