/**
 * Every instruction that a guest may use, by what follows its opcode (core specification 2.0, chapter 5.4). What is not here is refused:
 * exceptions, garbage collection, threads, tail calls, relaxed SIMD, and whatever is invented later.
 */
import type { WasmReader } from "./wasm-binary.ts"

/** What the meter has to know of an instruction. `bulk`: its work grows with the i32 on top of the stack. */
export type Instruction = "plain" | "block" | "loop" | "else" | "end" | "bulk" | "grow"

type Immediate = "none" | "u32" | "u32 u32" | "block" | "table" | "types" | "memory" | "zero" | "type" | number

const NOTHING = 0x40
/** Of the last byte of a signed number. */
const SIGN = 0x40
const valueTypes = new Set([0x7f, 0x7e, 0x7d, 0x7c, 0x7b, 0x70, 0x6f])

export function isValueType(byte: number): boolean {
  return valueTypes.has(byte)
}

const basic = new Map<number, Immediate>([
  ...range(0x00, 0x01, "none"), // unreachable, nop
  ...range(0x02, 0x04, "block"),
  [0x05, "none"],
  [0x0b, "none"],
  ...range(0x0c, 0x0d, "u32"), // br, br_if
  [0x0e, "table"],
  [0x0f, "none"], // return
  [0x10, "u32"], // call
  [0x11, "u32 u32"], // call_indirect
  ...range(0x1a, 0x1b, "none"), // drop, select
  [0x1c, "types"],
  ...range(0x20, 0x26, "u32"), // locals, globals, table.get, table.set
  ...range(0x28, 0x3e, "memory"), // loads and stores
  ...range(0x3f, 0x40, "zero"), // memory.size, memory.grow
  ...range(0x43, 0x43, 4), // f32.const
  ...range(0x44, 0x44, 8), // f64.const
  ...range(0x45, 0xc4, "none"), // arithmetic, conversions, sign extension
  [0xd0, "type"],
  [0xd1, "none"],
  [0xd2, "u32"], // ref.func
])

/** Behind 0xfc. */
const extended = new Map<number, Immediate>([
  ...range(0, 7, "none"), // saturating conversions
  [8, "u32 u32"], // memory.init: data, memory
  [9, "u32"], // data.drop
  [10, "u32 u32"], // memory.copy
  [11, "u32"], // memory.fill
  [12, "u32 u32"], // table.init
  [13, "u32"], // elem.drop
  [14, "u32 u32"], // table.copy
  ...range(15, 17, "u32"), // table.grow, size, fill
])
const bulk = new Set([8, 10, 11, 12, 14, 17])
const TABLE_GROW = 15

/** Behind 0xfd: 128-bit vectors. The engine validates which of the plain ones exist. */
const vector = new Map<number, Immediate>([
  ...range(0, 11, "memory"),
  ...range(12, 13, 16), // v128.const, i8x16.shuffle
  ...range(14, 20, "none"),
  ...range(21, 34, 1), // lanes
  ...range(35, 83, "none"),
  ...range(84, 91, "memory"), // with a lane behind
  ...range(92, 93, "memory"),
  ...range(94, 255, "none"),
])

function range(first: number, last: number, immediate: Immediate): [number, Immediate][] {
  return Array.from({ length: last - first + 1 }, (_, at): [number, Immediate] => [first + at, immediate])
}

/** Passes one instruction and says what it is. */
export function readInstruction(reader: WasmReader): Instruction {
  const opcode = reader.byte()
  if (opcode === 0x41 || opcode === 0x42) {
    reader.skipSigned(opcode === 0x41 ? 32 : 64)
    return "plain"
  }
  if (opcode === 0xfc) {
    const sub = reader.u32()
    skipImmediate(reader, extended.get(sub))
    return bulk.has(sub) ? "bulk" : sub === TABLE_GROW ? "grow" : "plain"
  }
  if (opcode === 0xfd) {
    const sub = reader.u32()
    skipImmediate(reader, vector.get(sub))
    if (sub >= 84 && sub <= 91) reader.byte()
    return "plain"
  }
  skipImmediate(reader, basic.get(opcode))
  if (opcode === 0x03) return "loop"
  if (opcode === 0x02 || opcode === 0x04) return "block"
  if (opcode === 0x05) return "else"
  if (opcode === 0x0b) return "end"
  return opcode === 0x40 ? "grow" : "plain"
}

function skipImmediate(reader: WasmReader, immediate: Immediate | undefined): void {
  if (typeof immediate === "number") return void reader.bytes(immediate)
  switch (immediate) {
    case "none":
      return
    case "u32":
      return void reader.u32()
    case "u32 u32":
      reader.u32()
      return void reader.u32()
    case "block":
      return skipBlockType(reader)
    case "table":
      for (let left = reader.count() + 1; left > 0; left--) reader.u32()
      return
    case "types":
      for (let left = reader.count(); left > 0; left--) readValueType(reader)
      return
    case "memory":
      if (reader.u32() >= 32) reader.refuse("it names a second memory") // an alignment is a power of two below 32
      return void reader.u32()
    case "zero":
      return reader.byte() === 0 ? undefined : reader.refuse("it names a second memory")
    case "type":
      return void readValueType(reader)
    case undefined:
      return reader.refuse("it has an instruction that is not allowed here")
  }
}

/**
 * Nothing, a value type, or the index of a type. Any other negative number is a type that came later, and some of those have bytes of
 * their own behind them: read as instructions, these would hide the ones that follow.
 */
function skipBlockType(reader: WasmReader): void {
  const from = reader.at()
  reader.skipSigned(33)
  const bytes = reader.since(from)
  const last = bytes.at(-1) ?? 0
  if (bytes.length === 1 && (last === NOTHING || isValueType(last))) return
  if ((last & SIGN) !== 0) reader.refuse("it has a block of a type that is not allowed here")
}

export function readValueType(reader: WasmReader): number {
  const type = reader.byte()
  return isValueType(type) ? type : reader.refuse("it has a type that is not allowed here")
}
