import { afterAll, describe, expect, setDefaultTimeout, test } from "bun:test"
import { existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { atTerminal, codeIn } from "../fakes/at-terminal.ts"

setDefaultTimeout(60_000) // every command is a process of its own, on a machine that may be busy

const base = mkdtempSync(join(tmpdir(), "ironclaw-cmd-config-"))
afterAll(() => rmSync(base, { recursive: true, force: true }))
const entry = join(import.meta.dir, "../../cmd/ironclaw.ts")
let count = 0

function freshHome(toml?: string): string {
  const home = join(base, `home-${++count}`)
  mkdirSync(home, { mode: 0o700 })
  if (toml !== undefined) writeFileSync(join(home, "config.toml"), toml)
  return home
}

async function ironclaw(home: string, args: string[], env: Record<string, string> = {}) {
  const child = Bun.spawn([process.execPath, entry, ...args], {
    env: { IRONCLAW_HOME: home, ...env },
    stdin: "ignore",
    stdout: "pipe",
    stderr: "pipe",
    cwd: base,
  })
  const [out, err] = await Promise.all([child.stdout.text(), child.stderr.text()])
  return { status: await child.exited, out, err }
}

describe("ironclaw config", () => {
  test("set changes the file, get reads it back bare, unset restores the default", async () => {
    const home = freshHome('# mine\n[log]\nlevel = "warn" # quiet\n')
    expect(await ironclaw(home, ["config", "set", "limits.day_usd", "5"])).toMatchObject({
      status: 0,
      out: "limits.day_usd is 5\n",
    })
    expect(readFileSync(join(home, "config.toml"), "utf8")).toBe(
      '# mine\n[log]\nlevel = "warn" # quiet\n\n[limits]\nday_usd = 5\n',
    )
    expect(await ironclaw(home, ["config", "get", "limits.day_usd"])).toMatchObject({ status: 0, out: "5\n" })
    expect(await ironclaw(home, ["config", "unset", "limits.day_usd"])).toMatchObject({
      status: 0,
      out: "limits.day_usd is 10\n",
    })
  })

  test("list shows values and sources, never a password, and announces the home", async () => {
    const home = freshHome()
    const { status, out, err } = await ironclaw(home, ["config", "list"], {
      DATABASE_URL: "postgres://me:hunter2@h/d",
      GATEWAY_PORT: "0",
    })
    expect(status).toBe(0)
    expect(out).toMatch(/^gateway\.port +0 +GATEWAY_PORT \(environment\)$/m)
    expect(out).toMatch(/^limits\.day_usd +10 +default$/m)
    expect(out + err).not.toContain("hunter2")
    expect(err).toContain(home)
    const list = await ironclaw(home, ["config", "list", "--set-only", "--json"], { GATEWAY_PORT: "0" })
    expect(JSON.parse(list.out)).toMatchObject({
      ok: true,
      data: [{ key: "gateway.port", value: 0, source: "environment", from: "GATEWAY_PORT" }],
    })
  })

  test("set of a URL with a password is refused with the place for it", async () => {
    const home = freshHome()
    const { status, out, err } = await ironclaw(home, ["config", "set", "database.url", "postgres://me:hunter2@h/d"])
    expect([status, out]).toEqual([1, ""])
    expect(err).toContain("DATABASE_URL")
    expect(err).not.toContain("hunter2")
  })

  test("a misspelt key names the nearest one, as text and as JSON", async () => {
    const home = freshHome()
    expect((await ironclaw(home, ["config", "set", "gateway.prot", "1"])).err).toContain("gateway.port")
    const { status, out } = await ironclaw(home, ["config", "get", "gatway.port", "--json"])
    expect(status).toBe(1)
    expect(JSON.parse(out)).toMatchObject({
      ok: false,
      error: { code: "config.unknown_key", hint: expect.stringContaining("gateway.port") },
    })
  })

  test("works where the configuration is wrong: path tells the file, unset mends it", async () => {
    const home = freshHome("[gateway]\nprot = 1\n")
    expect(await ironclaw(home, ["config", "path"])).toMatchObject({ status: 0, out: `${home}/config.toml\n` })
    expect(await ironclaw(home, ["config", "list"])).toMatchObject({
      status: 1,
      err: expect.stringContaining("config.toml:2: gateway.prot"),
    })
    expect((await ironclaw(home, ["config", "unset", "gateway.prot"])).status).toBe(0)
    expect((await ironclaw(home, ["config", "list"])).status).toBe(0)
  })

  test("says when the environment overrides what was set", async () => {
    const { status, err } = await ironclaw(freshHome(), ["config", "set", "gateway.port", "4000"], {
      GATEWAY_PORT: "5000",
    })
    expect(status).toBe(0)
    expect(err).toContain("GATEWAY_PORT (environment) sets it")
  })

  test("--set sets a key for one run and wins over all", async () => {
    const { out } = await ironclaw(freshHome(), ["config", "get", "gateway.port", "--set", "gateway.port=7"], {
      GATEWAY_PORT: "5",
    })
    expect(out).toBe("7\n")
  })

  test("schema explains a key, and is JSON Schema with --json", async () => {
    const home = freshHome()
    expect((await ironclaw(home, ["config", "schema", "gateway.port"])).out).toContain(
      "IRONCLAW_GATEWAY_PORT, GATEWAY_PORT",
    )
    const { out } = await ironclaw(home, ["config", "schema", "--json"])
    expect(JSON.parse(out)).toMatchObject({
      data: { properties: { gateway: { properties: { port: { type: "integer", maximum: 65535 } } } } },
    })
  })

  test("reads no .env of the working directory", async () => {
    writeFileSync(join(base, ".env"), "GATEWAY_PORT=6\nIRONCLAW_LIMITS_DAY_USD=1\n")
    try {
      const child = Bun.spawn([process.execPath, "--no-env-file", entry, "config", "get", "gateway.port"], {
        env: { IRONCLAW_HOME: freshHome() },
        cwd: base,
        stdout: "pipe",
        stderr: "ignore",
      })
      expect(await child.stdout.text()).toBe("3000\n")
    } finally {
      rmSync(join(base, ".env"))
    }
  })

  test("a home that others can enter, or that cannot be, is refused with what to do", async () => {
    const home = join(base, "open")
    mkdirSync(home, { mode: 0o755 })
    expect(await ironclaw(home, ["config", "list"])).toMatchObject({
      status: 1,
      err: expect.stringContaining(`chmod 700 ${home}`),
    })
    expect(await ironclaw("/proc/nothing", ["config", "list"])).toMatchObject({
      status: 1,
      err: expect.stringContaining("could not be made"),
    })
  })
})

describe.if(process.platform === "linux")("a change of what is safe, in a home that was used", () => {
  const env = { LLM_BACKEND: "demo" }
  const level = (home: string) => ironclaw(home, ["config", "get", "approvals.level"]).then(({ out }) => out.trim())
  const configRows = async (home: string) => {
    const { out } = await ironclaw(home, ["audit", "list", "--act", "owner.change", "--json"], env)
    const { data } = JSON.parse(out) as { data: { items: { subject: string; outcome: string; preview: string }[] } }
    return data.items.filter(({ subject }) => subject === "config").map(({ outcome, preview }) => [outcome, preview])
  }
  const typed = (home: string, args: string[], answer: (shown: string) => string | null) =>
    atTerminal([process.execPath, entry, ...args], { env: { IRONCLAW_HOME: home, ...env }, cwd: base, answer })
  async function usedHome(toml?: string) {
    const home = freshHome(toml)
    expect((await ironclaw(home, ["run", "-m", "hello"], env)).status).toBe(0)
    return home
  }

  test("without a service is confirmed at the terminal and goes on record; without a terminal it is refused, with what to do", async () => {
    const home = await usedHome()
    const script = await ironclaw(home, ["config", "set", "approvals.level", "trusted"], env)
    expect(script).toMatchObject({ status: 1, err: expect.stringContaining("change config.toml by hand") })
    const left = await typed(home, ["config", "set", "approvals.level", "trusted"], () => "n")
    expect([left.status, existsSync(join(home, "config.toml"))]).toEqual([1, false])
    const done = await typed(home, ["config", "set", "approvals.level", "trusted"], () => "y")
    expect(done.shown).toContain('Set approvals.level to trusted (it is "supervised" now).')
    expect([done.status, await level(home)]).toEqual([0, "trusted"])
    expect((await ironclaw(home, ["config", "unset", "approvals.level"], env)).status).toBe(1)
    expect((await typed(home, ["config", "unset", "approvals.level"], () => "y")).status).toBe(0)
    expect(await level(home)).toBe("supervised")
    expect((await configRows(home)).filter(([outcome]) => outcome === "done")).toEqual([
      ["done", 'approvals.level = "supervised" (default, was "trusted")'],
      ["done", expect.stringMatching(/^approvals\.level = "trusted" \(file/)],
    ])
    expect((await ironclaw(home, ["config", "set", "approvals.level", "lax"], env)).err).toContain("approvals.level")
  })

  test("with a service needs the code that it shows; a hand edit is noticed while it runs and at its start", async () => {
    const home = await usedHome("[limits]\nday_usd = 3\n")
    const start = async () => {
      const service = Bun.spawn([process.execPath, entry, "serve", "--port", "0"], {
        env: { IRONCLAW_HOME: home, ...env },
        cwd: base,
        stdin: "ignore",
        stdout: "pipe",
        stderr: "ignore",
      })
      await service.stdout.getReader().read()
      return service
    }
    const first = await start()
    try {
      expect((await ironclaw(home, ["config", "set", "approvals.level", "trusted"], env)).status).toBe(1)
      const done = await typed(home, ["config", "set", "approvals.level", "trusted"], codeIn)
      expect([done.status, await level(home)]).toEqual([0, "trusted"])
      writeFileSync(join(home, "config.toml"), "[limits]\nday_usd = 4\n")
      const noticed = async () => (await configRows(home)).some(([, preview]) => preview?.includes("day_usd = 4"))
      for (let n = 0; n < 50 && !(await noticed()); n++) await Bun.sleep(50)
    } finally {
      first.kill("SIGTERM")
      await first.exited
    }
    writeFileSync(join(home, "config.toml"), "[limits]\nday_usd = 5\n")
    const second = await start()
    second.kill("SIGTERM")
    await second.exited
    const rows = await configRows(home)
    expect(rows.map(([outcome]) => outcome)).toEqual(["noticed", "noticed", "done", "noticed", "noticed"])
    expect(rows[0]?.[1]).toBe("limits.day_usd = 5 (file, was 4)")
    expect(rows[1]?.[1]).toContain('approvals.level = "supervised" (default, was "trusted")')
    expect(rows[4]?.[1]).toContain("limits.day_usd = 3 (file)")
  })

  test("mends what keeps everything from opening, at the terminal alone", async () => {
    const home = await usedHome()
    writeFileSync(join(home, "config.toml"), "[gateway]\nprot = 1\n")
    expect((await ironclaw(home, ["config", "unset", "gateway.prot"], env)).status).toBe(1)
    const mended = await typed(home, ["config", "unset", "gateway.prot"], () => "y")
    expect(mended.shown).toContain("goes on record when it can")
    expect([mended.status, (await ironclaw(home, ["config", "list"])).status]).toEqual([0, 0])
  })

  test("what makes nothing less safe is set as before", async () => {
    const home = await usedHome()
    expect((await ironclaw(home, ["config", "set", "agent.name", "Ada"], env)).status).toBe(0)
    expect((await ironclaw(home, ["config", "set", "gateway.port", "0"], env)).status).toBe(0)
  })
})
