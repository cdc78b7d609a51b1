import { expect, test } from "bun:test"
import type { Unit } from "#core/db/db.ts"
import { silentLog } from "#core/log.ts"
import { createRefusals } from "#core/safety/refusals.ts"
import { createFakeClock } from "../../fakes/clock.ts"

test("who is turned away again and again fills no table: the next row says how many were left out", async () => {
  const units: Unit[] = []
  const clock = createFakeClock()
  const writer = { commit: async (unit: Unit) => (units.push(unit), { rows: [], events: [] }), drain: async () => {} }
  const note = createRefusals({ writer, clock, log: silentLog })
  const one = { gate: "client" as const, why: "The token is wrong", who: "10.0.0.9", what: "GET /api/audit" }
  for (let n = 0; n < 1_000; n++) note(one)
  expect(units).toHaveLength(20)
  expect(units[0]).toMatchObject({
    events: [{ type: "message.refused", gate: "client", detail: "The token is wrong", labels: ["untrusted"] }],
    audit: [
      {
        act: "message.in",
        principal: "10.0.0.9",
        subject: "GET /api/audit",
        outcome: "refused",
        verdicts: { client: "deny: The token is wrong" },
      },
    ],
  })
  await clock.advance(30_000)
  note(one)
  expect(units).toHaveLength(21)
  expect(units[20]?.audit?.[0]?.preview).toContain("980 more")
})

test("a database that is away changes nothing about a refusal", async () => {
  const warned: string[] = []
  const log = { ...silentLog, warn: (message: string) => void warned.push(message) }
  const writer = { commit: () => Promise.reject(new Error("gone")), drain: async () => {} }
  createRefusals({ writer, clock: createFakeClock(), log })({ gate: "sender", why: "no", who: "x", what: "y" })
  await Promise.resolve()
  await Promise.resolve()
  expect(warned).toEqual(["A refusal was not recorded"])
})
