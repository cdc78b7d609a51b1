import { afterAll, beforeAll, describe, expect, test } from "bun:test"
import { mkdirSync, mkdtempSync, readFileSync, rmSync, statSync, writeFileSync } from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { systemClock } from "#core/clock.ts"
import { takeLock } from "#core/home-lock.ts"
import { openHome } from "#core/home.ts"
import type { SessionId } from "#core/id.ts"
import { createClient } from "#gateway/client.ts"

const base = mkdtempSync(join(tmpdir(), "ironclaw-cmd-verbs-"))
const entry = join(import.meta.dir, "../../cmd/ironclaw.ts")
afterAll(() => rmSync(base, { recursive: true, force: true }))

function freshHome(name: string): string {
  const home = join(base, name)
  mkdirSync(home, { mode: 0o700 })
  return home
}
function start(home: string, args: readonly string[]) {
  return Bun.spawn([process.execPath, entry, "--home", home, ...args], {
    env: {},
    cwd: base,
    stdin: "pipe",
    stdout: "pipe",
    stderr: "pipe",
  })
}
async function run(home: string, args: readonly string[], stdin = "") {
  const child = start(home, args)
  void child.stdin.write(stdin)
  void child.stdin.end()
  const [out, err] = await Promise.all([child.stdout.text(), child.stderr.text()])
  return { status: await child.exited, out, err }
}
async function data(home: string, ...args: string[]) {
  const { out } = await run(home, [...args, "--json"])
  expect(out.trimEnd().split("\n")).toHaveLength(1)
  return JSON.parse(out)
}
async function startService(home: string) {
  const child = start(home, ["serve", "--port", "0"])
  const first = new TextDecoder().decode((await child.stdout.getReader().read()).value)
  expect(first).toContain("http://127.0.0.1:")
  return child
}

describe("with a service running", () => {
  const home = freshHome("served")
  let service: Awaited<ReturnType<typeof startService>>
  let sessionId: SessionId
  beforeAll(async () => {
    service = await startService(home)
    const client = createClient({ via: { socket: join(home, "run/ironclaw.sock") }, clock: systemClock })
    sessionId = (await client.api.sessions.post({ body: { title: "Trip to Vienna" } })).id
    await client.api
      .sessions({ id: sessionId })
      .messages.post({ body: { content: "what time is it" }, query: { wait: true } })
  })
  afterAll(async () => {
    service.kill("SIGTERM")
    expect(await service.exited).toBe(0)
  })

  test("status says what runs, and a second serve is refused with pid and address", async () => {
    expect(await data(home, "status")).toMatchObject({
      ok: true,
      data: { home, service: { pid: service.pid, model: "demo/demo" }, lock: { pid: service.pid, what: "serve" } },
    })
    const second = await run(home, ["serve", "--port", "0"])
    expect(second.status).toBe(1)
    expect(second.err).toMatch(new RegExp(`pid ${service.pid} at http://127.0.0.1:\\d+`))
  })

  test("session lists, shows, searches, renames, exports and deletes", async () => {
    expect((await run(home, ["session", "list"])).out).toContain("Trip to Vienna")
    const shown = await run(home, ["session", "show", "last"])
    expect(shown.out).toContain("what time is it")
    expect(shown.out).toContain("Assistant")
    expect((await data(home, "session", "search", "what", "time")).data.items[0]).toMatchObject({ sessionId })
    expect((await run(home, ["session", "rename", sessionId, "Summer", "plans"])).out).toBe(
      `${sessionId} is now called Summer plans\n`,
    )
    const file = join(base, "chat.json")
    expect((await run(home, ["session", "export", "last", "--format", "json", "-o", file])).status).toBe(0)
    expect(JSON.parse(readFileSync(file, "utf8"))).toBeObject()
    expect(statSync(file).mode & 0o777).toBe(0o600)
    expect(await run(home, ["session", "export", "last", "-o", file])).toMatchObject({
      status: 1,
      err: expect.stringContaining("never overwritten"),
    })
    expect((await run(home, ["session", "export", "last"])).out).toContain("what time is it")
    expect((await run(home, ["session", "delete", sessionId])).status).toBe(0)
    expect(await data(home, "session", "show", sessionId)).toMatchObject({ ok: false, error: { code: "not_found" } })
  })

  test("memory writes from arguments and stdin, reads back byte for byte, lists, searches and deletes", async () => {
    expect((await run(home, ["memory", "write", "notes/a.md", "allergic", "to", "nuts"])).out).toContain(
      "version 1, new",
    )
    expect((await run(home, ["memory", "append", "notes/a.md"], "äöü 日本\n")).status).toBe(0)
    expect((await run(home, ["memory", "read", "notes/a.md"])).out).toBe("allergic to nuts\näöü 日本\n")
    expect((await data(home, "memory", "list", "notes/")).data.items).toMatchObject([
      { path: "notes/a.md", version: 2 },
    ])
    expect((await run(home, ["memory", "search", "allergic"])).out).toContain("notes/a.md:1")
    expect((await run(home, ["memory", "delete", "notes/a.md"])).status).toBe(0)
    expect(await run(home, ["memory", "read", "notes/a.md"])).toMatchObject({
      status: 1,
      out: "",
      err: expect.stringContaining('"notes/a.md"'),
    })
  })

  test("lists go on page after page up to the limit, and say when there is more", async () => {
    for (let n = 0; n < 3; n++) await run(home, ["memory", "write", `many/${n}.md`, "x"])
    const limited = await run(home, ["memory", "list", "many/", "--limit", "2"])
    expect(limited.out.trimEnd().split("\n")).toHaveLength(3)
    expect(limited.err).toContain("--limit")
    expect((await run(home, ["memory", "list", "many/", "--limit", "0"])).status).toBe(2)
  })

  test("model lists, sets, tests and watches; usage shows what that cost", async () => {
    expect((await data(home, "model", "list")).data).toMatchObject({
      default: "demo/demo",
      items: [{ id: "demo/demo" }],
    })
    expect((await data(home, "model", "list", "--all")).data.items.length).toBeGreaterThan(10)
    expect((await run(home, ["model", "test"])).out).toStartWith("ok")
    expect((await run(home, ["model", "status"])).status).toBe(0)
    expect(await run(home, ["model", "set", "nobody/nothing"])).toMatchObject({
      status: 1,
      err: expect.stringContaining("nobody/nothing"),
    })
    expect((await data(home, "usage", "--by", "purpose")).data.items).toContainEqual(
      expect.objectContaining({ group: "test" }),
    )
    expect((await run(home, ["usage", "--since", "yesterday-ish"])).status).toBe(1)
  })

  test("config says what the service picks up, and what needs a restart", async () => {
    expect((await run(home, ["config", "set", "agent.name", "Ada"])).err).toContain("picks it up")
    expect((await run(home, ["config", "set", "gateway.port", "0"])).err).toContain("Restart needed")
  })
})

describe("a service", () => {
  test("speaks https with the certificate that is configured, and follows log.level while it runs", async () => {
    const home = freshHome("tls")
    const [cert, key] = [join(base, "cert.pem"), join(base, "key.pem")]
    const made = Bun.spawnSync(
      [
        "openssl",
        "req",
        "-x509",
        "-newkey",
        "ec",
        "-pkeyopt",
        "ec_paramgen_curve:P-256",
        "-nodes",
        "-subj",
        "/CN=localhost",
        "-days",
        "1",
        "-keyout",
        key,
        "-out",
        cert,
      ],
      { stderr: "ignore" },
    )
    expect(made.exitCode).toBe(0)
    const child = start(home, [
      "serve",
      "--port",
      "0",
      "--set",
      `gateway.tls_cert_file=${cert}`,
      "--set",
      `gateway.tls_key_file=${key}`,
    ])
    const line = new TextDecoder().decode((await child.stdout.getReader().read()).value)
    const address = /https:\/\/\S+/.exec(line)?.[0] ?? ""
    const answer = await fetch(`${address}/health`, { tls: { rejectUnauthorized: false } })
    expect(await answer.json()).toEqual({ status: "ok" })
    const created = await fetch(`${address}/api/sessions`, {
      method: "POST",
      headers: {
        Authorization: `Bearer ${readFileSync(join(home, "run/token"), "utf8")}`,
        "Content-Type": "application/json",
      },
      body: JSON.stringify({ title: "over TLS" }),
      tls: { rejectUnauthorized: false },
    })
    expect(created.status).toBe(201)
    expect(await created.json()).toMatchObject({ title: "over TLS" })
    const logged = () => readFileSync(join(home, "logs/ironclaw.log"), "utf8")
    await run(home, ["config", "set", "log.level", "error"])
    await systemClock.sleep(300) // the file is read 50 ms after it changed
    await run(home, ["config", "set", "agent.name", "Ada"])
    await systemClock.sleep(300)
    expect(logged()).toContain("The service is ready")
    expect(logged()).not.toContain("agent.name")
    child.kill("SIGTERM")
    expect(await child.exited).toBe(0)
  })
})

describe("without a service", () => {
  test("status opens no database, and makes none", async () => {
    const home = freshHome("idle")
    expect((await data(home, "status")).data).toMatchObject({
      service: null,
      lock: null,
      configuration: { ok: true, database: "embedded" },
    })
    expect(statSync(join(home, "db"), { throwIfNoEntry: false })).toBeUndefined()
    writeFileSync(join(home, "config.toml"), "[gateway]\nprot = 1\n")
    const wrong = await run(home, ["status"])
    expect(wrong.status).toBe(0)
    expect(wrong.out).toContain("gateway.prot is no configuration key")
  })

  test("verbs at once on one home share it: every line is there once", async () => {
    const home = freshHome("shared")
    const results = await Promise.all([1, 2, 3, 4].map((n) => run(home, ["memory", "append", "log.md", `line ${n}`])))
    expect(results.map(({ status, err }) => [status, err])).toEqual(results.map(() => [0, ""]))
    const lines = (await run(home, ["memory", "read", "log.md"])).out.trimEnd().split("\n")
    expect(lines.toSorted()).toEqual(["line 1", "line 2", "line 3", "line 4"])
  })

  test("Ctrl-C while waiting for the home ends a verb with 130, as JSON too", async () => {
    const home = openHome({ env: {}, explicit: freshHome("held") })
    const lock = takeLock({ home, clock: systemClock, what: "a test", as: "verb" })
    const child = start(home.root, ["memory", "list", "--json", "-v"])
    await systemClock.sleep(500) // it is waiting by then; earlier, the default action would end it with 130 as well
    child.kill("SIGINT")
    expect(await child.exited).toBe(130)
    expect(JSON.parse(await child.stdout.text())).toMatchObject({ ok: false, error: { code: "usage.interrupted" } })
    lock?.release()
  })
})

describe("pipes", () => {
  test("a reader that goes away early is no error", async () => {
    const child = Bun.spawn(
      [
        "bash",
        "-c",
        `"$0" "$1" --home "$2" config schema --json | head -c 10; exit \${PIPESTATUS[0]}`,
        process.execPath,
        entry,
        freshHome("pipe"),
      ],
      {
        stdout: "pipe",
        stderr: "pipe",
        env: { PATH: process.env["PATH"] ?? "" },
      },
    )
    expect(await child.stdout.text()).toBe('{"ok":true')
    expect(await child.stderr.text()).toBe("")
    expect(await child.exited).toBe(0)
  })

  test("--version prints one line and makes no home", async () => {
    const child = Bun.spawn([process.execPath, entry, "--version"], {
      env: { HOME: base },
      stdout: "pipe",
      stderr: "pipe",
    })
    expect(await child.stdout.text()).toMatch(/^ironclaw \d+\.\d+\.\d+ \(.+\)\n$/)
    expect(await child.exited).toBe(0)
    expect(statSync(join(base, ".ironclaw"), { throwIfNoEntry: false })).toBeUndefined()
  })
})
