import { afterAll, describe, expect, test } from "bun:test"
import { lstatSync, mkdtempSync, readFileSync, rmSync, statSync, symlinkSync, writeFileSync } from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { systemClock } from "#core/clock.ts"
import { setConfigValue, unsetConfigValue } from "#core/config-edit.ts"
import { type Config, loadConfig } from "#core/config.ts"
import { watchConfig } from "#core/config-watch.ts"
import { AppError } from "#core/errors.ts"
import { openHome } from "#core/home.ts"

const base = mkdtempSync(join(tmpdir(), "ironclaw-config-edit-test-"))
afterAll(() => rmSync(base, { recursive: true, force: true }))
let count = 0

type Setting = { toml?: string; env?: Record<string, string> }
function make({ toml, env = {} }: Setting = {}) {
  const home = openHome({ env: {}, explicit: join(base, `home-${++count}`) })
  if (toml !== undefined) writeFileSync(home.configFile, toml)
  return { home, env, flags: {} }
}

async function errorOf(work: Promise<unknown>): Promise<AppError> {
  try {
    await work
  } catch (error) {
    if (error instanceof AppError) return error
    throw error
  }
  throw new Error("nothing was thrown")
}

describe("editing", () => {
  const toml = `# my settings

[model]   # the model
# which one
name = "a"   # favourite
fallbacks = ["x/a", # one
  "y/b"]

[limits]
day_usd = 1.50
`

  test("changes one value and keeps comments, order and spelling; 0600", async () => {
    const options = make({ toml })
    const change = await setConfigValue({ ...options, key: "model.name", value: "b" })
    expect(readFileSync(options.home.configFile, "utf8")).toBe(toml.replace('name = "a"', 'name = "b"'))
    expect(statSync(options.home.configFile).mode & 0o777).toBe(0o600)
    expect(change).toEqual({
      key: "model.name",
      value: "b",
      source: { from: "file", name: "config.toml:5" },
      restartNeeded: false,
      problem: null,
    })
  })

  test("adds keys and sections, and takes them out again", async () => {
    const options = make({ toml })
    await setConfigValue({ ...options, key: "limits.hour_usd", value: 2 })
    expect(await setConfigValue({ ...options, key: "gateway.port", value: 4000 })).toMatchObject({
      value: 4000,
      restartNeeded: true,
    })
    const { config } = await loadConfig(options)
    expect([config.limits.hour_usd, config.limits.day_usd, config.gateway.port]).toEqual([2, 1.5, 4000])
    expect(await unsetConfigValue({ ...options, key: "gateway.port" })).toMatchObject({
      value: 3000,
      source: { from: "default" },
    })
    await unsetConfigValue({ ...options, key: "limits.hour_usd" })
    expect(readFileSync(options.home.configFile, "utf8").trimEnd()).toStartWith(toml.trimEnd())
  })

  test("works in a home without a file, in an empty one, and in every way of writing a key", async () => {
    for (const start of [
      undefined,
      "",
      "# only a comment\n",
      'model = { name = "x" } # inline\n',
      'model.name = "x"\n',
      "[model]\r\nname = 'x'\r\n",
      '[log]\nlevel="info"',
      '"model"."name" = "x"\n',
    ]) {
      const options = make(start === undefined ? {} : { toml: start })
      await setConfigValue({ ...options, key: "model.name", value: 'q"\\x' })
      await setConfigValue({ ...options, key: "model.fallbacks", value: ["a/b", "c/d"] })
      const { config } = await loadConfig(options)
      expect([config.model.name, config.model.fallbacks]).toEqual(['q"\\x', ["a/b", "c/d"]])
      if (start?.includes("#"))
        expect(readFileSync(options.home.configFile, "utf8")).toContain(start.slice(start.indexOf("#")).trim())
    }
  })

  test("says when the environment keeps the change from having an effect", async () => {
    const change = await setConfigValue({ ...make({ env: { GATEWAY_PORT: "5" } }), key: "gateway.port", value: 6 })
    expect(change).toMatchObject({ value: 5, source: { from: "environment", name: "GATEWAY_PORT" } })
  })

  test("refuses what loading would refuse, and leaves the file alone", async () => {
    const options = make({ toml })
    const set = (key: string, value: unknown) => errorOf(setConfigValue({ ...options, key, value }))
    expect((await set("gateway.prot", 1)).hint).toContain("gateway.port")
    expect((await set("gateway.port", "x")).message).toBe(
      'gateway.port is "x", but it should be a whole number from 0 to 65535',
    )
    expect((await set("database.url", "postgres://u:hunter2@h/d")).code).toBe("config.secret")
    expect(readFileSync(options.home.configFile, "utf8")).toBe(toml)
    const broken = make({ toml: "[a\n" })
    expect((await errorOf(setConfigValue({ ...broken, key: "model.name", value: "x" }))).code).toBe("config.unreadable")
  })

  test("takes unknown keys out one by one, telling what is still wrong", async () => {
    const options = make({ toml: "[gateway]\nprot = 1\nhots = 2\nport = 3\n[nonsense]\nx = 1\n" })
    expect((await unsetConfigValue({ ...options, key: "gateway.prot" })).problem).toContain("gateway.hots")
    await unsetConfigValue({ ...options, key: "gateway.hots" })
    expect(await unsetConfigValue({ ...options, key: "nonsense" })).toMatchObject({ problem: null })
    expect((await loadConfig(options)).config.gateway.port).toBe(3)
    expect((await errorOf(unsetConfigValue({ ...options, key: "nonsens" }))).code).toBe("config.unknown_key")
  })

  test("goes through a link into someone's dotfiles and leaves it a link", async () => {
    const options = make()
    const real = join(base, "dotfiles.toml")
    writeFileSync(real, toml)
    symlinkSync(real, options.home.configFile)
    await setConfigValue({ ...options, key: "model.name", value: "b" })
    expect(lstatSync(options.home.configFile).isSymbolicLink()).toBe(true)
    expect(readFileSync(real, "utf8")).toContain('name = "b"')
  })
})

describe("watching", () => {
  type Change = { changed: string[]; restart: string[]; config: Config }
  async function watching(toml: string) {
    const options = make({ toml })
    const { config } = await loadConfig(options)
    const waiting: ((value: Change | AppError) => void)[] = []
    const watch = watchConfig({
      ...options,
      current: config,
      clock: systemClock,
      onChange: (change) => waiting.shift()?.(change),
      onProblem: (error) => waiting.shift()?.(error),
    })
    const next = () => new Promise<Change | AppError>((resolve) => waiting.push(resolve))
    return { options, watch, next }
  }

  test("gives the new values of live keys, keeps the others and names them", async () => {
    const { options, watch, next } = await watching("[gateway]\nport = 1\n")
    const seen = next()
    writeFileSync(options.home.configFile, '[gateway]\nport = 2\n[log]\nlevel = "debug"\n')
    const change = await seen
    expect(change).toMatchObject({ changed: ["gateway.port", "log.level"], restart: ["gateway.port"] })
    expect([watch.current.log.level, watch.current.gateway.port]).toEqual(["debug", 1])
    watch.close()
  })

  test("sees files that are replaced, and .env", async () => {
    const { options, watch, next } = await watching("")
    let seen = next()
    await setConfigValue({ ...options, key: "limits.day_usd", value: 3 })
    expect(await seen).toMatchObject({ changed: ["limits.day_usd"] })
    seen = next()
    writeFileSync(options.home.envFile, "AGENT_NAME=Ada\n")
    expect(await seen).toMatchObject({ changed: ["agent.name"], restart: [] })
    watch.close()
  })

  test("keeps the values from before when the file is wrong, and recovers", async () => {
    const { options, watch, next } = await watching("[limits]\nday_usd = 1\n")
    let seen = next()
    writeFileSync(options.home.configFile, "[limits]\nday_usd = \n")
    expect(await seen).toMatchObject({ code: "config.unreadable" })
    expect(watch.current.limits.day_usd).toBe(1)
    seen = next()
    writeFileSync(options.home.configFile, "[limits]\nday_usd = 2\n")
    expect(await seen).toMatchObject({ changed: ["limits.day_usd"] })
    watch.close()
  })
})
