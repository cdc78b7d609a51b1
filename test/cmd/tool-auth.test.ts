/** `tool config` and `tool auth` as a person uses them, from an empty home. */
import { afterAll, beforeAll, describe, expect, setDefaultTimeout, test } from "bun:test"
import { mkdirSync, mkdtempSync, rmSync } from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { atTerminal } from "../fakes/at-terminal.ts"
import { entry, runVerb } from "../fakes/from-source.ts"
import { toolCode, writePlugin } from "../fakes/plugin-house.ts"

setDefaultTimeout(60_000) // every command is a process of its own, on a machine that may be busy

const base = mkdtempSync(join(tmpdir(), "ironclaw-cmd-tool-"))
const home = join(base, "home")
const value = "not-a-known-form-8472"
afterAll(() => rmSync(base, { recursive: true, force: true }))

const run = (args: readonly string[], stdin = "") => runVerb(["--home", home, ...args], { cwd: base, stdin })
const owner = (...args: string[]) =>
  atTerminal([process.execPath, entry, "--home", home, ...args], { env: {}, cwd: base, answer: () => "y" })

beforeAll(async () => {
  mkdirSync(home, { mode: 0o700 })
  writePlugin(join(base, "vendor"), "vendor", toolCode("vendor_look", "return 1"), {
    effects: { vendor_look: "read" },
    capabilities: {
      http: {
        allowlist: [{ host: "api.example.com" }],
        credentials: {
          main: {
            secret_name: "vendor_token",
            location: { type: "query_param", name: "key" },
            host_patterns: ["api.example.com"],
          },
        },
      },
    },
    auth: { secret_name: "vendor_token", display_name: "Vendor", setup_url: "https://api.example.com/tokens" },
    config: {
      type: "object",
      properties: { limit: { type: "integer", minimum: 1, maximum: 9, description: "How many" } },
    },
  })
  expect((await owner("tool", "install", join(base, "vendor"))).status).toBe(0)
  expect((await owner("tool", "grant", "vendor")).status).toBe(0)
})

describe("a granted plugin", () => {
  test("says which secret is missing, takes it from stdin and never shows it", async () => {
    expect((await run(["tool", "info", "vendor"])).out).toContain(
      "Your vendor_token: missing: `ironclaw tool auth vendor`",
    )
    const before = await run(["tool", "auth", "vendor", "--status"])
    expect(before).toMatchObject({ status: 1, out: "vendor_token: missing\n" })
    expect((await run(["tool", "auth", "vendor", "value-as-argument"])).status).toBe(2)
    expect((await run(["tool", "auth", "vendor"], "\n")).status).toBe(2)
    const set = await run(["tool", "auth", "vendor"], `${value}\n`)
    expect(set).toMatchObject({ status: 0, out: "vendor_token: set\n" })
    expect(set.err).toContain("https://api.example.com/tokens")
    const after = await run(["tool", "auth", "vendor", "--status", "--json"])
    expect(after.status).toBe(0)
    expect(JSON.parse(after.out).data.secrets).toMatchObject([{ name: "vendor_token", isSet: true }])
    expect(`${set.out}${set.err}${after.out}${after.err}`).not.toContain(value)
    expect((await run(["tool", "auth", "vendor", "--forget"])).out).toContain("vendor is without it now")
    expect((await run(["tool", "auth", "vendor", "--status"])).status).toBe(1)
  })

  test("is configured at the terminal, and shows what is set", async () => {
    expect((await run(["tool", "config", "vendor", "limit", "3"])).status).toBe(1)
    expect((await owner("tool", "config", "vendor", "limit", "12")).shown).toContain("limit:")
    const set = await owner("tool", "config", "vendor", "limit", "3")
    expect(set.shown).toContain("Set of the plugin vendor:")
    expect(set.status).toBe(0)
    expect(JSON.parse((await run(["tool", "config", "vendor", "--json"])).out).data.items).toMatchObject([
      { key: "limit", value: 3 },
    ])
    expect((await run(["tool", "config", "vendor", "nothing"])).status).toBe(1)
    expect((await owner("tool", "config", "vendor", "--unset", "limit")).status).toBe(0)
    expect((await run(["tool", "info", "vendor"])).out).toContain("not set")
  })
})
