/** Runs jobs: claims what is due, keeps the leases alive, stops what is to be stopped, and puts back what the dead left behind. */
import type { Db, Row, Unit, Writer } from "../db/db.ts"
import type { Clock } from "../clock.ts"
import { AppError } from "../errors.ts"
import { preview } from "../event.ts"
import type { JobId, SessionId } from "../id.ts"
import type { Log } from "../log.ts"
import {
  cancelStatement,
  claimedJob,
  claimStatement,
  dropStatement,
  endStatement,
  LEASE_MS,
  recoverStatement,
  releaseStatement,
  renewStatement,
  retryStatement,
  type Claim,
  type ClaimedJob,
  type JobEnd,
} from "./job.ts"

/** The channel that tells other processes on the same Postgres of new or cancelled jobs. */
const CHANNEL = "ironclaw_jobs"
/** Catches what no notice told of: retries that fall due, processes that died. One indexed query. */
const POLL_MS = 5_000
/** How many jobs one process runs side by side. Turns wait for models, so many fit; beyond it they wait as rows. Who waits for another job is not counted. */
const MAX_RUNNING = 256

export type JobRun = { job: ClaimedJob; claim: Claim; signal: AbortSignal }
/** Contract: must not throw for what can be foreseen; a throw counts as a failed attempt. */
export type JobKind = {
  run(run: JobRun): Promise<JobEnd>
  /** What else changes when a job ends without a run (cancelled while it waited, or out of attempts); committed together with that end. */
  dropped(job: ClaimedJob, why: string): Promise<Unit>
}

export type JobRunner = {
  readonly leaseOwner: string
  start(): Promise<void>
  /** Runs a job that was inserted as claimed by us. */
  runClaimed(job: ClaimedJob): void
  /** There may be something to claim. */
  wake(): void
  /** A job of this session was queued behind the running one: claim it as soon as that ends, in whichever process. */
  expect(sessionId: SessionId): Promise<void>
  /** Stops running jobs and drops queued ones; resolves to how many there were. */
  cancel(where: { id: JobId } | { sessionId: SessionId; kind: string }, why: unknown): Promise<number>
  running(): number
  /**
   * Waits for other jobs in the name of the one that runs in `sessionId`, which leaves its place to them meanwhile: where all places
   * were held by jobs that wait for queued ones, none would ever end.
   */
  aside<T>(sessionId: SessionId, wait: () => Promise<T>): Promise<T>
  /** Stops claiming, aborts what runs and waits for it. */
  close(): Promise<void>
}

/** Why a run's signal was aborted, where it is not a stop that someone asked for. */
export class LeaseLost extends Error {}
export class ShuttingDown extends Error {}

export type JobRunnerDeps = {
  db: Db
  writer: Writer
  clock: Clock
  log: Log
  /** Unique to this process; begins with `ownerPrefix` where this process holds the home's lock. */
  leaseOwner: string
  ownerPrefix: string | null
  kinds: Record<string, JobKind>
}

type Running = { job: ClaimedJob; abort: AbortController; done: Promise<void> }

export function createJobRunner({ db, writer, clock, log, leaseOwner, ownerPrefix, kinds }: JobRunnerDeps): JobRunner {
  const running = new Map<JobId, Running>()
  const expected = new Set<SessionId>() // sessions with work queued behind a run
  const waiting = new Map<SessionId, number>() // sessions whose job waits for others, and for how many
  let closed = false
  let claiming = false
  let claimAgain = false
  let hasMore = false // jobs were left in the queue for want of room here
  let stopListening = async () => {}
  let cancelPoll = () => {}
  let cancelRenew = () => {}

  const notify = (payload: string) => db.query({ sql: `select pg_notify('${CHANNEL}', $1)`, params: [payload] })

  /** Takes a claimed job in; `work` must not reject. */
  function hold(job: ClaimedJob, work: (claim: Claim, signal: AbortSignal) => Promise<void>): void {
    const abort = new AbortController()
    if (closed) abort.abort(new ShuttingDown("The service is stopping")) // claimed in the moment in which it began to stop
    const done = work({ id: job.id, leaseOwner, fence: job.fence }, abort.signal).finally(() => {
      if (running.get(job.id)?.abort === abort) running.delete(job.id) // a later claim of it may have begun
      const isAwaited = job.sessionId !== null && expected.delete(job.sessionId)
      if (isAwaited || hasMore) wake()
    })
    running.set(job.id, { job, abort, done })
    if (running.size === 1) renewLater()
  }

  async function execute(job: ClaimedJob, claim: Claim, signal: AbortSignal): Promise<void> {
    const end = signal.aborted ? null : await runOf(job, claim, signal)
    if (signal.reason instanceof LeaseLost) return
    try {
      if (signal.reason instanceof ShuttingDown) await release(claim)
      else if (end === null || end === "committed") return
      else if (end.state !== "failed") await writer.commit({ statements: [endStatement(claim, end.state)] })
      else if (end.retryInMs !== null && job.attempts < job.maxAttempts)
        await writer.commit({ statements: [retryStatement(claim, end.retryInMs, end.error)] })
      else await giveUp(job, claim, { state: "failed", why: end.error })
    } catch (error) {
      // It is not renewed any more: the lease runs out and the job is put back. Nothing is lost but time.
      log.error("A job's end could not be stored", { jobId: job.id, error })
    }
  }

  async function runOf(job: ClaimedJob, claim: Claim, signal: AbortSignal): Promise<JobEnd> {
    const kind = kinds[job.kind]
    if (!kind) return { state: "failed", error: `Nothing here runs "${job.kind}"`, retryInMs: null }
    try {
      return await kind.run({ job, claim, signal })
    } catch (error) {
      log.error("A job threw", { jobId: job.id, kind: job.kind, error })
      return {
        state: "failed",
        error: preview(error instanceof Error ? error.message : String(error)),
        retryInMs: backOffMs(job.attempts),
      }
    }
  }

  async function release(claim: Claim): Promise<void> {
    try {
      await writer.commit({ statements: [releaseStatement(claim)] })
    } catch (error) {
      // Its last commit came through before the stop did: there is nothing left to give back.
      if (!isConflict(error)) throw error
    }
  }

  /** Ends a claimed job without a run, with all that hangs on it. */
  async function giveUp(
    job: ClaimedJob,
    claim: Claim,
    { state, why }: { state: "failed" | "cancelled"; why: string },
  ): Promise<void> {
    const unit = await kinds[job.kind]?.dropped(job, why)
    const statements = [endStatement(claim, state, state === "failed" ? why : null), ...(unit?.statements ?? [])]
    await writer.commit({ ...unit, statements })
  }

  /** 1 s, 2 s, 4 s … at most a minute. */
  function backOffMs(attempts: number): number {
    return Math.min(60_000, 1_000 * 2 ** Math.max(0, attempts - 1))
  }

  function wake(): void {
    if (closed) return
    if (claiming) {
      claimAgain = true
      return
    }
    claiming = true
    void claimDue().finally(() => {
      claiming = false
      if (claimAgain) {
        claimAgain = false
        wake()
      }
    })
  }

  async function claimDue(): Promise<void> {
    const limit = MAX_RUNNING + waiting.size - running.size
    hasMore = limit <= 0
    if (limit <= 0) return
    try {
      const rows = await db.query(claimStatement({ leaseOwner, limit, kinds: Object.keys(kinds) }))
      hasMore = rows.length === limit
      for (const row of rows) {
        const job = claimedJob(row)
        if (job.sessionId) expected.add(job.sessionId) // where one waited, another may
        const drop = whyNotRun(job, row)
        hold(job, (claim, signal) => (drop ? dropClaimed(job, claim, drop) : execute(job, claim, signal)))
      }
    } catch (error) {
      // Two processes reached for the same session, or the database is away: the next poll tries again.
      log.debug("Claiming jobs failed", { error })
    }
  }

  type Drop = { state: "failed" | "cancelled"; why: string }

  function whyNotRun(job: ClaimedJob, row: Row): Drop | null {
    if (row["cancel_requested"] === true) return { state: "cancelled", why: STOPPED }
    if (job.attempts <= job.maxAttempts) return null
    return { state: "failed", why: `The process that ran it ended, ${job.maxAttempts} times` }
  }

  async function dropClaimed(job: ClaimedJob, claim: Claim, drop: Drop): Promise<void> {
    try {
      await giveUp(job, claim, drop)
    } catch (error) {
      log.error("A job's end could not be stored", { jobId: job.id, error }) // its lease runs out; then it is tried again
    }
  }

  /** Ends a cancelled job that waits. Where someone has claimed it since, they have seen that it is cancelled. */
  async function dropWaiting(job: ClaimedJob): Promise<void> {
    const unit = await kinds[job.kind]?.dropped(job, STOPPED)
    try {
      await writer.commit({ ...unit, statements: [dropStatement(job), ...(unit?.statements ?? [])] })
    } catch (error) {
      if (!isConflict(error)) throw error
    }
  }

  async function recover(prefix: string | null): Promise<void> {
    const statement = recoverStatement({ leaseOwner, ownerPrefix: prefix, running: [...running.keys()] })
    for (const row of await db.query(statement)) {
      const { id: jobId, kind } = claimedJob(row)
      log.warn("A job was left behind by a process that ended", { jobId, kind })
    }
  }

  function renewLater(): void {
    cancelRenew()
    cancelRenew = clock.after(LEASE_MS / 3, () => void renew())
  }

  async function renew(): Promise<void> {
    if (closed || running.size === 0) return
    const asked = [...running] // what begins while the database answers is not in the answer
    try {
      const rows = await db.query(renewStatement({ leaseOwner, running: asked.map(([id]) => id) }))
      const held = new Map(rows.map((row) => [row["id"], row]))
      for (const [id, { job, abort }] of asked) {
        const row = held.get(id)
        if (row && Number(row["fence"]) === job.fence) {
          if (row["cancel_requested"] === true) abort.abort(new Error(STOPPED))
        } else abort.abort(new LeaseLost(`The lease of ${id} was lost`))
      }
    } catch (error) {
      log.warn("Leases could not be renewed", { error })
    }
    renewLater()
  }

  function pollLater(): void {
    cancelPoll = clock.after(POLL_MS, () => {
      void recover(null)
        .catch((error: unknown) => log.debug("Looking for left jobs failed", { error }))
        .then(() => {
          wake()
          forgetOthers()
          if (!closed) pollLater()
        })
    })
  }

  /** Sessions that run elsewhere are heard of too; their work was just claimed, or waits for a notice from there. */
  function forgetOthers(): void {
    const here = new Set([...running.values()].map(({ job }) => job.sessionId))
    for (const sessionId of expected) if (!here.has(sessionId)) expected.delete(sessionId)
  }

  return {
    leaseOwner,
    async start() {
      await recover(ownerPrefix)
      stopListening = await db.listen(CHANNEL, (payload) => {
        const [verb, id = ""] = payload.split(" ")
        // The casts are safe: the ids are only compared with those we hold.
        if (verb === "stop") running.get(id as JobId)?.abort.abort(new Error(STOPPED))
        else {
          expected.add(id as SessionId)
          wake()
        }
      })
      wake()
      pollLater()
    },
    runClaimed: (job) => hold(job, (claim, signal) => execute(job, claim, signal)),
    wake,
    async expect(sessionId) {
      expected.add(sessionId)
      try {
        await notify(`queued ${sessionId}`)
      } catch (error) {
        log.debug("Others were not told of a queued job", { sessionId, error }) // it is a row: their next poll finds it
      }
      wake() // the running one may have ended in between
    },
    async cancel(where, why) {
      const { rows } = await writer.commit({ statements: [cancelStatement(db.orm, where)] })
      const found = (rows[0] ?? []).map(claimedJob)
      for (const job of found) {
        const local = running.get(job.id)
        if (local) local.abort.abort(why)
        else if (job.state === "running") await notify(`stop ${job.id}`)
        else await dropWaiting(job)
      }
      wake()
      return found.length
    },
    running: () => running.size,
    async aside(sessionId, wait) {
      waiting.set(sessionId, (waiting.get(sessionId) ?? 0) + 1)
      if (hasMore) wake()
      try {
        return await wait()
      } finally {
        const left = (waiting.get(sessionId) ?? 1) - 1
        if (left > 0) waiting.set(sessionId, left)
        else waiting.delete(sessionId)
      }
    },
    async close() {
      closed = true
      cancelPoll()
      cancelRenew()
      await stopListening()
      for (const { abort } of running.values()) abort.abort(new ShuttingDown("The service is stopping"))
      while (running.size > 0) await Promise.allSettled([...running.values()].map(({ done }) => done))
    },
  }
}

/** Why a job was cancelled, as the kinds are told and as rows of turns say. */
const STOPPED = "stopped"

function isConflict(error: unknown): boolean {
  return error instanceof AppError && error.code === "conflict"
}
