/** A call that ran is on record as one that ran, whatever becomes of the judging of its result. */
import { afterEach, expect, setDefaultTimeout, test } from "bun:test"
import { hasEffect } from "#core/safety/capability.ts"
import { t } from "#core/schema.ts"
import { defineTool } from "#core/tools/tool.ts"
import { toolRig } from "./rig.ts"

setDefaultTimeout(30_000) // each test makes a database, on a machine that may be busy

let rig: Awaited<ReturnType<typeof toolRig>> | undefined
afterEach(() => rig?.close())

for (const effect of ["read", "write-local"] as const) {
  test(`a ${effect} whose result breaks the check is done, nothing of it is told, and nobody is told that it was not run`, async () => {
    let ran = 0
    const odd = defineTool({
      name: "odd_it",
      description: "Gives back what no JSON can hold",
      input: t.Object({}, { additionalProperties: false }),
      effect: () => effect,
      needs: () => (hasEffect(effect) ? [{ kind: "memory", path: "notes", write: true }] : []),
      timeoutMs: 1_000,
      async run() {
        ran += 1
        return { data: { words: "quince", count: 1n }, labels: [], source: "test" }
      },
    })
    rig = await toolRig({ tools: [odd] })
    const { last, outcome } = await rig.ask("Do it", [{ name: "odd_it", arguments: {} }])
    expect(ran).toBe(1)
    expect(outcome.state).toBe("finished")
    expect(last?.text).toStartWith("The call was run, and what it gave back is withheld")
    expect(last?.text).not.toContain("quince")
    expect(last?.labels).toContain("untrusted")
    expect(await rig.audit()).toMatchObject([
      { subject: "odd_it", outcome: "done", verdicts: { result: "deny: a gate threw" } },
    ])
    expect(rig.finished()).toMatchObject([{ outcome: "done" }])
    expect(await rig.house.db.query({ sql: "select state from calls", params: [] })).toEqual([{ state: "done" }])
  })
}
