import { afterEach, describe, expect, test } from "bun:test"
import type { Db } from "#core/db/db.ts"
import { t } from "#core/schema.ts"
import { defineTool } from "#core/tools/tool.ts"
import type { Effect } from "#core/safety/capability.ts"
import { agentHouse, memoryDb, type AgentHouse } from "../../fakes/agent-house.ts"
import { oneModel, scriptedModel, type ScriptStep } from "../../fakes/model.ts"

/** Two processes, one after the other, on one database: the first never says goodbye. */
let db: Db | undefined
let houses: AgentHouse[] = []
let mortal: ReturnType<typeof mortalDb> | undefined
let die: () => void = () => {}
let wake: () => void = () => {}
afterEach(async () => {
  for (const house of houses.slice(-1)) await house.close()
  houses = []
  await db?.close()
  db = undefined
})

async function open(owner: string, steps: ScriptStep[], tools: Parameters<typeof agentHouse>[0]["tools"] = []) {
  db ??= await memoryDb()
  die() // the one before
  const before = mortal
  wake = () => before?.wake()
  mortal = mortalDb(db)
  die = mortal.die
  const model = scriptedModel(steps)
  const house = await agentHouse({ models: oneModel(model), tools, db: mortal.db, owner })
  houses.push(house)
  return { house, model }
}

function tool(name: string, effect: Effect, run: () => Promise<unknown>) {
  return defineTool({
    name,
    description: "A test tool",
    input: t.Object({}, { additionalProperties: false }),
    effect: () => effect,
    needs: () => (effect === "write-local" ? [{ kind: "memory", path: "notes.md", write: true }] : []),
    timeoutMs: 60_000,
    run: async () => ({ data: await run(), labels: [], source: "test" }),
  })
}

async function send(house: AgentHouse, text: string) {
  return house.agent.receive({
    agentId: "main",
    sessionId: null,
    fresh: true,
    place: { channel: "test", peer: "owner", topic: "" },
    personId: house.ownerId,
    text,
    mode: "queue",
  })
}
/** The database as a process sees it: once the process is dead or asleep, nothing it asks is done or answered until it wakes. */
function mortalDb(real: Db): { db: Db; die: () => void; wake: () => void } {
  let asleep: PromiseWithResolvers<void> | null = null
  const alive =
    <A extends unknown[], R>(work: (...args: A) => Promise<R>) =>
    async (...args: A): Promise<R> => {
      await asleep?.promise
      return work(...args)
    }
  return {
    db: {
      ...real,
      hasVector: real.hasVector,
      query: alive(real.query),
      batch: alive(real.batch),
      transaction: alive(real.transaction),
      listen: real.listen,
    } as Db,
    die: () => {
      asleep = Promise.withResolvers()
    },
    wake: () => asleep?.resolve(),
  }
}
const forever = () => new Promise<never>(() => {})

describe("after a crash", () => {
  test("a turn that was thinking comes back and is answered", async () => {
    const first = await open("a", [{ hang: "Half an ans" }])
    const { turnId } = await send(first.house, "Are you there?")
    while ((await first.house.agent.partial(turnId)).text === "") await Bun.sleep(2)
    const second = await open("b", [{ say: "Yes, I am back" }])
    const outcome = await second.house.agent.wait(turnId, AbortSignal.timeout(10_000))
    expect(outcome).toMatchObject({ state: "finished", text: "Yes, I am back" })
    expect(second.house.events.map(({ type }) => type)).toContain("turn.resumed")
  })

  test("a call with an effect that had started is not run again, and the model is told", async () => {
    let ran = 0
    const reached = Promise.withResolvers<void>()
    const writing = tool("write_note", "write-local", async () => {
      ran += 1
      reached.resolve()
      return forever()
    })
    const first = await open("a", [{ call: [{ id: "x", name: "write_note", arguments: {} }] }], [writing])
    const { turnId } = await send(first.house, "Write it down")
    await reached.promise
    const second = await open("b", [{ say: "I will check" }], [writing])
    const outcome = await second.house.agent.wait(turnId, AbortSignal.timeout(10_000))
    expect(outcome.state).toBe("finished")
    expect(ran).toBe(1)
    expect(second.model.requests[0]?.messages.at(-1)).toMatchObject({
      role: "tool",
      text: expect.stringContaining("Nobody knows whether it took effect"),
    })
    const calls = await second.house.db.query({ sql: "select state from calls", params: [] })
    expect(calls).toEqual([{ state: "unknown" }])
  })

  test("a call that only reads is done again", async () => {
    let ran = 0
    const reached = Promise.withResolvers<void>()
    const reading = tool("look", "read", async () => {
      ran += 1
      if (ran > 1) return "seen"
      reached.resolve()
      return forever()
    })
    const first = await open("a", [{ call: [{ id: "x", name: "look", arguments: {} }] }], [reading])
    const { turnId } = await send(first.house, "Look")
    await reached.promise
    await first.house.writer.drain()
    const second = await open("b", [{ say: "I saw it" }], [reading])
    expect((await second.house.agent.wait(turnId, AbortSignal.timeout(10_000))).text).toBe("I saw it")
    expect(ran).toBe(2)
    expect(second.model.requests[0]?.messages.at(-1)).toMatchObject({ role: "tool", text: "seen" })
  })

  test("a process that slept through the loss of its claim can change nothing any more", async () => {
    const gate = Promise.withResolvers<void>()
    const first = await open("a", [
      async () => {
        await gate.promise
        return { say: "Too late" }
      },
    ])
    const { turnId, sessionId } = await send(first.house, "Hello")
    while (first.model.requests.length === 0) await Bun.sleep(2)
    const second = await open("b", [{ say: "In time" }])
    expect((await second.house.agent.wait(turnId, AbortSignal.timeout(10_000))).text).toBe("In time")
    wake()
    gate.resolve()
    await first.house.jobs.close()
    const { items } = await second.house.sessions.messages(sessionId, {})
    expect(items.map(({ text }) => text).sort()).toEqual(["Hello", "In time"])
  })

  test("messages that were queued are answered in their order", async () => {
    const first = await open("a", [{ hang: "" }])
    const one = await send(first.house, "One")
    const two = await first.house.agent.receive({
      agentId: "main",
      sessionId: one.sessionId,
      place: { channel: "test", peer: "owner", topic: "" },
      personId: first.house.ownerId,
      text: "Two",
      mode: "queue",
    })
    const second = await open("b", [{ say: "First" }, { say: "Second" }])
    expect((await second.house.agent.wait(one.turnId, AbortSignal.timeout(10_000))).text).toBe("First")
    expect((await second.house.agent.wait(two.turnId, AbortSignal.timeout(10_000))).text).toBe("Second")
  })
})
