/** Migrations: once, whole, in order, by whoever comes first; and never over a database that another build made. */
import { afterAll, beforeAll, describe, expect, test } from "bun:test"
import { getTableConfig, PgTable } from "drizzle-orm/pg-core"
import { systemClock } from "#core/clock.ts"
import type { Driver } from "#core/db/driver.ts"
import { openEmbedded, spawnEngine } from "#core/db/embedded.ts"
import { migrate } from "#core/db/migrate.ts"
import { type Migration, migrations } from "#core/db/migrations.ts"
import { openPostgres } from "#core/db/postgres.ts"
import * as schema from "#core/db/schema.ts"
import { decodeRows } from "#core/db/values.ts"
import { atServer, createServerDatabase, engines, type ServerDatabase, testServerUrl, failureOf } from "./memory.ts"

async function ask(driver: Driver, sql: string): Promise<Record<string, unknown>[]> {
  const [result] = await driver.run([{ sql, params: [] }])
  return result ? decodeRows(result) : []
}

describe.each(engines())("$name", ({ open }) => {
  test("every table of the schema is there, column by column", async () => {
    const db = await open()
    try {
      const rows = await db.query({
        sql: "select table_name, column_name, is_nullable from information_schema.columns where table_schema = 'public'",
        params: [],
      })
      const found = new Set(
        rows.map((row) => `${String(row["table_name"])}.${String(row["column_name"])} ${row["is_nullable"] === "YES"}`),
      )
      const tables = Object.values(schema).filter((each) => each instanceof PgTable)
      expect(tables.length).toBeGreaterThan(15)
      for (const table of tables) {
        const { name, columns } = getTableConfig(table)
        for (const column of columns) expect(found).toContain(`${name}.${column.name} ${!column.notNull}`)
      }
    } finally {
      await db.close()
    }
  })

  test("a new database has the agent main and one owner, at the terminal", async () => {
    const db = await open()
    try {
      const owner = await db.query({
        sql: "select channel, external_id, role from identities join people on people.id = person_id",
        params: [],
      })
      expect(owner).toEqual([{ channel: "terminal", external_id: "owner", role: "owner" }])
      expect(await db.query({ sql: "select id from agents", params: [] })).toEqual([{ id: "main" }])
      const second = db.query({ sql: "insert into people (id, role, name) values ('per_x', 'owner', 'x')", params: [] })
      expect(await failureOf(second)).toMatchObject({ code: "conflict" })
    } finally {
      await db.close()
    }
  })
})

const steps: Migration[] = [
  {
    name: "0000_first",
    needs: "nothing",
    sql: "create table a (n int);\n--> statement-breakpoint\ninsert into a values (1);",
  },
  { name: "0001_second", needs: "nothing", sql: "insert into a values (2);" },
]

describe("a list of migrations", () => {
  let driver: Driver
  beforeAll(async () => {
    driver = await openEmbedded({ dir: null, clock: systemClock, spawn: spawnEngine, loadImage: async () => null })
    await migrate({ driver, migrations: steps })
  })
  afterAll(() => driver.close())

  test("runs once", async () => {
    await migrate({ driver, migrations: steps })
    expect(await ask(driver, "select n from a order by n")).toEqual([{ n: 1 }, { n: 2 }])
  })

  test("costs a start that has nothing to do no transaction", async () => {
    const before = driver.roundTrips()
    await migrate({ driver, migrations: steps })
    expect(driver.roundTrips() - before).toBe(1)
  })

  test("is refused when a text was edited after it ran", async () => {
    const edited = [steps[0], { name: "0001_second", needs: "nothing", sql: "insert into a values (3);" }].filter(
      (each) => each !== undefined,
    )
    const failed = migrate({ driver, migrations: edited as Migration[] }) // literals of the type, widened by the array
    expect(await failureOf(failed)).toMatchObject({
      code: "db.migration_changed",
      message: expect.stringContaining("0001_second"),
    })
  })

  test("is refused when the database knows more than this build", async () => {
    const failed = migrate({ driver, migrations: steps.slice(0, 1) })
    expect(await failureOf(failed)).toMatchObject({ code: "db.newer", message: expect.stringContaining("0001_second") })
  })

  test("is refused when one was slipped in before another that ran", async () => {
    const [first, second] = steps
    if (!first || !second) throw new Error("two steps are needed")
    const slipped: Migration = { name: "0000_zero", needs: "nothing", sql: "select 1" }
    expect(await failureOf(migrate({ driver, migrations: [first, slipped, second] }))).toMatchObject({
      code: "db.migration_changed",
    })
  })

  test("leaves nothing behind when one of its statements fails", async () => {
    const broken: Migration = {
      name: "0002_broken",
      needs: "nothing",
      sql: "create table b (n int);\n--> statement-breakpoint\ninsert into nowhere values (1);",
    }
    expect(await failureOf(migrate({ driver, migrations: [...steps, broken] }))).toBeInstanceOf(Error)
    expect(await ask(driver, "select to_regclass('b') as b")).toEqual([{ b: null }])
    await migrate({ driver, migrations: [...steps, { ...broken, sql: "create table b (n int)" }] })
    expect(await ask(driver, "select to_regclass('b')::text as b")).toEqual([{ b: "b" }])
    await ask(driver, "delete from migrations where name = '0002_broken'")
  })
})

describe.skipIf(testServerUrl === undefined)("on a server", () => {
  const serverUrl = testServerUrl ?? ""
  let database: ServerDatabase
  const withDriver = async <T>(url: string, work: (driver: Driver) => Promise<T>): Promise<T> => {
    const driver = await openPostgres({ config: { url, poolSize: 1 }, clock: systemClock })
    try {
      return await work(driver)
    } finally {
      await driver.close()
    }
  }
  beforeAll(async () => {
    database = await createServerDatabase(serverUrl)
  })
  afterAll(() => database.drop())

  test("four processes at once apply everything once", async () => {
    const child = () =>
      Bun.spawn([process.execPath, "run", `${import.meta.dir}/migrating-child.ts`, database.url], {
        stdout: "pipe",
        stderr: "pipe",
      })
    const children = Array.from({ length: 4 }, child)
    const outputs = await Promise.all(
      children.map(async (each) => `${await each.stdout.text()}${await each.stderr.text()}`),
    )
    expect(outputs).toEqual(Array.from({ length: 4 }, () => "migrated\n"))
    const applied = await withDriver(database.url, (driver) =>
      ask(driver, "select name from migrations order by position"),
    )
    expect(new Set(applied.map((row) => row["name"]))).toEqual(new Set(migrations.map(({ name }) => name)))
    expect(applied).toHaveLength(migrations.length)
  })

  test("without the right to create pgvector it works, names the command, and picks it up later", async () => {
    const plain = await createServerDatabase(serverUrl)
    const role = `role_${plain.name}`
    try {
      await atServer(serverUrl, `create role ${role} login password 'pw'`)
      await atServer(plain.url, `grant create on schema public to ${role}`)
      const url = new URL(plain.url)
      url.username = role
      url.password = "pw"
      const first = await withDriver(url.href, (driver) => migrate({ driver, migrations }))
      expect(first.hasVector).toBe(false)
      expect(first.warnings.map(({ code }) => code)).toEqual(["db.extension_denied"])
      expect(first.warnings[0]?.message).toContain(`psql -U postgres -d ${plain.name} -c 'CREATE EXTENSION vector'`)

      await atServer(plain.url, "create extension vector")
      const second = await withDriver(url.href, (driver) => migrate({ driver, migrations }))
      expect(second).toEqual({ hasVector: true, warnings: [] })

      // Dropped and created again: what stood on it is made anew.
      await atServer(plain.url, "drop extension vector cascade")
      expect((await withDriver(url.href, (driver) => migrate({ driver, migrations }))).hasVector).toBe(false)
      await atServer(plain.url, "create extension vector")
      expect((await withDriver(url.href, (driver) => migrate({ driver, migrations }))).hasVector).toBe(true)
    } finally {
      await plain.drop()
      await atServer(serverUrl, `drop role if exists ${role}`)
    }
  })

  test("without the right to create tables it says which right to give", async () => {
    const bare = await createServerDatabase(serverUrl)
    const role = `role_${bare.name}`
    try {
      await atServer(serverUrl, `create role ${role} login password 'pw'`)
      const url = new URL(bare.url)
      url.username = role
      url.password = "pw"
      const failed = withDriver(url.href, (driver) => migrate({ driver, migrations }))
      expect(await failureOf(failed)).toMatchObject({
        code: "db.permission_denied",
        message: expect.stringContaining(`GRANT CREATE, USAGE ON SCHEMA public TO "${role}"`),
      })
    } finally {
      await bare.drop()
      await atServer(serverUrl, `drop role if exists ${role}`)
    }
  })
})
