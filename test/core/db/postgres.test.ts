/** A server as a driver: clear errors at the door, back to work after it went away, TLS as the URL demands. */
import { afterAll, afterEach, beforeAll, describe, expect, test } from "bun:test"
import { createServer, connect, type Server, type Socket } from "node:net"
import { mkdtempSync, rmSync, writeFileSync } from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { TLSSocket } from "node:tls"
import { systemClock } from "#core/clock.ts"
import type { Driver } from "#core/db/driver.ts"
import { openPostgres } from "#core/db/postgres.ts"
import { authority, otherAuthority, serverCertificate, serverKey } from "./certificates.ts"
import { atServer, createServerDatabase, type ServerDatabase, testServerUrl, failureOf } from "./memory.ts"

const open = (url: string, poolSize = 3) => openPostgres({ config: { url, poolSize }, clock: systemClock })
const run = async (driver: Driver, sql: string, ...params: string[]) => (await driver.run([{ sql, params }]))[0]?.rows

const servers: Server[] = []
async function listen(onSocket: (socket: Socket) => void): Promise<number> {
  const server = createServer(onSocket)
  servers.push(server)
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve))
  const address = server.address()
  if (address === null || typeof address === "string") throw new Error("no port")
  return address.port
}
afterEach(() => {
  for (const server of servers.splice(0)) server.close()
})

/** One message of Postgres' protocol. */
function message(type: string, body: Buffer): Buffer {
  const length = Buffer.alloc(4)
  length.writeInt32BE(body.length + 4)
  return Buffer.concat([Buffer.from(type), length, body])
}

/** A server that refuses everybody with `sqlState`. `offersTls` null: it says that it has none. */
function refusing({
  sqlState,
  offersTls,
  onStartup,
}: {
  sqlState: string
  offersTls: boolean | null
  onStartup?: () => void
}) {
  const refusal = message("E", Buffer.from(`SFATAL\0VFATAL\0C${sqlState}\0Mno\0\0`))
  return listen((socket) => {
    socket.on("error", () => {})
    socket.once("data", () => {
      if (offersTls === null) return socket.end(refusal)
      socket.write(offersTls ? "S" : "N")
      const wire = offersTls
        ? new TLSSocket(socket, { isServer: true, key: serverKey, cert: serverCertificate })
        : socket
      wire.on("error", () => {})
      wire.once("data", () => {
        onStartup?.()
        wire.end(refusal)
      })
    })
  })
}

describe("the door", () => {
  test.each([
    ["28P01", "db.auth_failed"],
    ["28000", "db.auth_failed"],
    ["3D000", "db.no_database"],
    ["57P03", "db.unreachable"],
    ["53300", "db.unreachable"],
  ])("a server that says %s gives %s, without the password", async (sqlState, code) => {
    const port = await refusing({ sqlState, offersTls: null })
    const failed = open(`postgres://me:hunter2@127.0.0.1:${port}/db?sslmode=disable`)
    expect(await failureOf(failed)).toMatchObject({ code })
    expect(Bun.inspect(await failed.catch((error: unknown) => error))).not.toContain("hunter2")
  })

  test("nobody there is said with host and port", async () => {
    const port = await listen(() => {})
    servers.splice(0).forEach((server) => server.close())
    const failed = open(`postgres://me@127.0.0.1:${port}/db`)
    expect(await failureOf(failed)).toMatchObject({
      code: "db.unreachable",
      message: expect.stringContaining(`127.0.0.1:${port}`),
    })
  })

  test("a server that never answers is given up", async () => {
    const sockets: Socket[] = []
    const port = await listen((socket) => void sockets.push(socket))
    expect(await failureOf(open(`postgres://me@127.0.0.1:${port}/db?connect_timeout=0.2`))).toMatchObject({
      code: "db.unreachable",
    })
    sockets.forEach((socket) => socket.destroy())
  })
})

describe("TLS", () => {
  const folder = mkdtempSync(join(tmpdir(), "ironclaw-tls-"))
  const ours = join(folder, "ca.pem")
  const others = join(folder, "other.pem")
  beforeAll(() => {
    writeFileSync(ours, authority)
    writeFileSync(others, otherAuthority)
  })
  afterAll(() => rmSync(folder, { recursive: true }))

  // A server reached is one that got our startup message and refuses the password.
  test.each([
    ["localhost", "", true],
    ["localhost", "sslmode=require", true],
    ["localhost", `sslmode=verify-ca&sslrootcert=${ours}`, true],
    ["localhost", `sslmode=verify-full&sslrootcert=${ours}`, true],
    ["127.0.0.1", `sslmode=verify-ca&sslrootcert=${ours}`, true],
    ["127.0.0.1", `sslmode=verify-full&sslrootcert=${ours}`, false],
    ["localhost", `sslmode=verify-full&sslrootcert=${others}`, false],
    ["localhost", `sslmode=verify-ca&sslrootcert=${others}`, false],
    ["localhost", `sslmode=require&sslrootcert=${others}`, false],
    ["localhost", "sslmode=verify-ca", false],
    ["localhost", "sslmode=verify-full", false],
  ])("%s with %s: reached %p", async (host, query, reached) => {
    let started = false
    const port = await refusing({ sqlState: "28P01", offersTls: true, onStartup: () => (started = true) })
    const failed = open(`postgres://me:pw@${host}:${port}/db?${query}`)
    expect(await failureOf(failed)).toMatchObject({ code: reached ? "db.auth_failed" : "db.tls_failed" })
    expect(started).toBe(reached)
  })

  test.each([
    ["disable", "db.auth_failed"],
    ["prefer", "db.auth_failed"],
    ["require", "db.tls_failed"],
    ["verify-full", "db.tls_failed"],
  ])("a server without it and sslmode=%s: %s", async (mode, code) => {
    const port = await refusing({ sqlState: "28P01", offersTls: mode === "disable" ? null : false })
    expect(await failureOf(open(`postgres://me:pw@127.0.0.1:${port}/db?sslmode=${mode}`))).toMatchObject({ code })
  })
})

describe.skipIf(testServerUrl === undefined)("a server that goes away", () => {
  let database: ServerDatabase
  beforeAll(async () => {
    database = await createServerDatabase(testServerUrl ?? "")
    await atServer(database.url, "create table t (n int primary key)")
  })
  afterAll(() => database.drop())

  /** The server behind a door that the test can shut, breaking every connection, and open again. */
  async function throughDoor(): Promise<{ url: string; shut(): void; open(): void }> {
    const target = new URL(database.url)
    const sockets = new Set<Socket>()
    let shut = false
    const port = await listen((socket) => {
      if (shut) return socket.destroy()
      const server = connect(Number(target.port || 5432), target.hostname)
      for (const each of [socket, server]) {
        sockets.add(each)
        each.on("error", () => {})
        each.on("close", () => {
          sockets.delete(each)
          socket.destroy()
          server.destroy()
        })
      }
      socket.pipe(server)
      server.pipe(socket)
    })
    const url = new URL(database.url)
    url.hostname = "127.0.0.1"
    url.port = String(port)
    return {
      url: url.href,
      shut() {
        shut = true
        for (const socket of sockets) socket.destroy()
      },
      open: () => (shut = false),
    }
  }

  test("fails what is under way, says so while it is away, and works again when it is back", async () => {
    const door = await throughDoor()
    const driver = await open(door.url)
    const pending = run(driver, "select pg_sleep(20)")
    await run(driver, "select 1") // the other is under way by now
    door.shut()
    expect(await failureOf(pending)).toMatchObject({ code: "db.connection_lost" })
    expect(await failureOf(run(driver, "select 1"))).toMatchObject({
      code: expect.stringMatching(/^db\.(unreachable|connection_lost)$/),
    })
    door.open()
    expect(await run(driver, "select 1")).toEqual([["1"]])
    await driver.close()
  })

  test("leaves nothing of a transaction that it took along, and never goes on outside of it", async () => {
    const door = await throughDoor()
    const driver = await open(door.url)
    const transaction = await driver.begin()
    await transaction.run({ sql: "insert into t values (1)", params: [] })
    door.shut()
    door.open()
    expect(await failureOf(transaction.run({ sql: "insert into t values (2)", params: [] }))).toMatchObject({
      code: "db.connection_lost",
    })
    expect(await failureOf(transaction.commit())).toMatchObject({ code: "db.connection_lost" })
    expect(await run(driver, "select n from t")).toEqual([])
    await driver.close()
  })

  test("a batch that it broke off is stored whole or not at all", async () => {
    const door = await throughDoor()
    const driver = await open(door.url)
    const statements = Array.from({ length: 50 }, (_, index) => ({
      sql: "insert into t select $1::int + 0 * length(pg_sleep(0.01)::text)",
      params: [String(index)],
    }))
    const batch = driver.run(statements)
    await run(driver, "select pg_sleep(0.1)")
    door.shut()
    expect(await failureOf(batch)).toMatchObject({ code: "db.connection_lost" })
    door.open()
    await systemClock.sleep(50) // the idle connection's goodbye travels
    expect([0, 50]).toContain(Number((await run(driver, "select count(*) from t"))?.[0]?.[0]))
    await run(driver, "delete from t")
    await driver.close()
  })

  test("an idle connection that an administrator ended is noticed, not used", async () => {
    const driver = await open(database.url, 1)
    const [row] = (await run(driver, "select pg_backend_pid()")) ?? []
    await atServer(database.url, `select pg_terminate_backend(${row?.[0]})`)
    await systemClock.sleep(50) // the goodbye travels
    expect(await run(driver, "select 1")).toEqual([["1"]])
    await driver.close()
  })

  test("a listener hears again afterwards, and first of the gap", async () => {
    const door = await throughDoor()
    const driver = await open(door.url)
    const heard: string[] = []
    let wake: () => void = () => {}
    const next = () => new Promise<void>((resolve) => (wake = resolve))
    const stop = await driver.listen("gap", (payload) => {
      heard.push(payload)
      wake()
    })
    door.shut()
    door.open()
    await next()
    const second = next()
    await atServer(database.url, "select pg_notify('gap', 'again')")
    await second
    expect(heard).toEqual(["", "again"])
    await stop()
    await driver.close()
  })

  test("more callers than connections wait their turn", async () => {
    const driver = await open(database.url, 2)
    const ask = (index: number) => run(driver, "select $1::int, pg_backend_pid()", String(index))
    const answers = (await Promise.all(Array.from({ length: 40 }, (_, index) => ask(index)))).map((rows) => rows?.[0])
    expect(answers.map((row) => row?.[0])).toEqual(Array.from({ length: 40 }, (_, index) => String(index)))
    expect(new Set(answers.map((row) => row?.[1])).size).toBeLessThanOrEqual(2)
    await driver.close()
  })
})
