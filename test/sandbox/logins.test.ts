/** Logging in at a provider and what plugins get of it; and everything that somebody else could bring, choose or use. */
import { afterAll, beforeAll, beforeEach, describe, expect, setDefaultTimeout, test } from "bun:test"
import { resealLogins } from "#sandbox/login-rows.ts"
import { PUBLIC } from "#test/core/safety/fake-internet.ts"
import { browse, CLIENT, type LoginHouse, loginHouse } from "../fakes/login-house.ts"

setDefaultTimeout(60_000) // children are started, on a machine that may be busy

let at: LoginHouse
beforeAll(async () => {
  at = await loginHouse({ publicUrl: "https://assistant.example.net" })
  await at.add("mailer", "mail_tool", { scopes: ["mail.read"] })
  await at.add("calendar", "day_tool", { scopes: ["days.read", "days.write"] })
})
afterAll(() => at.close())
beforeEach(() => {
  at.asked.length = 0
  at.provider.seen.length = 0
  at.evil.seen.length = 0
  Object.assign(at.provider.say, {
    token: null,
    delayMs: 0,
    scopes: null,
    expiresIn: 3600,
    rotates: true,
    withoutRefresh: false,
  })
})

const failure = (work: Promise<unknown>): Promise<unknown> =>
  work.then(
    () => "it was taken",
    (error: unknown) => error,
  )
const outcomeOf = (id: string) => at.desk.outcome(id, { waitMs: 0, signal: AbortSignal.timeout(1_000) })
const now = async (name = "mailer") => (await at.desk.status(name))?.state

describe("a login", () => {
  test("needs a client of the owner's own, and before it a call says what to do", async () => {
    expect(await failure(at.desk.prepare("mailer", "loopback"))).toMatchObject({ code: "login.no_client" })
    expect(await at.text("mail_tool")).toContain("ironclaw tool auth mailer")
    expect(at.asked).toEqual([])
    expect(await failure(at.desk.prepareClient("mailer", { clientId: "a b", clientSecret: null }))).toMatchObject({
      code: "input.invalid",
    })
    expect(await at.client("mailer")).toMatchObject({ state: "out", hasClient: true, plugins: ["calendar", "mailer"] })
  })

  test("is one for all plugins of the provider, with all that they ask for and nothing else", async () => {
    const { begun, page, outcome } = await at.login("mailer")
    const url = new URL(begun.url)
    expect(Object.fromEntries(url.searchParams)).toMatchObject({
      response_type: "code",
      client_id: CLIENT.id,
      scope: "days.read days.write mail.read",
      code_challenge_method: "S256",
      redirect_uri: begun.redirectUri,
    })
    expect(begun.redirectUri).toMatch(/^http:\/\/127\.0\.0\.1:\d+\/oauth\/callback$/)
    expect(url.searchParams.get("state")).toMatch(/^[A-Za-z0-9_-]{43}$/)
    expect(page.status).toBe(200)
    expect(outcome).toEqual({ state: "done", words: "Logged in to vendor" })
    expect(await at.text("mail_tool")).toBe("200 you showed [REDACTED]")
    expect(await at.text("day_tool")).toStartWith("200")
    expect(at.provider.seen).toHaveLength(1)
    expect(at.provider.seen[0]?.form).toMatchObject({ grant_type: "authorization_code", client_secret: CLIENT.secret })
  })

  test("leaves its secrets nowhere but in the vault and on the wire", async () => {
    const [token = ""] = at.provider.access.keys()
    const [refresh = ""] = at.provider.refreshes.keys()
    expect(at.vault.value("VENDOR_OAUTH_TOKEN")).toBe(token)
    const tables = await Promise.all(
      ["logins", "events", "audit", "messages"].map((table) =>
        at.db.query({ sql: `select to_jsonb(t) as row from ${table} t`, params: [] }),
      ),
    )
    const all = JSON.stringify([tables, at.internet.records, at.internet.egress.inFlight()])
    for (const secret of [token, refresh, CLIENT.secret, "code-login"]) expect(all).not.toContain(secret)
    expect(at.internet.records.find(({ purpose }) => purpose === "login")).toMatchObject({
      principal: "builtin:login",
      host: "login.example.org",
      path: "/token",
    })
  })

  test("may be declined, and may bring less than was asked for", async () => {
    const begun = await at.begin("mailer")
    const back = at.provider.visit(begun.url)
    back.searchParams.delete("code")
    back.searchParams.set("error", "access_denied")
    expect((await browse(back)).status).toBe(400)
    expect(await outcomeOf(begun.id)).toMatchObject({ state: "failed", words: expect.stringContaining("declined") })
    expect(await now()).toBe("in") // the login before it goes on

    at.provider.say.scopes = "mail.read"
    const { outcome } = await at.login("mailer")
    expect(outcome).toMatchObject({
      state: "done",
      words: expect.stringContaining("without these rights: days.read days.write"),
    })
    expect(await at.text("mail_tool")).toStartWith("200")
    expect(await at.text("day_tool")).toContain("not given these rights: days.read days.write")
    at.provider.say.scopes = null
    await at.login("calendar")
    expect(await at.text("day_tool")).toStartWith("200")
  })

  test("is tried at the vendor where it can be, and what it says is told", async () => {
    await at.add("checked", "checked_tool", {
      scopes: ["mail.read"],
      auth: { oauth: at.provider.oauth(["mail.read"]), validation_endpoint: { url: "https://api.example.com/me" } },
    })
    expect((await at.login("checked")).outcome).toEqual({ state: "done", words: "Logged in to vendor" })
    expect(at.asked.at(-1)).toMatchObject({
      url: "/me",
      authorization: `Bearer ${at.vault.value("vendor_oauth_token")}`,
    })
    at.internet.name("api.example.com", ["10.0.0.1"])
    expect((await at.login("checked")).outcome).toMatchObject({
      state: "done",
      words: expect.stringContaining("but api.example.com could not be asked"),
    })
    at.internet.name("api.example.com", [PUBLIC])
    await at.plugins.remove("checked")
  })

  test("by hand takes the very address, once, from the login that it belongs to", async () => {
    const begun = await at.begin("mailer", "paste")
    const back = at.provider.visit(begun.url)
    for (const wrong of [
      "nonsense",
      `https://evil.example.org${back.pathname}${back.search}`,
      back.href.replace("/oauth/callback", "/oauth/callback/x"),
      back.href.replace(/:\d+\//, ":1/"),
    ])
      expect(await failure(at.desk.paste(begun.id, wrong))).toMatchObject({ code: "input.invalid" })
    const other = await at.begin("mailer", "paste")
    expect(await failure(at.desk.paste(other.id, back.href))).toMatchObject({ code: "input.invalid" })
    const third = await at.begin("mailer", "paste")
    expect(await at.desk.paste(third.id, at.provider.visit(third.url).href)).toMatchObject({ state: "done" })
    expect(await failure(at.desk.paste(third.id, back.href))).toMatchObject({ code: "input.invalid" })
  })

  test("by the public address is answered there and not on loopback", async () => {
    const begun = await at.begin("mailer", "public")
    expect(begun.redirectUri).toBe("https://assistant.example.net/oauth/callback")
    const back = at.provider.visit(begun.url)
    expect(await at.desk.answer(back.searchParams, "loopback")).toBe("unknown")
    expect(await at.desk.answer(back.searchParams, "paste")).toBe("unknown")
    expect(await at.desk.answer(back.searchParams, "public")).toBe("done")
  })
})

describe("somebody else's answer", () => {
  test("with a state that is wrong, missing, doubled, short or used is nothing, and leaves the login open", async () => {
    const begun = await at.begin("mailer", "public")
    const back = at.provider.visit(begun.url)
    const answer = (change: (params: URLSearchParams) => void) => {
      const params = new URLSearchParams(back.searchParams)
      change(params)
      return at.desk.answer(params, "public")
    }
    const state = back.searchParams.get("state") ?? ""
    expect(await answer((params) => params.delete("state"))).toBe("unknown")
    expect(await answer((params) => params.set("state", ""))).toBe("unknown")
    expect(await answer((params) => params.set("state", state.slice(0, 42)))).toBe("unknown")
    expect(
      await answer((params) => params.set("state", `${state.slice(0, 42)}${state.endsWith("A") ? "B" : "A"}`)),
    ).toBe("unknown")
    expect(await answer((params) => params.append("state", state))).toBe("unknown")
    expect(at.provider.seen).toEqual([])
    expect(await outcomeOf(begun.id)).toEqual({ state: "waiting" })
    expect(await answer(() => {})).toBe("done")
    expect(await answer(() => {})).toBe("unknown")
    expect(at.provider.seen).toHaveLength(1)
  })

  test("a state that was used is no state even where the login failed", async () => {
    at.provider.say.token = { status: 500, body: {} }
    const begun = await at.begin("mailer", "public")
    const back = at.provider.visit(begun.url)
    expect(await at.desk.answer(back.searchParams, "public")).toBe("failed")
    at.provider.say.token = null
    expect(await at.desk.answer(back.searchParams, "public")).toBe("unknown")
  })

  test("a code of another login, with a state of this one, is refused by the verifier", async () => {
    const mine = await at.begin("mailer", "public")
    const theirs = await at.begin("calendar", "public")
    const stolen = at.provider.visit(theirs.url)
    const params = at.provider.visit(mine.url).searchParams
    params.set("code", stolen.searchParams.get("code") ?? "")
    const [before] = at.provider.access.keys()
    expect(await at.desk.answer(params, "public")).toBe("failed")
    expect(await outcomeOf(mine.id)).toMatchObject({ state: "failed" })
    expect([...at.provider.access.keys()][0]).toBe(before)
  })

  test("that names another issuer is refused before any request", async () => {
    for (const iss of [
      "https://evil.example.org",
      "https://login.example.org/",
      "https://login.example.org.evil.example.org",
    ]) {
      const begun = await at.begin("mailer", "public")
      expect(await at.desk.answer(at.provider.visit(begun.url, { iss }).searchParams, "public")).toBe("failed")
    }
    expect([...at.provider.seen, ...at.evil.seen]).toEqual([])
    const right = await at.begin("mailer", "public")
    const back = at.provider.visit(right.url, { iss: "https://login.example.org" })
    expect(await at.desk.answer(back.searchParams, "public")).toBe("done")
  })

  test("chooses no scope, no provider, no client and no place to go", async () => {
    const begun = await at.begin("mailer", "public")
    const back = at.provider.visit(begun.url, {
      scope: "admin everything",
      provider: "evil",
      token_url: "https://evil.example.org/token",
      redirect_uri: "https://evil.example.org/",
      client_id: "evil",
      next: "//evil.example.org",
      resource: "https://evil.example.org",
    })
    expect(await at.desk.answer(back.searchParams, "public")).toBe("done")
    expect(at.evil.seen).toEqual([])
    const [{ form } = { form: {} }] = at.provider.seen
    expect(form).toMatchObject({ client_id: CLIENT.id, redirect_uri: begun.redirectUri })
    for (const name of ["scope", "provider", "resource", "next"]) expect(form).not.toHaveProperty(name)
    const [login] = at.logins.all()
    expect(login?.scopes.sort()).toEqual(["days.read", "days.write", "mail.read"])
  })

  test("of a plugin that changed in between counts for nothing", async () => {
    const begun = await at.begin("calendar", "public")
    await at.plugins.disable("calendar")
    expect(await at.desk.answer(at.provider.visit(begun.url).searchParams, "public")).toBe("failed")
    expect(at.provider.seen).toEqual([])
    await at.plugins.enable("calendar")
  })

  test("a token of a kind or form that is none is not kept", async () => {
    for (const body of [
      { access_token: "x", token_type: "mac" },
      { access_token: "two words", token_type: "Bearer" },
      { access_token: "line\r\nbreak", token_type: "Bearer" },
      { access_token: 7, token_type: "Bearer" },
      { token_type: "Bearer" },
      "no JSON object",
    ]) {
      at.provider.say.token = { status: 200, body }
      const begun = await at.begin("mailer", "public")
      expect(await at.desk.answer(at.provider.visit(begun.url).searchParams, "public")).toBe("failed")
    }
    expect(await now()).toBe("in")
  })
})

describe("another plugin", () => {
  test("with the token's name in a credential of its own and no login gets nothing of it", async () => {
    await at.add("thief", "thief_tool", { host: "files.example.com", auth: null })
    expect(at.vault.value("vendor_oauth_token")).not.toBeNull()
    expect(await at.text("thief_tool")).toContain("has not set vendor_oauth_token")
    expect(at.asked).toEqual([])
  })

  test("that says its provider is the same one, at other addresses, gets neither token nor client", async () => {
    await at.add("mixer", "mixer_tool", { of: at.evil, host: "files.example.com", scopes: ["mail.read"] })
    expect(await at.desk.status("mixer")).toMatchObject({
      state: "elsewhere",
      hasClient: false,
      tokenHost: "evil.example.org",
    })
    expect(await at.text("mixer_tool")).toContain("has not logged in")
    for (const work of [at.desk.prepare("mixer", "loopback"), at.client("mixer")])
      expect(await failure(work)).toMatchObject({ code: "conflict" })
    expect(await failure(at.desk.prepareEnd("mixer", { forget: false }))).toMatchObject({ code: "conflict" })
    expect(await at.desk.prepareEnd("mixer", { forget: true })).toMatchObject({
      tokenHost: "login.example.org",
      plugins: ["calendar", "mailer"],
    })
    expect(await now()).toBe("in")
    const half = { oauth: { ...at.provider.oauth(["mail.read"]), token_url: "https://evil.example.org/token" } }
    await at.add("halfway", "half_tool", { host: "files.example.com", auth: half })
    expect(await at.desk.status("halfway")).toMatchObject({ state: "elsewhere" })
    expect([...at.asked, ...at.evil.seen]).toEqual([])
    // Nor does it widen what the owner is asked for.
    expect((await at.desk.status("mailer"))?.plugins).toEqual(["calendar", "mailer"])
  })

  test("that keeps a login of its own under the name of another's token gets no login, and neither token", async () => {
    const token = at.vault.value("vendor_oauth_token")
    await at.add("twin", "twin_tool", {
      of: at.evil,
      host: "files.example.com",
      scopes: ["mail.read"],
      auth: { provider: "other" },
    })
    expect(await failure(at.client("twin"))).toMatchObject({
      code: "conflict",
      message: "VENDOR_OAUTH_TOKEN belongs to the login to vendor",
    })
    // What was kept before this was asked: a name that two have is nobody's, and the second is not written.
    const twin = { provider: "other", secretName: "vendor_oauth_token", scopes: ["mail.read"], state: "in" as const }
    const endpoints = {
      authorizationUrl: "https://evil.example.org/authorize",
      tokenUrl: "https://evil.example.org/token",
    }
    const row = {
      ...twin,
      expiresAt: null,
      endpoints: { ...endpoints, issuer: null, revocationUrl: null, resource: null },
    }
    await at.vault.set({ name: "plain_token", value: "a-plain-token-0123456789" })
    for (const secretName of ["plain_token", "vendor_oauth_token_refresh_token", "vendor_oauth_client_secret"])
      expect(await failure(at.logins.assertFree({ provider: "other", secretName }, null))).toMatchObject({
        code: "conflict",
      })
    expect(
      await failure(at.logins.keep({ login: row, before: null, tokens: null, by: "client set", plugin: "twin" })),
    ).toMatchObject({ code: "conflict" })
    await at.vault.delete("plain_token")
    expect(at.vault.value("vendor_oauth_token")).toBe(token)
    expect(await at.text("twin_tool")).toContain("has not logged in")
    expect([...at.asked, ...at.evil.seen]).toEqual([])
    expect(await at.text("mail_tool")).toStartWith("200")
  })

  test("of the same login that asks for more rights waits until the owner logged in for them", async () => {
    await at.add("drive", "drive_tool", { host: "files.example.com", scopes: ["files.read"] })
    expect(await at.text("drive_tool")).toContain("not given these rights: files.read")
    expect(at.asked).toEqual([])
    expect(await at.text("mail_tool")).toStartWith("200")
    await at.login("drive")
    expect(await at.text("drive_tool")).toStartWith("200")
    expect(await at.text("mail_tool")).toStartWith("200")
  })

  test("may not even name the secrets that only the provider gets", async () => {
    const provider = "only a login's provider gets"
    for (const [secret, why] of [
      ["vendor_oauth_token_refresh_token", provider],
      ["VENDOR_OAUTH_CLIENT_SECRET", provider],
      ["vendor_oauth_client_id", provider],
      ["backup_passphrase", "opens the backups"],
    ] as const) {
      const { capabilities } = at.manifest("x")
      const credentials = { main: { ...capabilities.http.credentials.main, secret_name: secret } }
      const path = at.source("namer", "", { capabilities: { http: { ...capabilities.http, credentials } } })
      expect(await failure(at.install(path))).toMatchObject({ message: expect.stringContaining(why) })
    }
  })

  test("a login holds under another master key, and only if it did under the old one", async () => {
    const keyOf = (fill: number) =>
      // All that is asked of a key here.
      ({ derive: () => new Uint8Array(32).fill(fill) }) as unknown as Parameters<typeof resealLogins>[1]["from"]
    await at.db.batch(await resealLogins(at.db, { from: keyOf(9), to: keyOf(8) }))
    expect(await at.text("mail_tool")).toStartWith("200")
    await at.db.batch(await resealLogins(at.db, { from: keyOf(7), to: keyOf(8) }))
    expect(await at.text("mail_tool")).toContain("has not logged in")
    await at.db.batch(await resealLogins(at.db, { from: keyOf(8), to: keyOf(7) }))
    expect(await at.text("mail_tool")).toStartWith("200")
  })

  test("a row that somebody else wrote is no login", async () => {
    const sql = (set: string) => at.db.query({ sql: `update logins set ${set} where provider = 'vendor'`, params: [] })
    await sql(
      `endpoints = jsonb_set(endpoints, '{tokenUrl}', '"https://evil.example.org/token"'), version = version + 1`,
    )
    expect(await at.text("mail_tool")).toContain("has not logged in")
    await sql(
      `endpoints = jsonb_set(endpoints, '{tokenUrl}', '"https://login.example.org/token"'), version = version - 1`,
    )
    expect(await at.text("mail_tool")).toStartWith("200")
    expect(at.badSeals).toContain("login vendor")
  })
})

describe("ended by the owner", () => {
  test("the provider is told, the tokens are gone, and the client stays", async () => {
    const refresh = [...at.provider.refreshes.keys()].at(-1)
    const { status, toldProvider } = await at.desk.revoke("mailer", AbortSignal.timeout(10_000))
    expect(toldProvider).toBe(true)
    expect(at.provider.seen).toMatchObject([{ path: "/revoke", form: { token: refresh, client_id: CLIENT.id } }])
    expect(status).toMatchObject({ state: "out", hasClient: true })
    expect(at.vault.value("vendor_oauth_token")).toBeNull()
    expect(at.vault.value("vendor_oauth_token_refresh_token")).toBeNull()
    expect(await at.text("mail_tool")).toContain("ironclaw tool auth mailer")
  })

  test("forgotten, nothing is left here", async () => {
    await at.login("mailer")
    expect(await at.desk.forget("mailer")).toMatchObject({ state: "out", hasClient: false })
    expect((await at.vault.list()).map(({ name }) => name)).toEqual([])
    expect(await at.db.query({ sql: "select * from logins", params: [] })).toEqual([])
  })
})
