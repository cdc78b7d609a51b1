/** A secret on its way into a file or the memory is asked about, whatever else may run by itself; nothing fails silently over it. */
import { afterEach, describe, expect, setDefaultTimeout, test } from "bun:test"
import { t } from "#core/schema.ts"
import { secretWritten } from "#core/tools/secret-written.ts"
import { defineTool } from "#core/tools/tool.ts"
import { toolRig } from "./rig.ts"

setDefaultTimeout(30_000) // each test makes a database, on a machine that may be busy

type Rig = Awaited<ReturnType<typeof toolRig>>
let rig: Rig | undefined
afterEach(async () => {
  await rig?.close()
  rig = undefined
})

let kept: string[] = []
const keep = defineTool({
  name: "keep_it",
  description: "Keeps a text",
  input: t.Object({ text: t.String() }, { additionalProperties: false }),
  effect: () => "write-local",
  needs: () => [{ kind: "memory", path: "notes", write: true }],
  timeoutMs: 1_000,
  async run({ text }) {
    kept.push(text)
    return { data: "kept", labels: [], source: "test" }
  },
})
const secret = `gh${"p_"}${"aB3dE5gH7jK9".repeat(3)}`

describe("a write on this machine", () => {
  test("runs by itself where it carries no secret", async () => {
    kept = []
    rig = await toolRig({ tools: [keep], level: "trusted" })
    const { outcome } = await rig.ask("Keep it", [{ name: "keep_it", arguments: { text: "The password is with Mia" } }])
    expect(outcome.state).toBe("finished")
    expect(kept).toEqual(["The password is with Mia"])
  })

  test("is asked about where it carries one, is recorded as that, and happens once the owner allows it", async () => {
    kept = []
    rig = await toolRig({ tools: [keep], level: "trusted" })
    const { outcome } = await rig.ask("Keep it", [{ name: "keep_it", arguments: { text: `use ${secret}` } }])
    expect(outcome.state).toBe("suspended")
    expect(kept).toEqual([])
    expect(outcome.approval?.question).toContain("[redacted: github-token]")
    expect(outcome.approval?.question).not.toContain(secret)
    const [row] = await rig.audit()
    expect(row).toMatchObject({ outcome: "asked", verdicts: { leak: expect.stringContaining("github-token") } })
    const { approval } = outcome
    if (!approval) throw new Error("nothing was asked")
    await rig.house.approvals.answer(approval.id, { answer: "allow", how: "once" })
    while (kept.length === 0) await Bun.sleep(5)
    expect(kept).toEqual([`use ${secret}`])
  })

  test.each(["supervised", "trusted"] as const)(
    "is asked about at the level %s although a grant covers all that the tool writes there, and without a secret runs under it",
    async (level) => {
      kept = []
      rig = await toolRig({ tools: [keep], level })
      const first = await rig.ask("Keep it", [{ name: "keep_it", arguments: { text: `use ${secret}` } }])
      if (!first.outcome.approval) throw new Error("nothing was asked")
      await rig.house.approvals.answer(first.outcome.approval.id, {
        answer: "allow",
        how: "always",
        evenUntrusted: true,
        expiresAt: null,
      })
      while (!rig.house.events.some(({ type }) => type === "turn.finished")) await Bun.sleep(5)
      const plain = await rig.ask("And this", [{ name: "keep_it", arguments: { text: "Mia comes on Friday" } }])
      expect(plain.outcome.state).toBe("finished")
      expect(kept).toEqual([`use ${secret}`, "Mia comes on Friday"])
      const other = await rig.ask("And that", [{ name: "keep_it", arguments: { text: `or ${secret}` } }])
      expect(other.outcome.state).toBe("suspended")
      expect(other.outcome.approval?.question).toContain("what looks like a secret")
      expect(kept).toHaveLength(2)
      expect((await rig.audit()).at(-1)).toMatchObject({
        outcome: "asked",
        verdicts: { leak: expect.stringContaining("github-token") },
      })
    },
  )

  test("is asked about where the mark of a redacted secret would be written in its place", () => {
    expect(secretWritten({ content: "KEY=[redacted: github-token]" }, (text) => text)).toContain("not shown")
    expect(secretWritten({ content: "an array [redacted] and more" }, (text) => text)).toBeNull()
  })
})
