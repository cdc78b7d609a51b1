import { afterEach, beforeEach, describe, expect, test } from "bun:test"
import type { Db, Statement, Unit, Writer } from "#core/db/db.ts"
import { createWriter } from "#core/db/writer.ts"
import { newId, type JobId, type SessionId } from "#core/id.ts"
import { insertJob, LEASE_MS } from "#core/jobs/job.ts"
import { createJobRunner, type JobKind, type JobRunner } from "#core/jobs/runner.ts"
import { silentLog } from "#core/log.ts"
import { createFakeClock, type FakeClock } from "../../fakes/clock.ts"
import { openMemoryDb } from "../db/memory.ts"

let db: Db
let writer: Writer
let clock: FakeClock
let runners: JobRunner[]

beforeEach(async () => {
  db = await openMemoryDb()
  writer = createWriter({ db, publish: () => {} })
  clock = createFakeClock()
  runners = []
}, 30_000) // the first database of a process is made from nothing, on a machine that may be busy
afterEach(async () => {
  await Promise.all(runners.map((runner) => runner.close()))
  await writer.drain()
  await db.close()
})

type Runs = { begun: JobId[]; signals: Map<JobId, AbortSignal>; finish: () => void; kind: JobKind }

/** A kind of job that runs until it is told to finish, or stopped. */
function waitingKind({ dropped = async () => ({ statements: [] }) }: { dropped?: JobKind["dropped"] } = {}): Runs {
  const gate = Promise.withResolvers<void>()
  const begun: JobId[] = []
  const signals = new Map<JobId, AbortSignal>()
  return {
    begun,
    signals,
    finish: () => gate.resolve(),
    kind: {
      async run({ job, signal }) {
        begun.push(job.id)
        signals.set(job.id, signal)
        const stopped = Promise.withResolvers<void>()
        signal.addEventListener("abort", () => stopped.resolve(), { once: true })
        await Promise.race([gate.promise, stopped.promise])
        return { state: "done" }
      },
      dropped,
    },
  }
}

function runnerOf(
  kinds: Record<string, JobKind>,
  over: { db?: Db; writer?: Writer; leaseOwner?: string; ownerPrefix?: string | null } = {},
) {
  const runner = createJobRunner({
    db,
    writer,
    clock,
    log: silentLog,
    leaseOwner: "home-a:1",
    ownerPrefix: "home-a:",
    kinds,
    ...over,
  })
  runners.push(runner)
  return runner
}

async function queued(sessionId: SessionId | null = null): Promise<JobId> {
  const { id, statement } = insertJob(
    { kind: "work", agentId: "main", payload: {}, sessionId, maxAttempts: 2 },
    "queued",
  )
  await writer.commit({ statements: [statement] })
  return id
}

/** Inserts a job as claimed by `runner` and has it run, as the inbox does. */
async function claimedBy(runner: JobRunner, sessionId: SessionId | null = null): Promise<JobId> {
  const job = { kind: "work", agentId: "main", payload: {}, sessionId, maxAttempts: 2 }
  const { id, statement } = insertJob(job, { leaseOwner: runner.leaseOwner })
  await writer.commit({ statements: [statement] })
  runner.runClaimed({ ...job, id, attempts: 1, fence: 1, state: "running" })
  return id
}

async function rowOf(id: JobId) {
  const [row = {}] = await db.query({
    sql: "select *, lease_until < now() as out from jobs where id = $1",
    params: [id],
  })
  return row
}
const run = (sql: string, ...params: unknown[]) => db.query({ sql, params })

async function until(isSo: () => boolean | Promise<boolean>): Promise<void> {
  for (let tries = 0; tries < 400; tries++) {
    if (await isSo()) return
    await Bun.sleep(5)
  }
  throw new Error("It did not become so")
}

/** A database whose answers to renewals wait until the test lets them go. */
function withSlowRenewals(): { db: Db; asked: Promise<void>; answer: () => void } {
  const asked = Promise.withResolvers<void>()
  const gate = Promise.withResolvers<void>()
  const query = async (statement: Statement) => {
    const rows = await db.query(statement)
    if (/set lease_until = now\(\)/.test(statement.sql) && !statement.sql.includes("skip locked")) {
      asked.resolve()
      await gate.promise
    }
    return rows
  }
  return { db: { ...db, query }, asked: asked.promise, answer: () => gate.resolve() }
}

describe("a process that runs as many jobs as it may", () => {
  /** As many as run side by side, each waiting in its own way for a queued job to end. */
  async function crowd(wait: (runner: JobRunner, sessionId: SessionId, end: Promise<void>) => Promise<void>) {
    const runs = waitingKind()
    const child: JobKind = {
      ...runs.kind,
      async run(given) {
        runs.begun.push(given.job.id)
        ended.resolve()
        return { state: "done" }
      },
    }
    const ended = Promise.withResolvers<void>()
    const parent: JobKind = {
      ...runs.kind,
      async run({ job, signal }) {
        const stopped = new Promise<void>((resolve) =>
          signal.addEventListener("abort", () => resolve(), { once: true }),
        )
        await wait(runner, job.sessionId ?? "ses_", Promise.race([ended.promise, stopped]))
        return "committed"
      },
    }
    const runner = runnerOf({ parent, work: child })
    const id = await queued()
    for (let n = 0; n < 256; n++) {
      runner.runClaimed({
        id: newId("job"),
        kind: "parent",
        agentId: "main",
        payload: {},
        sessionId: newId("ses"),
        attempts: 1,
        maxAttempts: 2,
        fence: 1,
        state: "running",
      })
    }
    await runner.start()
    return { runner, id, begun: runs.begun }
  }

  test("leaves what is queued to others, or for later", async () => {
    const { runner, begun } = await crowd((_runner, _sessionId, end) => end)
    await Bun.sleep(50)
    expect(begun).toEqual([])
    expect(runner.running()).toBe(256)
  })

  test("still takes up what they wait for, so that they cannot wait for each other for ever", async () => {
    const { runner, id, begun } = await crowd((running, sessionId, end) => running.aside(sessionId, () => end))
    await until(() => runner.running() === 0)
    expect(begun).toEqual([id])
  })
})

describe("leases", () => {
  test("a job that begins while a renewal is under way keeps its lease", async () => {
    const slow = withSlowRenewals()
    const runs = waitingKind()
    const runner = runnerOf({ work: runs.kind }, { db: slow.db })
    const first = await claimedBy(runner)
    await clock.advance(LEASE_MS / 3)
    await slow.asked
    const second = await claimedBy(runner)
    slow.answer()
    await until(() => clock.waiting() > 0)
    expect(runs.signals.get(first)?.aborted).toBe(false)
    expect(runs.signals.get(second)?.aborted).toBe(false)
  })

  test("a job that someone else took is stopped at the next renewal", async () => {
    const runs = waitingKind()
    const runner = runnerOf({ work: runs.kind })
    const id = await claimedBy(runner)
    await run("update jobs set lease_owner = 'other', fence = fence + 1 where id = $1", id)
    await clock.advance(LEASE_MS / 3)
    await until(() => runs.signals.get(id)?.aborted === true)
    await until(() => runner.running() === 0)
    expect(await rowOf(id)).toMatchObject({ state: "running", lease_owner: "other" })
  })

  test("a job whose end could not be stored is not kept alive by the others, and runs again", async () => {
    let isAway = true
    const flaky: Writer = {
      ...writer,
      commit: (unit) => (isAway ? Promise.reject(new Error("The database is away")) : writer.commit(unit)),
    }
    const runs = waitingKind()
    const runner = runnerOf({ work: runs.kind }, { writer: flaky })
    await runner.start()
    const lost = await claimedBy(runner)
    runs.finish()
    await until(() => runner.running() === 0)
    isAway = false
    await run("update jobs set lease_until = now() - interval '1 second' where id = $1", lost)
    const other = waitingKind()
    Object.assign(runs.kind, other.kind)
    await claimedBy(runner)
    await clock.advance(LEASE_MS / 3) // a renewal, and polls
    await until(() => other.begun.includes(lost))
    expect(await rowOf(lost)).toMatchObject({ state: "running", attempts: 2, fence: 2, out: false })
  })
})

describe("stopping what waits", () => {
  const told = (id: string): Unit => ({
    statements: [{ sql: "insert into meta (key, value) values ($1, 'dropped')", params: [id] }],
  })
  const toldOf = async (id: JobId) => (await run("select value from meta where key = $1", id)).length

  test("a queued job ends in one commit with what hangs on it", async () => {
    const runs = waitingKind({ dropped: async ({ id }) => told(id) })
    const runner = runnerOf({ work: runs.kind })
    const id = await queued()
    expect(await runner.cancel({ id }, new Error("stopped"))).toBe(1)
    expect(await rowOf(id)).toMatchObject({ state: "cancelled", lease_owner: null })
    expect(await toldOf(id)).toBe(1)
    expect(runs.begun).toEqual([])
  })

  test("what hung on a cancelled job is ended by the next process when the first dies in between", async () => {
    const session = newId("ses")
    await run("insert into sessions (id, agent_id, channel, peer) values ($1, 'main', 'test', 'me')", session)
    const id = await queued(session)
    const dying: Writer = {
      ...writer,
      commit: (unit) => (unit.statements[0]?.sql.includes("'cancelled'") ? new Promise(() => {}) : writer.commit(unit)),
    }
    void runnerOf({ work: waitingKind().kind }, { writer: dying, leaseOwner: "home-a:0" }).cancel(
      { id },
      new Error("stopped"),
    )
    await until(async () => (await rowOf(id))["cancel_requested"] === true)
    const runs = waitingKind({ dropped: async (job) => told(job.id) })
    const next = runnerOf({ work: runs.kind })
    await next.start()
    await until(async () => (await rowOf(id))["state"] === "cancelled")
    expect(await toldOf(id)).toBe(1)
    expect(runs.begun).toEqual([])
  })

  test("a suspended job whose canceller died is ended too", async () => {
    const id = await queued()
    await run("update jobs set state = 'suspended', cancel_requested = true where id = $1", id)
    const runs = waitingKind({ dropped: async (job) => told(job.id) })
    await runnerOf({ work: runs.kind }).start()
    await until(async () => (await rowOf(id))["state"] === "cancelled")
    expect(await toldOf(id)).toBe(1)
  })

  test("a stop that comes while the job is put back for another try is not forgotten", async () => {
    const id = await queued()
    await run("update jobs set cancel_requested = true, attempts = 1 where id = $1", id)
    const runs = waitingKind()
    await runnerOf({ work: runs.kind }).start()
    await until(async () => (await rowOf(id))["state"] === "cancelled")
    expect(runs.begun).toEqual([])
  })

  test("a job that runs is stopped, not dropped", async () => {
    const runs = waitingKind({ dropped: async ({ id }) => told(id) })
    const runner = runnerOf({ work: runs.kind })
    const id = await claimedBy(runner)
    await runner.cancel({ id }, new Error("stopped"))
    await until(() => runner.running() === 0)
    expect(await rowOf(id)).toMatchObject({ state: "done" })
    expect(await toldOf(id)).toBe(0)
  })
})

describe("what a process that ended left behind", () => {
  test("it is run again, until its attempts are used up; then it fails with what hangs on it", async () => {
    const id = await queued()
    await run(
      "update jobs set state = 'running', lease_owner = 'home-a:0', attempts = 1, lease_until = now() + interval '30 seconds' where id = $1",
      id,
    )
    const why: string[] = []
    const runs = waitingKind({ dropped: async (_job, reason) => (why.push(reason), { statements: [] }) })
    const first = runnerOf({ work: runs.kind })
    await first.start()
    await until(() => runs.begun.length === 1)
    await run("update jobs set lease_owner = 'home-a:0' where id = $1", id) // it dies as well
    const second = runnerOf({ work: runs.kind }, { leaseOwner: "home-a:2" })
    await second.start()
    await until(async () => (await rowOf(id))["state"] === "failed")
    expect(why).toEqual(["The process that ran it ended, 2 times"])
    expect(runs.begun).toEqual([id])
  })

  test("the lease of a process that may live is left alone", async () => {
    const id = await queued()
    await run(
      "update jobs set state = 'running', lease_owner = 'guest-b:7', lease_until = now() + interval '30 seconds' where id = $1",
      id,
    )
    const runs = waitingKind()
    const runner = runnerOf({ work: runs.kind })
    await runner.start()
    const other = await queued()
    runner.wake()
    await until(() => runs.begun.includes(other))
    expect(runs.begun).toEqual([other])
    expect(await rowOf(id)).toMatchObject({ state: "running", lease_owner: "guest-b:7" })
  })
})

describe("closing", () => {
  test("a job that is handed over after the stop is given back unrun", async () => {
    const runs = waitingKind()
    const runner = runnerOf({ work: runs.kind })
    await runner.close()
    const id = await claimedBy(runner)
    await until(() => runner.running() === 0)
    expect(runs.begun).toEqual([])
    expect(await rowOf(id)).toMatchObject({ state: "queued", attempts: 0, lease_owner: null })
  })

  test("a job that runs is given back, and counts as not tried", async () => {
    const runs = waitingKind()
    const runner = runnerOf({ work: runs.kind })
    const id = await claimedBy(runner)
    await runner.close()
    expect(await rowOf(id)).toMatchObject({ state: "queued", attempts: 0, lease_owner: null })
  })
})

test("one that waits in a session is claimed when the running one ends, and a notice that cannot be sent harms nobody", async () => {
  const session = newId("ses")
  await run("insert into sessions (id, agent_id, channel, peer) values ($1, 'main', 'test', 'me')", session)
  const query = (statement: Statement) =>
    statement.sql.includes("pg_notify") ? Promise.reject(new Error("The database is away")) : db.query(statement)
  const runs = waitingKind()
  const runner = runnerOf({ work: runs.kind }, { db: { ...db, query } })
  const first = await claimedBy(runner, session)
  const second = await queued(session)
  await runner.expect(session)
  await Bun.sleep(20)
  expect(runs.begun).toEqual([first])
  runs.finish()
  await until(() => runs.begun.includes(second))
  await until(() => runner.running() === 0)
  expect(await rowOf(second)).toMatchObject({ state: "done" })
})

test("a job that throws is tried again after a while, then fails with what hangs on it", async () => {
  const dropped: string[] = []
  const kind: JobKind = {
    run: () => Promise.reject(new Error("broken")),
    dropped: async (_job, why) => (dropped.push(why), { statements: [] }),
  }
  const runner = runnerOf({ work: kind })
  const id = await claimedBy(runner)
  await until(() => runner.running() === 0)
  expect(await rowOf(id)).toMatchObject({ state: "queued", error: "broken" })
  await run("update jobs set run_at = now() where id = $1", id)
  runner.wake()
  await until(async () => (await rowOf(id))["state"] === "failed")
  expect(dropped).toEqual(["broken"])
})
