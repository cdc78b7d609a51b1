/** Backups that the service makes by itself: when, how many stay, what is never deleted, and what is told of failures. */
import { afterEach, beforeAll, describe, expect, setDefaultTimeout, test } from "bun:test"
import { existsSync, mkdirSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs"
import { basename, join } from "node:path"
import { createBackupSchedule } from "#cmd/lib/backup-schedule.ts"
import { backupPath } from "#cmd/lib/backups.ts"
import type { BackupResult } from "#core/db/backup.ts"
import { createBackupFile } from "#core/db/backup-file.ts"
import { createWriter } from "#core/db/writer.ts"
import { AppError } from "#core/errors.ts"
import type { Event } from "#core/event.ts"
import { openHome } from "#core/home.ts"
import { silentLog } from "#core/log.ts"
import { createFakeClock } from "../fakes/clock.ts"
import { makeHome } from "../fakes/home.ts"
import { openMemoryDb } from "../core/db/memory.ts"

setDefaultTimeout(30_000) // each test makes a database and files under a passphrase

const passphrase = "seven wet owls under a bridge"
const HOUR_MS = 3_600_000
const DAY_MS = 24 * HOUR_MS

let end = async () => {}
afterEach(() => end())

/** One real file with nothing in it: what is read of it here is its head, which says who made it and when. */
const MADE_AT = "2026-01-01T00:00:00.000Z"
let template = Buffer.alloc(0)
beforeAll(async () => {
  using place = makeHome()
  const path = join(place.path, "one")
  const file = await createBackupFile({ path, passphrase, version: "0.1.0", createdAt: MADE_AT })
  await file.finish()
  template = readFileSync(path)
})

async function open({ keep = 2 } = {}) {
  const place = makeHome()
  const home = openHome({ env: {}, explicit: place.path })
  const db = await openMemoryDb()
  const clock = createFakeClock()
  const events: Event[] = []
  const writer = createWriter({ db, publish: (event) => events.push(event) })
  end = async () => {
    await writer.drain()
    await db.close()
    place[Symbol.dispose]()
  }
  const given = {
    every: "daily" as "never" | "daily",
    passphrase: passphrase as string | null,
    failure: null as AppError | null,
  }
  let tries = 0
  async function make(): Promise<BackupResult> {
    tries++
    if (given.failure) throw given.failure
    const path = backupPath(home, clock, "scheduled")
    const createdAt = clock.iso()
    writeFileSync(path, Buffer.from(template.toString("latin1").replace(MADE_AT, createdAt), "latin1"))
    return { path, bytes: template.length, tables: 0, rows: 0, createdAt }
  }
  const schedule = createBackupSchedule({
    db,
    writer,
    clock,
    log: silentLog,
    home,
    settings: () => ({ every: given.every, keep }),
    passphrase: () => given.passphrase,
    make,
  })
  const files = () => (existsSync(home.paths.backups) ? readdirSync(home.paths.backups).toSorted() : [])
  return { home, clock, events, given, schedule, files, tries: () => tries }
}

describe("a backup by itself", () => {
  test("is made once there is a passphrase, and again when its time has come", async () => {
    const at = await open()
    at.given.passphrase = null
    await at.schedule.runDue()
    expect(at.files()).toEqual([])
    at.given.passphrase = passphrase
    await at.schedule.runDue()
    await at.clock.advance(23 * HOUR_MS)
    await at.schedule.runDue()
    expect(at.files()).toHaveLength(1)
    await at.clock.advance(HOUR_MS)
    await at.schedule.runDue()
    expect(at.files()).toHaveLength(2)
    at.given.every = "never"
    await at.clock.advance(9 * DAY_MS)
    await at.schedule.runDue()
    expect(at.files()).toHaveLength(2)
  })

  test("takes away the oldest of its own, and nothing else: not what the owner made, not what became another file", async () => {
    const at = await open({ keep: 1 })
    mkdirSync(at.home.paths.backups, { mode: 0o700 })
    const own = "scheduled-2020-01-01T00-00-00-000.ironclaw-backup"
    writeFileSync(join(at.home.paths.backups, own), "the owner's")
    for (let day = 0; day < 3; day++) {
      await at.schedule.runDue()
      await at.clock.advance(DAY_MS)
    }
    expect(at.files()).toHaveLength(2)
    expect(at.files()[0]).toBe(own)
    const [newest = ""] = (await at.schedule.describe()).made.map(({ name }) => name)
    const replaced = join(at.home.paths.backups, newest)
    rmSync(replaced)
    writeFileSync(replaced, "put there by somebody")
    await at.schedule.runDue()
    expect(at.files()).toContain(basename(replaced))
  })

  test("is made though the clock jumped back a year", async () => {
    const at = await open()
    await at.schedule.runDue()
    at.clock.jump(-365 * DAY_MS)
    await at.schedule.runDue()
    expect(at.files()).toHaveLength(2)
  })

  test("that fails is told once, tried again with back-off, keeps what was made, and is forgotten when one is made", async () => {
    const at = await open()
    await at.schedule.runDue()
    await at.clock.advance(DAY_MS)
    at.given.failure = new AppError("db.full_disk", "The disk is full")
    for (let minute = 0; minute < 120; minute += 10) {
      await at.schedule.runDue()
      await at.clock.advance(10 * 60_000)
    }
    // At 0, 10, 30 and 70 minutes.
    expect(at.tries()).toBe(1 + 4)
    expect(at.events.map(({ type }) => type)).toEqual(["backup.failed"])
    expect(at.events[0]).toMatchObject({ error: "The disk is full" })
    expect((await at.schedule.describe()).failing).toMatchObject({ tries: 4, why: "The disk is full" })
    expect(at.files()).toHaveLength(1)
    at.given.failure = null
    await at.clock.advance(6 * HOUR_MS)
    await at.schedule.runDue()
    expect((await at.schedule.describe()).failing).toBeNull()
    expect(at.files()).toHaveLength(2)
  })
})
