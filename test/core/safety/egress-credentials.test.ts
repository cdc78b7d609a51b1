/** The owner's secrets in a request: where each kind of place puts one, and that nothing but the socket ever holds it. */
import { afterAll, beforeAll, beforeEach, describe, expect, test } from "bun:test"
import type { EgressCredential } from "#core/safety/egress.ts"
import { scansFor } from "#cmd/lib/outbound.ts"
import { createFakeInternet, type FakeInternet, PUBLIC, startPlainSite } from "./fake-internet.ts"

const SECRET = "12345:se/cr+et value-0123"
const OTHER = "93.184.216.40"
let net: FakeInternet
const seen: { url: string; host: string | undefined; authorization: string | undefined }[] = []
let redirectTo: string | null = null

beforeAll(async () => {
  net = createFakeInternet(scansFor(() => [{ name: "KEY", value: SECRET }]))
  const site = (address: string) =>
    net.site(address, ({ url = "", headers }, answer) => {
      seen.push({ url, host: headers.host, authorization: headers.authorization })
      if (redirectTo !== null && seen.length === 1) {
        answer.writeHead(302, { location: redirectTo })
        answer.end()
        return
      }
      answer.setHeader("x-echo", url)
      answer.end(`you asked for ${url} and ${decodeURIComponent(url)} and ${headers.authorization ?? "nothing"}`)
    })
  await site(PUBLIC)
  await site(OTHER)
  net.name("api.example.com", [PUBLIC])
  net.name("files.example.com", [OTHER])
  net.name("one.example.org", [OTHER])
})
afterAll(() => net.close())
beforeEach(() => {
  seen.length = 0
  redirectTo = null
})

const base = { origin: "https://api.example.com", secretName: "KEY", value: SECRET, secret: SECRET }
const inQuery: EgressCredential = { ...base, query: "key" }
const inPath: EgressCredential = { ...base, placeholder: "BOT_TOKEN" }
const allow = [{ host: "api.example.com" }, { host: "files.example.com" }, { host: "*.example.org" }]
const ask = (url: string, ...credentials: EgressCredential[]) => net.fetchFor({ allow, credentials })(url)
const told = (thrown: unknown) => (thrown instanceof Error ? thrown.message : "nothing was thrown")

/** What remains of a request in this process, besides its answer. */
function assertUnseen(...more: unknown[]): void {
  const all = JSON.stringify([net.records, net.egress.inFlight(), more])
  for (const form of [SECRET, encodeURIComponent(SECRET), "12345:se"]) expect(all).not.toContain(form)
}

describe("a secret as a query parameter", () => {
  test("is added after the caller's own, and echoed it is taken out in every form", async () => {
    const answer = await ask("https://api.example.com/v1?q=a%20b", inQuery)
    expect(seen[0]?.url).toBe(`/v1?q=a%20b&key=${encodeURIComponent(SECRET)}`)
    const text = await answer.text()
    expect(text).toStartWith("you asked for /v1?q=a%20b&key=[REDACTED] and /v1?q=a b&key=[REDACTED]")
    expect(answer.url).toBe("https://api.example.com/v1?q=a%20b")
    assertUnseen(text, [...answer.headers], answer.url)
    expect(net.records.at(-1)).toMatchObject({ secretNames: ["KEY"], path: "/v1?q" })
    await (await ask("https://api.example.com/v1", inQuery)).text()
    expect(seen[1]?.url).toBe(`/v1?key=${encodeURIComponent(SECRET)}`)
  })

  test("of the same name as one of the caller's own is refused, in whatever spelling, before anything is sent", async () => {
    for (const own of ["key=mine", "%6bey=mine", "a=1&key"]) {
      const error: unknown = await ask(`https://api.example.com/v1?${own}`, inQuery).catch((thrown) => thrown)
      expect(error).toMatchObject({ code: "egress.refused" })
      assertUnseen(told(error))
    }
    expect(seen).toEqual([])
  })
})

describe("a secret in the path", () => {
  test("takes the place of its placeholder, encoded so that it stays one segment", async () => {
    const answer = await ask("https://api.example.com/bot{BOT_TOKEN}/getMe?x=1", inPath)
    expect(seen[0]?.url).toBe("/bot12345:se%2Fcr+et%20value-0123/getMe?x=1")
    const text = await answer.text()
    expect(text).toStartWith("you asked for /bot[REDACTED]/getMe?x=1 and /bot[REDACTED]/getMe?x=1")
    assertUnseen(text, [...answer.headers], answer.url)
  })

  test("stands in no other place, whatever the caller writes there", async () => {
    const answer = await net.fetchFor({ allow, credentials: [inPath] })("https://api.example.com/x?y={BOT_TOKEN}", {
      method: "POST",
      headers: { "x-mine": "{BOT_TOKEN}" },
      body: "{BOT_TOKEN}",
    })
    expect(await answer.text()).not.toContain("12345")
    expect(seen[0]?.url).toBe("/x?y={BOT_TOKEN}")
    expect(net.records.at(-1)?.secretNames).toEqual([])
  })

  test("that would be read as another path is refused", async () => {
    for (const value of ["..", "."])
      expect(
        await ask("https://api.example.com/bot/{BOT_TOKEN}/x", { ...inPath, value, secret: value }).catch(told),
      ).toContain("cannot stand in a path")
    expect(seen).toEqual([])
  })

  test("fits a rule of paths that names the placeholder, and no other path does", async () => {
    const fetch = net.fetchFor({
      allow: [{ host: "api.example.com", pathPrefix: "/bot{BOT_TOKEN}/" }],
      credentials: [inPath],
    })
    expect((await fetch("https://api.example.com/bot{BOT_TOKEN}/getMe")).status).toBe(200)
    for (const path of ["/bot{OTHER}/getMe", "/bot{BOT_TOKEN}/../admin", "/bot{BOT_TOKEN}/%2e%2e/admin", "/bot1/getMe"])
      expect(await fetch(`https://api.example.com${path}`).catch(told)).toContain("this path")
    expect(seen).toHaveLength(1)
  })

  test("a caller that has the value itself cannot write it there", async () => {
    const error: unknown = await ask(`https://api.example.com/bot${encodeURIComponent(SECRET)}/x`, inPath).catch(
      (thrown) => thrown,
    )
    expect(error).toMatchObject({ code: "egress.refused" })
    expect(net.records.at(-1)?.verdicts).toMatchObject({ leak: expect.stringContaining("deny") })
  })
})

describe("on a redirect", () => {
  test("nothing that was put into the URL goes along, on the same host too", async () => {
    for (const [credential, url] of [
      [inQuery, "https://api.example.com/v1"],
      [inPath, "https://api.example.com/bot{BOT_TOKEN}/x"],
    ] as const)
      for (const next of ["/next", "https://files.example.com/next", "/bot{BOT_TOKEN}/y"]) {
        seen.length = 0
        redirectTo = next
        await (await ask(url, credential)).text()
        expect(seen).toHaveLength(2)
        expect(seen[1]?.url).not.toContain("12345")
      }
  })

  test("to a URL that holds the secret is refused, in every spelling, and the secret is in no word of it", async () => {
    for (const next of [
      `https://files.example.com/?k=${encodeURIComponent(SECRET)}`,
      `https://files.example.com/${SECRET.replace(" ", "%20")}`,
      `/v1?key=${encodeURIComponent(SECRET).toLowerCase()}`,
      `https://evil.example.net/${encodeURIComponent(encodeURIComponent(SECRET)).replaceAll("%25", "%")}`,
    ]) {
      seen.length = 0
      redirectTo = next
      const error: unknown = await ask("https://api.example.com/v1", inQuery).catch((thrown) => thrown)
      expect(error).toMatchObject({ code: "egress.refused" })
      expect(seen).toHaveLength(1)
      assertUnseen(told(error))
    }
  })
})

describe("toward whom", () => {
  test("a secret for every host below a name goes there and nowhere else", async () => {
    const below: EgressCredential = {
      ...base,
      origin: "https://*.example.org",
      header: "authorization",
      value: "Bearer x-token-1",
    }
    await (await ask("https://one.example.org/", below)).text()
    await (await ask("https://api.example.com/", below)).text()
    expect(seen.map(({ authorization }) => authorization)).toEqual(["Bearer x-token-1", undefined])
    const site = await startPlainSite(({ headers }, answer) => answer.end(headers.authorization ?? "none"))
    const local = [{ scheme: "http" as const, host: "127.0.0.1", port: site.port }]
    const fetch = net.fetchFor({ allow: [], local, credentials: [below] })
    expect(await (await fetch(`http://127.0.0.1:${site.port}/`)).text()).toBe("none")
    site.close()
  })

  test("an address of the owner's own takes the methods that it was given for", async () => {
    const site = await startPlainSite(({ method }, answer) => answer.end(method))
    const fetch = net.fetchFor({
      allow: [],
      local: [{ scheme: "http", host: "127.0.0.1", port: site.port, methods: ["GET", "HEAD"] }],
    })
    expect(await (await fetch(`http://127.0.0.1:${site.port}/`)).text()).toBe("GET")
    const error: unknown = await fetch(`http://127.0.0.1:${site.port}/`, { method: "POST", body: "x" }).catch((e) => e)
    expect(error).toMatchObject({ code: "egress.refused" })
    site.close()
  })
})
