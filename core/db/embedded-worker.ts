/** The thread in which PGlite lives: a long query stalls nobody else, and a crash of the engine takes only this thread. */
// First, before anything that could keep the unguarded originals.
import "../guard-now.ts"
import type { PGlite } from "@electric-sql/pglite"
import { openEngine } from "./embedded-engine.ts"
import type { EngineAnswer, EngineFault, EngineRequest, FromEngine, ToEngine } from "./embedded-protocol.ts"
import { createSession, type Session } from "./embedded-session.ts"

declare const self: Worker

const post = (message: FromEngine) => self.postMessage(message)

let pg: PGlite | undefined
let session: Session | undefined

async function answer(request: EngineRequest): Promise<EngineAnswer | { failed: EngineFault }> {
  if (request.kind === "open") {
    pg = await openEngine(request)
    session = createSession({ pg, onNotification: (channel, payload) => post({ notification: { channel, payload } }) })
    return { kind: "done" }
  }
  if (!pg || !session) throw new Error("The engine is not open")
  if (request.kind === "run") {
    const outcome = session.run(request.statements)
    return "failed" in outcome ? outcome : { kind: "results", results: outcome.results }
  }
  if (request.kind === "dump")
    return { kind: "image", image: new Uint8Array(await (await pg.dumpDataDir("none")).arrayBuffer()) }
  await pg.close()
  return { kind: "done" }
}

function broken(error: unknown): EngineFault {
  const code = typeof error === "object" && error !== null && "code" in error ? String(error.code) : undefined
  return { kind: "broken", message: error instanceof Error ? error.message : String(error), code }
}

// One after the other, also across awaits: "open" and "close" wait for files.
let last: Promise<void> = Promise.resolve()
self.onmessage = ({ data }: MessageEvent<ToEngine>) => {
  const { id, request } = data
  last = last.then(async () => {
    try {
      const outcome = await answer(request)
      post("failed" in outcome ? { id, failed: outcome.failed } : { id, answer: outcome })
    } catch (error) {
      post({ id, failed: broken(error) })
    }
  })
}
