/** What only whoever holds the database and the keys can say of how the house is: for `ironclaw doctor` and the warnings of `status`. */
import type { Clock } from "#core/clock.ts"
import type { AuditHead } from "#core/audit-head.ts"
import type { Db, Row, Statement } from "#core/db/db.ts"
import { AppError } from "#core/errors.ts"
import { guardRefusals, steeringNames } from "#core/guard.ts"
import type { LockHolder } from "#core/home-lock.ts"
import type { HookDesk } from "#core/hooks/desk.ts"
import { dayOf, hourOf } from "#core/llm/calendar.ts"
import type { Models } from "#core/llm/model.ts"
import type { UsageLimits } from "#core/llm/usage.ts"
import type { Grants } from "#core/safety/grants.ts"
import type { Lockdown } from "#core/safety/lockdown.ts"
import type { Tokens } from "#core/safety/tokens.ts"
import type { Vault } from "#core/secrets/vault.ts"
import type { BackupSchedule, DoctorFace, Examination } from "#gateway/deps.ts"
import { version } from "./version.ts"

export type ExaminationDeps = {
  db: Db
  clock: Clock
  as: "service" | "verb"
  died: LockHolder | null
  models: Models
  vault: Pick<Vault, "list" | "masterKey">
  tokens: Pick<Tokens, "list">
  grants: Pick<Grants, "list">
  hooks: Pick<HookDesk, "list">
  plugins: () => Promise<Examination["plugins"]>
  lockdown: Pick<Lockdown, "state">
  auditHead: Pick<AuditHead, "read">
  backups: () => Promise<BackupSchedule>
  channels: () => Promise<Examination["channels"]>
  limits: () => UsageLimits
  timeZone: () => string
  redact: (text: string) => string
}

/** A job that is due is taken within seconds; one that waits for its session's turn may wait as long as that. */
const OVERDUE_SECONDS = 300
/** Two polls of the runner after a lease ran out. */
const ABANDONED_SECONDS = 60
/** So many of one kind within a day are no accident. */
const FAILING = 3
/** Acts that are looked through for the use of grants: some months of a busy assistant, a tenth of a second. */
const NEWEST_ACTS = 50_000

export function createExamination(deps: ExaminationDeps): DoctorFace {
  const { db, clock, models, vault, hooks, lockdown, auditHead } = deps
  const startedAt = clock.iso()
  const ask = async (sql: string, ...params: unknown[]): Promise<Row> => (await db.query({ sql, params }))[0] ?? {}

  async function database(): Promise<Examination["database"]> {
    const startedMs = clock.monotonicMs()
    const row = await ask(`select current_setting('server_version') as version, now() as now,
      (select count(*)::int from migrations) as migrations,
      pg_database_size(current_database())::float8 as bytes,
      (select at from events order by seq desc limit 1) as last_event`)
    const answeredMs = Math.round(clock.monotonicMs() - startedMs)
    return {
      kind: db.kind,
      version: text(row["version"]),
      hasVector: db.hasVector,
      migrations: Number(row["migrations"]),
      bytes: Number(row["bytes"]),
      answeredMs,
      clockAheadMs: Math.round(Date.parse(isoOf(row["now"]) ?? clock.iso()) - clock.nowMs()),
      lastEventAt: isoOf(row["last_event"]),
    }
  }

  async function key(): Promise<Examination["key"]> {
    const { id, source } = vault.masterKey()
    const row = await ask("select count(*)::int as foreign_secrets from secrets where key_id <> $1", id)
    return { id, source, foreignSecrets: Number(row["foreign_secrets"]) }
  }

  function model(): Examination["model"] {
    const cooling = models
      .status()
      .filter(({ state }) => state !== "ok")
      .map(({ id, lastFailure }) => ({ model: id, why: lastFailure ?? "" }))
    try {
      return { id: models.get(null).id, problem: null, cooling }
    } catch (error) {
      if (error instanceof AppError) return { id: models.defaultId, problem: error.message, cooling }
      throw error
    }
  }

  async function tokens(): Promise<Examination["tokens"]> {
    const inForce = (await deps.tokens.list()).filter(isInForce(clock.iso()))
    if (inForce.length === 0) return []
    const used = new Map(
      (
        await db.query({
          sql: "select peer, max(updated_at) as at from sessions where peer = any($1) group by peer",
          params: [inForce.map(({ id }) => id)],
        })
      ).map((row) => [text(row["peer"]), isoOf(row["at"])]),
    )
    return inForce.map(({ id, name, createdAt, expiresAt }) => ({
      id,
      name,
      createdAt,
      expiresAt,
      usedAt: used.get(id) ?? null,
    }))
  }

  async function grants(): Promise<Examination["grants"]> {
    const inForce = (await deps.grants.list()).filter(isInForce(clock.iso()))
    if (inForce.length === 0) return []
    const statement: Statement = {
      sql: `select principal, subject, destination, max(at) as at from audit
        where seq > (select coalesce(max(seq), 0) - $1::bigint from audit) and act = 'tool.run' and outcome = 'done'
        group by principal, subject, destination`,
      params: [NEWEST_ACTS],
    }
    const rows = await db.query(statement)
    return inForce.map((grant) => {
      const use = rows.find(
        (row) =>
          row["principal"] === grant.principal &&
          row["subject"] === grant.tool &&
          grant.destination.startsWith(text(row["destination"]).replace(/…$/, "")), // the record keeps a preview
      )
      const { id, principal, tool, destination, evenUntrusted, createdAt, expiresAt } = grant
      const usedAt = isoOf(use?.["at"])
      return { id, principal, tool, destination, evenUntrusted, createdAt, expiresAt, usedAt }
    })
  }

  async function jobs(): Promise<Examination["jobs"]> {
    const row = await ask(
      `select
        (select count(*)::int from jobs due where state = 'queued' and run_at < now() - $1 * interval '1 second'
          and not exists (select 1 from jobs other where other.session_id = due.session_id and other.id <> due.id
            and other.state in ('queued', 'running', 'suspended'))) as overdue,
        (select count(*)::int from jobs where state = 'running' and lease_until < now() - $2 * interval '1 second') as abandoned,
        (select count(*)::int from turns left join jobs on jobs.id = turns.job_id
          where turns.state = 'running' and coalesce(jobs.state, 'done') not in ('running', 'queued')) as orphaned`,
      OVERDUE_SECONDS,
      ABANDONED_SECONDS,
    )
    const failing = await db.query({
      sql: `select kind, count(*)::int as count, (array_agg(error order by finished_at desc))[1] as error from jobs
        where state = 'failed' and finished_at > now() - interval '1 day' group by kind having count(*) >= $1 order by kind`,
      params: [FAILING],
    })
    return {
      overdue: Number(row["overdue"]),
      abandoned: Number(row["abandoned"]),
      orphanedTurns: Number(row["orphaned"]),
      failing: failing.map((each) => ({
        kind: text(each["kind"]),
        count: Number(each["count"]),
        error: text(each["error"]),
      })),
    }
  }

  async function usage(): Promise<Examination["usage"]> {
    const limits = deps.limits()
    const hour = new Date(hourOf(clock.nowMs()).fromMs).toISOString()
    const day = new Date(dayOf(clock.nowMs(), deps.timeZone()).fromMs).toISOString()
    const row = await ask(
      `select coalesce(sum(cost_usd_micros) filter (where created_at >= $1::timestamptz), 0)::float8 as hour,
        coalesce(sum(cost_usd_micros) filter (where created_at >= $2::timestamptz), 0)::float8 as day
      from usage where created_at >= least($1::timestamptz, $2::timestamptz)`,
      hour,
      day,
    )
    return [
      { window: "hour", spentUsdMicros: Number(row["hour"]), limitUsdMicros: limits.hourUsdMicros },
      { window: "day", spentUsdMicros: Number(row["day"]), limitUsdMicros: limits.dayUsdMicros },
    ]
  }

  async function brokenHooks(): Promise<Examination["hooks"]> {
    try {
      return (await hooks.list()).flatMap(({ name, problem }) => (problem === null ? [] : [{ name, problem }]))
    } catch (error) {
      if (error instanceof AppError) return [{ name: "", problem: error.message }]
      throw error
    }
  }

  return {
    redact: deps.redact,
    async examine() {
      const open = await ask(
        "select count(*)::int as open, min(created_at) as oldest from approvals where state = 'open' and expires_at > now()",
      )
      const { active, since } = lockdown.state()
      return {
        version,
        startedAt,
        as: deps.as,
        died: deps.died === null ? null : { pid: deps.died.pid, startedAt: deps.died.startedAt },
        database: await database(),
        key: await key(),
        model: model(),
        secrets: (await vault.list()).map(({ name, createdAt, usedAt }) => ({ name, createdAt, usedAt })),
        tokens: await tokens(),
        grants: await grants(),
        approvals: { open: Number(open["open"]), oldestAt: isoOf(open["oldest"]) },
        auditHead: auditHead.read().state,
        guardRefusals: [...guardRefusals()],
        steering: [...steeringNames()],
        hooks: await brokenHooks(),
        plugins: await deps.plugins(),
        lockdown: { active, since },
        jobs: await jobs(),
        usage: await usage(),
        backups: await deps.backups(),
        channels: await deps.channels(),
      }
    },
  }
}

function isInForce(now: string) {
  return ({ expiresAt, revokedAt }: { expiresAt: string | null; revokedAt: string | null }) =>
    revokedAt === null && (expiresAt === null || expiresAt > now)
}

/** Databases hand a time over as text or as a date. */
function isoOf(value: unknown): string | null {
  if (value instanceof Date) return value.toISOString()
  const ms = typeof value === "string" ? Date.parse(value) : NaN
  return Number.isNaN(ms) ? null : new Date(ms).toISOString()
}

function text(value: unknown): string {
  return typeof value === "string" ? value : ""
}
