/** What every engine promises alike: rows, transactions, notifications, counting, and errors without values. */
import { afterAll, beforeAll, describe, expect, test } from "bun:test"
import { eq, sql } from "drizzle-orm"
import type { Db } from "#core/db/db.ts"
import { faultOf } from "#core/db/faults.ts"
import { documents, jobs, meta, secrets, sessions } from "#core/db/schema.ts"
import { newId } from "#core/id.ts"
import { engines, appErrorOf, failureOf } from "./memory.ts"

const count = async (db: Db, key: string) =>
  (await db.query({ sql: "select 1 from meta where key = $1", params: [key] })).length

describe.each(engines())("$name", ({ open }) => {
  let db: Db
  beforeAll(async () => {
    db = await open()
  })
  afterAll(async () => {
    await db.close()
  })

  test("gives drizzle the types of the schema", async () => {
    const id = newId("ses")
    await db.orm
      .insert(sessions)
      .values({ id, agentId: "main", channel: "api", peer: 'a"b\\c', labels: ["untrusted", "private"] })
    const [row] = await db.orm.select().from(sessions).where(eq(sessions.id, id))
    expect(row?.labels).toEqual(["untrusted", "private"])
    expect(row?.clearedTo).toBe(0)
    expect(row?.model).toBeNull()
    expect(row?.createdAt).toMatch(/^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z$/)
  })

  test("labels default to untrusted", async () => {
    const id = newId("doc")
    const [row] = await db.orm.insert(documents).values({ id, agentId: "main", path: id, content: "x" }).returning()
    expect(row?.labels).toEqual(["untrusted"])
  })

  test.each([["text"], [123], ["123"], [{ a: [1, "ü", null] }], [true], [[]]])(
    "stores the JSON value %j once encoded",
    async (value) => {
      const id = newId("job")
      const [row] = await db.orm
        .insert(jobs)
        .values({ id, agentId: "main", kind: "t", state: "done", payload: { value } })
        .returning()
      expect(row?.payload).toEqual({ value })
      const [raw] = await db.query({
        sql: "select payload -> 'value' as value, jsonb_typeof(payload) as type from jobs where id = $1",
        params: [id],
      })
      expect(raw).toEqual({ value, type: "object" })
    },
  )

  test("stores bytes as bytes", async () => {
    const bytes = new Uint8Array([0, 1, 92, 255])
    await db.orm
      .insert(secrets)
      .values({ name: newId("tok"), version: 1, keyId: "k", nonce: bytes, ciphertext: new Uint8Array() })
    const [row] = await db.orm.select().from(secrets)
    expect(row?.nonce).toEqual(bytes)
    expect(row?.ciphertext).toEqual(new Uint8Array())
  })

  test("runs a batch whole or not at all, and says which statement was refused", async () => {
    const error = await appErrorOf(
      db.batch([
        { sql: "insert into meta values ($1, 'x')", params: ["batch"] },
        { sql: "insert into meta values ($1, 'x')", params: ["batch"] },
        { sql: "select 1", params: [] },
      ]),
    )
    expect(error.code).toBe("conflict")
    expect(faultOf(error)?.sqlState).toBe("23505")
    expect(faultOf(error)?.statement).toBe(1)
    expect(await count(db, "batch")).toBe(0)
  })

  test("goes on after a refused statement as if nothing had been", async () => {
    for (let round = 0; round < 3; round += 1) {
      await appErrorOf(db.query({ sql: "select * from nowhere where a = $1", params: [round] }))
      expect(await db.query({ sql: "select $1::int as n", params: [round] })).toEqual([{ n: round }])
    }
  })

  test("takes no second statement in the text of the first", async () => {
    const error = await appErrorOf(db.query({ sql: "select 1; drop table meta", params: [] }))
    expect(faultOf(error)?.sqlState).toBe("42601")
    expect(await count(db, "nothing")).toBe(0)
  })

  test("keeps a prepared statement usable when its table changes", async () => {
    await db.query({ sql: "create table shape (a int)", params: [] })
    const read = () => db.query({ sql: "select * from shape", params: [] })
    await read()
    await read()
    await db.query({ sql: "alter table shape add column b text", params: [] })
    await db.query({ sql: "insert into shape values (1, 'x')", params: [] })
    expect(await read()).toEqual([{ a: 1, b: "x" }])
    await db.query({ sql: "drop table shape", params: [] })
  })

  test("commits a transaction that looks before it writes", async () => {
    const seen = await db.transaction(async (tx) => {
      await tx.orm.insert(meta).values({ key: "tx", value: "1" })
      return tx.query({ sql: "select value from meta where key = $1", params: ["tx"] })
    })
    expect(seen).toEqual([{ value: "1" }])
    expect(await count(db, "tx")).toBe(1)
  })

  test("rolls a transaction back when the work throws, and throws the same", async () => {
    const reason = new Error("changed my mind")
    expect(
      await failureOf(
        db.transaction(async (tx) => {
          await tx.query({ sql: "insert into meta values ('undone', '')", params: [] })
          throw reason
        }),
      ),
    ).toBe(reason)
    expect(await count(db, "undone")).toBe(0)
  })

  test("rolls back after a refused statement inside, also when the work swallows it", async () => {
    await appErrorOf(
      db.transaction(async (tx) => {
        await tx.query({ sql: "insert into meta values ('half', '')", params: [] })
        await tx.query({ sql: "select * from nowhere", params: [] }).catch(() => {})
        await tx.query({ sql: "select 1", params: [] })
      }),
    )
    expect(await count(db, "half")).toBe(0)
  })

  test("nobody else's statement falls into an open transaction", async () => {
    let inside: () => void = () => {}
    const entered = new Promise<void>((resolve) => (inside = resolve))
    const transaction = db.transaction(async (tx) => {
      await tx.query({ sql: "insert into meta values ('mine', '')", params: [] })
      inside()
      await tx.query({ sql: "select 1", params: [] })
      throw new Error("rolled back")
    })
    await entered
    const other = db.query({ sql: "insert into meta values ('theirs', '')", params: [] })
    expect(await failureOf(transaction)).toMatchObject({ message: expect.stringContaining("rolled back") })
    await other
    expect([await count(db, "mine"), await count(db, "theirs")]).toEqual([0, 1])
  })

  test("refuses the database inside a transaction instead of waiting for itself", async () => {
    expect(await failureOf(db.transaction(() => db.query({ sql: "select 1", params: [] })))).toMatchObject({
      message: expect.stringContaining("inside a transaction"),
    })
    expect(await failureOf(db.transaction(() => db.batch([{ sql: "select 1", params: [] }])))).toMatchObject({
      message: expect.stringContaining("inside a transaction"),
    })
    expect(await failureOf(db.transaction(() => db.orm.select().from(meta).execute()))).toMatchObject({
      message: expect.stringContaining("inside a transaction"),
    })
    expect(await failureOf(db.transaction(() => db.transaction(async () => {})))).toMatchObject({
      message: expect.stringContaining("inside a transaction"),
    })
    expect(await db.query({ sql: "select 1 as one", params: [] })).toEqual([{ one: 1 }])
  })

  test("what a transaction started and did not await may use the database afterwards", async () => {
    let later: Promise<unknown> = Promise.resolve()
    let go: () => void = () => {}
    const over = new Promise<void>((resolve) => (go = resolve))
    await db.transaction(async () => {
      later = over.then(() => db.query({ sql: "select 2 as two", params: [] }))
    })
    go()
    expect(await later).toEqual([{ two: 2 }])
  })

  test("a transaction cannot be used when it is over", async () => {
    let leaked: ((statement: { sql: string; params: unknown[] }) => Promise<unknown>) | undefined
    await db.transaction(async (tx) => {
      leaked = tx.query
    })
    expect(await failureOf(leaked?.({ sql: "select 1", params: [] }) ?? Promise.resolve())).toMatchObject({
      message: expect.stringContaining("over"),
    })
  })

  test("twenty transactions at once all come through", async () => {
    await db.query({ sql: "insert into meta values ('counter', '0')", params: [] })
    await Promise.all(
      Array.from({ length: 20 }, () =>
        db.transaction(async (tx) => {
          const [row] = await tx.query({ sql: "select value from meta where key = 'counter' for update", params: [] })
          await tx.query({
            sql: "update meta set value = $1 where key = 'counter'",
            params: [Number(row?.["value"]) + 1],
          })
        }),
      ),
    )
    expect(await db.query({ sql: "select value from meta where key = 'counter'", params: [] })).toEqual([
      { value: "20" },
    ])
  })

  test("tells listeners of notifications until they stop", async () => {
    const heard: string[] = []
    let next: () => void = () => {}
    const first = new Promise<void>((resolve) => (next = resolve))
    const stop = await db.listen("test_channel", (payload) => {
      heard.push(payload)
      next()
    })
    await db.query({ sql: "select pg_notify('test_channel', 'one')", params: [] })
    await first
    await stop()
    await db.query({ sql: "select pg_notify('test_channel', 'two')", params: [] })
    expect(heard).toEqual(["one"])
  })

  test("counts one round trip for a batch, and only commits that wrote", async () => {
    const batch = () =>
      db.batch([
        { sql: "select $1::int", params: [1] },
        { sql: "select 2", params: [] },
      ])
    await batch() // a server is asked once for the types of the parameters
    const before = db.counters()
    await batch()
    expect(db.counters()).toEqual({ roundTrips: before.roundTrips + 1, commits: before.commits })
    await db.query({ sql: "update meta set value = '' where key = 'there is none'", params: [] })
    expect(db.counters().commits).toBe(before.commits)
    await db.query({ sql: "insert into meta values ('counted', '')", params: [] })
    expect(db.counters().commits).toBe(before.commits + 1)
  })

  test("refuses text that cannot be stored, before and behind drizzle", async () => {
    for (const text of ["a\0b", "a\ud800b"]) {
      const direct = await appErrorOf(db.query({ sql: "insert into meta values ($1, '')", params: [text] }))
      const mapped = await appErrorOf(db.orm.insert(meta).values({ key: text, value: "" }).execute())
      const inJson = await appErrorOf(
        db.orm
          .insert(jobs)
          .values({ id: newId("job"), agentId: "main", kind: "t", state: "done", payload: { text } })
          .execute(),
      )
      expect([direct.code, mapped.code, inJson.code]).toEqual(["input.invalid", "input.invalid", "input.invalid"])
    }
    expect(await count(db, "ab")).toBe(0)
  })

  test("no error tells a parameter, whatever the server said", async () => {
    const secret = "hunter2-in-a-parameter"
    const errors = await Promise.all([
      appErrorOf(db.query({ sql: "select $1::int", params: [secret] })),
      appErrorOf(
        db.orm
          .select()
          .from(meta)
          .where(sql`${secret}::int = 1`)
          .execute(),
      ),
      appErrorOf(
        db.batch([
          { sql: "insert into meta values ($1, '')", params: [secret] },
          { sql: "insert into meta values ($1, '')", params: [secret] },
        ]),
      ),
      appErrorOf(db.query({ sql: "select to_tsquery($1)", params: [`${secret} & &`] })),
      appErrorOf(db.transaction((tx) => tx.query({ sql: "select $1::jsonb", params: [`{${secret}`] }))),
    ])
    for (const error of errors) {
      expect(`${error.message} ${String(error.cause)} ${JSON.stringify(error)} ${Bun.inspect(error)}`).not.toContain(
        secret,
      )
    }
  })

  test("takes 65,000 parameters and a text of a million characters", async () => {
    const long = "ä😀".repeat(333_333)
    expect(await db.query({ sql: "select length($1) as n", params: [long] })).toEqual([{ n: 666_666 }])
    const list = Array.from({ length: 65_000 }, (_, index) => `$${index + 1}::text`).join(",")
    const many = await db.query({
      sql: `select cardinality(array[${list}]) as n`,
      params: Array.from({ length: 65_000 }, () => "x"),
    })
    expect(many).toEqual([{ n: 65_000 }])
  })

  test("expect_rows turns a lost fence into a conflict with its own words", async () => {
    const update =
      "with done as (update meta set value = '' where key = 'there is none' returning 1) select expect_rows(count(*), 1, $1) from done"
    const error = await appErrorOf(db.query({ sql: update, params: ["the job has another holder"] }))
    expect(error.code).toBe("conflict")
    expect(error.message).toContain("the job has another holder")
  })

  test.each(["update audit set outcome = 'x'", "delete from audit", "truncate audit"])(
    "the audit log refuses: %s",
    async (statement) => {
      const chained = `insert into audit select * from audit_chain('[{"at":"2026-01-01T00:00:00.000Z","agent_id":"main","act":"egress",
      "principal":"p","subject":"s","outcome":"done","arguments_hash":"","preview":"","verdicts":{},"destination":"","secret_names":[],
      "bytes_out":0,"bytes_in":0,"duration_ms":0,"labels":[],"source":""}]')`
      await db.query({ sql: chained, params: [] })
      expect(faultOf(await appErrorOf(db.query({ sql: statement, params: [] })))?.sqlState).toBe("42501")
    },
  )
})
