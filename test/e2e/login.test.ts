/** A login through the compiled program with its service running: the listener is the service's, the person is at the command. */
import { afterAll, beforeAll, expect, setDefaultTimeout, test } from "bun:test"
import { existsSync, readdirSync, readFileSync } from "node:fs"
import { join } from "node:path"
import { atTerminal, codeIn } from "#test/fakes/at-terminal.ts"
import { binary, environmentOf, runBinary, spawnBinary, until } from "#test/fakes/binary.ts"
import { makeHome } from "#test/fakes/home.ts"
import { toolCode, writePlugin } from "#test/fakes/plugin-house.ts"

setDefaultTimeout(120_000) // whole processes on a busy machine; nothing here measures

const SECRET = "not-a-known-form-8472"
const home = makeHome()
let service: ReturnType<typeof spawnBinary>
let address = ""

beforeAll(async () => {
  service = spawnBinary(["serve"], { home: home.path, env: { GATEWAY_PORT: "0", LLM_BACKEND: "demo" } })
  await until("the service answers", () => existsSync(join(home.path, ".ironclaw/run/ironclaw.sock")))
  const { addresses } = JSON.parse((await verb("status", "--json")).stdout).data.service
  address = addresses.find((one: string) => one.startsWith("http://")) ?? ""
  writePlugin(join(home.path, "vendor"), "vendor", toolCode("vendor_look", "return 1"), {
    effects: { vendor_look: "read" },
    capabilities: {
      http: {
        allowlist: [{ host: "api.example.com" }],
        credentials: {
          main: { secret_name: "vendor_token", location: { type: "bearer" }, host_patterns: ["api.example.com"] },
        },
      },
    },
    auth: {
      secret_name: "vendor_token",
      display_name: "Vendor",
      provider: "vendor",
      oauth: {
        authorization_url: "https://login.example.com/authorize",
        token_url: "https://login.example.com/token",
        scopes: ["read"],
      },
    },
  })
  for (const args of [
    ["install", join(home.path, "vendor")],
    ["grant", "vendor"],
  ])
    expect((await owner("tool", ...args)).status).toBe(0)
})
afterAll(async () => {
  service.kill()
  await service.exited
  home[Symbol.dispose]()
})

const verb = (...args: string[]) => runBinary(args, { home: home.path })
const owner = (...args: string[]) =>
  atTerminal([binary, ...args], { env: environmentOf(home.path), cwd: home.path, answer: codeIn })

test("the address is given, its port is the service's for as long as the login is open, and the answer ends both", async () => {
  const child = Bun.spawn([binary, "tool", "auth", "vendor", "--client-id", "client-1"], {
    env: environmentOf(home.path),
    cwd: home.path,
    stdin: new Blob([`${SECRET}\n`]),
    stdout: "pipe",
    stderr: "pipe",
  })
  let shown = ""
  const decoder = new TextDecoder()
  for await (const part of child.stderr) {
    shown += decoder.decode(part, { stream: true })
    if (/Waiting/.test(shown)) break
  }
  const url = new URL(/https:\/\/login\.example\.com\/authorize\S+/.exec(shown)?.[0] ?? "")
  const redirect = url.searchParams.get("redirect_uri") ?? ""
  expect(redirect).toMatch(/^http:\/\/127\.0\.0\.1:\d+\/oauth\/callback$/)
  // The gateway is another way than the one that this login was begun for.
  const state = url.searchParams.get("state") ?? ""
  expect((await fetch(`${address}/oauth/callback?state=${state}&error=access_denied`)).status).toBe(400)
  expect((await fetch(`${redirect}?state=${"A".repeat(43)}&code=c`)).status).toBe(400)
  // A no needs no request for a token: nothing of this test leaves the machine.
  const page = await fetch(`${redirect}?state=${state}&error=access_denied`)
  expect(await page.text()).toContain("did not work")
  expect(await child.exited).toBe(1)
  expect(await child.stdout.text()).toContain("declined")
  await until("the port is closed", () =>
    fetch(redirect).then(
      () => false,
      () => true,
    ),
  )
  const { stdout } = await verb("tool", "auth", "vendor", "--status", "--json")
  expect(JSON.parse(stdout).data.login).toMatchObject({ state: "out", hasClient: true })
  const logs = join(home.path, ".ironclaw/logs")
  const written = readdirSync(logs)
    .map((name) => readFileSync(join(logs, name), "utf8"))
    .join("")
  for (const secret of [SECRET, state]) expect(written + shown.replaceAll(url.href, "")).not.toContain(secret)
})
