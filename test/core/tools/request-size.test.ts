/** What a message of one word costs: every word of a tool's description is sent, and paid for, with every request. */
import { afterAll, expect, test } from "bun:test"
import { findLeaks } from "#core/safety/leaks.ts"
import { mkdtempSync, rmSync } from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { systemClock as clock } from "#core/clock.ts"
import { createEventBus } from "#core/event.ts"
import { createMemory } from "#core/memory/memory.ts"
import { memoryTools } from "#core/memory/tools.ts"
import { createWriter } from "#core/db/writer.ts"
import { newId } from "#core/id.ts"
import { createReplyGate } from "#core/safety/reply.ts"
import { openJail } from "#core/safety/paths.ts"
import { sessionTools } from "#core/session/tools.ts"
import { approvalPlanTools } from "#core/tools/approval-plan.ts"
import { createFileChanges } from "#core/tools/file-changes.ts"
import { fileFindTools } from "#core/tools/file-find.ts"
import { fileReadTools } from "#core/tools/file-read.ts"
import { fileUndoTools } from "#core/tools/file-undo.ts"
import { fileWriteTools } from "#core/tools/file-write.ts"
import { httpTools } from "#core/tools/http-request.ts"
import { jsonTools } from "#core/tools/json-query.ts"
import { messageTools } from "#core/tools/message-send.ts"
import { timeTools } from "#core/tools/time.ts"
import { MAX_SHOWN_WHOLE, toolSearchTools } from "#core/tools/tool-search.ts"
import { webTools } from "#core/tools/web-fetch.ts"
import { readPage } from "#test/fakes/read-page.ts"
import { createRegistry } from "#core/tools/registry.ts"
import { agentHouse, memoryDb } from "#test/fakes/agent-house.ts"
import { oneModel, scriptedModel } from "#test/fakes/model.ts"

const root = mkdtempSync(join(tmpdir(), "ironclaw-size-"))
afterAll(() => rmSync(root, { recursive: true, force: true }))

test("one word, with every builtin tool there, sends at most 6 KB to the model", async () => {
  const db = await memoryDb()
  const project = openJail({ root, closed: [] })
  const bus = createEventBus({ onListenerError: () => {} })
  const writer = createWriter({ db, publish: bus.publish })
  const reply = createReplyGate({ secretValues: () => [] })
  const changes = createFileChanges({ db, writer })
  const unused = () => {
    throw new Error("Nothing is called here")
  }
  const tools = [
    ...approvalPlanTools({ registry: () => createRegistry([]).registry, approvals: unused, writer }),
    ...timeTools({ clock, timeZone: () => "UTC" }),
    ...memoryTools({ memory: createMemory({ db, writer, bus }) }),
    ...sessionTools({ db, findSecrets: findLeaks }),
    ...jsonTools(),
    ...httpTools(),
    ...webTools({ readPage }),
    ...messageTools({ db, writer, clock, ownerId: () => newId("per"), reply, redact: (text) => text }),
    ...fileReadTools({ project, findSecrets: findLeaks }),
    ...fileFindTools({ project, findSecrets: findLeaks }),
    ...fileWriteTools({ project, keepChange: changes.keep }),
    ...fileUndoTools({ project, changes }),
    ...toolSearchTools({ registry: unused }),
  ]
  const model = scriptedModel([{ say: "Hello" }])
  const house = await agentHouse({ models: oneModel(model), tools, db, spawns: true })
  await house.say("Hi")
  const [sent] = model.requests
  await house.close()
  await db.close()
  project.close()

  expect(tools.length + 1).toBeGreaterThan(MAX_SHOWN_WHOLE)
  expect(sent?.tools.map(({ name }) => name)).toEqual([
    "agent_spawn",
    "file_list",
    "file_read",
    "memory_append",
    "memory_list",
    "memory_read",
    "memory_search",
    "result_read",
    "time_now",
    "tool_search",
    "web_fetch",
  ])
  // As the most common protocol writes it.
  const asSent = {
    messages: [
      { role: "system", content: sent?.system.map(({ text }) => text).join("\n\n") },
      ...(sent?.messages ?? []),
    ],
    tools: sent?.tools.map((offer) => ({ type: "function", function: offer })),
  }
  for (const { name, description } of tools) expect([name, description.length <= 300]).toEqual([name, true])
  expect(Buffer.byteLength(JSON.stringify(asSent))).toBeLessThanOrEqual(6_144)
})
