/** What lets a plugin in at its vendor: asked for, tried where the vendor can be asked, kept, said to be missing, taken away. */
import { afterAll, beforeAll, beforeEach, describe, expect, setDefaultTimeout, test } from "bun:test"
import { AppError } from "#core/errors.ts"
import { createPluginAuth, type PluginAuth } from "#sandbox/auth.ts"
import { createTokenCheck } from "#sandbox/token-check.ts"
import { PUBLIC } from "#test/core/safety/fake-internet.ts"
import { pluginHouse, type PluginHouse, toolCode } from "../fakes/plugin-house.ts"

setDefaultTimeout(60_000) // children are started, on a machine that may be busy

const GOOD = "good-token-0123456789"
const secrets: Record<string, string> = {}
let at: PluginHouse
let auth: PluginAuth
let answer = 0
const asked: { path: string; authorization: string | undefined; other: unknown }[] = []

const capabilities = {
  http: {
    allowlist: [{ host: "api.example.com" }, { host: "files.example.com" }],
    credentials: {
      main: { secret_name: "vendor_token", location: { type: "bearer" }, host_patterns: ["api.example.com"] },
      other: {
        secret_name: "other_key",
        location: { type: "header", name: "X-Other" },
        host_patterns: ["api.example.com"],
      },
    },
  },
}
const manifest = {
  capabilities,
  effects: { vendor_look: "read" },
  secrets: [{ name: "other_key", hint: "For more", optional: true }],
  auth: {
    secret_name: "vendor_token",
    display_name: "Vendor",
    setup_url: "https://api.example.com/settings/tokens",
    token_hint: "It begins with good-",
    validation_endpoint: { url: "https://api.example.com/me" },
  },
}
const code = toolCode("vendor_look", `return http({ url: "https://api.example.com/v1" }).status + ""`)

beforeAll(async () => {
  at = await pluginHouse({ secrets })
  auth = createPluginAuth({
    plugins: at.plugins,
    check: createTokenCheck({ egress: at.internet.egress }),
    logins: { valueFor: () => (name) => secrets[name.toLowerCase()] ?? null },
    vault: {
      value: (name) => secrets[name.toLowerCase()] ?? null,
      judge: async ({ name, value, mustExist }) => {
        if (value?.trim() === "") throw new AppError("input.invalid", "The value is empty")
        if (mustExist && !(name.toLowerCase() in secrets)) throw new AppError("not_found", "There is no such secret")
        return { name: name.toUpperCase(), version: name.toLowerCase() in secrets ? 1 : 0 }
      },
      async set({ name, value }) {
        secrets[name.toLowerCase()] = value
        return { name, version: 1 }
      },
      async delete(name) {
        delete secrets[name.toLowerCase()]
      },
    },
  })
  await at.internet.site(PUBLIC, ({ url = "", headers }, reply) => {
    asked.push({ path: url, authorization: headers.authorization, other: headers["x-other"] })
    if (answer === 302) reply.setHeader("location", "https://files.example.com/")
    reply.writeHead(answer || (headers.authorization === `Bearer ${GOOD}` ? 200 : 401))
    reply.end(`hello ${headers.authorization}`)
  })
  at.internet.name("api.example.com", [PUBLIC])
  await at.install(at.source("vendor", code, manifest))
})
afterAll(() => at.close())
beforeEach(() => {
  answer = 0
  asked.length = 0
  for (const name of Object.keys(secrets)) delete secrets[name]
})

const signal = new AbortController().signal
const save = async (value: string, { unchecked = false, secret = null as string | null } = {}) =>
  auth.save(await auth.prepare("vendor", { secret, value }), { value, unchecked, signal })
const failure = (work: Promise<unknown>): Promise<unknown> =>
  work.then(
    () => "it was taken",
    (error: unknown) => error,
  )

describe("a token made by hand", () => {
  test("is for a plugin that its owner agreed to", async () => {
    expect(await failure(save(GOOD))).toMatchObject({ code: "conflict" })
    expect(await failure(auth.status("nobody"))).toMatchObject({ code: "not_found" })
    await at.grant("vendor")
    expect(await auth.status("vendor")).toMatchObject({
      displayName: "Vendor",
      triedAt: "api.example.com",
      secrets: [
        {
          name: "vendor_token",
          isSet: false,
          isRequired: true,
          hint: "It begins with good-",
          way: "token",
          isMain: true,
        },
        { name: "other_key", isSet: false, isRequired: false, hint: "For more", isMain: false },
      ],
    })
  })

  test("is tried at the vendor, in its own place and without the plugin's other secrets, and then kept", async () => {
    secrets["other_key"] = "another-secret-value"
    const status = await save(GOOD)
    expect(status.secrets[0]).toMatchObject({ name: "vendor_token", isSet: true })
    expect(asked).toEqual([{ path: "/me", authorization: `Bearer ${GOOD}`, other: undefined }])
    expect(secrets["vendor_token"]).toBe(GOOD)
    expect(JSON.stringify(at.internet.records)).not.toContain(GOOD)
    expect(at.internet.records.at(-1)).toMatchObject({ purpose: "auth", secretNames: ["vendor_token"] })
  })

  test("that the vendor does not take is not kept, and the one before stays", async () => {
    await save(GOOD)
    const error = await failure(save("wrong-token-value"))
    expect(error).toMatchObject({ code: "plugin.token_refused", message: expect.stringContaining("401") })
    expect(error).toMatchObject({ hint: expect.stringContaining("https://api.example.com/settings/tokens") })
    expect(String(error)).not.toContain("wrong-token-value")
    expect(secrets["vendor_token"]).toBe(GOOD)
  })

  test("that nobody could be asked about is kept only where the owner says so", async () => {
    for (const status of [500, 429, 302]) {
      answer = status
      expect(await failure(save(GOOD))).toMatchObject({ code: "plugin.token_unproved" })
    }
    at.internet.name("api.example.com", ["10.0.0.1"])
    expect(await failure(save(GOOD))).toMatchObject({
      code: "plugin.token_unproved",
      hint: expect.stringContaining("--unchecked"),
    })
    expect(secrets).toEqual({})
    await save(GOOD, { unchecked: true })
    expect(secrets).toEqual({ vendor_token: GOOD })
    at.internet.name("api.example.com", [PUBLIC])
  })

  test("is one that the plugin's own credentials name", async () => {
    for (const secret of ["openai_api_key", "BACKUP_PASSPHRASE", "constructor"])
      expect(await failure(save("value-of-a-key", { secret }))).toMatchObject({ code: "input.invalid" })
    await save("value-of-a-key", { secret: "OTHER_KEY" })
    expect(secrets).toEqual({ other_key: "value-of-a-key" })
    expect(asked).toEqual([])
  })

  test("is forgotten, and who else is without it then is said", async () => {
    await save(GOOD)
    const beside = { capabilities, effects: { beside_look: "read" } }
    await at.install(at.source("beside", toolCode("beside_look", "return 1"), beside))
    await at.grant("beside")
    const prepared = await auth.prepare("vendor", { secret: null, value: null })
    expect(prepared.sharedWith).toEqual(["beside"])
    await auth.forget(prepared)
    expect(secrets).toEqual({})
    expect(await failure(auth.prepare("vendor", { secret: null, value: null }))).toMatchObject({ code: "not_found" })
  })
})

describe("a call without its secret", () => {
  test("says what the owner has to do, and asks nobody", async () => {
    const { told } = await at.call("vendor_look")
    expect(told).toMatchObject({ state: "failed", text: expect.stringContaining("ironclaw tool auth vendor") })
    expect(asked).toEqual([])
    expect((await at.plugins.get("vendor")).secrets[0]).toMatchObject({ name: "vendor_token", isSet: false })
    secrets["vendor_token"] = GOOD
    expect((await at.call("vendor_look")).told).toMatchObject({ state: "done", text: "200" })
    expect((await at.plugins.get("vendor")).secrets[0]).toMatchObject({ isSet: true })
  })

  test("or with one that its host does not take any more, says so beside what the plugin says", async () => {
    const run = `const { status } = http({ url: "https://api.example.com/v1" }); if (status !== 200) throw new Error("no " + status); return "yes"`
    await at.install(at.source("vendor", toolCode("vendor_look", run), { ...manifest, version: "1.0.1" }))
    secrets["vendor_token"] = "a-token-of-last-year"
    const { told } = await at.call("vendor_look")
    expect(told?.text).toBe(
      "no 401 (api.example.com did not take the owner's vendor_token: `ironclaw tool auth vendor` sets another)",
    )
    answer = 500
    expect((await at.call("vendor_look")).told?.text).toBe("no 500")
  })
})
