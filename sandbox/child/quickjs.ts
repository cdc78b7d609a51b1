/**
 * QuickJS, metered: foreign code as much as what it runs. The build does it once and the binary carries the result; from the source tree it
 * is done anew in each process, so that no file of an earlier build is ever run.
 */
import quickjsPath from "../../node_modules/quickjs-wasi/quickjs.wasm" with { type: "file" }
import { meterModule } from "../meter.ts"

/** The file's name in `dist/`; the bundler adds a hash in the middle of it. */
export const METERED_QUICKJS_FILE = "metered-quickjs.bin"

const PAGES_A_MIB = 16
/** QuickJS bounds what scripts may allocate by itself; this bounds QuickJS. */
const ENGINE_MIB = 512
/** It has some 1,500 functions to point at. */
const MAX_TABLE_ENTRIES = 100_000
/** For its start, and the SDK's. */
const INITIAL_FUEL = 200_000_000n

export async function loadMeteredQuickjs(): Promise<Uint8Array<ArrayBuffer>> {
  const [stem = ""] = METERED_QUICKJS_FILE.split(".")
  const embedded = Bun.embeddedFiles.find((file) => "name" in file && String(file.name).startsWith(stem))
  return embedded ? embedded.bytes() : meterQuickjs()
}

/** Takes a third of a second or a whole one. */
export async function meterQuickjs(): Promise<Uint8Array<ArrayBuffer>> {
  const metered = meterModule(await Bun.file(quickjsPath).bytes(), {
    maxMemoryPages: ENGINE_MIB * PAGES_A_MIB,
    maxTableEntries: MAX_TABLE_ENTRIES,
    initialFuel: INITIAL_FUEL,
    allowedImports: { env: "any function", wasi_snapshot_preview1: "any function" },
  })
  if (metered.verdict === "refused") throw new Error(`The engine for scripts was refused: ${metered.why}`)
  return metered.wasm
}
