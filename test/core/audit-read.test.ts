import { afterAll, beforeAll, describe, expect, test } from "bun:test"
import { egressOf, hasActed, listAudit } from "#core/audit-read.ts"
import type { Db } from "#core/db/db.ts"
import type { NewAudit } from "#core/db/schema.ts"
import { createWriter } from "#core/db/writer.ts"
import { newId } from "#core/id.ts"
import { createFakeClock } from "../fakes/clock.ts"
import { appErrorOf, openMemoryDb } from "./db/memory.ts"

const session = newId("ses")
const row = (more: Partial<NewAudit>): NewAudit => ({
  agentId: "main",
  act: "tool.run",
  principal: "builtin",
  subject: "time_now",
  outcome: "done",
  labels: [],
  source: "owner",
  ...more,
})
const sent = (more: Partial<NewAudit>): NewAudit =>
  row({ act: "egress", principal: "model:openai", destination: "https://api.openai.com:443", source: "model", ...more })

describe("the record of acts", () => {
  let db: Db
  let hadActed: boolean

  beforeAll(async () => {
    db = await openMemoryDb()
    hadActed = await hasActed(db)
    const clock = createFakeClock(Date.UTC(2026, 0, 15, 22, 30)) // half past eleven in Vienna
    const writer = createWriter({ db, publish() {}, clock })
    await writer.commit({
      statements: [],
      audit: [
        row({ act: "message.in" }),
        row({ sessionId: session }),
        sent({ bytesOut: 100, bytesIn: 1_000, secretNames: ["OPENAI_API_KEY"] }),
        sent({ bytesOut: 50, outcome: "failed", secretNames: ["OPENAI_API_KEY", "SECOND"] }),
      ],
    })
    clock.jump(3_600_000) // half past midnight, the next day
    await writer.commit({
      statements: [],
      audit: [
        sent({ bytesOut: 7 }),
        sent({
          destination: "https://wttr.in:443",
          source: "tool:weather_now",
          principal: "builtin/weather_now",
          bytesOut: 9,
        }),
        sent({ destination: "https://evil.example:443", source: "tool:http_request", outcome: "refused" }),
      ],
    })
  })
  afterAll(() => db.close())

  const seqs = async (query: Partial<Parameters<typeof listAudit>[1]>) =>
    (await listAudit(db, { limit: 50, ...query })).items.map(({ seq }) => seq)

  test("says whether anything was ever done here", async () => {
    expect([hadActed, await hasActed(db)]).toEqual([false, true])
  })

  test("says of a house where somebody was turned away at the door that nothing was done there yet", async () => {
    const other = await openMemoryDb()
    const writer = createWriter({ db: other, publish() {}, clock: createFakeClock() })
    await writer.commit({
      statements: [],
      audit: [row({ act: "message.in", principal: "stranger", outcome: "refused" })],
    })
    expect(await hasActed(other)).toBe(false)
    await writer.commit({ statements: [], audit: [row({ act: "message.in" })] })
    expect(await hasActed(other)).toBe(true)
    await other.close()
  })

  test("is listed by act, session and time, the latest first", async () => {
    expect(await seqs({})).toEqual([7, 6, 5, 4, 3, 2, 1])
    expect(await seqs({ act: "egress" })).toEqual([7, 6, 5, 4, 3])
    expect(await seqs({ sessionId: session })).toEqual([2])
    expect(await seqs({ since: "2026-01-15T23:00:00.000Z" })).toEqual([7, 6, 5])
    expect(await seqs({ oldestFirst: true, limit: 2 })).toEqual([1, 2])
  })

  test("comes in pages, either way, with every row once", async () => {
    for (const oldestFirst of [false, true]) {
      const all: number[] = []
      let cursor: string | undefined
      do {
        const page = await listAudit(db, { limit: 3, oldestFirst, ...(cursor === undefined ? {} : { cursor }) })
        all.push(...page.items.map(({ seq }) => seq))
        cursor = page.next ?? undefined
      } while (cursor !== undefined)
      expect(all).toEqual(oldestFirst ? [1, 2, 3, 4, 5, 6, 7] : [7, 6, 5, 4, 3, 2, 1])
    }
    expect((await appErrorOf(listAudit(db, { limit: 3, cursor: "x" }))).code).toBe("input.invalid")
  })

  test("says what left, to whom and why, models included", async () => {
    const groups = await egressOf(db, { day: null, timeZone: "Europe/Vienna" })
    expect(groups.map(({ destination, purpose, requests }) => [destination, purpose, requests])).toEqual([
      ["https://api.openai.com:443", "model", 3],
      ["https://wttr.in:443", "tool:weather_now", 1],
      ["https://evil.example:443", "tool:http_request", 1],
    ])
    expect(groups[0]).toEqual({
      destination: "https://api.openai.com:443",
      purpose: "model",
      principal: "model:openai",
      requests: 3,
      refused: 0,
      failed: 1,
      bytesOut: 157,
      bytesIn: 1_000,
      secretNames: ["OPENAI_API_KEY", "SECOND"],
      firstAt: "2026-01-15T22:30:00.000Z",
      lastAt: "2026-01-15T23:30:00.000Z",
    })
    expect(groups[2]).toMatchObject({ refused: 1, bytesOut: 0 })
  })

  test("counts a day from the owner's midnight to the next", async () => {
    const requests = async (day: string, timeZone: string) =>
      (await egressOf(db, { day, timeZone })).reduce((sum, group) => sum + group.requests, 0)
    expect(await requests("2026-01-15", "Europe/Vienna")).toBe(2)
    expect(await requests("2026-01-16", "Europe/Vienna")).toBe(3)
    expect(await requests("2026-01-15", "UTC")).toBe(5)
    expect(await requests("2026-01-14", "UTC")).toBe(0)
  })

  test("refuses what is no day", async () => {
    for (const day of ["2026-02-30", "yesterday", "2026-1-5", "2026-01-15; drop table audit"])
      expect((await appErrorOf(egressOf(db, { day, timeZone: "UTC" }))).code).toBe("input.invalid")
  })
})
