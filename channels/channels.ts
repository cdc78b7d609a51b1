/** The channels of this house: what their owner sees of them, and what runs them while the service does. */
import type { Clock } from "#core/clock.ts"
import type { Row, Writer } from "#core/db/db.ts"
import { AppError } from "#core/errors.ts"
import type { EventBus } from "#core/event.ts"
import type { Log } from "#core/log.ts"
import { visibleText } from "#core/safety/approval-question.ts"
import type { ReplyGate } from "#core/safety/reply.ts"
import type { People } from "#core/session/person.ts"
import { t } from "#core/schema.ts"
import type { PluginStatus } from "#sandbox/plugin.ts"
import type { LivePlugin } from "#sandbox/live-plugin.ts"
import type { Plugins } from "#sandbox/plugins.ts"
import { type ChannelCalls, type ChannelCallsDeps, createChannelCalls } from "./calls.ts"
import {
  type ChannelHealth,
  type ChannelStatus,
  forgetChannelStatements,
  LEAST_SECRET_CHARACTERS,
  StatusAnswer,
  WebhookAnswer,
} from "./channel.ts"
import { createIntake, type IntakeDeps } from "./intake.ts"
import { createPoller, pollEveryMsOf } from "./poller.ts"
import { createRouter } from "./router.ts"

/** A request whose signature was checked over its raw bytes. */
export type SignedRequest = {
  path: string
  query: Record<string, string>
  headers: Record<string, string>
  body: string
}
export type RequestAnswer = { status: number; body: unknown }

export type Channels = {
  list(): Promise<ChannelStatus[]>
  /** Asks its code too, where it runs. Throws `not_found`. */
  status(name: string): Promise<ChannelStatus & { says: { ok: boolean; detail: string } | null }>
  /** Of those that run. */
  examine(): Promise<ChannelHealth[]>
  /** The channel that has this path, by its manifest. */
  atPath(path: string): LivePlugin | null
  /** By which its requests are signed, as it is set now; null: it is not. */
  secretOf(channel: LivePlugin): string | null
  receive(channel: LivePlugin, request: SignedRequest): Promise<RequestAnswer>
  /** For a service: polls, and carries what is said. */
  start(): Promise<void>
  /** What is over for a month, or a day, is forgotten. */
  tidy(): Promise<void>
  stop(): Promise<void>
}

export type ChannelsDeps = Omit<IntakeDeps, "people" | "wake"> &
  ChannelCallsDeps & {
    writer: Pick<Writer, "commit">
    clock: Clock
    bus: Pick<EventBus, "subscribe">
    log: Log
    people: People
    plugins: Pick<Plugins, "list" | "channels" | "watch">
    reply: Pick<ReplyGate, "whole">
    redact: (text: string) => string
    mayRun: () => boolean
    isAlone: boolean
  }

/** A channel's last word may take no longer: somebody waits for it to be gone. */
const STOP_MS = 3_000
const STATUS_MS = 10_000
/** A network that still sends what it sent a month ago sends it as news. */
const KEPT = "interval '30 days'"
/** Longer than any clock that a signature allows for. */
const RECEIPTS_KEPT = "interval '1 day'"

export function createChannels(deps: ChannelsDeps): Channels {
  const { db, writer, bus, people, plugins, log } = deps
  const calls: ChannelCalls = createChannelCalls(deps)
  const intake = createIntake({ ...deps, wake: () => router.wake() })
  const live = () => plugins.channels()
  const router = createRouter({ ...deps, calls, live })
  const poller = createPoller({ ...deps, calls, intake, live })
  let unsubscribe = () => {}

  plugins.watch({
    tookUp() {
      poller.changed()
      router.wake()
    },
    async removing({ name, live: running }) {
      if (running?.pin.manifest.kind === "channel") {
        const stopped = await calls.call(running, { name: "stop", input: {}, answer: t.Unknown(), timeoutMs: STOP_MS })
        if (!stopped.ok) log.info("A channel had no last word", { channel: name, why: stopped.why })
      }
      await forget(name) // before its row is: a crash in between leaves nobody known to the next one of its name
    },
    async removed(name) {
      try {
        await forget(name)
      } catch (error) {
        log.error("What the last calls of a channel left could not be forgotten", { channel: name, error })
      }
    },
  })

  async function forget(name: string): Promise<void> {
    await writer.commit({ statements: [...forgetChannelStatements(name), ...people.forgetStatements(name)] })
  }

  async function statusOf(plugin: PluginStatus): Promise<ChannelStatus> {
    const [row] = await db.query({ sql: STATUS, params: [plugin.name] })
    const running = live().find(({ pin }) => pin.name === plugin.name)
    return statusFrom(plugin, { row, running })
  }

  return {
    async list() {
      const all = (await plugins.list()).filter(({ kind }) => kind === "channel")
      return Promise.all(all.map(statusOf))
    },
    async status(name) {
      const plugin = (await plugins.list()).find((one) => one.kind === "channel" && one.name === name)
      if (!plugin)
        throw new AppError("not_found", `There is no channel called "${name.slice(0, 80)}"`, {
          hint: "`ironclaw channel list` shows them; `ironclaw tool install` adds one.",
        })
      const running = live().find(({ pin }) => pin.name === name)
      // Its code is not run while everything is stopped, not even to be asked how it is.
      const said =
        running && deps.mayRun()
          ? await calls.call(running, { name: "status", input: {}, answer: StatusAnswer, timeoutMs: STATUS_MS })
          : null
      const says = said?.ok
        ? { ok: said.value.ok, detail: visibleText(said.value.detail ?? "") }
        : said && { ok: false, detail: said.why }
      return { ...(await statusOf(plugin)), says }
    },
    async examine() {
      return Promise.all(
        live().map(async ({ pin }): Promise<ChannelHealth> => {
          const { name, manifest } = pin
          const [row] = await db.query({ sql: HEALTH, params: [name] })
          const secretName = manifest.capabilities?.channel?.webhook?.secret_name ?? null
          const value = secretName === null ? null : deps.logins.valueFor(pin)(secretName)
          return {
            name,
            failures: Number(row?.["failures"] ?? 0),
            lastError: textOf(row?.["last_error"]),
            secretName,
            secret:
              secretName === null
                ? null
                : !value
                  ? "missing"
                  : value.length < LEAST_SECRET_CHARACTERS
                    ? "short"
                    : "set",
            undelivered: Number(row?.["undelivered"] ?? 0),
          }
        }),
      )
    },
    atPath: (path) =>
      live().find(({ pin }) => pin.manifest.capabilities?.channel?.allowed_paths?.includes(path) === true) ?? null,
    secretOf({ pin }) {
      const webhook = pin.manifest.capabilities?.channel?.webhook
      return webhook ? deps.logins.valueFor(pin)(webhook.secret_name) : null
    },
    async receive(channel, request) {
      const called = await calls.call(channel, {
        name: "receive",
        input: request,
        answer: WebhookAnswer,
        offers: intake.offersFor(channel.pin),
      })
      if (!called.ok) {
        log.warn("A channel failed at a request", { channel: channel.pin.name, why: called.why })
        return { status: 503, body: null }
      }
      return { status: called.value?.status ?? 200, body: called.value?.body ?? null }
    },
    async start() {
      unsubscribe = bus.subscribe((event) => {
        if (WAKING.has(event.type)) router.wake()
      })
      poller.start()
      router.start()
    },
    async tidy() {
      await db.batch(
        [
          `delete from deliveries where ended_at < now() - ${KEPT}`,
          `delete from channel_messages where created_at < now() - ${KEPT}`,
          `delete from webhook_receipts where created_at < now() - ${RECEIPTS_KEPT}`,
          "delete from pairings where expires_at < now()",
        ].map((sql) => ({ sql, params: [] })),
      )
    },
    async stop() {
      unsubscribe()
      await Promise.all([poller.stop(), router.stop()])
    },
  }
}

/** After which something may wait to be carried. */
const WAKING: ReadonlySet<string> = new Set(["turn.finished", "turn.suspended", "tool.finished", "pairing.changed"])

const HEALTH = `select s.failures, s.last_error,
    (select count(*) from deliveries d where d.channel = $1 and d.state in ('failed', 'unknown')
      and d.ended_at > now() - interval '1 day')::int as undelivered
  from (select 1) one left join channel_states s on s.channel = $1`

const STATUS = `select s.*,
    (select count(*) from deliveries d where d.channel = $1 and d.state in ('waiting', 'sending'))::int as waiting,
    (select count(*) from deliveries d where d.channel = $1 and d.state = 'failed')::int as failed,
    (select count(*) from deliveries d where d.channel = $1 and d.state = 'unknown')::int as unknown,
    (select count(*) from identities i where i.channel = $1)::int as people,
    (select count(*) from pairings p where p.channel = $1 and p.state = 'open' and p.expires_at > now())::int as asking
  from (select 1) one left join channel_states s on s.channel = $1`

function statusFrom(
  { name, state, version, description, sha256 }: PluginStatus,
  { row, running }: { row: Row | undefined; running: LivePlugin | undefined },
): ChannelStatus {
  const time = (column: string) => {
    const text = textOf(row?.[column])
    return text === "" ? null : new Date(text).toISOString()
  }
  const number = (column: string) => Number(row?.[column] ?? 0)
  return {
    name,
    state,
    version,
    description,
    paths: running?.pin.manifest.capabilities?.channel?.allowed_paths ?? [],
    pollEveryMs: running ? pollEveryMsOf(running.pin.manifest) : null,
    started: row?.["started_sha256"] !== null && row?.["started_sha256"] === sha256,
    lastPollAt: time("last_poll_at"),
    lastOkAt: time("last_ok_at"),
    failures: number("failures"),
    lastError: textOf(row?.["last_error"]),
    deliveries: { waiting: number("waiting"), failed: number("failed"), unknown: number("unknown") },
    people: number("people"),
    asking: number("asking"),
  }
}

/** Databases hand a time over as text or as a date; what is not there as null. */
function textOf(value: unknown): string {
  return value instanceof Date ? value.toISOString() : typeof value === "string" ? value : ""
}
