/** How the service is: for `/ready`, `/api/status`, and the totals that `/usage` shows. */
import { countActive } from "#core/agent/turn-rows.ts"
import type { UsageTotal } from "#core/agent/commands.ts"
import { hasActed } from "#core/audit-read.ts"
import type { Clock } from "#core/clock.ts"
import type { Db } from "#core/db/db.ts"
import { AppError } from "#core/errors.ts"
import { guardRefusals } from "#core/guard.ts"
import type { LockHolder } from "#core/home-lock.ts"
import type { Home } from "#core/home.ts"
import type { SessionId } from "#core/id.ts"
import type { Models } from "#core/llm/model.ts"
import { dayOf } from "#core/llm/calendar.ts"
import type { Usage, UsageQuery } from "#core/llm/usage.ts"
import type { ChannelHealth } from "#channels/channel.ts"
import type { BackupSchedule, Readiness, ServiceStatus } from "#gateway/deps.ts"
import { version } from "./version.ts"

export type Health = {
  ready(): Promise<Readiness>
  status(): Promise<ServiceStatus>
  usageTotals(sessionId: SessionId | null): Promise<UsageTotal[]>
}

export type HealthDeps = {
  db: Db
  clock: Clock
  home: Home
  models: Models
  usage: Usage
  timeZone: () => string
  addresses: () => string[]
  died: LockHolder | null
  backups: () => Promise<BackupSchedule>
  lockdown: () => { active: boolean; since: string | null }
  /** Those that run. */
  channels: () => Promise<Pick<ChannelHealth, "name" | "failures">[]>
}

type Counts = Pick<ServiceStatus, "turns" | "sessions" | "jobs" | "approvals" | "today" | "inUse">
const nothing: Counts = {
  turns: { running: 0, queued: 0, suspended: 0 },
  sessions: 0,
  jobs: { running: 0, queued: 0, failedToday: 0 },
  approvals: 0,
  today: { calls: 0, costUsdMicros: 0 },
  inUse: true, // where it cannot be told, there is something to guard
}

export function createHealth({
  db,
  clock,
  home,
  models,
  usage,
  timeZone,
  addresses,
  died,
  backups,
  lockdown,
  channels,
}: HealthDeps): Health {
  const startedAt = clock.iso()

  async function database(): Promise<{ ok: boolean; detail: string }> {
    const kind = db.kind === "embedded" ? "embedded" : "your Postgres server"
    try {
      await db.query({ sql: "select 1", params: [] })
      return { ok: true, detail: db.hasVector ? kind : `${kind}, without pgvector` }
    } catch (error) {
      return { ok: false, detail: error instanceof AppError ? error.message : "It does not answer" }
    }
  }

  /** Whether a model is set and has its key; whether its vendor answers is `model test`, which costs something. */
  function model(): { ok: boolean; detail: string } {
    try {
      return { ok: true, detail: models.get(null).id }
    } catch (error) {
      if (error instanceof AppError) return { ok: false, detail: error.message }
      throw error
    }
  }

  /** Names alone: `/ready` is open, and what a plugin says of its failure is not for everybody. */
  async function channelsWork(): Promise<{ ok: boolean; detail: string; failing: string[] }> {
    const all = await channels().catch(() => null)
    if (all === null) return { ok: false, detail: "They could not be asked", failing: [] }
    const failing = all.filter(({ failures }) => failures > 0).map(({ name }) => name)
    const detail = failing.length > 0 ? `${failing.join(", ")} fails` : all.length === 0 ? "none" : `${all.length} run`
    return { ok: failing.length === 0, detail, failing }
  }

  async function countAll(): Promise<Counts> {
    const today = new Date(dayOf(clock.nowMs(), timeZone()).fromMs).toISOString()
    const [active, inUse, [row = {}]] = await Promise.all([
      countActive(db),
      hasActed(db),
      db.query({
        sql: `select (select count(*)::int from sessions) as sessions,
          (select count(*)::int from jobs where state = 'running') as running,
          (select count(*)::int from jobs where state = 'queued') as queued,
          (select count(*)::int from jobs where state = 'failed' and finished_at >= $1::timestamptz) as failed,
          (select count(*)::int from approvals where state = 'open' and expires_at > now()) as approvals,
          (select count(*)::int from usage where created_at >= $1::timestamptz) as calls,
          (select coalesce(sum(cost_usd_micros), 0)::float8 from usage where created_at >= $1::timestamptz) as cost`,
        params: [today],
      }),
    ])
    const turns = (state: string) => active.find((each) => each.state === state)?.count ?? 0
    return {
      turns: { running: turns("running"), queued: turns("queued"), suspended: turns("suspended") },
      sessions: Number(row["sessions"]),
      jobs: { running: Number(row["running"]), queued: Number(row["queued"]), failedToday: Number(row["failed"]) },
      approvals: Number(row["approvals"]),
      today: { calls: Number(row["calls"]), costUsdMicros: Number(row["cost"]) },
      inUse,
    }
  }

  /** The cheap ones: what cannot wait until somebody runs the doctor. */
  async function warnings(): Promise<string[]> {
    const found = guardRefusals().length
    const { failing } = await backups().catch(() => ({ failing: null }))
    const stopped = lockdown()
    const { failing: silent } = await channelsWork()
    return [
      ...(stopped.active
        ? [`Everything is stopped since ${stopped.since ?? "a while"}: \`ironclaw lockdown --lift\``]
        : []),
      ...(found > 0 ? [`The guard refused ${found} tries to go around the gates: \`ironclaw logs --grep guard\``] : []),
      ...silent.map((name) => `The channel ${name} fails: \`ironclaw channel status ${name}\``),
      ...(failing ? [`No backup could be made since ${failing.since} (${failing.tries} tries): ${failing.why}`] : []),
    ]
  }

  return {
    async ready() {
      const { ok, detail } = await channelsWork()
      const parts = [
        { name: "database" as const, ...(await database()) },
        { name: "model" as const, ...model() },
        { name: "channels" as const, ok, detail },
      ]
      return { ready: parts.every(({ ok }) => ok), parts }
    },
    async status() {
      const base = await database()
      // What the database's own line explains is not told twice.
      const counts = base.ok ? await countAll().catch(() => nothing) : nothing
      return {
        version,
        pid: process.pid,
        startedAt,
        home: home.root,
        addresses: addresses(),
        died: died === null ? null : { pid: died.pid, startedAt: died.startedAt },
        database: { kind: db.kind, ...base },
        model: model().detail,
        ...counts,
        warnings: await warnings(),
      }
    },
    async usageTotals(sessionId) {
      const total = async (label: string, query: Partial<UsageQuery>): Promise<UsageTotal> => {
        const groups = await usage.summary({ since: null, until: null, by: "agent", ...query })
        const sum = (field: "calls" | "inputTokens" | "outputTokens" | "costUsdMicros") =>
          groups.reduce((all, group) => all + group[field], 0)
        return {
          label,
          calls: sum("calls"),
          inputTokens: sum("inputTokens"),
          outputTokens: sum("outputTokens"),
          costUsdMicros: sum("costUsdMicros"),
        }
      }
      const today = new Date(dayOf(clock.nowMs(), timeZone()).fromMs).toISOString()
      return Promise.all([
        ...(sessionId ? [total("This session", { sessionId })] : []),
        total("Today", { since: today }),
        total("All time", {}),
      ])
    },
  }
}
