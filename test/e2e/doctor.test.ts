/** The doctor, status and restore's dry run as their owner uses them: with a service, without one, and when nothing opens. */
import { afterAll, beforeAll, describe, expect, setDefaultTimeout, test } from "bun:test"
import { chmodSync, existsSync, mkdirSync, readdirSync, readFileSync, rmSync, statSync, writeFileSync } from "node:fs"
import { join } from "node:path"
import { runBinary } from "#test/fakes/binary.ts"
import { makeHome } from "#test/fakes/home.ts"
import { type Json, type Service, startService } from "#test/fakes/service.ts"

setDefaultTimeout(60_000) // whole processes on a busy machine; nothing here measures

type Check = { id: string; level: string; found: string; todo: string | null; mendable: boolean }

async function doctor(home: string, ...args: string[]) {
  const { status, stdout } = await runBinary(["doctor", "--json", ...args], { home })
  expect(stdout.trim().split("\n")).toHaveLength(1)
  const document: Json = JSON.parse(stdout)
  const checks: Check[] = document.data?.checks ?? []
  const check = (id: string) => checks.find((one) => one.id === id)
  return { status, document, checks, check }
}
const rootOf = (home: string) => join(home, ".ironclaw")

describe("on a machine that has no home yet", () => {
  test("the doctor and status look, find nothing broken, and make nothing", async () => {
    using home = makeHome()
    const { status, checks, check } = await doctor(home.path)
    expect(status).toBe(0)
    expect(checks.length).toBeGreaterThanOrEqual(30)
    expect(checks.filter(({ level }) => level === "failure")).toEqual([])
    expect(check("home.owner")?.found).toContain("does not exist yet")
    const shown = await runBinary(["status", "--json"], { home: home.path })
    expect(JSON.parse(shown.stdout)).toMatchObject({ ok: true, data: { service: null, lock: null, warnings: [] } })
    expect(readdirSync(home.path)).toEqual([])
  })
})

describe("when something is broken", () => {
  test("a configuration that cannot be read is named, and everything else is looked at all the same", async () => {
    using home = makeHome()
    mkdirSync(rootOf(home.path), { mode: 0o700 })
    writeFileSync(join(rootOf(home.path), "config.toml"), "[gatway]\nport = 1\n", { mode: 0o600 })
    const { status, checks, check } = await doctor(home.path)
    expect(status).toBe(1)
    expect(check("config.readable")).toMatchObject({ level: "failure" })
    expect(check("config.readable")?.found).toContain("gatway")
    expect(checks.filter(({ level }) => level === "failure")).toHaveLength(1)
    expect(check("machine.disk")?.found).toContain("GB free")
  })

  test("a database that does not open is told with its reason", async () => {
    using home = makeHome()
    await runBinary(["run", "-m", "hello"], { home: home.path })
    const version = join(rootOf(home.path), "db/pgdata/data/PG_VERSION")
    rmSync(version)
    const { status, check } = await doctor(home.path)
    expect(status).toBe(1)
    expect(check("database.answers")).toMatchObject({ level: "failure" })
    expect(check("grants.wide")?.found).toStartWith("Not looked at")
  })

  test("a home that others can enter is closed by --fix --yes, and by nothing less", async () => {
    using home = makeHome()
    await runBinary(["config", "set", "agent.name", "Ada"], { home: home.path })
    chmodSync(rootOf(home.path), 0o755)
    expect((await doctor(home.path)).status).toBe(1)
    expect((await doctor(home.path, "--fix")).document).toMatchObject({ ok: false, error: { code: "usage.wrong" } })
    expect(statSync(rootOf(home.path)).mode & 0o777).toBe(0o755)
    const told = await runBinary(["status"], { home: home.path })
    expect(told.stdout).toContain("Others can enter")
    const mended = await doctor(home.path, "--fix", "--yes")
    expect(mended.status).toBe(0)
    expect(mended.document.data.fixed).toMatchObject([{ id: "home.owner" }])
    expect(statSync(rootOf(home.path)).mode & 0o777).toBe(0o700)
  })
})

describe("beside a running service", () => {
  const home = makeHome()
  const root = rootOf(home.path)
  let service: Service
  beforeAll(async () => {
    await runBinary(["secret", "set", "A_TOKEN"], { home: home.path, stdin: "plain-words-nobody-would-redact" })
    writeFileSync(join(root, "config.toml"), '[limits]\nday_usd = "none"\n', { mode: 0o600 })
    service = await startService({ home: home.path })
  })
  afterAll(async () => {
    await service.stop()
    home[Symbol.dispose]()
  })

  test("it asks the service, which over the network tells nobody", async () => {
    const { status, check } = await doctor(home.path)
    expect(status).toBe(0)
    expect(check("service.running")?.found).toContain(String(service.pid))
    expect(check("key.opens")).toMatchObject({ level: "ok" })
    expect(check("audit.chain")).toMatchObject({ level: "ok" })
    expect((await service.call("GET", "/api/doctor")).status).toBe(403)
    expect((await service.call("POST", "/api/doctor/redact", { text: "x" })).status).toBe(403)
  })

  test("warnings end with 0, and with 1 where --strict was asked", async () => {
    const { status, check } = await doctor(home.path)
    expect({ status, level: check("settings.limits")?.level }).toEqual({ status: 0, level: "warning" })
    expect((await doctor(home.path, "--strict")).status).toBe(1)
  })

  test("a report holds findings, settings and log, and neither secrets nor messages nor whose home it is", async () => {
    const session = await service.newSession()
    await service.ask(session, "my cat is called Mortimer")
    const log = join(root, "logs/ironclaw.log")
    const line = { at: "2026-11-27T10:00:00.000Z", level: "error", message: "plain-words-nobody-would-redact failed" }
    const error = { name: "TypeError", message: "Mortimer is undefined", stack: `at feed (${root}/x.ts:1:1)` }
    writeFileSync(log, `${JSON.stringify({ ...line, text: "Mortimer", error })}\n`, { flag: "a" })
    const path = join(home.path, "report.md")
    const { document } = await doctor(home.path, "--bundle", path)
    expect(document.data.bundle.path).toBe(path)
    const text = readFileSync(path, "utf8")
    for (const word of [
      "## versions",
      "limits.day_usd",
      "settings.limits",
      "[redacted: A_TOKEN] failed",
      "TypeError at feed",
    ])
      expect(text).toContain(word)
    for (const word of ["Mortimer", "plain-words", home.path]) expect(text).not.toContain(word)
    expect(statSync(path).mode & 0o777).toBe(0o600)
    expect((await doctor(home.path, "--bundle", path)).document).toMatchObject({ error: { code: "conflict" } })
  })

  test("status is one screen with what counts", async () => {
    const { stdout } = await runBinary(["status"], { home: home.path })
    for (const word of ["running", "approvals", "today", "jobs", service.address]) expect(stdout).toContain(word)
    expect(stdout.split("\n").length).toBeLessThan(25)
  })

  test("completion offers what the service knows, and nothing that a shell could run", async () => {
    const names = async (kind: string) =>
      (await runBinary(["__complete", kind], { home: home.path })).stdout.split("\n").filter((name) => name !== "")
    expect(await names("secrets")).toEqual(["A_TOKEN"])
    const session = await service.newSession()
    expect(await names("sessions")).toContain(session)
    expect(await names("tools")).toContain("time_now")
    expect(await names("$(touch owned)")).toEqual([])
    for (const path of ["notes/plain.md", "notes/a b;c.md"])
      await runBinary(["memory", "write", path, "x"], { home: home.path })
    const documents = await names("documents")
    expect(documents).toContain("notes/plain.md")
    expect(documents.some((name) => name.includes(";"))).toBeFalse()
  })

  test("a dry run checks a backup whole and changes nothing", async () => {
    const passphrase = "seven wet owls under a bridge"
    using fresh = makeHome() // nobody has talked there, so nobody has to confirm it
    const file = join(fresh.path, "house.backup")
    await runBinary(["backup", "--passphrase-stdin", "-o", file], { home: fresh.path, stdin: passphrase })
    using empty = makeHome()
    const dry = (path: string, stdin = passphrase) =>
      runBinary(["restore", path, "--dry-run", "--passphrase-stdin", "--json"], { home: empty.path, stdin })
    const plan: Json = JSON.parse((await dry(file)).stdout)
    expect(plan).toMatchObject({
      ok: true,
      data: { database: "embedded", replaces: false, inUse: null, key: "backup" },
    })
    expect(plan.data.rows).toBeGreaterThan(0)
    expect(existsSync(rootOf(empty.path))).toBeFalse()
    const bytes = readFileSync(file)
    bytes[bytes.length - 100] = (bytes[bytes.length - 100] ?? 0) ^ 1
    writeFileSync(`${file}.bad`, bytes)
    expect(JSON.parse((await dry(`${file}.bad`)).stdout)).toMatchObject({ error: { code: "backup.damaged" } })
    expect(JSON.parse((await dry(file, "another passphrase here")).stdout)).toMatchObject({ ok: false })
    const here = await runBinary(["restore", file, "--dry-run", "--passphrase-stdin"], {
      home: home.path,
      stdin: passphrase,
    })
    expect(here.stdout).toContain("--force")
    expect(here.stderr).toContain("stopped first")
  })
})

test("a service that was killed is told of until one has come back, whatever commands ran in between", async () => {
  using home = makeHome()
  const first = await startService({ home: home.path })
  await first.kill()
  const status = async (): Promise<Json> =>
    JSON.parse((await runBinary(["status", "--json"], { home: home.path })).stdout).data
  expect((await status()).warnings).toEqual([expect.stringContaining("ended without a stop")])
  expect((await doctor(home.path)).check("service.restarts")).toMatchObject({ level: "note" })
  await runBinary(["memory", "list"], { home: home.path })
  const second = await startService({ home: home.path })
  expect((await status()).service.died).toMatchObject({ pid: first.pid })
  await second.stop()
  expect((await status()).warnings).toEqual([])
  const third = await startService({ home: home.path })
  expect((await status()).service.died).toBeNull()
  await third.stop()
})

test("completion without a service, without a home, prints nothing and makes nothing", async () => {
  using home = makeHome()
  expect(await runBinary(["__complete", "sessions"], { home: home.path })).toEqual({
    status: 0,
    stdout: "",
    stderr: "",
  })
  expect(readdirSync(home.path)).toEqual([])
})
