/** The one writer: units whole, events after their commit and in order, groups in which nobody pays for another's fault. */
import { afterAll, beforeAll, describe, expect, test } from "bun:test"
import { systemClock } from "#core/clock.ts"
import type { Db, Statement, Unit, Writer } from "#core/db/db.ts"
import { lastSeq, readEvents } from "#core/db/events.ts"
import { errorOfFault } from "#core/db/faults.ts"
import { createWriter } from "#core/db/writer.ts"
import { AppError } from "#core/errors.ts"
import type { Event, NewEvent, StoredEvent } from "#core/event.ts"
import { newId } from "#core/id.ts"
import { engines, openMemoryDb, failureOf } from "./memory.ts"

const put = (key: string, value = ""): Statement => ({ sql: "insert into meta values ($1, $2)", params: [key, value] })
const told = (key: string): NewEvent => ({
  type: "config.changed",
  keys: [key],
  restartNeeded: false,
  agentId: "main",
  labels: [],
  source: "t",
})
const unit = (key: string): Unit => ({
  statements: [put(key)],
  events: [told(key)],
  audit: [{ agentId: "main", act: "owner.change", principal: "owner", subject: key, outcome: "done" }],
})
const keyOf = (event: Event) => (event.type === "config.changed" ? event.keys[0] : undefined)

describe.each(engines())("$name", ({ open }) => {
  let db: Db
  let writer: Writer
  const published: StoredEvent[] = []
  const publish = (event: Event) => {
    if (event.type !== "turn.delta") published.push(event)
  }
  const keysSince = (count: number) => published.slice(count).map(keyOf)
  const stored = async (key: string) =>
    (await db.query({ sql: "select 1 from meta where key = $1", params: [key] })).length

  beforeAll(async () => {
    db = await open()
    writer = createWriter({ db, publish, clock: systemClock })
  })
  afterAll(() => db.close())

  test("gives back rows and events, and publishes exactly what it stored", async () => {
    const before = published.length
    const statement = { sql: "insert into meta values ('rows', 'x') returning key, value", params: [] }
    const { rows, events } = await writer.commit({ statements: [statement, put("rows2")], events: [told("rows")] })
    expect(rows).toEqual([[{ key: "rows", value: "x" }], []])
    expect(events).toEqual([{ ...told("rows"), seq: expect.any(Number), at: expect.stringMatching(/Z$/) }])
    expect(published.slice(before)).toEqual(events)
    expect(await readEvents(db, { after: (events[0]?.seq ?? 0) - 1, limit: 10 })).toEqual(events)
  })

  test("publishes only what others can read already", async () => {
    const own = await open()
    const sight: Promise<unknown[]>[] = []
    const look = (event: Event) => own.query({ sql: "select 1 from meta where key = $1", params: [keyOf(event)] })
    const watching = createWriter({ db: own, publish: (event) => void sight.push(look(event)), clock: systemClock })
    await Promise.all([watching.commit(unit("seen1")), watching.commit(unit("seen2"))])
    expect((await Promise.all(sight)).map((rows) => rows.length)).toEqual([1, 1])
    await own.close()
  })

  test("does the whole of a small unit in one round trip and one commit", async () => {
    await writer.commit(unit("warm"))
    await writer.commit(unit("warm2"))
    const before = db.counters()
    await writer.commit(unit("one"))
    expect(db.counters()).toEqual({ roundTrips: before.roundTrips + 1, commits: before.commits + 1 })
  })

  test("puts callers that come at once into few commits, in the order in which they came", async () => {
    const before = db.counters().commits
    const count = published.length
    const keys = Array.from({ length: 60 }, (_, index) => `burst${index}`)
    await Promise.all(keys.map((key) => writer.commit(unit(key))))
    expect(db.counters().commits - before).toBeLessThan(10)
    expect(keysSince(count)).toEqual(keys)
  })

  test("a unit that fails takes no other of its group with it, and leaves no row, event or audit", async () => {
    const count = published.length
    const keys = ["g0", "g1", "g2", "g2", "g4", "g5", "g1", "g7"] // the second g2 and the second g1 are refused
    const outcomes = await Promise.allSettled(keys.map((key) => writer.commit(unit(key))))
    expect(outcomes.map(({ status }) => status === "fulfilled")).toEqual([
      true,
      true,
      true,
      false,
      true,
      true,
      false,
      true,
    ])
    for (const outcome of outcomes)
      if (outcome.status === "rejected") expect(outcome.reason).toMatchObject({ code: "conflict" })
    expect(keysSince(count)).toEqual(["g0", "g1", "g2", "g4", "g5", "g7"])
    const audited = await db.query({
      sql: "select subject from audit where subject like 'g_' order by seq",
      params: [],
    })
    expect(audited.map((row) => row["subject"])).toEqual(["g0", "g1", "g2", "g4", "g5", "g7"])
  })

  test("finds the unit at fault also when the fault shows at the commit only", async () => {
    await db.query({ sql: "create table parents (id int primary key)", params: [] })
    await db.query({
      sql: "create table children (id int references parents (id) deferrable initially deferred)",
      params: [],
    })
    const child = (key: string, parent: number): Unit => ({
      statements: [put(key), { sql: "insert into children values ($1)", params: [parent] }],
    })
    await db.query({ sql: "insert into parents values (1)", params: [] })
    const outcomes = await Promise.allSettled([
      writer.commit(unit("d0")),
      writer.commit(child("d1", 2)),
      writer.commit(child("d2", 1)),
    ])
    expect(outcomes.map(({ status }) => status)).toEqual(["fulfilled", "rejected", "fulfilled"])
    expect([await stored("d0"), await stored("d1"), await stored("d2")]).toEqual([1, 0, 1])
  })

  test("a unit whose fence was lost changes nothing at all", async () => {
    const fence =
      "with done as (update meta set value = 'x' where key = 'no such job' returning 1) select expect_rows(count(*), 1, 'the job') from done"
    const failed = writer.commit({ statements: [put("fenced"), { sql: fence, params: [] }], events: [told("fenced")] })
    expect(await failureOf(failed)).toMatchObject({ code: "conflict", message: expect.stringContaining("the job") })
    expect(await stored("fenced")).toBe(0)
  })

  test.each([["a\0b"], ["a\ud800b"]])("refuses %j before anything is sent, wherever it stands", async (text) => {
    const before = db.counters().roundTrips
    for (const bad of [{ statements: [put(text)] }, { statements: [], events: [told(text)] }, unit(text)]) {
      expect(await failureOf(writer.commit(bad))).toMatchObject({ code: "input.invalid" })
    }
    expect(db.counters().roundTrips).toBe(before)
    await writer.commit(unit(newId("tok")))
  })

  test("is refused inside a transaction instead of waiting for it", async () => {
    expect(await failureOf(db.transaction(() => writer.commit(unit("nested"))))).toMatchObject({
      message: expect.stringContaining("inside a transaction"),
    })
    expect(await stored("nested")).toBe(0)
  })

  test("drains what was handed over", async () => {
    const pending = writer.commit(unit("drained"))
    await writer.drain()
    expect(await stored("drained")).toBe(1)
    await pending
    await writer.drain()
  })

  test("the audit chain has no gap and every hash is right, also after many at once", async () => {
    const rows = await db.query({
      sql: "select seq, prev_hash, hash, audit_hash(audit) as fresh, lag(hash, 1, '') over (order by seq) as before from audit order by seq",
      params: [],
    })
    expect(rows.length).toBeGreaterThan(60)
    expect(rows.map((row) => row["seq"])).toEqual(rows.map((_, index) => index + 1))
    expect(rows.filter((row) => row["hash"] !== row["fresh"] || row["prev_hash"] !== row["before"])).toEqual([])
  })

  test("an audit hash can be made without the database", async () => {
    const [row = {}] = await db.query({ sql: "select * from audit order by seq limit 1", params: [] })
    const names = [
      "seq",
      "at",
      "agent_id",
      "act",
      "principal",
      "subject",
      "outcome",
      "session_id",
      "turn_id",
      "arguments_hash",
      "preview",
    ]
    const rest = [
      "verdicts",
      "destination",
      "secret_names",
      "bytes_out",
      "bytes_in",
      "duration_ms",
      "labels",
      "source",
      "prev_hash",
    ]
    const printed = (value: unknown): string => {
      if (Array.isArray(value)) return `[${value.map(printed).join(", ")}]`
      return JSON.stringify(value) // verdicts are empty here; jsonb prints "{}" like JSON
    }
    const text = printed([...names, ...rest].map((name) => row[name]))
    expect(new Bun.CryptoHasher("sha256").update(text).digest("hex")).toBe(String(row["hash"]))
  })

  test("reads events of one session only, in order, a page at a time", async () => {
    const sessionId = newId("ses")
    const event = (title: string): NewEvent => ({
      type: "session.created",
      sessionId,
      channel: "api",
      title,
      agentId: "main",
      labels: ["private"],
      source: "",
    })
    const after = await lastSeq(db)
    await writer.commit({ statements: [], events: [event("one"), told("between"), event("two")] })
    const all = await readEvents(db, { after, sessionId, limit: 10 })
    expect(all.map((each) => each.type === "session.created" && each.title)).toEqual(["one", "two"])
    expect(await readEvents(db, { after, sessionId, limit: 1 })).toEqual(all.slice(0, 1))
    expect(await lastSeq(db)).toBe(all[1]?.seq ?? 0)
  })

  test("a seq is never given twice, also when the newest events are gone", async () => {
    const { events } = await writer.commit({ statements: [], events: [told("last")] })
    await db.query({ sql: "delete from events where seq = $1", params: [events[0]?.seq] })
    const { events: next } = await writer.commit({ statements: [], events: [told("next")] })
    expect(next[0]?.seq).toBeGreaterThan(events[0]?.seq ?? 0)
  })
})

describe("a database that gives no answer", () => {
  test("is not asked to do the same again, for it may have done it", async () => {
    const real = await openMemoryDb()
    let batches = 0
    const lost: Db = {
      ...real,
      batch() {
        batches += 1
        return Promise.reject(new AppError("db.connection_lost", "gone"))
      },
    }
    const writer = createWriter({ db: lost, publish: () => {}, clock: systemClock })
    const outcomes = await Promise.allSettled(["a", "b", "c"].map((key) => writer.commit(unit(key))))
    expect(outcomes.map(({ status }) => status)).toEqual(["rejected", "rejected", "rejected"])
    expect(batches).toBe(1)
    await real.close()
  })

  test("a deadlock with another process is tried once more, alone", async () => {
    const real = await openMemoryDb()
    let failures = 1
    const crossed: Db = {
      ...real,
      batch: (statements) =>
        failures-- > 0
          ? Promise.reject(errorOfFault({ sqlState: "40P01", message: "deadlock", statement: 0 }))
          : real.batch(statements),
    }
    const writer = createWriter({ db: crossed, publish: () => {}, clock: systemClock })
    expect((await writer.commit(unit("crossed"))).events).toHaveLength(1)
    await real.close()
  })
})
