import { describe, expect, test } from "bun:test"
import { newId } from "#core/id.ts"
import { type ApiToken, createApiToken } from "#core/safety/tokens.ts"
import { type ClientPolicy, type ClientRequest, createClientGate, judgeBinding, judgePlace } from "#gateway/auth.ts"
import { createGateway } from "#gateway/server.ts"
import { createFakeClock } from "../fakes/clock.ts"
import { gatewayHouse, OWNER_TOKEN, refusal } from "../fakes/gateway.ts"

const policy: ClientPolicy = { boundHost: "127.0.0.1", allowedHosts: [], allowedOrigins: [], trustedProxies: [] }
const asked = (given: Partial<ClientRequest> = {}): ClientRequest => ({
  via: "tcp",
  peer: "127.0.0.1",
  path: "/api/sessions",
  host: "127.0.0.1:3000",
  origin: null,
  fetchSite: null,
  authorization: `Bearer ${OWNER_TOKEN}`,
  ...given,
})

function gateWith({ tokens = new Map<string, ApiToken>(), given = policy } = {}) {
  const clock = createFakeClock()
  const lookups: string[] = []
  const gate = createClientGate({
    clock,
    ownerToken: OWNER_TOKEN,
    findToken: async (sha256) => {
      lookups.push(sha256)
      return tokens.get(sha256) ?? null
    },
    policy: () => given,
  })
  const codeOf = async (request: Partial<ClientRequest>) => {
    const verdict = await gate.judge(asked(request))
    return verdict.verdict === "allow" ? verdict.caller.scope : verdict.code
  }
  return { gate, clock, codeOf, lookups }
}

describe("the token", () => {
  test("of the owner opens everything", async () => {
    expect(await gateWith().codeOf({})).toBe("owner")
    expect(await gateWith().codeOf({ authorization: `bearer ${OWNER_TOKEN}` })).toBe("owner")
  })

  test.each([
    null,
    "",
    "Bearer",
    "Bearer ",
    `Basic ${OWNER_TOKEN}`,
    OWNER_TOKEN,
    "Bearer wrong",
    `Bearer ${OWNER_TOKEN}x`,
    `Bearer ${OWNER_TOKEN.slice(1)}`,
    `Bearer ${OWNER_TOKEN} x`,
  ])("%p is refused", async (authorization) =>
    expect(await gateWith().codeOf({ authorization })).toBe("client.unauthorized"),
  )

  test("is never looked for in the URL", async () => {
    const gateway = createGateway(gatewayHouse().deps)
    const meta = { via: "tcp" as const, peer: "127.0.0.1", holdOpen() {} }
    const request = new Request(`http://127.0.0.1/api/sessions?token=${OWNER_TOKEN}`, {
      headers: { host: "127.0.0.1" },
    })
    expect((await gateway.handle(request, meta)).status).toBe(401)
  })

  test("is not needed for the two paths that say only that something is there", async () => {
    const { codeOf } = gateWith()
    expect(await codeOf({ path: "/health", authorization: null })).toBe("chat")
    expect(await codeOf({ path: "/ready", authorization: "Bearer wrong" })).toBe("chat")
    expect(await codeOf({ path: "/health/", authorization: null })).toBe("client.unauthorized")
    expect(await codeOf({ path: "/Health", authorization: null })).toBe("client.unauthorized")
  })

  test("of the owner cannot be empty, so that an empty header matches nothing", () => {
    expect(() =>
      createClientGate({ clock: createFakeClock(), ownerToken: "", findToken: async () => null, policy: () => policy }),
    ).toThrow("empty")
  })
})

describe("a client's own token", () => {
  const { token, sha256 } = createApiToken()
  const id = newId("tok")
  const authorization = `Bearer ${token}`

  test("may chat, and nothing else", async () => {
    const { codeOf } = gateWith({
      tokens: new Map([[sha256, { id, scopes: ["chat"], ended: new AbortController().signal }]]),
    })
    expect(await codeOf({ authorization, path: "/v1/chat/completions" })).toBe("chat")
    expect(await codeOf({ authorization, path: "/v1/models" })).toBe("chat")
    for (const path of [
      "/api/sessions",
      "/api/config/gateway.port",
      "/api/ws",
      "/v1",
      "/v12/models",
      "/API/../v1/models",
    ]) {
      expect(await codeOf({ authorization, path })).not.toBe("chat")
    }
  })

  test("without the scope may not even chat", async () => {
    const { codeOf } = gateWith({
      tokens: new Map([[sha256, { id, scopes: [], ended: new AbortController().signal }]]),
    })
    expect(await codeOf({ authorization, path: "/v1/models" })).toBe("client.forbidden")
  })

  test("that is not known is refused, and asked for only where it has the form of one", async () => {
    const { codeOf, lookups } = gateWith()
    expect(await codeOf({ authorization, path: "/v1/models" })).toBe("client.unauthorized")
    expect(await codeOf({ authorization: "Bearer ict_short", path: "/v1/models" })).toBe("client.unauthorized")
    expect(lookups).toEqual([sha256])
  })

  test("is refused where the store of tokens fails", async () => {
    const gate = createClientGate({
      clock: createFakeClock(),
      ownerToken: OWNER_TOKEN,
      findToken: () => Promise.reject(new Error("gone")),
      policy: () => policy,
    })
    expect(await refusal(Promise.resolve(gate.judge(asked({ authorization, path: "/v1/models" }))))).toMatchObject({
      message: "gone",
    })
  })

  test("has a rate of its own", async () => {
    const { codeOf, clock } = gateWith({
      tokens: new Map([[sha256, { id, scopes: ["chat"], ended: new AbortController().signal }]]),
    })
    for (let sent = 0; sent < 60; sent++) expect(await codeOf({ authorization, path: "/v1/models" })).toBe("chat")
    expect(await codeOf({ authorization, path: "/v1/models" })).toBe("client.rate_limited")
    expect(await codeOf({})).toBe("owner")
    await clock.advance(1_000)
    expect(await codeOf({ authorization, path: "/v1/models" })).toBe("chat")
  })
})

describe("the place a request comes from", () => {
  test.each(["127.0.0.1:3000", "localhost:3000", "LOCALHOST", "[::1]:3000", "127.0.0.1:8080", "127.1.2.3"])(
    "Host %p is ours",
    (host) => expect(judgePlace(asked({ host }), policy)).toBeNull(),
  )

  test.each([
    null,
    "",
    "evil.example",
    "evil.example:3000",
    "localhost.evil.example",
    "127.0.0.1.evil.example",
    "localhost:3000@evil.example",
    "192.168.1.5",
    "a b",
    "localhost:",
    "[::1",
  ])("Host %p is not (DNS rebinding)", (host) =>
    expect(judgePlace(asked({ host }), policy)).toMatchObject({ code: "client.wrong_host" }),
  )

  test("a name that the owner allowed is ours, and an address where we listen off loopback", () => {
    expect(
      judgePlace(asked({ host: "claw.example.org" }), { ...policy, allowedHosts: ["claw.example.org"] }),
    ).toBeNull()
    expect(judgePlace(asked({ host: "192.168.1.5:3000" }), { ...policy, boundHost: "0.0.0.0" })).toBeNull()
    expect(judgePlace(asked({ host: "evil.example" }), { ...policy, boundHost: "0.0.0.0" })).toMatchObject({
      code: "client.wrong_host",
    })
  })

  test.each([
    "https://evil.example",
    "http://localhost:3000",
    "http://127.0.0.1:8080",
    "http://127.0.0.1",
    "null",
    "",
    "http://127.0.0.1:3000.evil.example",
  ])("Origin %p is another page's, even with the right token", async (origin) =>
    expect(await gateWith().codeOf({ origin })).toBe("client.wrong_origin"),
  )

  test("the gateway's own page, and one that the owner allowed, may call it", async () => {
    expect(await gateWith().codeOf({ origin: "http://127.0.0.1:3000" })).toBe("owner")
    expect(
      await gateWith({ given: { ...policy, allowedOrigins: ["https://claw.example.org"] } }).codeOf({
        origin: "https://claw.example.org",
      }),
    ).toBe("owner")
  })

  test("what another site caused without an Origin is refused, a link to a page is not", () => {
    expect(judgePlace(asked({ fetchSite: "cross-site" }), policy)).toMatchObject({ code: "client.wrong_origin" })
    expect(judgePlace(asked({ fetchSite: "same-site", path: "/v1/models" }), policy)).toMatchObject({
      code: "client.wrong_origin",
    })
    expect(judgePlace(asked({ fetchSite: "cross-site", path: "/" }), policy)).toBeNull()
    expect(judgePlace(asked({ fetchSite: "same-origin" }), policy)).toBeNull()
  })

  test("the socket and this process are the owner without a token, never for a browser", async () => {
    const { codeOf } = gateWith()
    for (const via of ["socket", "process"] as const) {
      expect(await codeOf({ via, authorization: null, host: null })).toBe("owner")
      expect(await codeOf({ via, origin: "http://localhost" })).toBe("client.wrong_origin")
      expect(await codeOf({ via, fetchSite: "none" })).toBe("client.wrong_origin")
    }
  })

  test("where proxies are named, nobody else may connect but this machine", () => {
    const proxied = { ...policy, boundHost: "0.0.0.0", trustedProxies: ["10.0.0.2"] }
    expect(judgePlace(asked({ peer: "10.0.0.2" }), proxied)).toBeNull()
    expect(judgePlace(asked({ peer: "::ffff:10.0.0.2" }), proxied)).toBeNull()
    expect(judgePlace(asked({ peer: "127.0.0.1" }), proxied)).toBeNull()
    expect(judgePlace(asked({ peer: "10.0.0.3" }), proxied)).toMatchObject({ code: "client.forbidden" })
    expect(judgePlace(asked({ peer: "10.0.0.20" }), proxied)).toMatchObject({ code: "client.forbidden" })
  })

  test.each(["/v1/../api/sessions", "/v1/%2e%2e/api", "/v1/..", "/a\\b", "/a%5Cb", "/api/sessions/%00", "/api/%ff"])(
    "path %p is none",
    (path) => expect(judgePlace(asked({ path }), policy)).toMatchObject({ code: "not_found" }),
  )

  test.each(["/v1/models/a%2Fb", "/api/sessions/ses_1...2", "/api/memory/.hidden"])("path %p is one", (path) =>
    expect(judgePlace(asked({ path }), policy)).toBeNull(),
  )
})

describe("guessing", () => {
  test("is slowed on loopback too, and never locks the owner out", async () => {
    const { gate, codeOf, clock } = gateWith()
    for (let tries = 0; tries < 20; tries++)
      expect(await codeOf({ authorization: `Bearer guess-${tries}` })).toBe("client.unauthorized")
    const refused = await gate.judge(asked({ authorization: "Bearer guess" }))
    expect(refused).toMatchObject({ code: "client.rate_limited", retryAfterSeconds: 3 })
    expect(await codeOf({})).toBe("owner")
    await clock.advance(3_000)
    expect(await codeOf({ authorization: "Bearer guess" })).toBe("client.unauthorized")
  })

  test("is counted by the socket's peer, however its address is written; an IPv6 network is one peer", async () => {
    const { codeOf } = gateWith()
    const peers = ["10.0.0.9", "::ffff:10.0.0.9", "::FFFF:10.0.0.9"]
    for (let tries = 0; tries < 20; tries++)
      await codeOf({ peer: peers[tries % 3] ?? "", authorization: "Bearer guess" })
    expect(await codeOf({ peer: "10.0.0.9", authorization: "Bearer guess" })).toBe("client.rate_limited")
    expect(await codeOf({ peer: "10.0.0.8", authorization: "Bearer guess" })).toBe("client.unauthorized")
    for (let tries = 0; tries < 20; tries++)
      await codeOf({ peer: `2001:db8:1:2::${tries}`, authorization: "Bearer guess" })
    expect(await codeOf({ peer: "2001:db8:1:2:ffff::1", authorization: "Bearer guess" })).toBe("client.rate_limited")
    expect(await codeOf({ peer: "2001:db8:1:3::1", authorization: "Bearer guess" })).toBe("client.unauthorized")
  })

  test("of clients' tokens costs no query once it is slowed", async () => {
    const { codeOf, lookups } = gateWith()
    for (let tries = 0; tries < 30; tries++)
      await codeOf({ authorization: `Bearer ${createApiToken().token}`, path: "/v1/models" })
    expect(lookups.length).toBe(20)
  })

  test("by X-Forwarded-For changes nothing", async () => {
    const gateway = createGateway(gatewayHouse().deps)
    const statuses: number[] = []
    for (let tries = 0; tries < 25; tries++) {
      const headers = {
        host: "localhost",
        authorization: "Bearer guess",
        "x-forwarded-for": `10.1.1.${tries}`,
        forwarded: `for=10.1.1.${tries}`,
      }
      const answer = await gateway.handle(new Request("http://localhost/api/sessions", { headers }), {
        via: "tcp",
        peer: "127.0.0.1",
        holdOpen() {},
      })
      statuses.push(answer.status)
      if (answer.status === 429) expect(Number(answer.headers.get("retry-after"))).toBeGreaterThan(0)
    }
    expect(statuses.filter((status) => status === 429).length).toBe(5)
  })
})

describe("listening", () => {
  const strong = { ownerToken: OWNER_TOKEN, hasTls: false, trustedProxies: [] }
  test("on loopback needs nothing", () => {
    for (const host of ["127.0.0.1", "localhost", "::1", "127.9.9.9"])
      expect(judgeBinding({ ...strong, host, ownerToken: "short" })).toBeNull()
  })
  test("elsewhere needs TLS or a named proxy, and a token that cannot be guessed", () => {
    for (const host of ["0.0.0.0", "::", "192.168.1.2", "claw.example.org"]) {
      expect(judgeBinding({ ...strong, host })).toContain("TLS")
      expect(judgeBinding({ ...strong, host, hasTls: true })).toBeNull()
      expect(judgeBinding({ ...strong, host, trustedProxies: ["10.0.0.2"] })).toBeNull()
      expect(judgeBinding({ ...strong, host, hasTls: true, ownerToken: "short" })).toContain("guessed")
    }
  })
  test("off loopback without either is refused by the gateway", async () => {
    const gateway = createGateway(gatewayHouse().deps)
    expect(await refusal(gateway.listen({ host: "0.0.0.0", port: 0 }))).toMatchObject({
      code: "gateway.insecure_address",
    })
  })
})
