/** PGlite as a driver: durable, alone on its folder, and standing up again after a crash of its thread. */
import { afterEach, describe, expect, test } from "bun:test"
import { mkdtempSync, readdirSync, rmSync, statSync } from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { systemClock } from "#core/clock.ts"
import type { Db } from "#core/db/db.ts"
import { type EmbeddedDriver, openEmbedded, spawnEngine } from "#core/db/embedded.ts"
import { migratedImage, openDb } from "#core/db/open.ts"
import { loadSnapshot } from "#core/db/snapshot.ts"
import { failureOf } from "./memory.ts"

// One image for the whole file: initdb takes seconds.
let image: Promise<Uint8Array<ArrayBuffer>> | undefined
const loadImage = () => (image ??= loadSnapshot().then((found) => found ?? migratedImage(systemClock)))

const folders: string[] = []
function newFolder(): string {
  const folder = mkdtempSync(join(tmpdir(), "ironclaw-db-"))
  folders.push(folder)
  return join(folder, "db")
}
afterEach(() => {
  for (const folder of folders.splice(0)) rmSync(folder, { recursive: true, force: true })
})

const openAt = (dir: string): Promise<Db> =>
  openDb({ config: { kind: "embedded", dir }, clock: systemClock, onWarning: () => {}, loadSnapshot: loadImage })

/** A driver whose threads the test can end, as a crash would. */
async function openCrashing(dir: string | null): Promise<{ driver: EmbeddedDriver; crash: () => void }> {
  const workers: Worker[] = []
  const driver = await openEmbedded({
    dir,
    clock: systemClock,
    loadImage,
    spawn() {
      const worker = spawnEngine()
      workers.push(worker)
      return worker
    },
  })
  return { driver, crash: () => workers.at(-1)?.terminate() }
}
const run = async (driver: EmbeddedDriver, sql: string) => (await driver.run([{ sql, params: [] }]))[0]?.rows

describe("the folder", () => {
  test("keeps what was committed, and is closed to others", async () => {
    const dir = newFolder()
    const first = await openAt(dir)
    expect(first.hasVector).toBe(true)
    await first.query({ sql: "insert into meta values ('kept', 'yes')", params: [] })
    await first.close()
    const second = await openAt(dir)
    expect(await second.query({ sql: "select value from meta where key = 'kept'", params: [] })).toEqual([
      { value: "yes" },
    ])
    await second.close()
    if (process.platform !== "win32") {
      expect(statSync(dir).mode & 0o77).toBe(0)
      expect(statSync(join(dir, "data")).mode & 0o77).toBe(0)
    }
  })

  test("opens for one at a time, and again when that one has closed", async () => {
    const dir = newFolder()
    const first = await openAt(dir)
    expect(await failureOf(openAt(dir))).toMatchObject({ code: "db.locked", message: expect.stringContaining(dir) })
    await first.close()
    await (await openAt(dir)).close()
  })

  test("begins anew where a crash left a half-unpacked image", async () => {
    const dir = newFolder()
    await Bun.write(join(dir, "data.new", "PG_VERSION"), "18\n")
    const db = await openAt(dir)
    expect(await db.query({ sql: "select id from agents", params: [] })).toEqual([{ id: "main" }])
    await db.close()
    expect(readdirSync(dir).toSorted()).toEqual(["data", "lock"])
  })

  test("is made from nothing where no snapshot fits", async () => {
    const dir = newFolder()
    const db = await openDb({
      config: { kind: "embedded", dir },
      clock: systemClock,
      onWarning: () => {},
      loadSnapshot: async () => null,
    })
    expect(await db.query({ sql: "select id from agents", params: [] })).toEqual([{ id: "main" }])
    await db.close()
  }, 60_000)
})

test("every acknowledged commit survives kill -9, whole, with events and audit in order", async () => {
  const dir = newFolder()
  const acked: string[] = []
  for (const acks of [30, 200]) {
    const child = Bun.spawn([process.execPath, "run", join(import.meta.dir, "acking-child.ts"), dir], {
      stdout: "pipe",
      stderr: "inherit",
    })
    let text = ""
    let killed = false
    for await (const piece of child.stdout.pipeThrough(new TextDecoderStream())) {
      text += piece
      if (!killed && text.split("\n").length > acks) {
        killed = true
        process.kill(child.pid, "SIGKILL")
      }
    }
    await child.exited
    expect(killed).toBe(true)
    acked.push(...text.split("\n").slice(0, -1)) // the last line may be cut
  }
  const db = await openAt(dir)
  const stored = new Set((await db.query({ sql: "select key from meta", params: [] })).map((row) => String(row["key"])))
  const told = await db.query({ sql: "select body -> 'keys' ->> 0 as key from events order by seq", params: [] })
  const audited = await db.query({
    sql: "select subject as key, prev_hash, hash, audit_hash(audit) as fresh from audit order by seq",
    params: [],
  })
  await db.close()
  expect(acked.filter((key) => !stored.has(key))).toEqual([])
  // Rows, events and audit of a unit are there together or not at all.
  expect(told).toHaveLength(stored.size)
  expect(new Set(told.map((row) => String(row["key"])))).toEqual(stored)
  expect(audited.map((row) => row["key"])).toEqual(told.map((row) => row["key"]))
  expect(audited.filter((row) => row["hash"] !== row["fresh"])).toEqual([])
  expect(audited.map((row) => row["prev_hash"])).toEqual(["", ...audited.map((row) => row["hash"])].slice(0, -1))
}, 60_000)

// What only the kernel can tell; strace is not on every machine, and where it is missing this says so by being skipped.
test.skipIf(Bun.which("strace") === null)(
  "a commit comes back only after the disk has it, new files of the log and their folder too",
  async () => {
    const dir = newFolder()
    const trace = `${dir}.trace`
    const calls = "trace=fdatasync,fsync,write"
    const command = [process.execPath, "run", join(import.meta.dir, "syncing-child.ts"), dir]
    const child = Bun.spawn(["strace", "-f", "-y", "-e", calls, "-o", trace, ...command], {
      stdout: "pipe",
      stderr: "inherit",
    })
    expect(await child.stdout.text()).toBe("open\ncommitted\n")
    const lines = (await Bun.file(trace).text()).split("\n")
    const from = lines.findIndex((line) => line.includes('"open\\n"'))
    const to = lines.findIndex((line) => line.includes('"committed\\n"'))
    expect(from).toBeGreaterThan(0)
    const between = lines.slice(from, to)
    const synced = (call: string, path: RegExp) =>
      between.filter((line) => line.includes(`${call}(`) && path.test(line)).length
    expect(synced("fdatasync", /pg_wal\/\w+>/)).toBeGreaterThanOrEqual(20)
    expect(synced("fsync", /pg_wal>/)).toBeGreaterThanOrEqual(1)
  },
  60_000,
)

describe("a crash of the thread", () => {
  test("fails what was under way with a clear error and opens again by itself, once", async () => {
    const { driver, crash } = await openCrashing(newFolder())
    await run(driver, "insert into meta values ('before', '')")
    const pending = run(driver, "select pg_sleep(5)")
    crash()
    expect(await failureOf(pending)).toMatchObject({ code: "db.connection_lost" })
    expect(await run(driver, "select key from meta")).toEqual([["before"]])
    crash()
    expect(await failureOf(run(driver, "select 1"))).toMatchObject({
      code: expect.stringMatching(/^db\.(connection_lost|crashed)$/),
    })
    expect(await failureOf(run(driver, "select 1"))).toMatchObject({ code: "db.crashed" })
    await driver.close()
  })

  test("ends an open transaction and lets the others through", async () => {
    const { driver, crash } = await openCrashing(newFolder())
    const transaction = await driver.begin()
    await transaction.run({ sql: "insert into meta values ('lost', '')", params: [] })
    const waiting = run(driver, "select key from meta")
    crash()
    expect(await failureOf(transaction.run({ sql: "select 1", params: [] }))).toMatchObject({
      code: "db.connection_lost",
    })
    await transaction.rollback()
    expect(await waiting).toEqual([])
    await driver.close()
  })

  test("is final for a database in memory: there is nothing to come back to", async () => {
    const { driver, crash } = await openCrashing(null)
    const pending = run(driver, "select pg_sleep(5)")
    crash()
    expect(await failureOf(pending)).toMatchObject({ code: "db.connection_lost" })
    expect(await failureOf(run(driver, "select 1"))).toMatchObject({ code: "db.crashed" })
    await driver.close()
  })
})

test("a long query stalls nobody's event loop", async () => {
  const db = await openAt(newFolder())
  let ticks = 0
  let over = false
  const query = db.query({ sql: "select pg_sleep(0.3)", params: [] }).finally(() => (over = true))
  for (; !over; ticks += 1) await systemClock.sleep(5)
  await query
  await db.close()
  expect(ticks).toBeGreaterThan(10) // sixty on a quiet machine; none if the query ran on this thread
})

test("nothing runs any more after close", async () => {
  const db = await openAt(newFolder())
  await db.close()
  await db.close()
  expect(await failureOf(db.query({ sql: "select 1", params: [] }))).toMatchObject({ code: "db.connection_lost" })
})
