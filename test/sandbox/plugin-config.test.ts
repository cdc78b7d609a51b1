/** Settings of a plugin: what its owner can set, what its code finds, and the address of their own network that it reaches by one. */
import { afterAll, beforeAll, describe, expect, setDefaultTimeout, test } from "bun:test"
import type { ConfigValue } from "#sandbox/plugin-config.ts"
import { startPlainSite } from "#test/core/safety/fake-internet.ts"
import { pluginHouse, type PluginHouse, toolCode } from "../fakes/plugin-house.ts"

setDefaultTimeout(60_000) // children are started, on a machine that may be busy

const config = {
  type: "object",
  properties: {
    units: { type: "string", enum: ["metric", "imperial"], default: "metric", description: "Units" },
    limit: { type: "integer", minimum: 1, maximum: 9, description: "How many" },
    loud: { type: "boolean", default: false, description: "Whether it shouts" },
    base: { type: "string", format: "local-endpoint", description: "Where your own server is" },
  },
}
let at: PluginHouse
let site: Awaited<ReturnType<typeof startPlainSite>>
const seen: string[] = []
const origin = () => `http://127.0.0.1:${site.port}`

beforeAll(async () => {
  at = await pluginHouse()
  site = await startPlainSite(({ method, url, headers }, answer) => {
    seen.push(`${method} ${url}`)
    if (url === "/away") answer.writeHead(302, { location: "/x" })
    answer.end(`here ${headers.authorization ?? "without a key"}`)
  })
  const run = `
    if (input.word === "config") return JSON.stringify(config)
    const [url, method = "GET"] = (input.word ?? "").split(" ")
    return http({ url, method, body: method === "GET" ? undefined : "x" }).text()`
  await at.install(at.source("own", toolCode("own_tool", run), { config, effects: { own_tool: "read" } }))
})
afterAll(async () => {
  await at.close()
  site.close()
})

const set = async (values: Record<string, ConfigValue | null>) =>
  at.plugins.configure(await at.plugins.prepareConfig("own", values))
const problem = (values: Record<string, ConfigValue | null>) =>
  at.plugins.prepareConfig("own", values).then(
    () => "it was taken",
    (error: unknown) => (error instanceof Error ? error.message : ""),
  )
const call = async (word: string) => (await at.call("own_tool", { word })).told

describe("settings", () => {
  test("are for a plugin that its owner agreed to, and give their defaults until then", async () => {
    expect(await problem({ limit: 3 })).toContain("Nobody has agreed")
    await at.grant("own")
    expect(JSON.parse((await call("config"))?.text ?? "")).toEqual({ units: "metric", loud: "false" })
  })

  test("are found by its code as texts, and changing one is no new version", async () => {
    const before = await at.plugins.get("own")
    const after = await set({ units: "imperial", limit: "3", loud: "true" })
    expect(after).toMatchObject({ state: "active", sha256: before.sha256 })
    expect(JSON.parse((await call("config"))?.text ?? "")).toEqual({ units: "imperial", limit: "3", loud: "true" })
    expect((await set({ units: null })).settings.find(({ key }) => key === "units")).toMatchObject({
      value: null,
      default: "metric",
    })
    const audit = await at.db.query({
      sql: "select preview from audit where subject = 'plugin:own' and outcome = 'configured'",
      params: [],
    })
    expect(audit).toHaveLength(2)
  })

  test("that do not fit are refused, each with why", async () => {
    const words = await problem({ units: "stones", limit: 10, nothing: 1, loud: "yes" })
    for (const part of ["units: one of metric, imperial", "limit:", '"nothing"', "loud:"]) expect(words).toContain(part)
    expect(await problem({ constructor: 1 })).toContain('"constructor"')
  })

  test("written into the row by somebody else count for nothing, and the plugin with them", async () => {
    await at.db.query({
      sql: `update plugins set config = '{"base":"http://127.0.0.1:1"}' where name = 'own'`,
      params: [],
    })
    await at.plugins.refresh()
    expect(await at.plugins.get("own")).toMatchObject({ state: "broken" })
    await at.plugins.remove("own").catch(() => {})
    await at.install(`${at.root}/source-own`)
    await at.grant("own")
    expect((await call("config"))?.state).toBe("done")
  })
})

describe("an address of the owner's own", () => {
  test("is reached once they set it, exactly, without redirects, and by this plugin alone", async () => {
    expect((await call(`${origin()}/x`))?.state).toBe("failed")
    await set({ base: `${origin()}/` })
    seen.length = 0
    expect(await call(`${origin()}/x`)).toMatchObject({ state: "done", text: "here without a key" })
    for (const url of [
      `http://127.0.0.1:${site.port + 1}/x`,
      `http://localhost:${site.port}/x`,
      `https://127.0.0.1:${site.port}/x`,
      `http://2130706433:${site.port}/x`,
      `${origin()}/away`,
      `${origin()}/x POST`,
    ])
      expect(`${url} ${(await call(url))?.state}`).toBe(`${url} failed`)
    expect(seen).toEqual(["GET /x", "GET /away"])
    const run = `return http({ url: input.word ?? "" }).text()`
    const capabilities = { http: { allowlist: [{ host: "api.example.com" }] } }
    await at.install(
      at.source("beside", toolCode("beside_tool", run), { capabilities, effects: { beside_tool: "read" } }),
    )
    await at.grant("beside")
    expect((await at.call("beside_tool", { word: `${origin()}/x` })).told?.state).toBe("failed")
    await set({ base: null })
    expect((await call(`${origin()}/x`))?.state).toBe("failed")
    expect(seen).toHaveLength(2)
  })

  test("is none of link-local, metadata, public by number, or with a path", async () => {
    for (const base of [
      "http://169.254.169.254",
      "http://93.184.216.34",
      "http://[fe80::1]",
      "http://searx.example.com",
      "https://searx.example.com:8443",
      "http://127.0.0.1:8888/path",
      "http://user@127.0.0.1:8888",
      "http://0x7f.1:8888",
      "file:///etc/passwd",
      "nonsense",
    ])
      expect(`${base} ${await problem({ base })}`).not.toContain("it was taken")
    for (const base of [
      "http://192.168.1.5:8080",
      "https://searx.example.com",
      "http://[::1]:8888",
      "http://localhost:1",
    ])
      expect(await problem({ base })).toBe("it was taken")
  })

  test("that a new version asks for is reached by what was set only once its owner agrees", async () => {
    await set({ base: origin() })
    const run = `return http({ url: input.word ?? "" }).text() + "!"`
    const version = {
      version: "2.0.0",
      config,
      effects: { own_tool: "read" },
      capabilities: { http: { allowlist: [{ host: "api.example.com" }] } },
    }
    expect(await at.install(at.source("own", toolCode("own_tool", run), version))).toMatchObject({ state: "inactive" })
    expect((await call(`${origin()}/x`))?.state).toBe("refused")
    await at.grant("own")
    expect((await call(`${origin()}/x`))?.text).toBe("here without a key!")
  })
})
