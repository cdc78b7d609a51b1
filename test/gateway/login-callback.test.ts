/** Where a browser comes back from a login: what it may ask for there, and what it is shown. */
import { afterEach, describe, expect, test } from "bun:test"
import { systemClock } from "#core/clock.ts"
import type { LoginPage } from "#sandbox/login-desk.ts"
import { listenForLogin } from "#gateway/login-callback.ts"
import { createGateway } from "#gateway/server.ts"
import { gatewayHouse } from "../fakes/gateway.ts"
import { browse } from "../fakes/login-house.ts"

const open: { close(): void }[] = []
afterEach(() => {
  for (const each of open.splice(0)) each.close()
})
function listen(answer: (params: URLSearchParams) => LoginPage = () => "unknown") {
  const asked: string[] = []
  let floods = 0
  const listener = listenForLogin(
    async (params) => {
      asked.push(params.toString())
      return answer(params)
    },
    () => void floods++,
  )
  open.push(listener)
  return { at: `http://127.0.0.1:${listener.port}`, asked, floods: () => floods, listener }
}

describe("the listener of a login", () => {
  test("takes a GET of its path under its own address and nothing else", async () => {
    const { at, asked } = listen((params) => (params.get("state") === "right" ? "done" : "unknown"))
    for (const [path, init] of [
      ["/", {}],
      ["/oauth/callback/x?state=right", {}],
      ["/oauth//callback?state=right", {}],
      ["/oauth/callback?state=right", { method: "POST", body: "x" }],
      ["/oauth/callback?state=right", { method: "DELETE" }],
      ["/oauth/callback?state=right", { headers: { host: "evil.example.org" } }],
      ["/oauth/callback?state=right", { headers: { host: `localhost:${new URL(at).port}` } }],
      [`/oauth/callback?state=right&x=${"x".repeat(9_000)}`, {}],
    ] as const)
      expect((await fetch(`${at}${path}`, init)).status).toBeGreaterThanOrEqual(400)
    expect(asked).toEqual([])
    expect((await browse(`${at}/oauth/callback?state=right&code=c`)).status).toBe(200)
    expect(asked).toEqual(["state=right&code=c"])
  })

  test("listens on loopback alone, on a port that the system gives, and is gone when it is closed", async () => {
    const [one, two] = [listen(), listen()]
    expect(one.listener.port).not.toBe(two.listener.port)
    expect(one.listener.port).toBeGreaterThan(1023)
    one.listener.close()
    await systemClock.sleep(50)
    expect(fetch(`${one.at}/oauth/callback`)).rejects.toThrow()
  })

  test("shows one of three pages, without a word of what came in, that load and leak nothing", async () => {
    const { at } = listen((params) => (params.has("ok") ? "done" : "failed"))
    for (const query of [
      "ok=1",
      "error=<script>alert(1)</script>&error_description=hello%0d%0aset-cookie:x",
      "state=secret-state",
    ]) {
      const { text, headers } = await browse(`${at}/oauth/callback?${query}`)
      expect(text).not.toContain("script")
      expect(text).not.toContain("secret-state")
      expect(headers.get("content-security-policy")).toContain("default-src 'none'")
      expect(headers.get("referrer-policy")).toBe("no-referrer")
      expect(headers.get("cache-control")).toBe("no-store")
      expect(headers.get("location")).toBeNull()
      expect(headers.get("set-cookie")).toBeNull()
    }
  })

  test("says that it is flooded once a page asked in vain too often", async () => {
    const { at, floods } = listen()
    for (let n = 0; n < 50; n++) await browse(`${at}/oauth/callback?state=${n}`)
    expect(floods()).toBe(0)
    await browse(`${at}/oauth/callback?state=more`)
    expect(floods()).toBe(1)
  })
})

describe("the gateway's callback", () => {
  async function gateway() {
    const asked: string[] = []
    const house = gatewayHouse()
    const deps = {
      ...house.deps,
      loginDesk: {
        ...house.deps.loginDesk,
        answer: async (params: URLSearchParams, way: string): Promise<LoginPage> => {
          asked.push(`${way} ${params.toString()}`)
          return "unknown"
        },
      },
    }
    const server = createGateway(deps)
    const { address } = await server.listen({ host: "127.0.0.1", port: 0 })
    open.push({ close: () => void server.close() })
    return { at: address, asked }
  }

  test("needs no token, is answered by the state alone, and redirects nobody", async () => {
    const { at, asked } = await gateway()
    const answer = await fetch(`${at}/oauth/callback?state=s&code=c&next=//evil.example.org`, {
      redirect: "manual",
      headers: { "sec-fetch-site": "cross-site" },
    })
    expect(answer.status).toBe(400)
    expect(answer.headers.get("location")).toBeNull()
    expect(answer.headers.get("content-security-policy")).toContain("default-src 'none'")
    expect(asked).toEqual(["public state=s&code=c&next=%2F%2Fevil.example.org"])
    for (const init of [{ method: "POST" }, { headers: { host: "evil.example.org" } }])
      expect((await fetch(`${at}/oauth/callback?state=s`, init)).status).toBeGreaterThanOrEqual(400)
    expect(asked).toHaveLength(1)
  })

  test("flooded, it slows whoever floods it", async () => {
    const { at, asked } = await gateway()
    const all = await Promise.all(Array.from({ length: 120 }, (_, n) => fetch(`${at}/oauth/callback?state=${n}`)))
    expect(all.filter(({ status }) => status === 429).length).toBeGreaterThan(30)
    expect(asked.length).toBeLessThan(90)
  })
})
