import { memoryDb } from "#test/fakes/agent-house.ts"
import { createWriter } from "#core/db/writer.ts"
import { createEventBus } from "#core/event.ts"
import { createMemory } from "#core/memory/memory.ts"
const db = await memoryDb(); const bus = createEventBus({ onListenerError: console.error }); const writer = createWriter({ db, publish: bus.publish })
const m = createMemory({ db, writer, bus })
for (let i = 0; i < 60; i++) { const t = performance.now(); const w = await m.write({ agentId: "a", path: "x.md", content: "text " + i, labels: [], source: "", mode: "replace" }); console.log(w.version, (performance.now() - t).toFixed(1)) }
process.exit(0)
