/** The embedded engine as a driver: PGlite in a thread of its own, behind a lock on its folder. */
import { Database } from "bun:sqlite"
import { existsSync, mkdirSync, statfsSync } from "node:fs"
import { join } from "node:path"
import initdbWasm from "../../node_modules/@electric-sql/pglite/dist/initdb.wasm" with { type: "file" }
import pgliteWasm from "../../node_modules/@electric-sql/pglite/dist/pglite.wasm" with { type: "file" }
import { type Clock, nextTurn } from "../clock.ts"
import { AppError } from "../errors.ts"
import { claimPass } from "../guard.ts"
import type { Driver, DriverTransaction } from "./driver.ts"
import type {
  EngineAnswer,
  EngineFault,
  EngineModules,
  EngineRequest,
  FromEngine,
  ToEngine,
} from "./embedded-protocol.ts"
import { errorOfFault, fullDisk } from "./faults.ts"
import type { WireResult, WireStatement } from "./values.ts"

export type EmbeddedDeps = {
  /** The folder of the database (its data is in a folder below), or null: in memory, gone when closed. */
  dir: string | null
  clock: Clock
  /** A tar of a data directory to begin with, or null: made from nothing, which takes seconds. Asked only when there is no data yet. */
  loadImage: () => Promise<Uint8Array<ArrayBuffer> | null>
  spawn: () => Worker
}

export type EmbeddedDriver = Driver & { dump(): Promise<Uint8Array<ArrayBuffer>> }

/** A second crash within this time after the first is no accident: the engine stays down. */
const CRASH_WINDOW_MS = 60_000

const startWorker = claimPass("database-worker")

/** The worker's own file, wherever this code runs from. */
export function spawnEngine(): Worker {
  // In the binary the bundler's chunks lie in one flat folder, the worker under its path in the tree (it is an entry of the build).
  // An absolute path, so that no file of the working directory is taken for it.
  const [, binaryRoot] = /^file:\/\/(.*?(?:\$bunfs|~BUN)\/root\/)/.exec(import.meta.url) ?? []
  const url = binaryRoot
    ? `${binaryRoot}core/db/embedded-worker.js`
    : new URL("./embedded-worker.ts", import.meta.url).href
  return startWorker(() => new Worker(url))
}

// Constants of the build: compiling takes 200 ms and is done once for a process.
let compiled: Promise<EngineModules> | undefined

function engineModules(): Promise<EngineModules> {
  const compile = async (path: string) => WebAssembly.compile(await Bun.file(path).arrayBuffer())
  return (compiled ??= Promise.all([compile(pgliteWasm), compile(initdbWasm)]).then(([pglite, initdb]) => ({
    pglite,
    initdb,
  })))
}

export async function openEmbedded(deps: EmbeddedDeps): Promise<EmbeddedDriver> {
  const { dir, clock } = deps
  const data = dir === null ? null : join(dir, "data")
  const unlock = dir === null ? () => {} : lockFolder(dir)
  const listeners = new Map<string, Set<(payload: string) => void>>()
  let roundTrips = 0
  let closed = false
  let crashedAtMs: number | undefined
  let opening: Promise<Engine> | undefined
  let engine: Engine | undefined

  const notify = (channel: string, payload: string) => {
    for (const listener of listeners.get(channel) ?? []) listener(payload)
  }

  async function start(): Promise<Engine> {
    const fresh = data === null || !existsSync(join(data, "PG_VERSION"))
    const [image, modules] = await Promise.all([fresh ? deps.loadImage() : null, engineModules()])
    const started = createEngine({
      worker: deps.spawn(),
      dir,
      notify,
      onCrash: () => {
        engine = undefined
        opening = undefined
      },
    })
    try {
      await started.ask({ kind: "open", dir: data, image, modules })
    } catch (error) {
      started.stop()
      throw error
    }
    return started
  }

  /** The running engine; after a crash a new one, once. What was acknowledged is on disk; memory has nothing to come back to. */
  async function current(): Promise<Engine> {
    if (closed) throw new AppError("db.connection_lost", "The database is closed")
    if (!opening) {
      const nowMs = clock.monotonicMs()
      if (dir === null || (crashedAtMs !== undefined && nowMs - crashedAtMs < CRASH_WINDOW_MS)) {
        throw new AppError("db.crashed", "The built-in database stopped and cannot be opened again")
      }
      crashedAtMs = nowMs
      opening = start()
      opening.catch(() => (opening = undefined))
    }
    return (engine = await opening)
  }

  try {
    opening = start()
    engine = await opening
  } catch (error) {
    unlock()
    throw error
  }

  // While a transaction is open nobody else may speak: the engine has one session, and their statements would fall into it.
  let gate: Promise<void> | undefined
  async function ask(request: EngineRequest): Promise<EngineAnswer> {
    while (gate) await gate
    roundTrips += 1
    return (engine ?? (await current())).ask(request)
  }
  const results = (answer: EngineAnswer): WireResult[] => {
    if (answer.kind !== "results")
      throw new AppError("internal", "The built-in database gave an answer to another question")
    return answer.results
  }

  async function begin(): Promise<DriverTransaction> {
    while (gate) await gate
    let open: () => void = () => {}
    gate = new Promise((resolve) => (open = resolve))
    const release = () => {
      gate = undefined
      open()
    }
    let held: Engine
    try {
      held = engine ?? (await current())
    } catch (error) {
      release()
      throw error
    }
    let begun = false
    const step = async (statements: WireStatement[]) => {
      roundTrips += 1
      return results(await held.ask({ kind: "run", statements }))
    }
    return {
      async run(statement) {
        if (begun) return last(await step([statement]))
        begun = true
        return last(await step([{ sql: "begin", params: [] }, statement]))
      },
      async commit() {
        if (begun) await step([{ sql: "commit", params: [] }])
        release()
      },
      async rollback() {
        try {
          if (begun && !held.stopped()) await step([{ sql: "rollback", params: [] }])
        } catch {
          // The engine broke, which rolls back by itself; the error that led here is the one to tell.
        } finally {
          release()
        }
      },
    }
  }

  return {
    kind: "embedded",
    run: async (statements) => results(await ask({ kind: "run", statements })),
    begin,
    async listen(channel, onNotify) {
      const name = `"${channel.replaceAll('"', '""')}"`
      const known = listeners.get(channel) ?? new Set()
      listeners.set(channel, known)
      known.add(onNotify)
      await ask({ kind: "run", statements: [{ sql: `listen ${name}`, params: [] }] })
      return async () => {
        known.delete(onNotify)
        if (known.size === 0 && !closed)
          await ask({ kind: "run", statements: [{ sql: `unlisten ${name}`, params: [] }] })
      }
    },
    roundTrips: () => roundTrips,
    async dump() {
      const answer = await ask({ kind: "dump" })
      if (answer.kind !== "image")
        throw new AppError("internal", "The built-in database gave an answer to another question")
      return answer.image
    },
    async close() {
      if (closed) return
      while (gate) await gate
      closed = true
      try {
        await engine?.ask({ kind: "close" })
      } finally {
        engine?.stop()
        unlock()
      }
    },
  }
}

function last(all: readonly WireResult[]): WireResult {
  const result = all.at(-1)
  if (!result) throw new AppError("internal", "The built-in database gave no answer to a statement")
  return result
}

type Engine = {
  ask(request: EngineRequest): Promise<EngineAnswer>
  stopped(): boolean
  stop(): void
}

type EngineDeps = {
  worker: Worker
  dir: string | null
  notify: (channel: string, payload: string) => void
  onCrash: () => void
}

/** Questions and answers over one worker. Every question is answered, also when the worker dies. */
function createEngine({ worker, dir, notify, onCrash }: EngineDeps): Engine {
  const pending = new Map<number, { resolve: (answer: EngineAnswer) => void; reject: (error: unknown) => void }>()
  let ids = 0
  let stopped = false

  const stop = () => {
    stopped = true
    worker.terminate()
  }
  const crash = (error: AppError) => {
    if (stopped) return
    stop()
    onCrash()
    for (const { reject } of pending.values()) reject(error)
    pending.clear()
  }

  // One turn of the loop later, not inside the event: who goes on in there and turns the loop itself (bun:test's `rejects` does) would
  // hear no other message. Of the ways to get there this one also works when nested, and costs nothing (16 µs for a question and its
  // answer, 50 µs when answered inside the event; measured 2026-11-22).
  worker.addEventListener("message", ({ data }: MessageEvent<FromEngine>) => void nextTurn().then(() => hear(data)))

  function hear(data: FromEngine): void {
    if ("notification" in data) return notify(data.notification.channel, data.notification.payload)
    const waiting = pending.get(data.id)
    if (!waiting) return
    pending.delete(data.id)
    if ("answer" in data) return waiting.resolve(data.answer)
    if (data.failed.kind === "sql") return waiting.reject(errorOfFault(data.failed.fault))
    const error = errorOfBreak(data.failed, dir)
    waiting.reject(error)
    crash(error)
  }
  worker.addEventListener("error", (event) => crash(crashed(event.message)))
  worker.addEventListener("close", () => crash(crashed("its thread ended")))

  return {
    ask(request) {
      if (stopped) return Promise.reject(crashed("its thread ended"))
      return new Promise((resolve, reject) => {
        ids += 1
        pending.set(ids, { resolve, reject })
        const message: ToEngine = { id: ids, request }
        worker.postMessage(message)
      })
    },
    stopped: () => stopped,
    stop,
  }
}

/** Below this Postgres cannot even write its log of changes (1 MB segments) and stops; then that is what to tell. */
const LEAST_FREE_BYTES = 4 * 1024 * 1024

function errorOfBreak(fault: Extract<EngineFault, { kind: "broken" }>, dir: string | null): AppError {
  const cause = new Error(fault.message)
  return dir !== null && isFull(dir) ? fullDisk(cause, dir) : crashed(fault.message)
}

function isFull(dir: string): boolean {
  try {
    const { bavail, bsize } = statfsSync(dir)
    return bavail * bsize < LEAST_FREE_BYTES
  } catch {
    return false // the folder itself is gone, which is another trouble
  }
}

function crashed(why: string): AppError {
  return new AppError("db.connection_lost", "The built-in database stopped in the middle of its work", {
    cause: new Error(why),
  })
}

/** One process at a time: two on one folder lose each other's data without a word. The lock goes with the process, also after kill -9. */
function lockFolder(dir: string): () => void {
  mkdirSync(dir, { recursive: true, mode: 0o700 })
  const lock = new Database(join(dir, "lock"), { create: true })
  try {
    lock.run("PRAGMA busy_timeout = 0")
    lock.run("BEGIN EXCLUSIVE")
  } catch (cause) {
    lock.close()
    throw new AppError("db.locked", `Another process has the database in "${dir}" open`, { cause })
  }
  return () => lock.close()
}
