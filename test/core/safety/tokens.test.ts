import { afterEach, beforeEach, describe, expect, setDefaultTimeout, test } from "bun:test"
import { systemClock } from "#core/clock.ts"
import type { Db } from "#core/db/db.ts"
import { createWriter } from "#core/db/writer.ts"
import { newId, type TokenId } from "#core/id.ts"
import { createAuthoritySeal } from "#core/safety/authority.ts"
import { sha256Hex } from "#core/safety/fingerprint.ts"
import { resealAuthority } from "#core/safety/reseal.ts"
import { createTokens, isApiToken, type Tokens } from "#core/safety/tokens.ts"
import { createFakeClock } from "../../fakes/clock.ts"
import { appErrorOf, engines } from "../db/memory.ts"

setDefaultTimeout(30_000) // each test makes a database, on a machine that may be busy

const key = new Uint8Array(32).fill(7)
const newKey = new Uint8Array(32).fill(8)

describe.each(engines())("API tokens ($name)", (engine) => {
  let db: Db
  let bad: string[]
  const opened: Tokens[] = []
  function open({ clock = systemClock, under = key } = {}) {
    const writer = createWriter({ db, publish() {} })
    const seal = createAuthoritySeal({ key: () => under })
    const tokens = createTokens({ db, writer, clock, seal, onBadSeal: (what) => bad.push(what) })
    opened.push(tokens)
    return tokens
  }
  const run = (sql: string, ...params: unknown[]) => db.query({ sql, params })
  beforeEach(async () => {
    bad = []
    db = await engine.open()
  })
  afterEach(async () => {
    for (const tokens of opened.splice(0)) await tokens.close()
    await db.close()
  })

  test("are found by the hash of their text, of which nothing is stored", async () => {
    const tokens = open()
    const { token, text } = await tokens.add({ name: "phone", expiresAt: null })
    expect(isApiToken(text)).toBe(true)
    expect(await tokens.find(sha256Hex(text))).toMatchObject({ id: token.id, scopes: ["chat"] })
    expect(await tokens.find(sha256Hex(`${text}x`))).toBeNull()
    expect(JSON.stringify(await run("select * from tokens"))).not.toContain(text)
    expect(JSON.stringify(await run("select * from audit"))).not.toContain(text)
    expect(await run("select subject, outcome from audit")).toEqual([{ subject: token.id, outcome: "added" }])
  })

  test("one name has one token in force", async () => {
    const clock = createFakeClock()
    const tokens = open({ clock })
    const soon = new Date(clock.nowMs() + 60_000).toISOString()
    await tokens.add({ name: "phone", expiresAt: soon })
    expect(await appErrorOf(tokens.add({ name: "phone", expiresAt: null }))).toMatchObject({ code: "conflict" })
    await clock.advance(60_000)
    await tokens.add({ name: "phone", expiresAt: null })
    expect((await tokens.list()).map(({ name }) => name)).toEqual(["phone", "phone"])
  })

  test("end at their time, although they were found before", async () => {
    const clock = createFakeClock()
    const tokens = open({ clock })
    const { text } = await tokens.add({ name: "phone", expiresAt: new Date(clock.nowMs() + 5_000).toISOString() })
    expect(await tokens.find(sha256Hex(text))).not.toBeNull()
    await clock.advance(5_000)
    expect(await tokens.find(sha256Hex(text))).toBeNull()
  })

  test("cost a query once, not with every request", async () => {
    const tokens = open()
    const { text } = await tokens.add({ name: "phone", expiresAt: null })
    await tokens.find(sha256Hex(text))
    const before = db.counters().roundTrips
    for (let n = 0; n < 20; n++) await tokens.find(sha256Hex(text))
    expect(db.counters().roundTrips).toBe(before)
  })

  test("that are revoked end what they hold open, and are found no more; the row stays", async () => {
    const tokens = open()
    const [phone, laptop] = [
      await tokens.add({ name: "a", expiresAt: null }),
      await tokens.add({ name: "b", expiresAt: null }),
    ]
    const found = await tokens.find(sha256Hex(phone.text))
    const other = await tokens.find(sha256Hex(laptop.text))
    await tokens.revoke(phone.token.id)
    expect([found?.ended.aborted, other?.ended.aborted]).toEqual([true, false])
    expect(await tokens.find(sha256Hex(phone.text))).toBeNull()
    expect(await tokens.list()).toMatchObject([
      { name: "b", revokedAt: null },
      { name: "a", revokedAt: expect.any(String) },
    ])
    expect(await appErrorOf(tokens.revoke(phone.token.id))).toMatchObject({ code: "conflict" })
    expect(await appErrorOf(tokens.revoke(newId("tok")))).toMatchObject({ code: "not_found" })
    await run("update tokens set revoked_at = null where id = $1", phone.token.id)
    expect(await open().find(sha256Hex(phone.text))).toBeNull()
  })

  test("that another process revokes end here too", async () => {
    const [here, there] = [open(), open()]
    const { token, text } = await here.add({ name: "phone", expiresAt: null })
    await here.watch()
    const found = await here.find(sha256Hex(text))
    const heard = new Promise<void>((resolve) => found?.ended.addEventListener("abort", () => resolve()))
    await there.revoke(token.id)
    await heard
    expect(await here.find(sha256Hex(text))).toBeNull()
  })

  test("that were revoked while nobody could tell end with the next notice", async () => {
    const tokens = open()
    const { token, text } = await tokens.add({ name: "phone", expiresAt: null })
    await tokens.watch()
    const found = await tokens.find(sha256Hex(text))
    const heard = new Promise<void>((resolve) => found?.ended.addEventListener("abort", () => resolve()))
    await run("update tokens set revoked_at = now(), mac = '' where id = $1", token.id)
    await run("select pg_notify('ironclaw_tokens', '')")
    await heard
    expect(await tokens.find(sha256Hex(text))).toBeNull()
  })

  test.each([
    ["hash", (id: TokenId) => run("update tokens set hash = $2 where id = $1", id, sha256Hex("known"))],
    ["scope", (id: TokenId) => run("update tokens set scopes = '{chat,owner}' where id = $1", id)],
    ["end", (id: TokenId) => run("update tokens set expires_at = null where id = $1", id)],
    ["seal", (id: TokenId) => run("update tokens set mac = '' where id = $1", id)],
  ])("whose %s somebody else changed are none, and that is told", async (_what, forge) => {
    const tokens = open()
    const { token, text } = await tokens.add({ name: "phone", expiresAt: "2099-01-01T00:00:00.000Z" })
    await forge(token.id)
    const found = [await tokens.find(sha256Hex(text)), await tokens.find(sha256Hex("known"))]
    expect(found).toEqual([null, null])
    expect(await tokens.list()).toEqual([])
    expect(bad).toContain(`API token ${token.id}`)
  })

  test("that somebody else put there are none", async () => {
    const sealed = open()
    await run(
      "insert into tokens (id, name, hash, scopes, mac) values ($1, 'evil', $2, '{chat}', 'aa')",
      newId("tok"),
      sha256Hex("mine"),
    )
    expect(await sealed.find(sha256Hex("mine"))).toBeNull()
    expect(bad).toHaveLength(1)
  })

  test("outlive a new master key, and forged ones do not become real by it", async () => {
    const { text } = await open().add({ name: "phone", expiresAt: null })
    await run(
      "insert into tokens (id, name, hash, scopes, mac) values ($1, 'evil', $2, '{chat}', 'aa')",
      newId("tok"),
      sha256Hex("mine"),
    )
    const keyOf = (bytes: Uint8Array) =>
      ({ derive: () => bytes }) as unknown as Parameters<typeof resealAuthority>[1]["from"]
    await db.batch(await resealAuthority(db, { from: keyOf(key), to: keyOf(newKey) }))
    const after = open({ under: newKey })
    expect(await after.find(sha256Hex(text))).toMatchObject({ scopes: ["chat"] })
    expect(await after.find(sha256Hex("mine"))).toBeNull()
    expect(await open().find(sha256Hex(text))).toBeNull()
  })
})
