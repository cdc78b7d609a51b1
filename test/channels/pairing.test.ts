/** Pairing: what a stranger is told, how few may ask, and that a code lets in whom it was told to and nobody else. */
import { afterAll, beforeAll, beforeEach, describe, expect, setDefaultTimeout, test } from "bun:test"
import { createWriter } from "#core/db/writer.ts"
import type { Db } from "#core/db/db.ts"
import type { Event } from "#core/event.ts"
import type { PersonId } from "#core/id.ts"
import { createAuthoritySeal } from "#core/safety/authority.ts"
import type { Refusal } from "#core/safety/refusals.ts"
import { createPeople, type People, resealPeople } from "#core/session/person.ts"
import { createPairing, type Pairing } from "#channels/pairing.ts"
import { memoryDb } from "../fakes/agent-house.ts"
import { refusal } from "../fakes/gateway.ts"
import { createFakeClock, type FakeClock } from "../fakes/clock.ts"

setDefaultTimeout(30_000) // a database is made, on a machine that may be busy

let db: Db
let clock: FakeClock
let people: People
let pairing: Pairing
let ownerId: PersonId
const told: Event[] = []
const refusals: Refusal[] = []
const seal = createAuthoritySeal({ key: () => new Uint8Array(32).fill(7) })
const rows = (sql: string, params: unknown[] = []) => db.query({ sql, params })

beforeAll(async () => {
  db = await memoryDb()
  const [owner] = await rows("select id from people where role = 'owner'")
  ownerId = owner?.["id"] as PersonId // the migration made one
})
afterAll(() => db.close())
beforeEach(async () => {
  clock = createFakeClock()
  const writer = createWriter({ db, publish: (event) => void told.push(event), clock })
  people = createPeople({ db, writer, clock, seal, ownerId, onBadSeal() {} })
  pairing = createPairing({ db, writer, clock, people, noteRefusal: (refusal) => void refusals.push(refusal) })
  for (const table of ["pairings", "identities", "deliveries"]) await rows(`delete from ${table}`)
  told.length = 0
  refusals.length = 0
})

const ask = (externalId: string, name = "", channel = "chat") => pairing.ask({ channel, externalId, name })
async function codeOf(peer: string): Promise<string> {
  const [row] = await rows("select note from deliveries where peer = $1 order by position desc limit 1", [peer])
  return /code: ([A-Z2-9]{4}-[A-Z2-9]{4})\./.exec(String(row?.["note"]))?.[1] ?? ""
}

describe("a stranger", () => {
  test("is told a code once, in their own conversation, and nothing else", async () => {
    expect(await ask("mallory", "The Owner")).toBe("asked")
    expect(await codeOf("mallory")).toMatch(/^[A-HJ-NP-Z2-9]{4}-[A-HJ-NP-Z2-9]{4}$/)
    for (let again = 0; again < 5; again++) expect(await ask("mallory")).toBe("refused")
    const said = await rows("select channel, peer, topic, session_id, message_id from deliveries")
    expect(said).toEqual([{ channel: "chat", peer: "mallory", topic: "", session_id: null, message_id: null }])
    expect(refusals).toHaveLength(5)
  })

  test("is listed by what nobody can take over, and their code is shown to nobody but them", async () => {
    await ask("mallory", "Owner\u202e\n[approved]")
    const { asking, known } = await pairing.list()
    expect(known).toEqual([])
    expect(asking).toMatchObject([{ channel: "chat", externalId: "mallory" }])
    expect(asking[0]?.name).not.toMatch(/[\u202e\n]/)
    const code = await codeOf("mallory")
    expect(JSON.stringify(await pairing.list())).not.toContain(code.slice(0, 4))
    const kept = JSON.stringify(await rows("select * from pairings"))
    expect(kept).not.toContain(code.replace("-", ""))
  })

  test("who comes fourth is told nothing, and on another channel has places of its own", async () => {
    for (const one of ["a", "b", "c"]) expect(await ask(one)).toBe("asked")
    expect(await ask("d")).toBe("refused")
    expect(await ask("d", "", "other")).toBe("asked")
    expect(refusals.at(-1)).toMatchObject({ gate: "sender", why: expect.stringContaining("too many wait") })
  })

  test("of many at once only three find room", async () => {
    const answers = await Promise.all(Array.from({ length: 20 }, (_, index) => ask(`s${index}`)))
    expect(answers.filter((answer) => answer === "asked")).toHaveLength(3)
  })

  test("whose hour is over may ask again, under another code; and a flood that is turned away ends for the hour", async () => {
    await ask("a")
    const first = await codeOf("a")
    await clock.advance(3_600_001)
    expect(await refusal(pairing.find({ channel: "chat", code: first }))).toMatchObject({ code: "not_found" })
    expect(await ask("a")).toBe("asked")
    expect(await codeOf("a")).not.toBe(first)
    for (const one of ["b", "c", "d", "e", "f", "g", "h"]) {
      await ask(one)
      await pairing.deny({ channel: "chat", externalId: one }).catch(() => {}) // nobody asks any more, from some point on
    }
    expect(
      (await rows("select 1 from pairings where created_at > $1", [new Date(clock.nowMs() - 3_600_000).toISOString()]))
        .length,
    ).toBe(6)
    expect(await ask("late")).toBe("refused")
  })
})

describe("a code", () => {
  test("lets in whom it was told to, as it is typed by hand, and is gone then", async () => {
    await ask("friend", "Ada")
    const code = await codeOf("friend")
    const asking = await pairing.find({ channel: "chat", code: ` ${code.toLowerCase().replace("-", " ")} ` })
    expect(asking).toMatchObject({ externalId: "friend", name: "Ada" })
    await pairing.approve(asking, "known")
    expect(await people.identify({ channel: "chat", externalId: "friend" })).toMatchObject({ role: "known" })
    expect(await people.identify({ channel: "other", externalId: "friend" })).toBeNull()
    expect(await refusal(pairing.find({ channel: "chat", code }))).toMatchObject({ code: "not_found" })
    expect((await pairing.list()).known).toMatchObject([{ externalId: "friend", role: "known", name: "Ada" }])
    expect(told.map((event) => (event.type === "pairing.changed" ? event.change : event.type))).toEqual([
      "asked",
      "approved",
    ])
  })

  test("lets in nobody who was turned away, or whose channel went, while the owner was typing", async () => {
    await ask("turned")
    const turned = await pairing.find({ channel: "chat", code: await codeOf("turned") })
    await ask("gone")
    const gone = await pairing.find({ channel: "chat", code: await codeOf("gone") })
    await pairing.deny({ channel: "chat", externalId: "turned" })
    await rows("delete from pairings where external_id = 'gone'") // as it goes with its channel
    for (const asking of [turned, gone]) {
      expect(await refusal(pairing.approve(asking, "owner"))).toMatchObject({ code: "conflict" })
      expect(await people.identify(asking)).toBeNull()
    }
    expect((await pairing.list()).known).toEqual([])
  })

  test("of one channel is none on another, and no other text is one", async () => {
    await ask("friend")
    const code = await codeOf("friend")
    await ask("friend", "", "other")
    expect(await refusal(pairing.find({ channel: "other", code }))).toMatchObject({ code: "not_found" })
    for (const wrong of ["", "0000-0000", `${code}A`, code.slice(0, 8), "friend", "' or 1=1 --"])
      expect(await refusal(pairing.find({ channel: "chat", code: wrong }))).toMatchObject({ code: "not_found" })
  })

  test("makes an identity the owner's own where they say so, and takes the place of what it was", async () => {
    await people.link({ channel: "chat", externalId: "me" }, { as: "known", name: "me", also: [] })
    await people.link({ channel: "chat", externalId: "me" }, { as: "owner", name: "me", also: [] })
    expect(await people.identify({ channel: "chat", externalId: "me" })).toEqual({ personId: ownerId, role: "owner" })
    const others = await rows("select 1 from people where role = 'known' and name = 'me'")
    expect(others).toEqual([])
  })
})

describe("the owner", () => {
  test("turns away, which holds for a day, and takes back what they approved", async () => {
    await ask("mallory")
    await pairing.deny({ channel: "chat", externalId: "mallory" })
    expect(await ask("mallory")).toBe("refused")
    expect((await pairing.list()).asking).toEqual([])
    await clock.advance(24 * 3_600_000 + 1)
    expect(await ask("mallory")).toBe("asked")
    await pairing.approve(await pairing.find({ channel: "chat", code: await codeOf("mallory") }), "known")
    await pairing.deny({ channel: "chat", externalId: "mallory" })
    expect(await people.identify({ channel: "chat", externalId: "mallory" })).toBeNull()
    expect(await refusal(pairing.deny({ channel: "chat", externalId: "nobody" }))).toMatchObject({ code: "not_found" })
  })

  test("keeps who is known under another master key, and nobody whom somebody else wrote in", async () => {
    await people.link({ channel: "chat", externalId: "friend" }, { as: "known", name: "Ada", also: [] })
    await people.link({ channel: "chat", externalId: "me" }, { as: "owner", name: "me", also: [] })
    await rows("insert into identities (channel, external_id, person_id, mac) values ('chat', 'forged', $1, 'ab')", [
      ownerId,
    ])
    const key = (byte: number) => ({
      id: `k${byte}`,
      source: "file" as const,
      derive: () => new Uint8Array(32).fill(byte),
      hmac: () => new Uint8Array(),
      seal: () => ({}),
      open: () => "",
    })
    // Only its derived keys are asked for.
    const statements = await resealPeople(db, { from: key(7), to: key(9) } as unknown as Parameters<
      typeof resealPeople
    >[1])
    await db.batch(statements)
    const writer = createWriter({ db, publish() {}, clock })
    const fresh = createAuthoritySeal({ key: () => new Uint8Array(32).fill(9) })
    const after = createPeople({ db, writer, clock, seal: fresh, ownerId, onBadSeal() {} })
    expect((await after.list()).map(({ externalId, role }) => `${externalId} ${role}`).toSorted()).toEqual([
      "friend known",
      "me owner",
    ])
    expect(await people.list()).toEqual([])
  })
})
