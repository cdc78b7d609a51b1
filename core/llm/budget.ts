/**
 * The owner's limits on what models may cost: in a clock hour, in a local day, for one agent, for one job. Judged by sums from the
 * database in one query; between queries by what this process has spent since. Fails closed by throwing where the database fails.
 *
 * Known limit: other processes' calls are seen a few seconds late, and calls under way are not counted before they end.
 */
import type { Clock } from "../clock.ts"
import type { Db } from "../db/db.ts"
import type { JobId } from "../id.ts"
import { dayOf, hourOf } from "./calendar.ts"

/** Micros of a US dollar; null is no limit, 0 spends nothing. */
export type UsageLimits = {
  hourUsdMicros: number | null
  dayUsdMicros: number | null
  agentDayUsdMicros: number | null
  jobUsdMicros: number | null
}

export type Limited = {
  scope: "all" | "agent" | "job"
  window: "hour" | "day" | "job"
  limitUsdMicros: number
  spentUsdMicros: number
  /** ISO time, or for a job the words that it does not. */
  resetsAt: string
}

export type Budget = {
  spent(call: { agentId: string; jobId: JobId | null; costUsdMicros: number }): void
  judge(who: { agentId: string; jobId: JobId | null }): Promise<Limited | null>
}

type Sums = { hour: number; day: number; agentDay: number; job: number }
type Snapshot = {
  agentId: string
  jobId: JobId | null
  sums: Sums
  readAtMs: number
  hourFromMs: number
  dayFromMs: number
}

/** How old sums may be while they are far from a limit: what "within a few seconds" means for several processes. */
const MAX_AGE_MS = 3_000
/** From this share of a limit on, sums are read anew for every call. */
const NEAR = 0.9
/** Jobs and agents whose sums are remembered; older ones are read again. */
const MAX_SNAPSHOTS = 1_000
/** A job's id holds the time it was made; its calls cannot be older, but clocks of two machines may differ. */
const CLOCK_SLACK_MS = 600_000

export function createBudget({
  db,
  clock,
  limits,
  timeZone,
}: {
  db: Db
  clock: Clock
  limits: () => UsageLimits
  timeZone: () => string
}): Budget {
  const snapshots = new Map<string, Snapshot>()

  async function read(
    who: { agentId: string; jobId: JobId | null },
    now: { hourFromMs: number; dayFromMs: number },
  ): Promise<Sums> {
    const { hourFromMs, dayFromMs } = now
    const since = (ms: number) => new Date(ms).toISOString()
    const jobFromMs = who.jobId === null ? dayFromMs : Math.min(madeAtMs(who.jobId) - CLOCK_SLACK_MS, dayFromMs)
    const [row = {}] = await db.query({
      sql: `select coalesce(sum(cost_usd_micros) filter (where created_at >= $1::timestamptz), 0) as hour,
  coalesce(sum(cost_usd_micros) filter (where created_at >= $2::timestamptz), 0) as day,
  coalesce(sum(cost_usd_micros) filter (where created_at >= $2::timestamptz and agent_id = $3), 0) as agent_day,
  coalesce(sum(cost_usd_micros) filter (where job_id = $4), 0) as job
from usage where created_at >= $5::timestamptz`,
      params: [since(hourFromMs), since(dayFromMs), who.agentId, who.jobId, since(Math.min(jobFromMs, hourFromMs))],
    })
    return {
      hour: Number(row["hour"]),
      day: Number(row["day"]),
      agentDay: Number(row["agent_day"]),
      job: Number(row["job"]),
    }
  }

  return {
    spent({ agentId, jobId, costUsdMicros }) {
      if (costUsdMicros === 0) return
      for (const snapshot of snapshots.values()) {
        snapshot.sums.hour += costUsdMicros
        snapshot.sums.day += costUsdMicros
        if (snapshot.agentId === agentId) snapshot.sums.agentDay += costUsdMicros
        if (jobId !== null && snapshot.jobId === jobId) snapshot.sums.job += costUsdMicros
      }
    },
    async judge(who) {
      const caps = limits()
      const isUnlimited =
        caps.hourUsdMicros === null &&
        caps.dayUsdMicros === null &&
        caps.agentDayUsdMicros === null &&
        caps.jobUsdMicros === null
      if (isUnlimited) return null
      const nowMs = clock.nowMs()
      const hour = hourOf(nowMs)
      const day = dayOf(nowMs, timeZone())
      const now = { hourFromMs: hour.fromMs, dayFromMs: day.fromMs }
      // A job has a sum of its own only where jobs have a limit; else every job would read the same rows again.
      const jobId = caps.jobUsdMicros === null ? null : who.jobId
      const key = `${who.agentId}\n${jobId ?? ""}`
      let snapshot = snapshots.get(key)
      const isFresh =
        snapshot !== undefined &&
        clock.monotonicMs() - snapshot.readAtMs < MAX_AGE_MS &&
        snapshot.hourFromMs === now.hourFromMs &&
        snapshot.dayFromMs === now.dayFromMs &&
        !isNear(snapshot.sums, caps)
      if (!snapshot || !isFresh) {
        snapshot = {
          agentId: who.agentId,
          jobId,
          sums: await read({ agentId: who.agentId, jobId }, now),
          readAtMs: clock.monotonicMs(),
          ...now,
        }
        snapshots.delete(key)
        snapshots.set(key, snapshot)
        const oldest = snapshots.size > MAX_SNAPSHOTS ? snapshots.keys().next().value : undefined
        if (oldest !== undefined) snapshots.delete(oldest)
      }
      const { sums } = snapshot
      const hourEnds = new Date(hour.untilMs).toISOString()
      const dayEnds = new Date(day.untilMs).toISOString()
      const windows: (Omit<Limited, "limitUsdMicros"> & { limitUsdMicros: number | null })[] = [
        {
          scope: "job",
          window: "job",
          limitUsdMicros: caps.jobUsdMicros,
          spentUsdMicros: sums.job,
          resetsAt: "the next message, for this one does not go on",
        },
        {
          scope: "all",
          window: "hour",
          limitUsdMicros: caps.hourUsdMicros,
          spentUsdMicros: sums.hour,
          resetsAt: hourEnds,
        },
        {
          scope: "agent",
          window: "day",
          limitUsdMicros: caps.agentDayUsdMicros,
          spentUsdMicros: sums.agentDay,
          resetsAt: dayEnds,
        },
        { scope: "all", window: "day", limitUsdMicros: caps.dayUsdMicros, spentUsdMicros: sums.day, resetsAt: dayEnds },
      ]
      for (const { limitUsdMicros, ...rest } of windows) {
        if (limitUsdMicros === null || rest.spentUsdMicros < limitUsdMicros) continue
        return { ...rest, limitUsdMicros }
      }
      return null
    },
  }
}

function isNear(sums: Sums, caps: UsageLimits): boolean {
  const near = (spent: number, limit: number | null) => limit !== null && spent >= limit * NEAR
  return (
    near(sums.hour, caps.hourUsdMicros) ||
    near(sums.day, caps.dayUsdMicros) ||
    near(sums.agentDay, caps.agentDayUsdMicros) ||
    near(sums.job, caps.jobUsdMicros)
  )
}

/** The time in a UUIDv7: its first 48 bits are ms since 1970. */
function madeAtMs(id: JobId): number {
  return Number.parseInt(id.slice(4, 16), 16)
}
