/** Tokens that end: renewed before they do and after a host refused one, once for all who need it, and over when the provider says so. */
import { afterAll, beforeAll, beforeEach, describe, expect, setDefaultTimeout, test } from "bun:test"
import { examinePlugins } from "#cmd/lib/examine-plugins.ts"
import { type LoginHouse, loginHouse } from "../fakes/login-house.ts"

setDefaultTimeout(60_000) // children are started, on a machine that may be busy

const MINUTE = 60_000
let at: LoginHouse
beforeAll(async () => {
  at = await loginHouse()
  await at.add("mailer", "mail_tool")
  await at.client("mailer")
})
afterAll(() => at.close())
beforeEach(async () => {
  Object.assign(at.provider.say, {
    token: null,
    delayMs: 0,
    scopes: null,
    expiresIn: 3600,
    rotates: true,
    withoutRefresh: false,
  })
  await at.login("mailer")
  at.asked.length = 0
  at.provider.seen.length = 0
})

const pinOf = () => at.plugins.agreedPin("mailer")
const URL_OF = "https://api.example.com/v1"
const grants = () => at.provider.seen.map(({ form }) => form["grant_type"])
const tokenNow = () => at.vault.value("vendor_oauth_token")
const refreshNow = () => at.vault.value("vendor_oauth_token_refresh_token")

describe("a token that is about to end", () => {
  test("is renewed before it is used, and its successor kept with the new right to renew", async () => {
    const [before, refreshBefore] = [tokenNow(), refreshNow()]
    expect(await at.text("mail_tool")).toStartWith("200")
    expect(grants()).toEqual([])
    at.ahead(58 * MINUTE)
    expect(await at.text("mail_tool")).toStartWith("200")
    expect(grants()).toEqual(["refresh_token"])
    expect(tokenNow()).not.toBe(before)
    expect(refreshNow()).not.toBe(refreshBefore)
    expect(at.provider.takes(`Bearer ${tokenNow()}`)).toBe(true)
    expect(await at.text("mail_tool")).toStartWith("200")
    expect(grants()).toHaveLength(1)
  })

  test("is renewed once for sixteen that need it at a time, and by one of two processes", async () => {
    const other = await at.another()
    at.ahead(58 * MINUTE)
    at.provider.say.delayMs = 200
    const pin = await pinOf()
    const all = await Promise.all(
      Array.from({ length: 16 }, (_, index) => (index % 2 === 0 ? at.logins : other.logins).prepare(pin, URL_OF)),
    )
    expect(all).toEqual(Array.from({ length: 16 }, () => ({ version: expect.any(Number) })))
    expect(grants()).toEqual(["refresh_token"])
    expect(other.vault.value("vendor_oauth_token")).toBe(tokenNow())
    await other.vault.close()
  })

  test("goes on with the same right to renew where the provider gives no new one", async () => {
    at.provider.say.rotates = false
    const before = refreshNow()
    at.ahead(58 * MINUTE)
    expect(await at.text("mail_tool")).toStartWith("200")
    expect(refreshNow()).toBe(before)
    at.ahead(58 * MINUTE)
    expect(await at.text("mail_tool")).toStartWith("200")
    expect(grants()).toHaveLength(2)
  })

  test("is used to its end where the provider is out of order, and then the call says so", async () => {
    at.provider.say.token = { status: 503, body: "out of order" }
    at.ahead(58 * MINUTE)
    expect(await at.text("mail_tool")).toStartWith("200")
    at.ahead(3 * MINUTE)
    expect(await at.text("mail_tool")).toContain("could not be renewed")
    expect((await at.desk.status("mailer"))?.state).toBe("in")
    at.provider.say.token = null
    expect(await at.text("mail_tool")).toStartWith("200")
  })
})

describe("a host that does not take the token any more", () => {
  test("is asked once more with a new one, body and all, and no third time", async () => {
    at.provider.access.clear()
    expect(await at.text("mail_tool", `POST ${URL_OF}`)).toStartWith("200")
    expect(at.asked.map(({ method, body }) => `${method} ${body}`)).toEqual(["POST the body", "POST the body"])
    expect(at.asked[0]?.authorization).not.toBe(at.asked[1]?.authorization)
    expect(grants()).toEqual(["refresh_token"])

    at.asked.length = 0
    at.provider.say.token = { status: 503, body: {} }
    at.provider.access.clear()
    expect(await at.text("mail_tool")).toStartWith("401")
    expect(at.asked).toHaveLength(1)
  })

  test("costs no second renewal where another call has the new token already", async () => {
    const pin = await pinOf()
    const given = await at.logins.prepare(pin, URL_OF)
    const version = "version" in given ? (given.version ?? 0) : 0
    expect(await Promise.all(Array.from({ length: 5 }, () => at.logins.renew(pin, version)))).toEqual([
      true,
      true,
      true,
      true,
      true,
    ])
    expect(await at.logins.renew(pin, version)).toBe(true)
    expect(grants()).toEqual(["refresh_token"])
  })
})

describe("a login that the provider ended", () => {
  test("is said once, its tokens are gone, and the owner logs in again", async () => {
    at.provider.refreshes.clear()
    at.ahead(58 * MINUTE)
    for (let call = 0; call < 3; call++) expect(await at.text("mail_tool")).toContain("ironclaw tool auth mailer")
    expect(grants()).toEqual(["refresh_token"])
    const events = await at.db.query({
      sql: "select body from events where type = 'plugin.changed' and body->>'change' = 'login_needed'",
      params: [],
    })
    expect(events).toMatchObject([{ body: { plugin: "mailer" } }])
    expect([tokenNow(), refreshNow()]).toEqual([null, null])
    expect(await at.desk.status("mailer")).toMatchObject({ state: "needed", hasClient: true })
    expect(await examinePlugins({ plugins: at.plugins, loginDesk: at.desk })()).toEqual([
      {
        name: "mailer",
        state: "active",
        missing: [],
        login: { provider: "vendor", state: "needed", missing: [] },
        endpoints: [],
      },
    ])
    await at.login("mailer")
    expect(await at.text("mail_tool")).toStartWith("200")
  })

  test("and one that never could be renewed ends the same way", async () => {
    at.provider.say.withoutRefresh = true
    await at.login("mailer")
    expect(refreshNow()).toBeNull() // not the one of the login before: it may be of another account
    expect(await at.text("mail_tool")).toStartWith("200")
    at.ahead(61 * MINUTE)
    expect(await at.text("mail_tool")).toContain("The login to vendor is over")
  })

  test("a provider's redirect is not followed, and its words reach nobody", async () => {
    const echo = { error: "invalid_client", error_description: "you sent client-secret-0123456789" }
    at.provider.say.token = { status: 400, body: echo }
    at.ahead(61 * MINUTE)
    const text = await at.text("mail_tool")
    expect(text).toContain("invalid_client")
    expect(text).not.toContain("client-secret")
    at.provider.say.token = { status: 307, body: {} }
    expect(await at.text("mail_tool")).toContain("could not be renewed")
    expect(at.evil.seen).toEqual([])
  })
})
