import { describe, expect, setDefaultTimeout, test } from "bun:test"
import { chmodSync, existsSync, mkdirSync, readdirSync, statSync, writeFileSync } from "node:fs"
import { join } from "node:path"
import { binary, environmentOf, modelEnvironment, runBinary, spawnBinary, until } from "#test/fakes/binary.ts"
import { makeHome } from "#test/fakes/home.ts"
import { startModelServer } from "#test/fakes/model-server.ts"

setDefaultTimeout(60_000) // whole processes on a busy machine; nothing here measures

const isRoot = process.getuid?.() === 0

describe("the first run on an empty home", () => {
  test("answers one message without any key, by the stand-in that says it is no model", async () => {
    using home = makeHome()
    const { status, stdout } = await runBinary(["run", "-m", "hello"], { home: home.path })
    expect(status).toBe(0)
    expect(stdout).toContain("not a model")
  })

  test("makes a home that is closed to others, and nothing outside of it", async () => {
    using home = makeHome()
    await runBinary(["run", "-m", "hello"], { home: home.path })
    expect(readdirSync(home.path)).toEqual([".ironclaw"])
    const root = join(home.path, ".ironclaw")
    expect(statSync(root).mode & 0o777).toBe(0o700)
    for (const name of readdirSync(root)) expect(statSync(join(root, name)).mode & 0o077).toBe(0)
  })

  test("prints exactly one JSON document with --json", async () => {
    using home = makeHome()
    const { status, stdout } = await runBinary(["run", "--json", "-m", "hello"], { home: home.path })
    expect(status).toBe(0)
    const document = JSON.parse(stdout)
    expect(document).toMatchObject({ ok: true, data: { state: "finished" } })
    expect(document.data.text.length).toBeGreaterThan(0)
  })

  test("takes the message from stdin", async () => {
    using home = makeHome()
    await using model = disposable(startModelServer())
    const { status, stdout } = await runBinary(["run"], {
      home: home.path,
      env: modelEnvironment(model.server.url),
      stdin: "from a pipe",
    })
    expect({ status, stdout }).toEqual({ status: 0, stdout: "echo: from a pipe\n" })
  })

  test("shows text as it arrives with --stream", async () => {
    using home = makeHome()
    await using model = disposable(startModelServer())
    model.server.script({ text: "first words, then much later the rest", chunkDelayMs: 300, chunkCharacters: 12 })
    const child = spawnBinary(["run", "--stream", "-m", "go"], {
      home: home.path,
      env: modelEnvironment(model.server.url),
    })
    const reader = child.stdout.getReader()
    const first = new TextDecoder().decode((await reader.read()).value)
    expect(first.length).toBeLessThan("first words, then much later the rest".length)
    expect(child.exitCode).toBeNull()
    let text = first
    for (let next = await reader.read(); !next.done; next = await reader.read())
      text += new TextDecoder().decode(next.value)
    expect(text).toBe("first words, then much later the rest\n")
    expect(await child.exited).toBe(0)
  })
})

describe("exit statuses", () => {
  test("a model that refuses is status 1, with the reason in one line on stderr", async () => {
    using home = makeHome()
    await using model = disposable(startModelServer())
    model.server.script({ status: 401, times: 9 })
    const { status, stdout, stderr } = await runBinary(["run", "-m", "x"], {
      home: home.path,
      env: modelEnvironment(model.server.url),
    })
    expect(status).toBe(1)
    expect(stdout).toBe("")
    expect(stderr).toContain("Error: ")
    expect(stderr).not.toMatch(/^\s+at /m)
  })

  test("a failure with --json is one document with code, message and hint", async () => {
    using home = makeHome()
    await using model = disposable(startModelServer())
    model.server.script({ status: 401, times: 9 })
    const ran = await runBinary(["run", "--json", "-m", "x"], {
      home: home.path,
      env: modelEnvironment(model.server.url),
    })
    expect(ran.status).toBe(1)
    const { ok, error } = JSON.parse(ran.stdout)
    expect(ok).toBe(false)
    expect(Object.keys(error).toSorted()).toEqual(["code", "hint", "message"])
  })

  for (const args of [["nonsense"], ["run", "--nonsense"], ["run", "-m", "  "], ["session", "frob"], ["run", "-m"]]) {
    test(`wrong usage is status 2: ${args.join(" ")}`, async () => {
      using home = makeHome()
      expect((await runBinary(args, { home: home.path, stdin: "" })).status).toBe(2)
    })
  }

  for (const extra of [[], ["--stream"]]) {
    test(`Ctrl-C in mid-turn is status 130, soon, and the next run works (${extra.join("") || "plain"})`, async () => {
      using home = makeHome()
      await using model = disposable(startModelServer())
      const env = modelEnvironment(model.server.url)
      model.server.script({ text: "partial words that never end", fault: "hang_in_middle" })
      const child = spawnBinary(["run", ...extra, "-m", "go"], { home: home.path, env })
      await until("the model is asked", () => model.server.open() === 0 && model.server.requests.length > 0)
      await Bun.sleep(200)
      const stoppedMs = performance.now()
      process.kill(child.pid, "SIGINT")
      expect(await child.exited).toBe(130)
      expect(performance.now() - stoppedMs).toBeLessThan(5_000) // closing the database included
      const next = await runBinary(["run", "-m", "again"], { home: home.path, env })
      expect(next).toMatchObject({ status: 0, stdout: "echo: again\n" })
      expect(model.server.requests).toHaveLength(2) // what was stopped does not come back
    })
  }

  test("Ctrl-C with --json is one document that says so", async () => {
    using home = makeHome()
    await using model = disposable(startModelServer())
    model.server.script({ fault: "hang" })
    const child = spawnBinary(["run", "--json", "-m", "go"], {
      home: home.path,
      env: modelEnvironment(model.server.url),
    })
    await until("the model is asked", () => model.server.requests.length > 0)
    process.kill(child.pid, "SIGINT")
    expect(JSON.parse(await child.stdout.text())).toMatchObject({ ok: false, error: { code: "usage.interrupted" } })
    expect(await child.exited).toBe(130)
  })

  test("a reader that closes the pipe ends it quietly", async () => {
    using home = makeHome()
    await using model = disposable(startModelServer())
    model.server.script({ text: "line\n".repeat(20_000), chunkCharacters: 5_000 })
    const child = Bun.spawn(["/bin/sh", "-c", `"$0" run --stream -m go | head -n 1`, binary], {
      cwd: home.path,
      env: environmentOf(home.path, modelEnvironment(model.server.url)),
      stdin: "ignore",
      stdout: "pipe",
      stderr: "pipe",
    })
    const [stdout, stderr] = await Promise.all([child.stdout.text(), child.stderr.text()])
    expect(await child.exited).toBe(0)
    expect(stdout).toBe("line\n")
    expect(stderr).not.toMatch(/EPIPE|Error/)
  })
})

describe("a hostile working directory", () => {
  test("nothing that lies there is read or run", async () => {
    using home = makeHome()
    using folder = makeHome()
    const at = (name: string) => join(folder.path, name)
    const marker = at("was-run")
    const evil = `require("node:fs").writeFileSync(${JSON.stringify(marker)}, "run")\n`
    writeFileSync(
      at(".env"),
      "OPENAI_API_KEY=sk-planted\nLLM_BACKEND=openai\nLLM_BASE_URL=http://127.0.0.1:9/v1\nIRONCLAW_HOME=/nowhere\nBUN_OPTIONS=--preload ./evil.js\nGATEWAY_PORT=1\n",
    )
    for (const name of [".env.local", ".env.production", ".env.development"])
      writeFileSync(at(name), "LLM_BACKEND=openai\nOPENAI_API_KEY=sk-planted\n")
    writeFileSync(at("evil.js"), evil)
    writeFileSync(at("evil.ts"), evil)
    writeFileSync(
      at("bunfig.toml"),
      `preload = ["./evil.js"]\n[run]\npreload = ["./evil.js"]\n[test]\npreload = ["./evil.js"]\n`,
    )
    writeFileSync(
      at("package.json"),
      JSON.stringify({
        type: "commonjs",
        imports: { "#core/*": "./evil.js" },
        main: "evil.js",
        scripts: { preinstall: "touch was-run" },
      }),
    )
    writeFileSync(at("tsconfig.json"), JSON.stringify({ compilerOptions: { paths: { "*": ["./evil.ts"] } } }))
    writeFileSync(at("config.toml"), `[model]\nbackend = "openai"\n`)
    mkdirSync(at("core/db"), { recursive: true })
    writeFileSync(at("core/db/embedded-worker.js"), evil)
    mkdirSync(at("node_modules/drizzle-orm"), { recursive: true })
    writeFileSync(at("node_modules/drizzle-orm/index.js"), evil)

    const ran = await runBinary(["run", "-m", "hello"], { home: home.path, cwd: folder.path })
    expect(ran.status).toBe(0)
    expect(ran.stdout).toContain("not a model")
    const config = await runBinary(["config", "list", "--json"], { home: home.path, cwd: folder.path })
    expect(config.stdout).not.toContain("planted")
    expect(JSON.parse(config.stdout).ok).toBe(true)
    expect(existsSync(marker)).toBe(false)
  })

  test("the .env of the home is read, so that the test above could fail", async () => {
    using home = makeHome()
    mkdirSync(join(home.path, ".ironclaw"), { mode: 0o700 })
    writeFileSync(join(home.path, ".ironclaw/.env"), "AGENT_NAME=from-the-home\n", { mode: 0o600 })
    const { stdout } = await runBinary(["config", "get", "agent.name"], { home: home.path })
    expect(stdout).toContain("from-the-home")
  })

  // BUN_OPTIONS is the runtime's own: it works in every compiled Bun program, before any of our code. Whoever sets the environment of a
  // process owns it anyway (LD_PRELOAD does the same); what we owe is that no child of ours inherits it.
  test("BUN_OPTIONS of the environment does not reach what we start", async () => {
    using home = makeHome()
    const { status } = await runBinary(["run", "-m", "hello"], { home: home.path, env: { BUN_OPTIONS: "--smol" } })
    expect(status).toBe(0)
  })
})

describe("a home that cannot be used", () => {
  test("one that others can enter is refused, with the command that closes it", async () => {
    using home = makeHome()
    mkdirSync(join(home.path, ".ironclaw"))
    chmodSync(join(home.path, ".ironclaw"), 0o755)
    const { status, stderr } = await runBinary(["run", "-m", "x"], { home: home.path })
    expect(status).toBe(1)
    expect(stderr).toContain("chmod 700")
    expect(readdirSync(join(home.path, ".ironclaw"))).toEqual([])
  })

  test("a file in its place is said to be one", async () => {
    using home = makeHome()
    writeFileSync(join(home.path, ".ironclaw"), "a file")
    const { status, stdout } = await runBinary(["run", "--json", "-m", "x"], { home: home.path })
    expect(status).toBe(1)
    expect(JSON.parse(stdout).error.code).toBe("home.not_writable")
  })

  test.skipIf(!isRoot)("one that belongs to somebody else is refused (needs root to make one)", async () => {
    using home = makeHome()
    mkdirSync(join(home.path, ".ironclaw"), { mode: 0o700 })
    Bun.spawnSync(["chown", "65534", join(home.path, ".ironclaw")])
    const { status, stdout } = await runBinary(["run", "--json", "-m", "x"], { home: home.path })
    expect(status).toBe(1)
    expect(JSON.parse(stdout).error.code).toBe("home.not_yours")
  })

  test("one that is not writable is said to be so", async () => {
    using home = makeHome()
    // Root writes anywhere, so that a mode proves nothing to it; /proc takes no folder from anybody.
    const asked = isRoot ? "/proc/ironclaw" : join(home.path, ".ironclaw")
    if (!isRoot) mkdirSync(asked, { mode: 0o500 })
    const { status, stdout } = await runBinary(["run", "--json", "-m", "x"], {
      home: home.path,
      env: { IRONCLAW_HOME: asked },
    })
    expect(status).toBe(1)
    expect(JSON.parse(stdout).error.code).toBe("home.not_writable")
  })
})

test("licences names what is in the program, and touches nothing", async () => {
  using home = makeHome()
  const { status, stdout } = await runBinary(["licences"], { home: home.path })
  expect(status).toBe(0)
  for (const name of ["elysia", "PostgreSQL", "Bun "]) expect(stdout).toContain(name)
  expect(readdirSync(home.path)).toEqual([])
})

test("--version touches nothing", async () => {
  using home = makeHome()
  const { status, stdout } = await runBinary(["--version"], { home: home.path })
  expect(status).toBe(0)
  expect(stdout).toMatch(/^ironclaw \d+\.\d+\.\d+/)
  expect(readdirSync(home.path)).toEqual([])
})

function disposable(server: ReturnType<typeof startModelServer>) {
  return { server, [Symbol.asyncDispose]: () => server.stop() }
}
