/** What a crash left in the middle of a call that another tool made, or that the owner made by hand: told as unknown, and never done twice. */
import { afterEach, describe, expect, setDefaultTimeout, test } from "bun:test"
import { createLeftCalls } from "#core/agent/left-calls.ts"
import type { Db } from "#core/db/db.ts"
import { silentLog } from "#core/log.ts"
import { t } from "#core/schema.ts"
import type { Effect } from "#core/safety/capability.ts"
import { createOwnerCalls } from "#core/tools/owner-call.ts"
import { defineTool, type Tool, type ToolContext } from "#core/tools/tool.ts"
import { agentHouse, memoryDb, type AgentHouse } from "../../fakes/agent-house.ts"
import { mortalDb } from "../../fakes/mortal-db.ts"
import { oneModel, scriptedModel, type ScriptStep } from "../../fakes/model.ts"

setDefaultTimeout(60_000) // each test makes a database, on a machine that may be busy

/** Two processes, one after the other, on one database: the first never says goodbye. */
let db: Db | undefined
let last: AgentHouse | undefined
let die = () => {}
afterEach(async () => {
  await last?.close()
  await db?.close()
  last = db = undefined
  die = () => {}
})

async function open(owner: string, steps: ScriptStep[], tools: Tool[]) {
  db ??= await memoryDb()
  die()
  const mortal = mortalDb(db)
  ;({ die } = mortal)
  const model = scriptedModel(steps)
  const house = await agentHouse({ models: oneModel(model), tools, db: mortal.db, owner, level: "trusted" })
  last = house
  return { house, model }
}

function tool(name: string, effect: Effect, run: (context: ToolContext) => Promise<unknown>): Tool {
  return defineTool({
    name,
    description: "A test tool",
    input: t.Object({}, { additionalProperties: false }),
    effect: () => effect,
    needs: () => [],
    reversible: () => true, // text from a tool has a hand in what it asks for, and nobody can be asked there
    timeoutMs: 60_000,
    run: async (_input, context) => ({ data: await run(context), labels: [], source: "test" }),
  })
}
const forever = () => new Promise<never>(() => {})
const calling = (name: string): ScriptStep => ({ call: [{ id: "x", name, arguments: {} }] })
const rowsOf = async (house: AgentHouse) =>
  house.db.query({ sql: "select tool, state from calls order by started_at, tool", params: [] })

async function send(house: AgentHouse) {
  return house.agent.receive({
    agentId: "main",
    sessionId: null,
    fresh: true,
    place: { channel: "test", peer: "owner", topic: "" },
    personId: house.ownerId,
    text: "Go",
    mode: "queue",
  })
}

/** A tool that only reads, and asks for one that writes; `nested` says what that one does. */
function plugged(nested: () => Promise<unknown>, after: () => Promise<unknown> = async () => "done") {
  const runs = { outer: 0, inner: 0 }
  const inner = tool("write_it", "write-local", async () => {
    runs.inner += 1
    return nested()
  })
  const outer = tool("look_up", "read", async ({ invoke }) => {
    runs.outer += 1
    await invoke({ tool: "write_it", arguments: {} })
    return after()
  })
  return { runs, tools: [outer, inner] }
}

describe("a call inside a call", () => {
  test("that a crash cut off is unknown, is told, and is not done again by doing the outer one again", async () => {
    const reached = Promise.withResolvers<void>()
    const { runs, tools } = plugged(() => {
      reached.resolve()
      return forever()
    })
    const first = await open("a", [calling("look_up")], tools)
    const { turnId, sessionId } = await send(first.house)
    await reached.promise
    const second = await open("b", [{ say: "I will check" }], tools)
    expect((await second.house.agent.wait(turnId, AbortSignal.timeout(10_000))).text).toBe("I will check")
    expect(runs).toEqual({ outer: 1, inner: 1 })
    expect(await rowsOf(second.house)).toEqual([
      { tool: "look_up", state: "unknown" },
      { tool: "write_it", state: "unknown" },
    ])
    expect(second.model.requests[0]?.messages.at(-1)).toMatchObject({
      role: "tool",
      text: expect.stringMatching(/Nobody knows whether it took effect.*Inside it was run: write_it/),
    })
    const ended = second.house.events.flatMap((event) => (event.type === "tool.finished" ? [event] : []))
    expect(ended.map(({ tool: name, outcome }) => [name, outcome])).toEqual([
      ["write_it", "unknown"],
      ["look_up", "unknown"],
    ])
    const { items } = await second.house.sessions.messages(sessionId, {})
    expect(items.filter(({ role }) => role === "tool")).toHaveLength(1)
  })

  test("that was done before the crash is not done twice", async () => {
    const reached = Promise.withResolvers<void>()
    const { runs, tools } = plugged(
      async () => "written",
      () => {
        reached.resolve()
        return forever()
      },
    )
    const first = await open("a", [calling("look_up")], tools)
    const { turnId } = await send(first.house)
    await reached.promise
    const second = await open("b", [{ say: "I will check" }], tools)
    await second.house.agent.wait(turnId, AbortSignal.timeout(10_000))
    expect(runs).toEqual({ outer: 1, inner: 1 })
    expect(await rowsOf(second.house)).toEqual([
      { tool: "look_up", state: "unknown" },
      { tool: "write_it", state: "done" },
    ])
  })

  test("that only reads is done again with the one that asked for it", async () => {
    const reached = Promise.withResolvers<void>()
    let looks = 0
    const inner = tool("glance", "read", async () => {
      looks += 1
      if (looks > 1) return "seen"
      reached.resolve()
      return forever()
    })
    const outer = tool("look_up", "read", async ({ invoke }) => (await invoke({ tool: "glance", arguments: {} })).state)
    const first = await open("a", [calling("look_up")], [outer, inner])
    const { turnId } = await send(first.house)
    await reached.promise
    await first.house.writer.drain()
    const second = await open("b", [{ say: "Seen" }], [outer, inner])
    expect((await second.house.agent.wait(turnId, AbortSignal.timeout(10_000))).text).toBe("Seen")
    expect(looks).toBe(2)
    expect(second.model.requests[0]?.messages.at(-1)).toMatchObject({ role: "tool", text: "done" })
  })
})

describe("what is left of turns that are over", () => {
  const sweeper = (house: AgentHouse, olderThan: Date) =>
    createLeftCalls({ db: house.db, pipeline: house.pipeline, log: silentLog, olderThan: () => olderThan })
  const now = () => new Date(Date.now() + 1)

  async function byHand(house: AgentHouse, name: string): Promise<void> {
    const owner = createOwnerCalls({ ...house, registry: house.registry.registry })
    owner.run({ tool: name, arguments: {} }, { agreed: true, signal: new AbortController().signal }).catch(() => {}) // the process dies over it
  }

  test("a call by the owner's hand is unknown after the restart, and its session says so", async () => {
    const reached = Promise.withResolvers<void>()
    const write = tool("write_it", "write-local", () => {
      reached.resolve()
      return forever()
    })
    const first = await open("a", [], [write])
    await byHand(first.house, "write_it")
    await reached.promise
    const second = await open("b", [], [write])
    expect(await sweeper(second.house, now()).sweep()).toBe(1)
    expect(await rowsOf(second.house)).toEqual([{ tool: "write_it", state: "unknown" }])
    const [call] = await second.house.db.query({ sql: "select session_id from calls", params: [] })
    const told = await second.house.db.query({
      sql: "select text from messages where session_id = $1 and role = 'tool'",
      params: [call?.["session_id"]],
    })
    expect(told).toEqual([{ text: expect.stringContaining("Nobody knows whether it took effect") }])
    const [record] = await second.house.db.query({
      sql: "select subject, outcome, verdicts from audit where act = 'tool.run' order by seq desc limit 1",
      params: [],
    })
    expect(record).toEqual({ subject: "write_it", outcome: "unknown", verdicts: { restart: "unknown" } })
    expect(second.house.events.map(({ type }) => type)).toContain("tool.finished")
    expect(await sweeper(second.house, now()).sweep()).toBe(0)
  })

  test("a call that runs still is left alone: one that began after this process did, and one of a turn that is under way", async () => {
    const gate = Promise.withResolvers<void>()
    let running = 0
    const write = tool("write_it", "write-local", async () => {
      running += 1
      await gate.promise
      return "written"
    })
    const started = new Date(Date.now() - 1)
    const { house } = await open("a", [calling("write_it"), { say: "Done" }], [write])
    await byHand(house, "write_it")
    const { turnId } = await send(house)
    while (running < 2) await Bun.sleep(5)
    expect(await sweeper(house, started).sweep()).toBe(0)
    // Of another process, say: by its age alone only the one by hand is over.
    expect(await sweeper(house, now()).sweep()).toBe(1)
    gate.resolve()
    expect((await house.agent.wait(turnId, AbortSignal.timeout(10_000))).text).toBe("Done")
  })

  test("a turn that was given up leaves none, and the model reads it in the next one", async () => {
    const reached = Promise.withResolvers<void>()
    const { tools } = plugged(() => {
      reached.resolve()
      return forever()
    })
    const first = await open("a", [calling("look_up")], tools)
    const { turnId, sessionId } = await send(first.house)
    await reached.promise
    die()
    await db?.query({ sql: "update turns set state = 'failed' where id = $1", params: [turnId] })
    await db?.query({ sql: "update jobs set state = 'failed', lease_owner = null, lease_until = null", params: [] })
    const second = await open("b", [{ say: "I will check" }], tools)
    expect(await sweeper(second.house, now()).sweep()).toBe(2)
    expect((await rowsOf(second.house)).map(({ state }) => state)).toEqual(["unknown", "unknown"])
    await second.house.say("And?", { sessionId })
    expect(second.model.requests[0]?.messages.find(({ role }) => role === "tool")).toMatchObject({
      text: expect.stringContaining("Inside it was run: write_it"),
    })
  })
})
