/** What the thread that holds PGlite and the thread that uses it say to each other. Messages are worked off strictly in order. */
import type { SqlFault } from "./faults.ts"
import type { WireResult, WireStatement } from "./values.ts"

/** Compiled once for a process, however many databases it opens. */
export type EngineModules = { pglite: WebAssembly.Module; initdb: WebAssembly.Module }

export type EngineRequest =
  /** `dir` null is memory. `image` is a tar of a data directory to begin with where there is none. */
  | { kind: "open"; dir: string | null; image: Uint8Array<ArrayBuffer> | null; modules: EngineModules }
  /** One transaction, or a step of the one that a "begin" in an earlier message opened. */
  | { kind: "run"; statements: readonly WireStatement[] }
  /** A tar of the data directory. */
  | { kind: "dump" }
  | { kind: "close" }

export type EngineFault =
  | { kind: "sql"; fault: SqlFault }
  /** The engine itself broke and takes no further message. */
  | { kind: "broken"; message: string; code?: string | undefined }

export type EngineAnswer =
  | { kind: "results"; results: WireResult[] }
  | { kind: "image"; image: Uint8Array<ArrayBuffer> }
  | { kind: "done" }

export type ToEngine = { id: number; request: EngineRequest }
export type FromEngine =
  | { id: number; answer: EngineAnswer }
  | { id: number; failed: EngineFault }
  | { notification: { channel: string; payload: string } }
