/**
 * Question: can this module take more time, memory or reach than it was given?
 * Fails closed by: what this parser does not know, in section, type or instruction, refuses the module; the engine validates what came in
 * and what goes out.
 * Known limits: fuel is not time: a unit can be a nanosecond or a hundred, so a deadline outside stands beside it. What a host function
 * costs is the host's to charge.
 * Source: WebAssembly core specification 2.0; where fuel is taken follows wasmtime's and ours measured (2026-11): 4 to 38 % of run time.
 */
import { meterBody } from "./meter-code.ts"
import {
  createReader,
  createWriter,
  encodeSigned,
  type WasmReader,
  WasmRefusal,
  type WasmWriter,
} from "./wasm-binary.ts"
import { readInstruction, readValueType } from "./wasm-instructions.ts"

/** The global by which the host reads and sets what is left: an i64. Below zero, the guest was stopped for want of it. */
export const FUEL_EXPORT = "__ironclaw_fuel"

/** Imports that a guest may have: `module`, then `name`, then the signatures allowed, as `i32,i64->i32`. */
export type AllowedImports = Readonly<Record<string, Readonly<Record<string, readonly string[]>> | "any function">>

export type MeterOptions = {
  maxMemoryPages: number
  maxTableEntries: number
  /** Units there are before the host gives more: what a start function may use. */
  initialFuel: bigint
  allowedImports: AllowedImports
}

export type ModuleImport = { module: string; name: string; signature: string }
export type Metered =
  | {
      verdict: "accepted"
      wasm: Uint8Array<ArrayBuffer>
      imports: ModuleImport[]
      /** Names of what the guest offers, functions first marked by their kind. */
      exports: { name: string; kind: "function" | "table" | "memory" | "global" }[]
      /** Pages that it begins with. */
      memoryPages: number
    }
  | { verdict: "refused"; why: string }

/** A module is a program of some hundred KB; an interpreter compiled with its library has a few MB. */
export const MAX_MODULE_BYTES = 32 * 1024 * 1024
/** Code of one function: the largest there are, interpreters' loops, have some hundred KB. */
const MAX_BODY_BYTES = 4 * 1024 * 1024
const HEADER = [0x00, 0x61, 0x73, 0x6d, 0x01, 0x00, 0x00, 0x00]
const CODE = 10
const EXPORT = 7
const GLOBAL = 6
/** Sections in the order in which they must stand: the data count comes before the code. */
const ORDER = [1, 2, 3, 4, 5, GLOBAL, EXPORT, 8, 9, 12, CODE, 11]
const exportKinds = ["function", "table", "memory", "global"] as const
const typeNames: Readonly<Record<number, string>> = {
  0x7f: "i32",
  0x7e: "i64",
  0x7d: "f32",
  0x7c: "f64",
  0x7b: "v128",
  0x70: "funcref",
  0x6f: "externref",
}

/** Rewrites a module so that it runs on fuel, within the caps; or says why it may not run at all. */
export function meterModule(wasm: Uint8Array, options: MeterOptions): Metered {
  try {
    if (wasm.length > MAX_MODULE_BYTES) throw new WasmRefusal(`it has ${wasm.length} bytes, over ${MAX_MODULE_BYTES}`)
    const metered = rewrite(wasm, options)
    // Before: our reading and the engine's are of the same module, and no code names the global that we add. After: nothing was broken.
    if (!WebAssembly.validate(new Uint8Array(wasm))) throw new WasmRefusal("it is not valid WebAssembly")
    if (!WebAssembly.validate(metered.wasm)) throw new WasmRefusal("it could not be metered")
    return { verdict: "accepted", ...metered }
  } catch (error) {
    if (error instanceof WasmRefusal) return { verdict: "refused", why: error.message }
    throw error
  }
}

type FunctionType = { parameters: number; signature: string }
type Seen = {
  types: FunctionType[]
  imports: ModuleImport[]
  /** Types of the functions that have bodies here. */
  functions: number[]
  exports: { name: string; kind: (typeof exportKinds)[number] }[]
  memoryPages: number
  /** Entries that all tables begin with. */
  tableEntries: number
  globals: number
  bodies: number
}

function rewrite(wasm: Uint8Array, options: MeterOptions) {
  const file = createReader(wasm)
  const out = createWriter()
  if (HEADER.some((byte) => file.byte() !== byte)) file.refuse("it does not begin as a module does")
  out.add(...HEADER)
  const none = { memoryPages: 0, tableEntries: 0, globals: 0, bodies: 0 }
  const seen: Seen = { types: [], imports: [], functions: [], exports: [], ...none }
  let place = -1
  /** What stands in the way of the end, and of each section behind: ours where the guest has none. */
  const addMissing = (before: number) => {
    if (place < ORDER.indexOf(GLOBAL) && before > ORDER.indexOf(GLOBAL)) {
      addSection(out, GLOBAL, fuelGlobal(options, 1))
      place = ORDER.indexOf(GLOBAL)
    }
    if (place < ORDER.indexOf(EXPORT) && before > ORDER.indexOf(EXPORT)) {
      addSection(out, EXPORT, fuelExport(seen, 1))
      place = ORDER.indexOf(EXPORT)
    }
  }
  while (!file.isAtEnd()) {
    const id = file.byte()
    const size = file.u32()
    const section = file.part(size)
    const from = section.at()
    if (id === 0) {
      section.name() // names, debugging, what tools leave: nothing that runs
      continue
    }
    const next = ORDER.indexOf(id)
    if (next === -1) file.refuse(`it has a section of kind ${id}, which is not allowed here`)
    if (next <= place) file.refuse("its sections are not in order")
    addMissing(next)
    place = next
    const content = readSection(id, section, { from, seen, options })
    if (!section.isAtEnd()) section.refuse("a section is longer than what is in it")
    addSection(out, id, content)
  }
  addMissing(ORDER.length)
  if (seen.bodies !== seen.functions.length) file.refuse("it has functions without code")
  const { imports, exports, memoryPages } = seen
  return { wasm: Uint8Array.from(out.take()), imports, exports, memoryPages }
}

type SectionOf = { from: number; seen: Seen; options: MeterOptions }

/** The section as it is to be; the reader ends at its end. */
function readSection(id: number, section: WasmReader, { from, seen, options }: SectionOf): Uint8Array {
  const sofar = () => section.since(from)
  const rest = () => {
    // Read by the engine alone: nothing in it can run without an end, and nothing has to change.
    while (!section.isAtEnd()) section.byte()
    return sofar()
  }
  switch (id) {
    case 1:
      for (let left = section.count(); left > 0; left--) seen.types.push(readType(section))
      return sofar()
    case 2:
      for (let left = section.count(); left > 0; left--) seen.imports.push(readImport(section, seen, options))
      return sofar()
    case 3:
      for (let left = section.count(); left > 0; left--) seen.functions.push(section.u32())
      return sofar()
    case 4:
      return capped(section, {
        what: "table",
        cap: options.maxTableEntries,
        onStart(entries) {
          seen.tableEntries += entries
          // Each alone is within the cap; there may be as many as bytes.
          if (seen.tableEntries > options.maxTableEntries)
            section.refuse(`its tables begin with ${seen.tableEntries}, and ${options.maxTableEntries} are allowed`)
        },
      })
    case 5:
      return capped(section, {
        what: "memory",
        cap: options.maxMemoryPages,
        onStart: (pages) => (seen.memoryPages = pages),
      })
    case GLOBAL:
      return withFuel(section, { seen, options })
    case EXPORT:
      return readExports(section, seen)
    case CODE:
      return meteredCode(section, seen)
    default:
      return rest()
  }
}

function readType(section: WasmReader): FunctionType {
  if (section.byte() !== 0x60) section.refuse("it has a type that is no function's")
  const types = () =>
    Array.from({ length: section.count() }, () => typeNames[readValueType(section)] ?? section.refuse("no such type"))
  const parameters = types()
  return { parameters: parameters.length, signature: `${parameters.join()}->${types().join()}` }
}

function readImport(section: WasmReader, seen: Seen, { allowedImports }: MeterOptions): ModuleImport {
  const module = section.name()
  const name = section.name()
  const shown = JSON.stringify(`${module} ${name}`.slice(0, 200))
  if (section.byte() !== 0x00) section.refuse(`it imports ${shown}, which is no function`)
  const signature = seen.types[section.u32()]?.signature ?? section.refuse("it names a type that is not there")
  const names = Object.hasOwn(allowedImports, module) ? allowedImports[module] : undefined
  const signatures =
    names === "any function" ? [signature] : names && Object.hasOwn(names, name) ? (names[name] ?? []) : []
  if (signatures.length === 0) section.refuse(`it imports ${shown}, which is not offered`)
  if (!signatures.includes(signature))
    section.refuse(`it imports ${shown} as ${signature}, and it is ${signatures.join(" or ")}`)
  return { module, name, signature }
}

/** Tables or memories, with what they may grow to set to the cap at most. */
function capped(
  section: WasmReader,
  { what, cap, onStart }: { what: "table" | "memory"; cap: number; onStart: (least: number) => void },
): Uint8Array {
  const out = createWriter()
  const count = section.count()
  if (what === "memory" && count > 1) section.refuse("it has a second memory")
  out.u32(count)
  for (let left = count; left > 0; left--) {
    if (what === "table") {
      const type = readValueType(section)
      if (type !== 0x70 && type !== 0x6f) section.refuse("it has a table of no references")
      out.add(type)
    }
    const flags = section.byte()
    if (flags > 1) section.refuse(`its ${what} is shared or of 64 bits, which is not allowed here`)
    const least = section.u32()
    const most = flags === 1 ? section.u32() : cap
    if (least > cap) section.refuse(`its ${what} begins with ${least}, and ${cap} are allowed`)
    onStart(least)
    out.add(1)
    out.u32(least)
    out.u32(Math.max(least, Math.min(most, cap)))
  }
  return out.take()
}

/** The guest's globals, and ours behind them, so that no index moves. */
function withFuel(section: WasmReader, { seen, options }: { seen: Seen; options: MeterOptions }): Uint8Array {
  seen.globals = section.count()
  const out = createWriter()
  out.u32(seen.globals + 1)
  const from = section.at()
  for (let left = seen.globals; left > 0; left--) {
    readValueType(section)
    if (section.byte() > 1) section.refuse("a global is neither constant nor variable")
    while (readInstruction(section) !== "end") {
      // Its value: a constant, or a reference. The engine judges which.
    }
  }
  out.add(section.since(from), fuelGlobal(options, null))
  return out.take()
}

/** `count`: where the section is all ours. */
function fuelGlobal({ initialFuel }: MeterOptions, count: number | null): Uint8Array {
  const out = createWriter()
  if (count !== null) out.u32(count)
  out.add(0x7e, 0x01, 0x42, ...encodeSigned(initialFuel), 0x0b) // i64, variable, i64.const, end
  return out.take()
}

function fuelExport({ globals }: Seen, count: number | null): Uint8Array {
  const out = createWriter()
  if (count !== null) out.u32(count)
  const name = new TextEncoder().encode(FUEL_EXPORT)
  out.u32(name.length)
  out.add(name, 0x03)
  out.u32(globals)
  return out.take()
}

function readExports(section: WasmReader, seen: Seen): Uint8Array {
  const count = section.count()
  const out = createWriter()
  out.u32(count + 1)
  const from = section.at()
  for (let left = count; left > 0; left--) {
    const name = section.name()
    if (name === FUEL_EXPORT) section.refuse(`it has an export called ${FUEL_EXPORT}, which is the meter's`)
    const kind = exportKinds[section.byte()] ?? section.refuse("it exports what is not allowed here")
    section.u32()
    seen.exports.push({ name, kind })
  }
  out.add(section.since(from), fuelExport(seen, null))
  return out.take()
}

function meteredCode(section: WasmReader, seen: Seen): Uint8Array {
  const out = createWriter()
  seen.bodies = section.count()
  if (seen.bodies !== seen.functions.length) section.refuse("it has more or less code than functions")
  out.u32(seen.bodies)
  for (const type of seen.functions) {
    const size = section.u32()
    if (size > MAX_BODY_BYTES) section.refuse(`a function has ${size} bytes, over ${MAX_BODY_BYTES}`)
    const body = section.part(size)
    const parameters = seen.types[type]?.parameters ?? section.refuse("it names a type that is not there")
    const metered = meterBody(body, { size, fuel: seen.globals, parameters })
    out.u32(metered.length)
    out.add(metered)
  }
  return out.take()
}

function addSection(out: WasmWriter, id: number, content: Uint8Array): void {
  out.add(id)
  out.u32(content.length)
  out.add(content)
}
