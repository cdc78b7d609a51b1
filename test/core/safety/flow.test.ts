import { describe, expect, test } from "bun:test"
import type { LabelName } from "#core/event.ts"
import type { Effect } from "#core/safety/capability.ts"
import { judgeFlow } from "#core/safety/flow.ts"

const labelSets: readonly (readonly LabelName[])[] = [
  [],
  ["private"],
  ["vetted"],
  ["untrusted"],
  ["untrusted", "private"],
  ["untrusted", "vetted"],
]
const effects: readonly Effect[] = ["read", "read-private", "write-local", "send", "exec", "spend"]

describe("the flow gate", () => {
  test("asks in exactly the cases of the rule, over every combination", () => {
    let asked = 0
    for (const labels of labelSets) {
      for (const effect of effects) {
        for (const reversible of [true, false]) {
          for (const grantedEvenUntrusted of [true, false]) {
            const U = labels.includes("untrusted")
            const P = labels.includes("private")
            const W = ["send", "exec", "spend"].includes(effect)
            const changes = W || effect === "write-local"
            const expected = U && !grantedEvenUntrusted && ((P && W) || (changes && !reversible)) ? "ask" : "allow"
            const { verdict } = judgeFlow({ labels, effect, reversible, grantedEvenUntrusted })
            expect([labels, effect, reversible, grantedEvenUntrusted, verdict]).toEqual([
              labels,
              effect,
              reversible,
              grantedEvenUntrusted,
              expected,
            ])
            if (verdict === "ask") asked += 1
          }
        }
      }
    }
    // Three sets hold untrusted text; four effects that cannot be undone ask in each, and with private data three that can.
    expect(asked).toBe(3 * 4 + 3)
  })

  test("says why it asks", () => {
    const verdict = judgeFlow({
      labels: ["untrusted", "private"],
      effect: "send",
      reversible: false,
      grantedEvenUntrusted: false,
    })
    expect(verdict).toMatchObject({ verdict: "ask", why: expect.stringContaining("private data is within its reach") })
  })
})
