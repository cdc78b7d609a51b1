/** Jobs: claimed, leased, fenced, retried, cancellable. Every turn is started by one, so that a turn is a row before it is work. */
import { and, eq, inArray } from "drizzle-orm"
import type { Orm, Statement } from "../db/db.ts"
import { insertRow } from "../db/insert.ts"
import { jobs, type JobRow, type JobState } from "../db/schema.ts"
import { newId, type JobId, type SessionId } from "../id.ts"

/** A lease outlives two missed renewals; long enough for a busy machine, short enough that a dead holder is noticed. */
export const LEASE_MS = 30_000
/** No retry is put off for longer, so that a job which is due later than this was written by a clock that has jumped back since. */
const MAX_RETRY_MS = 600_000

export type NewJob = {
  kind: string
  agentId: string
  payload: Record<string, unknown>
  sessionId: SessionId | null
  maxAttempts?: number
}

/** Who holds a claim: which process, and which claim of the row's life. */
export type Claim = { id: JobId; leaseOwner: string; fence: number }

/** How a run ended. `committed`: the run's own last commit already held {@link endStatement}. */
export type JobEnd =
  | "committed"
  | { state: "done" | "suspended" }
  | { state: "failed"; error: string; retryInMs: number | null }

/** Of our own constant alone. */
const LEASE_UNTIL = `now() + ${LEASE_MS} * interval '1 millisecond'`

/** Inserts a job: `queued` for whoever comes first, or already claimed by `leaseOwner`, which saves a round trip where we run it ourselves. */
export function insertJob(job: NewJob, claim: { leaseOwner: string } | "queued"): { id: JobId; statement: Statement } {
  const id = newId("job")
  const row = { id, ...job, labels: [], source: "host" }
  const statement =
    claim === "queued"
      ? insertRow(jobs, { ...row, state: "queued" })
      : insertRow(
          jobs,
          { ...row, state: "running", leaseOwner: claim.leaseOwner, fence: 1, attempts: 1 },
          { leaseUntil: LEASE_UNTIL },
        )
  return { id, statement }
}

/** Ends or suspends a claimed job; fails the whole commit where the claim is no longer ours. */
export function endStatement(
  claim: Claim,
  state: Exclude<JobState, "queued" | "running">,
  error: string | null = null,
): Statement {
  return fenced(
    claim,
    "state = $4, error = $5, lease_owner = null, lease_until = null, finished_at = case when $4 = 'suspended' then null else now() end",
    [state, error],
  )
}

/** Puts a claimed job back, to be claimed again after `delayMs`. */
export function retryStatement(claim: Claim, delayMs: number, error: string): Statement {
  return fenced(
    claim,
    "state = 'queued', error = $4, lease_owner = null, lease_until = null, run_at = now() + $5::float8 * interval '1 millisecond'",
    [error, Math.min(delayMs, MAX_RETRY_MS)],
  )
}

/** Gives a claim back unused, as it was before: whoever comes next runs it again from its rows. */
export function releaseStatement(claim: Claim): Statement {
  return fenced(
    claim,
    "state = 'queued', attempts = greatest(attempts - 1, 0), lease_owner = null, lease_until = null",
    [],
  )
}

/** True facts only while the claim holds: add it to a commit that must not happen after the lease was lost. */
export function holdStatement(claim: Claim): Statement {
  return fenced(claim, "fence = fence", [])
}

function fenced(claim: Claim, set: string, params: unknown[]): Statement {
  return {
    sql: `with changed as (update jobs set ${set} where id = $1 and fence = $2 and lease_owner = $3 and state = 'running' returning 1)
      select expect_rows((select count(*) from changed), 1, 'job fence')`,
    params: [claim.id, claim.fence, claim.leaseOwner, ...params],
  }
}

/**
 * Claims up to `limit` due jobs, oldest first, at most one for each session and none where one runs or waits. What was cancelled while it
 * waited, or has used its attempts, is claimed like the rest, so that whoever claims it can end it with all that hangs on it.
 */
export function claimStatement({
  leaseOwner,
  limit,
  kinds,
}: {
  leaseOwner: string
  limit: number
  kinds: string[]
}): Statement {
  return {
    // As an array the sub-select is worked out once; in a join the planner may run it again, and lock more than the limit.
    sql: `update jobs set state = 'running', lease_owner = $1, lease_until = now() + ${LEASE_MS} * interval '1 millisecond',
        fence = fence + 1, attempts = attempts + 1
      where id = any(array(
        select id from jobs due
        where state = 'queued' and kind = any($3)
          and (run_at <= now() or attempts = 0 or run_at > now() + ${MAX_RETRY_MS} * interval '1 millisecond')
          and not exists (select 1 from jobs other where other.session_id = due.session_id
            and (other.state in ('running', 'suspended') or (other.state = 'queued' and other.id < due.id)))
        order by run_at, id limit $2 for update skip locked))
      returning *`,
    params: [leaseOwner, limit, kinds],
  }
}

/** Renews the claims of the jobs that this process runs; returns id, fence and whether someone asked for a stop. */
export function renewStatement({ leaseOwner, running }: { leaseOwner: string; running: readonly JobId[] }): Statement {
  return {
    sql: `update jobs set lease_until = now() + ${LEASE_MS} * interval '1 millisecond'
      where lease_owner = $1 and state = 'running' and id = any($2) returning id, fence, cancel_requested`,
    params: [leaseOwner, [...running]],
  }
}

/**
 * Puts back what nobody works on any more: leases that ran out (our own too, where the job's end could not be stored) or that no clock
 * which has not jumped could have given, every lease of
 * `ownerPrefix` (this home's earlier process, proved dead by our holding of the lock) but our own, and cancelled jobs whose canceller
 * died before it ended them. Whoever claims such a job next judges whether it may run again.
 */
export function recoverStatement({
  leaseOwner,
  ownerPrefix,
  running,
}: {
  leaseOwner: string
  ownerPrefix: string | null
  running: readonly JobId[]
}): Statement {
  return {
    sql: `update jobs set state = 'queued', lease_owner = null, lease_until = null
      where (state = 'suspended' and cancel_requested)
        or (state = 'running' and not (lease_owner = $1 and id = any($3))
          and (lease_until < now() or lease_until > now() + ${2 * LEASE_MS} * interval '1 millisecond' or ($2::text is not null and lease_owner <> $1 and starts_with(lease_owner, $2))))
      returning *`,
    params: [leaseOwner, ownerPrefix, [...running]],
  }
}

/** Asks for the end of jobs; returns their rows. From here on nobody begins one of them, whatever becomes of who asked. */
export function cancelStatement(orm: Orm, where: { id: JobId } | { sessionId: SessionId; kind: string }): Statement {
  const match =
    "id" in where ? eq(jobs.id, where.id) : and(eq(jobs.sessionId, where.sessionId), eq(jobs.kind, where.kind))
  return orm
    .update(jobs)
    .set({ cancelRequested: true })
    .where(and(match, inArray(jobs.state, ["queued", "running", "suspended"])))
    .returning()
    .toSQL()
}

/** Ends a cancelled job that nobody runs; fails the whole commit where someone claimed it in between. */
export function dropStatement({ id, fence }: Pick<ClaimedJob, "id" | "fence">): Statement {
  return {
    sql: `with changed as (update jobs set state = 'cancelled', finished_at = now()
        where id = $1 and fence = $2 and state in ('queued', 'suspended') returning 1)
      select expect_rows((select count(*) from changed), 1, 'waiting job')`,
    params: [id, fence],
  }
}

/** A row as the claiming and cancelling statements return it, by column name. */
export function claimedJob(
  row: Record<string, unknown>,
): Pick<JobRow, "id" | "kind" | "agentId" | "payload" | "sessionId" | "attempts" | "maxAttempts" | "fence" | "state"> {
  // These statements return our own columns, which the schema types; payload may come as text or parsed.
  const payload = row["payload"]
  return {
    id: row["id"] as JobId,
    kind: row["kind"] as string,
    agentId: row["agent_id"] as string,
    payload: (typeof payload === "string" ? JSON.parse(payload) : payload) as Record<string, unknown>,
    sessionId: row["session_id"] as SessionId | null,
    attempts: Number(row["attempts"]),
    maxAttempts: Number(row["max_attempts"]),
    fence: Number(row["fence"]),
    state: row["state"] as JobState,
  }
}
export type ClaimedJob = ReturnType<typeof claimedJob>
