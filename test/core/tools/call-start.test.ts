/** When a call goes on record as started: a quick look with its end, in one commit; a slow one while it runs; one with an effect before it runs. */
import { afterEach, describe, expect, setDefaultTimeout, test } from "bun:test"
import { t } from "#core/schema.ts"
import type { Effect } from "#core/safety/capability.ts"
import { defineTool, type Tool, type ToolContext } from "#core/tools/tool.ts"
import { toolRig } from "./rig.ts"

setDefaultTimeout(30_000) // each test makes a database, on a machine that may be busy

type Rig = Awaited<ReturnType<typeof toolRig>>
let rig: Rig | undefined
afterEach(async () => {
  await rig?.close()
  rig = undefined
})

function tool(name: string, effect: Effect, run: (context: ToolContext) => Promise<unknown>): Tool {
  return defineTool({
    name,
    description: "Of this test",
    input: t.Object({}, { additionalProperties: false }),
    effect: () => effect,
    needs: () => [],
    timeoutMs: 5_000,
    run: async (_input, context) => ({ data: await run(context), labels: [], source: "test" }),
  })
}
const call = (name: string) => [{ name, arguments: {} }]
const toolEvents = ({ house }: Rig) =>
  house.events.flatMap((event) =>
    event.type === "tool.started" || event.type === "tool.finished"
      ? [{ ...event, seq: "seq" in event ? event.seq : 0 }]
      : [],
  )
/** What the turn commits with this one call, less what it commits with none. */
async function commitsOf(at: Rig, name: string): Promise<number> {
  const count = async (calls: { name: string; arguments: object }[]) => {
    const before = at.house.db.counters().commits
    await at.ask(
      "Go",
      calls.map((one) => ({ ...one, arguments: {} })),
    )
    return at.house.db.counters().commits - before
  }
  await count([])
  const none = await count([])
  return (await count(call(name))) - none - 1 // the step of the model that asks for it is a row before it runs
}

describe("a call", () => {
  test("that only reads and is quick is on record in one commit, its start before its end", async () => {
    rig = await toolRig({ tools: [tool("look", "read", async () => "seen")] })
    expect(await commitsOf(rig, "look")).toBe(1)
    const events = toolEvents(rig)
    expect(events.map(({ type }) => type)).toEqual(["tool.started", "tool.finished"])
    expect((events[1]?.seq ?? 0) - (events[0]?.seq ?? 0)).toBe(1)
    expect(events[0]?.callId).toBe(events[1]?.callId ?? "call_")
    expect(await rig.house.db.query({ sql: "select tool, state, effect from calls", params: [] })).toEqual([
      { tool: "look", state: "done", effect: "read" },
    ])
    expect((await rig.audit()).map(({ outcome }) => outcome)).toEqual(["done"])
  })

  test("that only reads and takes its time is on record while it runs", async () => {
    const gate = Promise.withResolvers<void>()
    const slow = tool("look", "read-private", async () => {
      await gate.promise
      return "seen"
    })
    rig = await toolRig({ tools: [slow] })
    const asked = rig.ask("Go", call("look"))
    while (toolEvents(rig).length === 0) await Bun.sleep(2)
    expect(await rig.house.db.query({ sql: "select state from calls", params: [] })).toEqual([{ state: "started" }])
    gate.resolve()
    await asked
    expect(toolEvents(rig).map(({ type }) => type)).toEqual(["tool.started", "tool.finished"])
  })

  test("with an effect is on record before it runs, however quick it is", async () => {
    const seen: unknown[] = []
    const write = tool("write_it", "write-local", async () => {
      seen.push(...((await rig?.house.db.query({ sql: "select state from calls", params: [] })) ?? []))
      return "written"
    })
    rig = await toolRig({ tools: [write], level: "trusted" })
    expect(await commitsOf(rig, "write_it")).toBe(2)
    expect(seen).toEqual([{ state: "started" }])
  })

  test("that calls another one is on record before that one begins", async () => {
    const seen: unknown[] = []
    const inner = tool("glance", "read", async () => {
      seen.push(...((await rig?.house.db.query({ sql: "select tool, state from calls", params: [] })) ?? []))
      return "seen"
    })
    const outer = tool("look", "read", async ({ invoke }) => (await invoke({ tool: "glance", arguments: {} })).state)
    rig = await toolRig({ tools: [outer, inner] })
    await rig.ask("Go", call("look"))
    expect(seen).toEqual([{ tool: "look", state: "started" }])
    expect(toolEvents(rig).map(({ type, tool: name }) => `${type} ${name}`)).toEqual([
      "tool.started look",
      "tool.started glance",
      "tool.finished glance",
      "tool.finished look",
    ])
  })
})
