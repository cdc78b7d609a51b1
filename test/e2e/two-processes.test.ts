import { describe, expect, setDefaultTimeout, test } from "bun:test"
import { existsSync, readFileSync, writeFileSync } from "node:fs"
import { join } from "node:path"
import { countOf, modelEnvironment, runBinary } from "#test/fakes/binary.ts"
import { makeHome } from "#test/fakes/home.ts"
import { startModelServer } from "#test/fakes/model-server.ts"
import { startService } from "#test/fakes/service.ts"

setDefaultTimeout(120_000) // whole processes on a busy machine; nothing here measures

describe("a service and verbs on one home", () => {
  test("verbs attach to the service, and leave it running", async () => {
    using home = makeHome()
    await using model = disposable(startModelServer())
    const env = modelEnvironment(model.server.url)
    await using service = await startService({ home: home.path, env })
    const said = await runBinary(["run", "-m", "from another process"], { home: home.path, env })
    expect(said).toMatchObject({ status: 0, stdout: "echo: from another process\n" })
    // The service has the conversation: it was the one that answered.
    expect((await service.call("GET", "/api/sessions")).body.items).toHaveLength(1)
    const status = await runBinary(["status", "--json"], { home: home.path })
    expect(JSON.stringify(JSON.parse(status.stdout).data)).toContain(service.address)
    expect(await service.stop()).toBe(0)
  })

  test("a second serve is refused, with pid and address of the first", async () => {
    using home = makeHome()
    await using service = await startService({ home: home.path })
    const { status, stderr } = await runBinary(["serve", "--port", "0"], { home: home.path })
    expect(status).toBe(1)
    expect(stderr).toContain(String(service.pid))
    expect(stderr).toContain(service.address)
    expect((await service.call("GET", "/ready")).status).toBe(200)
  })

  test("a port that is taken is said to be, and the home is free again", async () => {
    using home = makeHome()
    using other = makeHome()
    await using service = await startService({ home: home.path })
    const { status, stderr } = await runBinary(["serve", "--port", String(service.port)], { home: other.path })
    expect(status).toBe(1)
    expect(stderr).toContain(String(service.port))
    expect((await runBinary(["config", "list", "--json"], { home: other.path })).status).toBe(0)
  })
})

describe("verbs without a service", () => {
  test("two messages at once are both answered", async () => {
    using home = makeHome()
    await using model = disposable(startModelServer())
    const env = modelEnvironment(model.server.url)
    const [one, two] = await Promise.all([
      runBinary(["run", "-m", "one"], { home: home.path, env }),
      runBinary(["run", "-m", "two"], { home: home.path, env }),
    ])
    expect(one).toMatchObject({ status: 0, stdout: "echo: one\n" })
    expect(two).toMatchObject({ status: 0, stdout: "echo: two\n" })
  })

  test("ten verbs at once all do their work", async () => {
    using home = makeHome()
    const rounds = countOf("rounds of ten verbs at once", { reduced: 1, full: 5 })
    for (let round = 0; round < rounds; round++) {
      const ran = await Promise.all(
        Array.from({ length: 10 }, (_, at) =>
          at % 2 === 0
            ? runBinary(["memory", "append", `notes/r${round}.md`, `line ${at}`], { home: home.path })
            : runBinary(["session", "list", "--json"], { home: home.path }),
        ),
      )
      expect(ran.map(({ status, stderr }) => (status === 0 ? "done" : stderr))).toEqual(ran.map(() => "done"))
      const { stdout } = await runBinary(["memory", "read", `notes/r${round}.md`], { home: home.path })
      for (const at of [0, 2, 4, 6, 8]) expect(stdout.split(`line ${at}`)).toHaveLength(2)
    }
  })
})

describe("after kill -9", () => {
  test("the next start takes over the lock and the socket", async () => {
    using home = makeHome()
    const first = await startService({ home: home.path })
    await first.kill()
    const run = join(home.path, ".ironclaw/run")
    expect(existsSync(join(run, "ironclaw.sock"))).toBe(true) // what a dead one leaves
    await using second = await startService({ home: home.path })
    expect(second.pid).not.toBe(first.pid)
    expect(JSON.parse(readFileSync(join(run, "lock.json"), "utf8")).pid).toBe(second.pid)
    expect((await runBinary(["session", "list", "--json"], { home: home.path })).status).toBe(0)
  })

  test("a verb finds the dead socket, and does the work itself", async () => {
    using home = makeHome()
    await (await startService({ home: home.path })).kill()
    const { status, stdout } = await runBinary(["session", "list", "--json"], { home: home.path })
    expect(status).toBe(0)
    expect(JSON.parse(stdout).ok).toBe(true)
  })

  test("a plain file in the socket's place stops nobody", async () => {
    using home = makeHome()
    await (await startService({ home: home.path })).stop()
    writeFileSync(join(home.path, ".ironclaw/run/ironclaw.sock"), "not a socket")
    expect((await runBinary(["session", "list", "--json"], { home: home.path })).status).toBe(0)
    await using service = await startService({ home: home.path })
    expect((await service.call("GET", "/health")).status).toBe(200)
  })
})

function disposable(server: ReturnType<typeof startModelServer>) {
  return { server, [Symbol.asyncDispose]: () => server.stop() }
}
