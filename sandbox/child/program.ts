/** What a child is given to run: the bytes that were agreed on, judged, metered and made ready. */
import { createHash } from "node:crypto"
import * as sdkText from "../sdk.ts" with { type: "text" }
import { guestImports } from "../guest-imports.ts"
import { meterModule, type MeterOptions } from "../meter.ts"
import type { GuestCode } from "./guest.ts"
import type { Load } from "./messages.ts"
import { loadMeteredQuickjs } from "./quickjs.ts"

/** A page of WebAssembly's memory. */
const PAGES_A_MIB = 16
/** Function references of the largest programs we know are some ten thousand; each takes some tens of bytes of the child. */
const MAX_TABLE_ENTRIES = 100_000
/** For start functions. */
const INITIAL_FUEL = 200_000_000n
/** Metered modules that are kept for the next child. */
const MAX_KEPT_BYTES = 16 * 1024 * 1024
/** Scripts are read by people: larger ones are bundles of something else. Reading this much takes seconds where it was made for that. */
export const MAX_SCRIPT_BYTES = 4 * 1024 * 1024

/** Imported as text, so it is one, whatever its types say of it as a module. */
const { default: sdkSource } = sdkText as unknown as { default: string }

export type Part = { load: Load; body: Uint8Array }
export type Program = { ok: true; parts: Part[] } | { ok: false; words: string }

/** By which modules of plugins are judged and rewritten. */
export function wasmLimits(memoryMb: number): MeterOptions {
  return {
    maxMemoryPages: memoryMb * PAGES_A_MIB,
    maxTableEntries: MAX_TABLE_ENTRIES,
    initialFuel: INITIAL_FUEL,
    allowedImports: guestImports,
  }
}

export type ProgramSource = {
  prepare(code: GuestCode, memoryMb: number): Promise<Program>
  /** What a child for scripts can be given before it is known which one it is to run. */
  engine(): Promise<Part>
}

export function createProgramSource(): ProgramSource {
  const kept = new Map<string, Part>()
  let keptBytes = 0
  let engine: Promise<Part> | null = null
  const transpiler = new Bun.Transpiler({ loader: "ts", target: "browser" })

  function keep(key: string, part: Part): void {
    kept.set(key, part)
    keptBytes += part.body.length
    for (const [oldest, { body }] of kept) {
      if (keptBytes <= MAX_KEPT_BYTES) return
      kept.delete(oldest)
      keptBytes -= body.length
    }
  }

  function made(code: GuestCode, bytes: Uint8Array, memoryMb: number): Part | string {
    if (createHash("sha256").update(bytes).digest("hex") !== code.sha256)
      return "The code is not the code that was agreed on"
    if (code.kind === "wasm") {
      const metered = meterModule(bytes, wasmLimits(memoryMb))
      return metered.verdict === "accepted" ? { load: { part: "wasm" }, body: metered.wasm } : metered.why
    }
    if (bytes.length > MAX_SCRIPT_BYTES) return `It has ${bytes.length} bytes, over ${MAX_SCRIPT_BYTES}`
    if (code.kind === "js") return { load: { part: "js" }, body: bytes }
    try {
      const script = transpiler.transformSync(new TextDecoder("utf-8", { fatal: true }).decode(bytes))
      return { load: { part: "js" }, body: new TextEncoder().encode(script) }
    } catch (error) {
      return `It is no TypeScript: ${error instanceof Error ? error.message : String(error)}`
    }
  }

  return {
    async prepare(code, memoryMb) {
      const key = `${code.kind} ${code.sha256} ${code.kind === "wasm" ? memoryMb : ""}`
      const found = kept.get(key)
      if (found) return { ok: true, parts: [found] }
      const part = made(code, await code.read(), memoryMb)
      if (typeof part === "string") return { ok: false, words: part }
      keep(key, part)
      return { ok: true, parts: [part] }
    },
    engine: () => (engine ??= engineOf(transpiler.transformSync(sdkSource))),
  }
}

async function engineOf(sdk: string): Promise<Part> {
  return { load: { part: "engine", sdk }, body: await loadMeteredQuickjs() }
}
