import { afterAll, afterEach, beforeAll, describe, expect, test } from "bun:test"
import { systemClock } from "#core/clock.ts"
import type { Db } from "#core/db/db.ts"
import { newId } from "#core/id.ts"
import { createUsage, type UsageLimits } from "#core/llm/usage.ts"
import { openMemoryDb } from "#test/core/db/memory.ts"
import { createFakeClock } from "#test/fakes/clock.ts"

let db: Db
beforeAll(async () => {
  db = await openMemoryDb()
})
afterAll(() => db.close())
afterEach(() => db.query({ sql: "delete from usage", params: [] }))

const unlimited: UsageLimits = { hourUsdMicros: null, dayUsdMicros: null, agentDayUsdMicros: null, jobUsdMicros: null }
const cost = (costUsdMicros: number) => ({ inputTokens: 10, cachedInputTokens: 4, outputTokens: 2, costUsdMicros })

function house(limits: Partial<UsageLimits> = {}, { clock = createFakeClock(), timeZone = "UTC" } = {}) {
  const usage = createUsage({ db, clock, limits: () => ({ ...unlimited, ...limits }), timeZone: () => timeZone })
  const spend = (costUsdMicros: number, more: Partial<Parameters<typeof usage.row>[0]> = {}) =>
    db.batch([
      usage.row({ agentId: "main", purpose: "turn", model: "openai/gpt-4o", usage: cost(costUsdMicros), ...more }),
    ])
  return { usage, clock, spend }
}
const main = { agentId: "main" }

test("a call becomes a row with vendor and model apart", async () => {
  const { spend } = house()
  const sessionId = newId("ses")
  await spend(7, { model: "openrouter/openai/gpt-5", sessionId })
  const [row] = await db.query({
    sql: "select vendor, model, session_id, cost_usd_micros, cached_input_tokens, purpose, labels, source from usage",
    params: [],
  })
  expect(row).toMatchObject({
    vendor: "openrouter",
    model: "openai/gpt-5",
    session_id: sessionId,
    cached_input_tokens: 4,
    purpose: "turn",
    source: "host",
  })
  expect(Number(row?.["cost_usd_micros"])).toBe(7)
})

describe("limits", () => {
  test("none: nothing is asked of the database", async () => {
    const { usage } = house()
    const before = db.counters().roundTrips
    expect(await usage.judge(main)).toBeNull()
    expect(db.counters().roundTrips).toBe(before)
  })

  test("of the hour stop at the limit, say when, and reset by themselves", async () => {
    const { usage, clock, spend } = house({ hourUsdMicros: 1_000 })
    await spend(999)
    expect(await usage.judge(main)).toBeNull()
    await spend(1)
    expect(await usage.judge(main)).toEqual({
      scope: "all",
      window: "hour",
      limitUsdMicros: 1_000,
      spentUsdMicros: 1_000,
      resetsAt: "2026-01-15T13:00:00.000Z",
    })
    await clock.advance(3_600_000)
    expect(await usage.judge(main)).toBeNull()
  })

  test("of the day reset at local midnight", async () => {
    const { usage, clock, spend } = house({ dayUsdMicros: 1_000 }, { timeZone: "America/New_York" })
    await spend(2_000)
    expect(await usage.judge(main)).toMatchObject({ window: "day", resetsAt: "2026-01-16T05:00:00.000Z" })
    await clock.advance(12 * 3_600_000) // midnight in UTC
    expect(await usage.judge(main)).toMatchObject({ window: "day" })
    await clock.advance(5 * 3_600_000)
    expect(await usage.judge(main)).toBeNull()
  })

  test("of one agent leave the others alone", async () => {
    const { usage, spend } = house({ agentDayUsdMicros: 100 })
    await spend(150, { agentId: "greedy" })
    expect(await usage.judge({ agentId: "greedy" })).toMatchObject({ scope: "agent", window: "day" })
    expect(await usage.judge(main)).toBeNull()
  })

  test("of one job hold over midnight and leave other jobs alone", async () => {
    const clock = createFakeClock(systemClock.nowMs() - 20 * 3_600_000) // ids hold the true time
    const { usage, spend } = house({ jobUsdMicros: 100 }, { clock })
    const jobId = newId("job")
    await clock.advance(20 * 3_600_000)
    await spend(100, { jobId })
    await clock.advance(30 * 3_600_000)
    expect(await usage.judge({ agentId: "main", jobId })).toMatchObject({
      scope: "job",
      window: "job",
      spentUsdMicros: 100,
    })
    expect(await usage.judge({ agentId: "main", jobId: newId("job") })).toBeNull()
  })

  test("of nothing spend nothing", async () => {
    expect(await house({ dayUsdMicros: 0 }).usage.judge(main)).toMatchObject({ window: "day", limitUsdMicros: 0 })
  })

  test("far from a limit the database is asked once in a few seconds, near it each time", async () => {
    const { usage, clock, spend } = house({ dayUsdMicros: 1_000 })
    const tripsOf = async (work: () => Promise<unknown>) => {
      const before = db.counters().roundTrips
      await work()
      return db.counters().roundTrips - before
    }
    expect(await tripsOf(() => usage.judge(main))).toBe(1)
    expect(await tripsOf(() => usage.judge(main))).toBe(0)
    await clock.advance(3_001)
    expect(await tripsOf(() => usage.judge(main))).toBe(1)
    await spend(950)
    expect(await tripsOf(() => usage.judge(main))).toBe(1)
    expect(await tripsOf(() => usage.judge(main))).toBe(1)
  })

  test("count what this process spent at once, without asking", async () => {
    const { usage, spend } = house({ dayUsdMicros: 1_000 })
    expect(await usage.judge(main)).toBeNull()
    await spend(1_500)
    expect(await usage.judge(main)).toMatchObject({ window: "day", spentUsdMicros: 1_500 })
  })

  test("see what another process spent within a few seconds", async () => {
    const one = house({ dayUsdMicros: 1_000 })
    const other = house({ dayUsdMicros: 1_000 })
    expect(await one.usage.judge(main)).toBeNull()
    await other.spend(5_000)
    await one.clock.advance(3_001)
    expect(await one.usage.judge(main)).toMatchObject({ window: "day", spentUsdMicros: 5_000 })
  })

  test("hold over a restart", async () => {
    await house({ dayUsdMicros: 1_000 }).spend(5_000)
    expect(await house({ dayUsdMicros: 1_000 }).usage.judge(main)).toMatchObject({ window: "day" })
  })

  test("that are raised count at once", async () => {
    let dayUsdMicros = 1_000
    const usage = createUsage({
      db,
      clock: createFakeClock(),
      limits: () => ({ ...unlimited, dayUsdMicros }),
      timeZone: () => "UTC",
    })
    await db.batch([usage.row({ agentId: "main", purpose: "turn", model: "openai/gpt-4o", usage: cost(2_000) })])
    expect(await usage.judge(main)).not.toBeNull()
    dayUsdMicros = 5_000
    expect(await usage.judge(main)).toBeNull()
  })
})

describe("the summary", () => {
  test("groups by day in the owner's time zone, oldest first", async () => {
    const { usage, clock, spend } = house({}, { timeZone: "Asia/Tokyo" })
    await spend(1)
    await clock.advance(4 * 3_600_000) // 01:00 of the next day in Tokyo
    await spend(10)
    await spend(100)
    const days = await usage.summary({ since: null, until: null, by: "day" })
    expect(days).toEqual([
      { group: "2026-01-15", calls: 1, inputTokens: 10, cachedInputTokens: 4, outputTokens: 2, costUsdMicros: 1 },
      { group: "2026-01-16", calls: 2, inputTokens: 20, cachedInputTokens: 8, outputTokens: 4, costUsdMicros: 110 },
    ])
  })

  test("groups by model, agent, session and purpose, dearest first, within the times asked for", async () => {
    const { usage, clock, spend } = house()
    const sessionId = newId("ses")
    await spend(5, { model: "groq/a/b", sessionId, purpose: "compact" })
    await clock.advance(1_000)
    const since = clock.iso()
    await spend(50)
    await clock.advance(1_000)
    expect((await usage.summary({ since: null, until: null, by: "model" })).map(({ group }) => group)).toEqual([
      "openai/gpt-4o",
      "groq/a/b",
    ])
    expect((await usage.summary({ since: null, until: null, by: "session" })).map(({ group }) => group)).toEqual([
      "",
      sessionId,
    ])
    expect((await usage.summary({ since: null, until: null, by: "purpose" })).map(({ group }) => group)).toEqual([
      "turn",
      "compact",
    ])
    expect(await usage.summary({ since, until: null, by: "agent" })).toMatchObject([
      { group: "main", costUsdMicros: 50 },
    ])
    expect(await usage.summary({ since: null, until: since, by: "agent" })).toMatchObject([
      { group: "main", costUsdMicros: 5 },
    ])
    expect(await usage.summary({ since: null, until: null, by: "agent", sessionId })).toMatchObject([
      { costUsdMicros: 5 },
    ])
  })
})
