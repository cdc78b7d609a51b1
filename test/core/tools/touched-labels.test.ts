/** What a call takes in is a part of its labels: from what it declares, whatever the tool. */
import { afterAll, afterEach, beforeAll, expect, setDefaultTimeout, test } from "bun:test"
import { findLeaks } from "#core/safety/leaks.ts"
import { createWriter } from "#core/db/writer.ts"
import type { Db } from "#core/db/db.ts"
import { createEventBus } from "#core/event.ts"
import { createMemory, type Memory } from "#core/memory/memory.ts"
import { memoryTools } from "#core/memory/tools.ts"
import { sessionTools } from "#core/session/tools.ts"
import type { Capability } from "#core/safety/capability.ts"
import { t } from "#core/schema.ts"
import { defineTool } from "#core/tools/tool.ts"
import { memoryDb } from "#test/fakes/agent-house.ts"
import { readerOf, toolRig } from "./rig.ts"

setDefaultTimeout(60_000) // the first database of a process is made from nothing, on a machine that may be busy

let db: Db
let memory: Memory
let rig: Awaited<ReturnType<typeof toolRig>> | undefined
beforeAll(async () => {
  db = await memoryDb()
  const bus = createEventBus({ onListenerError: () => {} })
  memory = createMemory({ db, writer: createWriter({ db, publish: bus.publish }), bus })
  await memory.write({
    agentId: "main",
    path: "notes.md",
    content: "Blue",
    labels: [],
    source: "owner",
    mode: "replace",
  })
})
afterAll(() => db.close())
afterEach(() => rig?.close())

const share = (source: Capability) =>
  defineTool({
    name: "share_it",
    description: "Shares",
    input: t.Object({}, { additionalProperties: false }),
    effect: () => "send",
    needs: () => [source, { kind: "http", host: "share.example.com", methods: ["POST"] }],
    timeoutMs: 1_000,
    run: async () => ({ data: "shared", labels: [], source: "test" }),
  })
const read = (name: string, args: Record<string, unknown> = {}) => ({ name, arguments: args })

test("what memory gives back is private, at every tool that reads it, and stays so in what is read again by handle", async () => {
  rig = await toolRig({ tools: [...memoryTools({ memory }), ...sessionTools({ db, findSecrets: findLeaks })], db })
  const { results, sessionId } = await rig.ask("Look", [
    read("memory_read", { path: "notes.md" }),
    read("memory_search", { query: "blue" }),
    read("memory_list"),
    read("memory_read", { path: "none.md" }),
  ])
  expect(results.map(({ labels }) => labels)).toEqual([["private"], ["private"], ["private"], ["private"]])
  const again = await rig.ask("Again", [read("result_read", { handle: results[0]?.id })], sessionId)
  expect(again.last?.labels).toEqual(["private"])
  // What the model wrote after it carries the label, the audit row of the call says it too.
  const rows = await db.query({
    sql: "select labels from messages where session_id = $1 and text = 'Done'",
    params: [sessionId],
  })
  expect(rows).toEqual([{ labels: ["private"] }, { labels: ["private"] }])
  const audit = await db.query({ sql: "select labels from audit where subject = 'memory_search'", params: [] })
  expect(audit).toEqual([{ labels: ["private"] }])
})

for (const source of [
  { kind: "file", path: "taxes.md", write: false },
  { kind: "memory", path: "people/mia.md", write: false },
] as const) {
  test(`a send that is given a ${source.kind} to read is judged as one with private data in reach`, async () => {
    rig = await toolRig({ tools: [readerOf(["untrusted"]), share(source)], db })
    const { outcome } = await rig.ask("Share it", [read("read_it"), read("share_it")])
    expect(outcome.approval?.question).toContain("private data is within its reach")
    await rig.house.agent.stop(outcome.sessionId)
  })
}

test("what a call only writes does not make it private", async () => {
  rig = await toolRig({ tools: [readerOf(["untrusted"]), share({ kind: "file", path: "out.md", write: true })], db })
  const { outcome } = await rig.ask("Share it", [read("read_it"), read("share_it")])
  expect(outcome.approval?.question).toContain("cannot be undone")
  await rig.house.agent.stop(outcome.sessionId)
})
