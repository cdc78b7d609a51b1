/** Runs jobs: claims what is due, keeps the leases alive, stops what is to be stopped, and puts back what the dead left behind. */
import type { Db, Row, Writer } from "../db/db.ts"
import type { Clock } from "../clock.ts"
import { preview } from "../event.ts"
import type { JobId, SessionId } from "../id.ts"
import type { Log } from "../log.ts"
import {
  cancelStatement,
  claimedJob,
  claimStatement,
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
/** How many jobs one process runs side by side. Turns wait for models, so many fit; beyond it they wait as rows. */
const MAX_RUNNING = 256

export type JobRun = { job: ClaimedJob; claim: Claim; signal: AbortSignal }
/** Contract: must not throw for what can be foreseen; a throw counts as a failed attempt. */
export type JobKind = {
  run(run: JobRun): Promise<JobEnd>
  /** Told when a job ended without a run: cancelled in the queue, or out of attempts. */ dropped(
    job: ClaimedJob,
    why: string,
  ): Promise<void>
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

export function createJobRunner({ db, writer, clock, log, leaseOwner, ownerPrefix, kinds }: JobRunnerDeps): JobRunner {
  const running = new Map<JobId, { fence: number; abort: AbortController; done: Promise<void> }>()
  const expected = new Set<SessionId>() // sessions with work queued behind a run
  let closed = false
  let claiming = false
  let claimAgain = false
  let stopListening = async () => {}
  let cancelPoll = () => {}
  let cancelRenew = () => {}

  const notify = (payload: string) => ({ sql: `select pg_notify('${CHANNEL}', $1)`, params: [payload] })

  function kindOf(job: ClaimedJob): JobKind | undefined {
    return kinds[job.kind]
  }

  function runClaimed(job: ClaimedJob): void {
    const abort = new AbortController()
    const claim: Claim = { id: job.id, leaseOwner, fence: job.fence }
    const done = execute(job, claim, abort.signal).finally(() => {
      running.delete(job.id)
      if (job.sessionId && expected.delete(job.sessionId)) wake()
    })
    running.set(job.id, { fence: job.fence, abort, done })
    if (running.size === 1) renewLater()
  }

  async function execute(job: ClaimedJob, claim: Claim, signal: AbortSignal): Promise<void> {
    const kind = kindOf(job)
    let end: JobEnd
    try {
      end = kind
        ? await kind.run({ job, claim, signal })
        : { state: "failed", error: `Nothing here runs "${job.kind}"`, retryInMs: null }
    } catch (error) {
      log.error("A job threw", { jobId: job.id, kind: job.kind, error })
      end = {
        state: "failed",
        error: preview(error instanceof Error ? error.message : String(error)),
        retryInMs: backOffMs(job.attempts),
      }
    }
    if (signal.reason instanceof LeaseLost) return
    try {
      if (signal.reason instanceof ShuttingDown) {
        await writer.commit({ statements: [releaseStatement(claim)] })
        return
      }
      if (end === "committed") return
      if (end.state !== "failed") await writer.commit({ statements: [endStatement(claim, end.state)] })
      else if (end.retryInMs !== null && job.attempts < job.maxAttempts)
        await writer.commit({ statements: [retryStatement(claim, end.retryInMs, end.error)] })
      else {
        await writer.commit({ statements: [endStatement(claim, "failed", end.error)] })
        await kind?.dropped({ ...job, state: "failed" }, end.error)
      }
    } catch (error) {
      // The lease runs out and the job is put back; nothing is lost but time.
      log.error("A job's end could not be stored", { jobId: job.id, error })
    }
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
    const limit = MAX_RUNNING - running.size
    if (limit <= 0) return
    try {
      const rows = await db.query(claimStatement({ leaseOwner, limit, kinds: Object.keys(kinds) }))
      for (const job of rows.map(claimedJob)) {
        if (job.sessionId) expected.add(job.sessionId) // where one waited, another may
        runClaimed(job)
      }
    } catch (error) {
      // Two processes reached for the same session, or the database is away: the next poll tries again.
      log.debug("Claiming jobs failed", { error })
    }
  }

  async function recover(prefix: string | null): Promise<void> {
    const rows = await db.query(recoverStatement({ leaseOwner, ownerPrefix: prefix }))
    for (const row of rows) {
      const job = claimedJob(row)
      log.warn("A job was left behind by a process that ended", { jobId: job.id, kind: job.kind, state: job.state })
      if (job.state === "failed") await kindOf(job)?.dropped(job, "The process that ran it ended too often")
    }
  }

  function renewLater(): void {
    cancelRenew()
    cancelRenew = clock.after(LEASE_MS / 3, () => void renew())
  }

  async function renew(): Promise<void> {
    if (closed || running.size === 0) return
    try {
      const held = new Map((await db.query(renewStatement(leaseOwner))).map((row: Row) => [String(row["id"]), row]))
      for (const [id, { fence, abort }] of running) {
        const row = held.get(id)
        if (row && Number(row["fence"]) === fence) {
          if (row["cancel_requested"] === true) abort.abort(new Error("stopped"))
        } else if (!abort.signal.aborted) abort.abort(new LeaseLost(`The lease of ${id} was lost`))
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
          if (!closed) pollLater()
        })
    })
  }

  return {
    leaseOwner,
    async start() {
      await recover(ownerPrefix)
      stopListening = await db.listen(CHANNEL, (payload) => {
        const [verb, id = ""] = payload.split(" ")
        // The casts are safe: the ids are only compared with those we hold.
        if (verb === "stop") running.get(id as JobId)?.abort.abort(new Error("stopped"))
        else {
          expected.add(id as SessionId)
          wake()
        }
      })
      wake()
      pollLater()
    },
    runClaimed,
    wake,
    async expect(sessionId) {
      expected.add(sessionId)
      await db.query(notify(`queued ${sessionId}`))
      wake() // the running one may have ended in between
    },
    async cancel(where, why) {
      const { rows } = await writer.commit({ statements: [cancelStatement(db.orm, where)] })
      const found = (rows[0] ?? []).map(claimedJob)
      for (const job of found) {
        const local = running.get(job.id)
        if (local) local.abort.abort(why)
        else if (job.state === "running") await db.query(notify(`stop ${job.id}`))
        else await kindOf(job)?.dropped(job, "stopped")
      }
      if (found.some((job) => job.state === "cancelled")) wake()
      return found.length
    },
    running: () => running.size,
    async close() {
      closed = true
      cancelPoll()
      cancelRenew()
      await stopListening()
      for (const { abort } of running.values()) abort.abort(new ShuttingDown("The service is stopping"))
      await Promise.allSettled([...running.values()].map(({ done }) => done))
    },
  }
}
