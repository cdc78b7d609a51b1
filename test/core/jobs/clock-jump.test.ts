import { afterEach, beforeEach, expect, test } from "bun:test"
import type { Db, Writer } from "#core/db/db.ts"
import { createWriter } from "#core/db/writer.ts"
import { newId, type JobId } from "#core/id.ts"
import { claimStatement, insertJob, recoverStatement, retryStatement } from "#core/jobs/job.ts"
import { openMemoryDb } from "../db/memory.ts"

let db: Db
let writer: Writer

beforeEach(async () => {
  db = await openMemoryDb()
  writer = createWriter({ db, publish: () => {} })
})
afterEach(async () => {
  await writer.drain()
  await db.close()
})

const job = { kind: "work", agentId: "main", payload: {}, sessionId: null, maxAttempts: 5 }
const claim = async (leaseOwner = "here") =>
  (await db.query(claimStatement({ leaseOwner, limit: 10, kinds: ["work"] }))).map((row) => row["id"])
const recover = async () =>
  (await db.query(recoverStatement({ leaseOwner: "here", ownerPrefix: null, running: [] }))).map((row) => row["id"])

async function inserted(as: { leaseOwner: string } | "queued" = "queued"): Promise<JobId> {
  const { id, statement } = insertJob(job, as)
  await writer.commit({ statements: [statement] })
  return id
}
/** As if these rows had been written before the clock was set back. */
async function setBack(hours: number): Promise<void> {
  await db.query({
    sql: `update jobs set run_at = run_at + $1::float8 * interval '1 hour', lease_until = lease_until + $1::float8 * interval '1 hour'`,
    params: [hours],
  })
}

test("what was queued before the clock was set back is not left to wait for the old time", async () => {
  const id = await inserted()
  await setBack(3)
  expect(await claim()).toEqual([id])
})

test("nor is what was queued a moment before it was set back by a minute", async () => {
  const id = await inserted()
  await setBack(1 / 60)
  expect(await claim()).toEqual([id])
})

test("nor is what waited to be tried again", async () => {
  const id = await inserted({ leaseOwner: "here" })
  await writer.commit({ statements: [retryStatement({ id, leaseOwner: "here", fence: 1 }, 60_000, "it failed")] })
  expect(await claim()).toEqual([]) // its minute is not over
  await setBack(3)
  expect(await claim()).toEqual([id])
})

test("the lease of a process that died before the clock was set back runs out all the same", async () => {
  const id = await inserted({ leaseOwner: "dead" })
  expect(await recover()).toEqual([])
  await setBack(3)
  expect(await recover()).toEqual([id])
})

test("a clock that is set forward takes no job from the process that runs it, and claims it from nobody twice", async () => {
  const id = await inserted({ leaseOwner: "here" })
  await setBack(-3)
  const rows = await db.query(recoverStatement({ leaseOwner: "here", ownerPrefix: null, running: [id] }))
  expect(rows).toEqual([])
  expect(await claim("there")).toEqual([])
})

test("ids made after the clock was set back still sort behind the ones before", () => {
  const before = newId("job")
  const realNow = Date.now
  Date.now = () => realNow() - 3_600_000
  try {
    expect(newId("job") > before).toBe(true)
  } finally {
    Date.now = realNow
  }
})
