/** What is said to a provider and what is taken from it, against one that looks at everything. */
import { afterAll, beforeAll, beforeEach, describe, expect, test } from "bun:test"
import { AppError } from "#core/errors.ts"
import { authorizationUrl, createOAuthWire, endpointsIn, type LoginEndpoints, newLoginSecrets } from "#sandbox/oauth.ts"
import { createFakeInternet } from "#test/core/safety/fake-internet.ts"
import { startOAuthServer } from "../fakes/oauth-server.ts"

const client = { id: "client-1", secret: "client-secret-0123456789" }
const own = { clientId: client.id, clientSecret: client.secret }
const redirectUri = "http://127.0.0.1:50000/oauth/callback"
const net = createFakeInternet()
const provider = startOAuthServer(net, { host: "login.example.org", address: "93.184.216.50", client })
const wire = createOAuthWire({ egress: net.egress })
const endpoints: LoginEndpoints = { ...endpointsIn(provider.oauth(["read"])), resource: "https://api.example.com" }
const signal = () => AbortSignal.timeout(10_000)

beforeAll(() => provider.start())
afterAll(() => net.close())
beforeEach(() => {
  provider.seen.length = 0
  Object.assign(provider.say, { token: null, expiresIn: 3600 })
})

async function loggedIn(of: LoginEndpoints = endpoints, more: Record<string, string> = {}) {
  const secrets = await newLoginSecrets()
  const url = authorizationUrl({
    endpoints: of,
    clientId: client.id,
    scopes: ["read"],
    redirectUri,
    extra: {},
    secrets,
  })
  const answer = provider.visit(url, more).searchParams
  return {
    answer,
    secrets,
    exchange: (changed = {}) =>
      wire.exchange({ endpoints: of, client: own, answer, redirectUri, secrets, signal: signal(), ...changed }),
  }
}
const failure = async (work: Promise<unknown>): Promise<AppError> => {
  const error: unknown = await work.then(
    () => null,
    (thrown: unknown) => thrown,
  )
  if (error instanceof AppError) return error
  throw new Error(`No error of ours: ${String(error)}`)
}

describe("a code", () => {
  test("becomes tokens with the verifier, the redirect and the resource of the login", async () => {
    const { exchange } = await loggedIn()
    const tokens = await exchange()
    expect(tokens).toMatchObject({
      expiresInSeconds: 3600,
      scopes: ["read"],
      refresh: expect.stringContaining("refresh-"),
    })
    expect(provider.seen[0]?.form).toMatchObject({ resource: "https://api.example.com", redirect_uri: redirectUri })
    expect(net.records.at(-1)).toMatchObject({ host: "login.example.org", path: "/token", method: "POST" })
  })

  test("is of no use with another verifier, redirect or client, or a second time", async () => {
    const first = await loggedIn()
    const second = await loggedIn()
    const { verifier, challenge } = second.secrets
    const swapped = { secrets: { ...first.secrets, verifier, challenge } }
    expect((await failure(first.exchange(swapped))).code).toBe("login.needed")
    expect((await failure(second.exchange({ redirectUri: `${redirectUri}/x` }))).code).toBe("login.needed")
    const third = await loggedIn()
    expect((await failure(third.exchange({ client: { ...own, clientSecret: "wrong" } }))).message).toContain(
      "invalid_client",
    )
    await third.exchange()
    expect((await failure(third.exchange())).code).toBe("login.needed")
  })

  test("from an answer of another issuer or state, or of another kind, is never sent", async () => {
    for (const more of [
      { iss: "https://evil.example.org" },
      { id_token: "x.y.z" },
      { response: "a.b.c" },
      { error: "server_error" },
    ]) {
      const { exchange } = await loggedIn(endpoints, more)
      expect((await failure(exchange())).code).toBe("login.refused")
    }
    const { exchange } = await loggedIn()
    expect((await failure(exchange({ secrets: await newLoginSecrets() }))).code).toBe("login.refused")
    // Where the manifest names no issuer, it is the authorization server's own origin.
    const nameless = { ...endpoints, issuer: null }
    expect((await failure((await loggedIn(nameless, { iss: "https://other.example.org" })).exchange())).code).toBe(
      "login.refused",
    )
    expect(provider.seen).toEqual([])
    await (await loggedIn(nameless, { iss: "https://login.example.org" })).exchange()
  })
})

describe("a provider's answer", () => {
  test("is told by its code alone, and nothing of what was sent is in the error", async () => {
    const echo = { error: "unauthorized_client\n<b>", error_description: `you sent ${client.secret}` }
    provider.say.token = { status: 400, body: echo }
    const { exchange } = await loggedIn()
    const error = await failure(exchange())
    expect(JSON.stringify([error.message, error.hint, String(error.cause)])).not.toContain(client.secret)
    expect(error.message).not.toContain("<b>")
  })

  test("that is a redirect, no JSON, or too large is refused", async () => {
    for (const said of [
      { status: 302, body: {} },
      { status: 200, body: "<html>" },
      { status: 200, body: "x".repeat(300_000) },
    ]) {
      provider.say.token = said
      const { exchange } = await loggedIn()
      expect(["login.refused", "egress.too_large", "egress.refused"]).toContain((await failure(exchange())).code)
    }
  })

  test("says until when a token is good, or does not", async () => {
    for (const [given, read] of [
      [null, null],
      [60, 60],
      [10 ** 12, 366 * 86_400],
    ] as const) {
      provider.say.expiresIn = given
      expect((await (await loggedIn()).exchange()).expiresInSeconds).toBe(read)
    }
  })

  test("to a renewal that it does not know is that the owner has to log in", async () => {
    const held = { endpoints, client: own, signal: signal() }
    expect((await failure(wire.renew({ ...held, refresh: "made-up" }))).code).toBe("login.needed")
    const { refresh } = await (await loggedIn()).exchange()
    expect(await wire.renew({ ...held, refresh: refresh ?? "" })).toMatchObject({
      access: expect.stringContaining("access-"),
    })
    provider.seen.length = 0
    await wire.revoke({ ...held, token: "some-token" })
    await wire.revoke({ ...held, endpoints: { ...endpoints, revocationUrl: null }, token: "some-token" })
    expect(provider.seen.map(({ path }) => path)).toEqual(["/revoke"])
  })
})
