/** How the service is: for `/ready`, `/api/status`, and the totals that `/usage` shows. */
import { countActive } from "#core/agent/turn-rows.ts"
import type { UsageTotal } from "#core/agent/commands.ts"
import type { Clock } from "#core/clock.ts"
import type { Db } from "#core/db/db.ts"
import { AppError } from "#core/errors.ts"
import type { LockHolder } from "#core/home-lock.ts"
import type { Home } from "#core/home.ts"
import type { SessionId } from "#core/id.ts"
import type { Models } from "#core/llm/model.ts"
import { dayOf } from "#core/llm/calendar.ts"
import type { Usage, UsageQuery } from "#core/llm/usage.ts"
import type { Readiness, ServiceStatus } from "#gateway/deps.ts"
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
}

export function createHealth({ db, clock, home, models, usage, timeZone, addresses, died }: HealthDeps): Health {
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

  return {
    async ready() {
      const parts = [
        { name: "database" as const, ...(await database()) },
        { name: "model" as const, ...model() },
      ]
      return { ready: parts.every(({ ok }) => ok), parts }
    },
    async status() {
      const [base, counts] = await Promise.all([
        database(),
        countActive(db).catch(() => []), // the database's own line says what is wrong
      ])
      const count = (state: string) => counts.find((row) => row.state === state)?.count ?? 0
      return {
        version,
        pid: process.pid,
        startedAt,
        home: home.root,
        addresses: addresses(),
        died: died === null ? null : { pid: died.pid, startedAt: died.startedAt },
        database: { kind: db.kind, ...base },
        model: model().detail,
        turns: { running: count("running"), queued: count("queued"), suspended: count("suspended") },
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
