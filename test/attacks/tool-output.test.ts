/** What a tool gives back is scanned whatever its size and however it ended. */
import { afterAll, beforeAll, describe, expect, setDefaultTimeout, test } from "bun:test"
import { t } from "#core/schema.ts"
import { MAX_RESULT_CHARACTERS } from "#core/tools/cleanse-result.ts"
import { defineTool, type ToolResult } from "#core/tools/tool.ts"
import { toolRig } from "#test/core/tools/rig.ts"

setDefaultTimeout(60_000) // the database is made on a machine that may be busy

const key = `gh${"p_"}${"aB3dE5gH7jK9".repeat(3)}`
let answer: () => Promise<ToolResult>
const look = defineTool({
  name: "look",
  description: "Looks",
  input: t.Object({}, { additionalProperties: false }),
  effect: () => "read",
  needs: () => [],
  timeoutMs: 5_000,
  run: async () => answer(),
})

let rig: Awaited<ReturnType<typeof toolRig>>
beforeAll(async () => {
  rig = await toolRig({ tools: [look] })
})
afterAll(() => rig.close())

/** All that a model or a reader of the database could see of a call, the calls before it included. */
async function traceOf(run: () => Promise<ToolResult>): Promise<string> {
  answer = run
  const { outcome, last } = await rig.ask("Look", [{ name: "look", arguments: {} }])
  expect(outcome.state).toBe("finished")
  expect(last).toBeDefined()
  const rows = await rig.house.db.query({
    sql: "select to_jsonb(m)::text as row from messages m union all select to_jsonb(a)::text from audit a union all select to_jsonb(e)::text from events e",
    params: [],
  })
  const prompts = JSON.stringify(rig.model.requests.map(({ messages }) => messages))
  return [prompts, JSON.stringify(rig.house.events), ...rows.map(({ row }) => String(row))].join("\n")
}

describe("what a tool gives back", () => {
  test.each([
    ["head", (filling: string) => `${key} ${filling}`],
    ["middle", (filling: string) => `${filling} ${key} ${filling}`],
    ["end", (filling: string) => `${filling} ${key}`],
  ])("a key at the %s of a long result reaches neither the model nor a row or event", async (_where, resultWith) => {
    const data = resultWith("harmless words ".repeat(15_000))
    const trace = await traceOf(async () => ({ data, labels: ["untrusted"], source: "web:x" }))
    expect(trace.includes(key)).toBe(false)
    expect(trace).toContain("[redacted: github-token]")
    expect((await rig.audit()).at(-1)).toMatchObject({ subject: "look", outcome: "done" })
  })

  test("a key that lies across the cut of a huge result leaves no part of itself", async () => {
    const data = `${"harmless ".repeat(500_000).slice(0, MAX_RESULT_CHARACTERS - 20)} ${key} behind`
    const trace = await traceOf(async () => ({ data, labels: ["untrusted"], source: "web:x" }))
    expect(trace).toContain("[cut: the result had")
    expect(trace.includes(key.slice(0, 12))).toBe(false)
  })

  test("the text of a failure that carries a key is scanned like an answer", async () => {
    const trace = await traceOf(async () => ({ failed: `403 for the caller with ${key}, see below` }))
    expect(trace.includes(key)).toBe(false)
    expect(trace).toContain("403 for the caller with [redacted: github-token], see below")
    expect((await rig.audit()).at(-1)).toMatchObject({ subject: "look", outcome: "failed" })
  })

  test("a fault inside a tool tells nothing of the machine to the model, a row or an event", async () => {
    const trace = await traceOf(() => {
      throw new Error(`ENOENT /home/somebody/a-private-place ${key}`)
    })
    expect(trace.includes(key)).toBe(false)
    expect(trace.includes("a-private-place")).toBe(false)
    expect((await rig.audit()).at(-1)).toMatchObject({ subject: "look", outcome: "failed" })
  })
})

describe("a key that the owner pastes", () => {
  test("stands in no title, preview, event or audit row, and no model is told it; their own message keeps it", async () => {
    await rig.play(`Is ${key} still good?`, [{ say: "I cannot tell" }])
    const shown = await rig.house.db.query({
      sql: "select to_jsonb(s)::text as row from sessions s union all select to_jsonb(a)::text from audit a union all select to_jsonb(e)::text from events e",
      params: [],
    })
    const text = [...shown.map(({ row }) => String(row)), JSON.stringify(rig.house.events)].join("\n")
    expect(text.includes(key)).toBe(false)
    expect(text).toContain("Is [redacted: github-token] still good?")
    const told = JSON.stringify(rig.model.requests.at(-1)?.messages)
    expect(told).not.toContain(key)
    expect(told).toContain("Is [redacted: github-token] still good?")
    const kept = await rig.house.db.query({ sql: "select text from messages where role = 'person'", params: [] })
    expect(kept).toContainEqual({ text: `Is ${key} still good?` })
  })
})
