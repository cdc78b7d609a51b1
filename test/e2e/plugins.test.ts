/** A plugin through the compiled program: installed and granted at a terminal, called by a model, followed while the service runs. */
import { afterAll, beforeAll, expect, setDefaultTimeout, test } from "bun:test"
import { cpSync, existsSync, mkdirSync, readFileSync, renameSync, rmSync, writeFileSync } from "node:fs"
import { join } from "node:path"
import { atTerminal, codeIn } from "#test/fakes/at-terminal.ts"
import { binary, environmentOf, runBinary, spawnBinary, until } from "#test/fakes/binary.ts"
import { makeHome } from "#test/fakes/home.ts"
import { searxngServer } from "#test/fakes/search-servers.ts"
import { startPlainSite } from "#test/core/safety/fake-internet.ts"
import { startModelServer } from "#test/fakes/model-server.ts"

setDefaultTimeout(120_000) // whole processes on a busy machine; nothing here measures

const home = makeHome()
const model = startModelServer()
const folder = join(home.path, "weather")
const plugins = join(home.path, ".ironclaw/plugins")
let service: ReturnType<typeof spawnBinary>

beforeAll(async () => {
  const env = {
    GATEWAY_PORT: "0",
    LLM_BACKEND: "openai_compatible",
    LLM_BASE_URL: `${model.url}/v1`,
    LLM_MODEL: "test",
  }
  service = spawnBinary(["serve"], { home: home.path, env })
  await until("the service answers", () => existsSync(join(home.path, ".ironclaw/run/ironclaw.sock")))
  mkdirSync(folder)
  write("1.0.0", "sunny")
})
afterAll(async () => {
  service.kill()
  await service.exited
  await model.stop()
  home[Symbol.dispose]()
})

function write(version: string, answer: string, more: Record<string, unknown> = {}): void {
  const manifest = { name: "weather", version, entry: "plugin.ts", effects: { weather_now: "read" }, ...more }
  writeFileSync(join(folder, "plugin.json"), JSON.stringify(manifest))
  writeFileSync(
    join(folder, "plugin.ts"),
    `import { definePlugin, defineTool } from "ironclaw"
export const { describe, call } = definePlugin(
  defineTool({
    name: "weather_now",
    description: "What the weather is like.",
    input: { type: "object", properties: {} },
    run: () => "It is ${answer}",
  }),
)
`,
  )
}

const verb = (...args: string[]) => runBinary(args, { home: home.path })
const stateOf = async (): Promise<unknown> =>
  JSON.parse((await verb("tool", "info", "weather", "--json")).stdout)?.data?.state ?? "none"
const owner = (...args: string[]) =>
  atTerminal([binary, ...args], {
    env: environmentOf(home.path),
    cwd: home.path,
    answer: (shown) => codeIn(shown) ?? "y",
  })

/** What the model was told of the tool. */
async function called(): Promise<string> {
  model.script({ toolCalls: [{ name: "weather_now", arguments: {} }] }, { text: "Thanks." })
  await verb("run", "--json", "-m", "How is the weather?")
  return JSON.stringify(model.requests.at(-1)?.body)
}

test("a plugin is installed and granted at a terminal, runs, and comes and goes with its files", async () => {
  const alone = await verb("tool", "install", folder, "--json")
  expect(alone.status).toBe(1)
  expect(JSON.parse(alone.stdout)).toMatchObject({ ok: false, error: { code: "presence.no_terminal" } })
  expect(existsSync(join(plugins, "weather"))).toBe(false)

  const installed = await owner("tool", "install", folder)
  expect(installed.status).toBe(0)
  expect(installed.shown).toContain("stays inactive until you grant")
  expect(await stateOf()).toBe("inactive")
  expect(await called()).not.toContain("It is sunny")
  expect((await verb("tool", "grant", "weather")).status).toBe(1)
  const granted = await owner("tool", "grant", "weather")
  expect(granted.shown).toContain("offer the tool weather_now, which only reads")
  expect(await stateOf()).toBe("active")
  expect(await called()).toContain("It is sunny")

  // One that asks for more waits, though it came by the owner's hand.
  write("2.0.0", "raining", { capabilities: { http: { allowlist: [{ host: "api.example.com", methods: ["GET"] }] } } })
  const more = await owner("tool", "install", folder)
  expect(more.shown).toContain("+ send GET to api.example.com")
  expect(await stateOf()).toBe("inactive")
  expect(await called()).not.toContain("It is raining")
  expect((await owner("tool", "grant", "weather")).status).toBe(0)
  expect(await called()).toContain("It is raining")

  // By hand, while the service runs: changed, as it was, gone with the whole folder, and there again.
  const code = join(plugins, "weather/plugin.ts")
  const whole = readFileSync(code, "utf8")
  writeFileSync(code, whole.replace("raining", "stealing"))
  await until("the change is noticed", async () => (await stateOf()) === "inactive")
  expect(await called()).not.toContain("It is stealing")
  writeFileSync(code, whole)
  expect(await called()).toBeDefined()
  await until("it is as it was agreed to", async () => (await called()).includes("It is raining"))
  cpSync(plugins, join(home.path, "kept"), { recursive: true })
  rmSync(plugins, { recursive: true })
  await until("it is gone", async () => !(await called()).includes("It is raining"))
  renameSync(join(home.path, "kept"), plugins)
  await until("it is there again", async () => (await called()).includes("It is raining"))

  expect((await verb("tool", "remove", "weather")).status).toBe(0)
  expect(existsSync(join(plugins, "weather"))).toBe(false)
  expect((await verb("tool", "info", "weather")).status).toBe(1)
  const audit = JSON.parse((await verb("audit", "list", "--limit", "100", "--json")).stdout)
  expect(JSON.stringify(audit)).toContain("plugin:weather@")
})

test("what is inside the program is installed by its name, and its code is in the program too", async () => {
  const listed = JSON.parse((await verb("tool", "list", "--available", "--json")).stdout)
  const names: string[] = listed.data.available.map(({ name }: { name: string }) => name)
  expect(names).toEqual(
    expect.arrayContaining(["github", "gmail", "google-calendar", "google-drive", "weather", "web-search"]),
  )
  const installed = await owner("tool", "install", "weather")
  expect(installed.shown).toContain("send GET to api.open-meteo.com below /v1/forecast")
  expect((await owner("tool", "grant", "weather")).shown).toContain("weather is active: weather_now")
  // Without a place it has nothing to ask anybody for.
  const call = JSON.parse((await verb("tool", "call", "weather_now", "--json")).stdout)
  expect(call.data).toMatchObject({ state: "failed", text: expect.stringContaining("Say where") })
  expect((await verb("tool", "remove", "weather")).status).toBe(0)
})

test("the web is searched with the owner's own engine, at the address that they set and with their yes", async () => {
  const searxng = searxngServer()
  const site = await startPlainSite(searxng.answer)
  await owner("tool", "install", "web-search")
  await owner("tool", "grant", "web-search")
  const search = () => owner("tool", "call", "web_search", "--arguments", '{"query":"two words","count":2}')
  expect((await search()).shown).toContain("Nobody is set up to search with")
  const address = `http://127.0.0.1:${site.port}`
  expect((await verb("tool", "config", "web-search", "searxng_url", address)).status).toBe(1)
  expect((await owner("tool", "config", "web-search", "searxng_url", address)).status).toBe(0)
  const { shown } = await search()
  expect(shown).toContain(`{"query":"two words","count":2}`)
  expect(shown).toContain("https://site-2.example.org/page")
  expect(searxng.requests.map(({ query }) => query["q"])).toEqual(["two words"])
  expect((await verb("tool", "remove", "web-search")).status).toBe(0)
  site.close()
})

test("a tool is called by hand: what reads at once, what does more only by somebody at a terminal, and nothing of it stays but the record", async () => {
  const time = JSON.parse((await verb("tool", "call", "time_now", "--json")).stdout)
  expect(time).toMatchObject({ ok: true, data: { state: "done" } })
  const write = [
    "tool",
    "call",
    "memory_write",
    "--arguments",
    JSON.stringify({ path: "notes/a.md", content: "by hand" }),
  ]
  const alone = await verb(...write, "--json")
  expect(JSON.parse(alone.stdout)).toMatchObject({ ok: false, error: { code: "presence.no_terminal" } })
  expect((await verb("memory", "read", "notes/a.md")).status).toBe(1)
  const asked = await owner(...write)
  expect(asked.shown).toContain("Run memory_write of agent:main once, with exactly")
  expect(asked.status).toBe(0)
  expect((await verb("memory", "read", "notes/a.md")).stdout).toContain("by hand")

  const wrong = await verb("tool", "call", "memory_write", "--arguments", '{"path":1}', "--json")
  expect(JSON.parse(wrong.stdout)).toMatchObject({ ok: false, error: { code: "input.invalid" } })
  expect((await verb("tool", "call", "memory_write", "--arguments", "[]")).status).toBe(2)
  expect((await verb("tool", "call", "nothing")).status).toBe(1)
  expect((await verb("session", "list", "--json")).stdout).not.toContain("Call of")
  expect((await verb("audit", "list", "--json")).stdout).toContain('"subject":"memory_write"')
})

test("one that judges messages is asked by every one of them, refuses, and is stopped at a terminal alone", async () => {
  const guard = join(home.path, "guard")
  mkdirSync(guard)
  const manifest = { name: "guard", version: "1.0.0", entry: "plugin.ts", hooks: [{ point: "message.in" }] }
  writeFileSync(join(guard, "plugin.json"), JSON.stringify(manifest))
  writeFileSync(
    join(guard, "plugin.ts"),
    `import { defineHooks, type Refusal } from "ironclaw"
const no: Refusal = { verdict: "refuse", why: "no invoices" }
export const { describe, hook } = defineHooks({ "message.in": ({ text }) => (text.includes("invoice") ? no : undefined) })
`,
  )
  expect((await owner("tool", "install", guard)).status).toBe(0)
  const granted = await owner("tool", "grant", "guard")
  expect(granted.shown).toContain("see and may rewrite or refuse each message to the assistant, before it is read")
  expect(granted.shown).toContain("guard is active: message.in")
  const listed = await verb("hook", "list")
  expect(listed.stdout).toContain("plugin:guard:message.in")
  const trial = await verb("hook", "test", "plugin:guard:message.in", "--text", "an invoice", "--json")
  expect(JSON.parse(trial.stdout)).toMatchObject({ ok: true, data: { answer: { verdict: "refuse" } } })

  const refused = await verb("run", "--json", "-m", "pay this invoice")
  expect(JSON.parse(refused.stdout)).toMatchObject({ ok: false, error: { code: "hook.refused" } })
  expect(refused.stdout).toContain("plugin:guard:message.in: no invoices")

  const removing = await verb("hook", "remove", "plugin:guard:message.in", "--json")
  expect(removing.stdout).toContain("ironclaw tool disable guard")
  expect((await verb("tool", "disable", "guard")).status).toBe(1)
  expect((await verb("run", "-m", "pay this invoice")).status).toBe(1)
  expect((await owner("tool", "disable", "guard")).status).toBe(0)
  const passed = await verb("run", "--json", "-m", "pay this invoice")
  expect(passed.stdout).not.toContain("hook.refused")
  expect((await verb("tool", "remove", "guard")).status).toBe(0)
})
