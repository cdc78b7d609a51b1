/** `tool auth` of a plugin with a login, from an empty home: what it asks for, the address that it gives, and what comes back to it. */
import { afterAll, beforeAll, describe, expect, setDefaultTimeout, test } from "bun:test"
import { mkdirSync, mkdtempSync, rmSync } from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { atTerminal } from "../fakes/at-terminal.ts"
import { entry, runVerb, startVerb } from "../fakes/from-source.ts"
import { browse } from "../fakes/login-house.ts"
import { toolCode, writePlugin } from "../fakes/plugin-house.ts"

setDefaultTimeout(60_000) // every command is a process of its own, on a machine that may be busy

const base = mkdtempSync(join(tmpdir(), "ironclaw-cmd-login-"))
const home = join(base, "home")
const secret = "not-a-known-form-8472"
afterAll(() => rmSync(base, { recursive: true, force: true }))

const start = (args: readonly string[], stdin: string) => startVerb(["--home", home, ...args], { cwd: base, stdin })
const run = (args: readonly string[], stdin = "") => runVerb(["--home", home, ...args], { cwd: base, stdin })

beforeAll(async () => {
  mkdirSync(home, { mode: 0o700 })
  writePlugin(join(base, "vendor"), "vendor", toolCode("vendor_look", "return 1"), {
    effects: { vendor_look: "read" },
    capabilities: {
      http: {
        allowlist: [{ host: "api.example.test" }],
        credentials: {
          main: {
            secret_name: "vendor_oauth_token",
            location: { type: "bearer" },
            host_patterns: ["api.example.test"],
          },
        },
      },
    },
    auth: {
      secret_name: "vendor_oauth_token",
      display_name: "Vendor",
      provider: "google",
      oauth: {
        authorization_url: "https://accounts.google.com/o/oauth2/v2/auth",
        token_url: "https://oauth2.googleapis.com/token",
        scopes: ["read"],
      },
    },
  })
  for (const verb of [
    ["install", join(base, "vendor")],
    ["grant", "vendor"],
  ]) {
    const argv = [process.execPath, entry, "--home", home, "tool", ...verb]
    expect((await atTerminal(argv, { env: {}, cwd: base, answer: () => "y" })).status).toBe(0)
  }
})

describe("a plugin with a login", () => {
  test("explains how to make a client, and asks for it", async () => {
    expect(await run(["tool", "auth", "vendor", "--status"])).toMatchObject({
      status: 1,
      out: expect.stringContaining("google: not logged in"),
    })
    const without = await run(["tool", "auth", "vendor"])
    expect(without.status).toBe(2)
    for (const words of ["console.cloud.google.com", "Desktop app", "seven days", "native-app", "--client-id"])
      expect(without.err).toContain(words)
  })

  test("gives an address for the browser, hears what comes back, and says how it ended", async () => {
    const child = start(["tool", "auth", "vendor", "--client-id", "client-1", "--json"], `${secret}\n`)
    let shown = ""
    const decoder = new TextDecoder()
    const reader = child.stderr.getReader()
    let url: URL | null = null
    while (url === null) {
      const { done, value } = await reader.read()
      if (done) break
      shown += decoder.decode(value, { stream: true })
      url = URL.parse(/https:\/\/accounts\.google\.com\/\S+/.exec(shown)?.[0] ?? "")
    }
    if (url === null) throw new Error(`No address: ${shown} ${await child.stdout.text()}`)
    reader.releaseLock()
    expect(url.searchParams.get("client_id")).toBe("client-1")
    const redirect = url.searchParams.get("redirect_uri") ?? ""
    expect((await browse(`${redirect}?state=wrong&code=c`)).status).toBe(400)
    // A no needs no request for a token: nothing of these tests leaves the machine.
    const page = await browse(`${redirect}?state=${url.searchParams.get("state")}&error=access_denied`)
    expect(page).toMatchObject({ status: 400, text: expect.stringContaining("did not work") })
    const out = await child.stdout.text()
    expect(await child.exited).toBe(1)
    expect(JSON.parse(out).data).toMatchObject({
      login: { state: "out", hasClient: true },
      outcome: { state: "failed", words: expect.stringContaining("declined") },
    })
    expect(out + shown).not.toContain(secret)
    expect((await run(["secret", "list"])).out).toContain("GOOGLE_OAUTH_CLIENT_SECRET")
  })

  test("takes the address by hand, and forgets all of it", async () => {
    const pasted = await run(["tool", "auth", "vendor", "--paste"], "https://evil.example.test/?code=c\n")
    expect(pasted.status).toBe(1)
    expect(pasted.err).toContain("not the address")
    expect((await run(["tool", "auth", "vendor", "--public"])).err).toContain("gateway.public_url")
    expect((await run(["tool", "auth", "vendor", "--forget"])).status).toBe(0)
    expect((await run(["secret", "list"])).out).toContain("No secrets")
  })
})
