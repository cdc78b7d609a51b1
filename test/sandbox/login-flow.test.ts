/** Open logins: their state, their time, their number. */
import { describe, expect, test } from "bun:test"
import { createLoginFlows, type LoginWay, type OpenLogin } from "#sandbox/login-flow.ts"
import { authorizationUrl, newLoginSecrets } from "#sandbox/oauth.ts"
import { createFakeClock } from "../fakes/clock.ts"

const endpoints = {
  authorizationUrl: "https://login.example.org/authorize?hd=example.org",
  tokenUrl: "https://login.example.org/token",
  issuer: null,
  revocationUrl: null,
  resource: "https://api.example.com",
}
async function loginOf(way: LoginWay = "public"): Promise<OpenLogin> {
  return {
    plugin: "mailer",
    sha256: "ab",
    provider: "vendor",
    endpoints,
    scopes: ["read"],
    redirectUri: "https://assistant.example.net/oauth/callback",
    way,
    secrets: await newLoginSecrets(),
  }
}

describe("an open login", () => {
  test("is found by its state once, on its way, within five minutes", async () => {
    const clock = createFakeClock()
    const flows = createLoginFlows({ clock })
    const ended: string[] = []
    const login = await loginOf()
    const { id } = flows.open(login, () => ended.push("first"))
    expect(flows.take(login.secrets.state, "loopback")).toBeNull()
    expect(flows.take(login.secrets.state.toLowerCase(), "public")).toBeNull()
    expect(flows.take(login.secrets.state, "public")).toEqual({ id, login })
    expect(flows.take(login.secrets.state, "public")).toBeNull()
    flows.settle(id, { state: "done", words: "yes" })
    flows.settle(id, { state: "failed", words: "no" })
    expect(await flows.outcome(id, { waitMs: 0, signal: AbortSignal.timeout(1_000) })).toEqual({
      state: "done",
      words: "yes",
    })
    expect(ended).toEqual(["first"])

    const late = await loginOf()
    flows.open(late, () => ended.push("late"))
    await clock.advance(5 * 60_000 - 1)
    expect(ended).toEqual(["first"])
    await clock.advance(1)
    expect(ended).toEqual(["first", "late"])
    expect(flows.take(late.secrets.state, "public")).toBeNull()
  })

  test("is one of few, and what ended makes room", async () => {
    const clock = createFakeClock()
    const flows = createLoginFlows({ clock })
    for (let n = 0; n < 8; n++) flows.open(await loginOf(), () => {})
    const more = await loginOf()
    expect(() => flows.open(more, () => {})).toThrow("Too many logins")
    await clock.advance(5 * 60_000)
    for (let round = 0; round < 100; round++) {
      const { id } = flows.open(await loginOf(), () => {})
      flows.settle(id, { state: "failed", words: "" })
    }
    flows.close()
  })

  test("has a state and a verifier of 32 bytes each that are never the same, and the verifier is in no URL", async () => {
    const all = await Promise.all(Array.from({ length: 50 }, () => newLoginSecrets()))
    expect(new Set(all.flatMap(({ state, verifier }) => [state, verifier])).size).toBe(100)
    const [secrets] = all
    if (!secrets) throw new Error("There is none")
    for (const text of [secrets.state, secrets.verifier]) expect(text).toMatch(/^[A-Za-z0-9_-]{43}$/)
    const url = new URL(
      authorizationUrl({
        endpoints,
        clientId: "me",
        scopes: ["read", "write"],
        redirectUri: "http://127.0.0.1:1234/oauth/callback",
        // A manifest with these is refused; here they are overruled as well.
        extra: {
          access_type: "offline",
          state: "theirs",
          redirect_uri: "https://evil.example.org",
          scope: "all",
          client_id: "x",
        },
        secrets,
      }),
    )
    expect(url.href).not.toContain(secrets.verifier)
    expect(Object.fromEntries(url.searchParams)).toEqual({
      hd: "example.org",
      access_type: "offline",
      response_type: "code",
      client_id: "me",
      redirect_uri: "http://127.0.0.1:1234/oauth/callback",
      scope: "read write",
      state: secrets.state,
      code_challenge: secrets.challenge,
      code_challenge_method: "S256",
      resource: "https://api.example.com",
    })
  })
})
