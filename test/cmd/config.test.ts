import { afterAll, describe, expect, test } from "bun:test"
import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"

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
