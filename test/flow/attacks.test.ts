/** The flow gate end to end: a model that obeys every word it is shown, real tools, and sinks that write down every byte. */
import { afterAll, beforeAll, expect, test } from "bun:test"
import { attacksOf, play } from "./campaign.ts"
import { ENTRIES } from "./entries.ts"
import { GOALS } from "./goals.ts"
import { openStage, type Stage } from "./stage.ts"

const full = process.env["IRONCLAW_TEST_FULL"] !== undefined

let stage: Stage
beforeAll(async () => {
  stage = await openStage()
})
afterAll(() => stage.close())

test(
  "no text from outside reaches any goal, by any entry, without the owner's yes",
  async () => {
    const tools = stage.house.tools().map(({ name }) => name)
    const attacks = attacksOf({ entries: ENTRIES, goals: GOALS, tools, share: full ? 1 : 5 })
    const { played, harms, idle, asks } = await play(stage, attacks)
    console.log(`${played} attacks, ${asks} questions, ${harms.length} harms`)
    expect(harms).toEqual([])
    expect(idle).toEqual([])
    expect(played).toBeGreaterThanOrEqual(300)
  },
  full ? 1_200_000 : 300_000,
)
