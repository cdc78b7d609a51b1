/**
 * Puts the meter into the body of a function: fuel is taken at its entry, at each head of a loop, and before an instruction whose work
 * grows with an operand. Everything that can run without an end passes one of these.
 */
import { type WasmReader, createWriter, encodeSigned, encodeU32 } from "./wasm-binary.ts"
import { type Instruction, readInstruction, readValueType } from "./wasm-instructions.ts"

const I32 = 0x7f
const I64 = 0x7e
const NOTHING = 0x40
const UNREACHABLE = 0x00
const IF = 0x04
const END = 0x0b
const LOCAL_GET = 0x20
const LOCAL_SET = 0x21
const LOCAL_TEE = 0x22
const GLOBAL_GET = 0x23
const GLOBAL_SET = 0x24
const I64_CONST = 0x42
const I64_LT_S = 0x53
const I64_SUB = 0x7d
const I64_MUL = 0x7e
const I64_SHR_U = 0x88
const I64_EXTEND_I32_U = 0xad
/** Locals of one function. Engines allow 50,000; compilers rarely pass a few hundred. */
const MAX_LOCALS = 20_000
/** Blocks inside blocks. A large switch of an interpreter has some hundreds. */
const MAX_DEPTH = 10_000
/** A function's straight-line code runs once an entry, so a long one costs more: a unit for each of so many bytes. */
const BYTES_A_UNIT = 256
/** Work of bulk instructions that costs one unit, in bytes or entries, as a power of two. */
const BULK_SHIFT = 6
/** A page that is asked for costs this many units: 64 KiB to clear, in steps of 2 to the power of `BULK_SHIFT`. */
const UNITS_A_PAGE = 65_536 >> BULK_SHIFT

function once<T>(make: () => T): () => T {
  let made: { value: T } | null = null
  return () => (made ??= { value: make() }).value
}

export type FunctionMeter = {
  /** Bytes of the body. */
  size: number
  /** Index of the fuel's global. */
  fuel: number
  /** Parameters of this function, which come before its locals. */
  parameters: number
}

/** Rewrites one body, from its locals to its end. */
export function meterBody(body: WasmReader, { size, fuel, parameters }: FunctionMeter): Uint8Array {
  const out = createWriter()
  const groups = body.count()
  const groupsFrom = body.at()
  let locals = 0
  for (let left = groups; left > 0; left--) {
    locals += body.u32()
    if (locals > MAX_LOCALS) body.refuse(`a function has more than ${MAX_LOCALS} locals`)
    readValueType(body)
  }
  // Two locals of our own, behind all others so that no index moves.
  const left = parameters + locals
  const amount = left + 1
  out.u32(groups + 2)
  out.add(body.since(groupsFrom), 1, I64, 1, I32)

  /** Takes what the code before left on the stack as i64 from the fuel, and traps where that is too much. */
  const take = (cost: readonly number[]): Uint8Array =>
    Uint8Array.from([
      GLOBAL_GET,
      ...encodeU32(fuel),
      ...cost,
      I64_SUB,
      LOCAL_TEE,
      ...encodeU32(left),
      GLOBAL_SET,
      ...encodeU32(fuel),
      LOCAL_GET,
      ...encodeU32(left),
      I64_CONST,
      0,
      I64_LT_S,
      IF,
      NOTHING,
      UNREACHABLE,
      END,
    ])
  // Made where it is needed: a module may have very many functions with nothing in them.
  const one = once(() => take([I64_CONST, 1]))
  /** By the i32 on top of the stack, which stays there. */
  const byOperand = (units: readonly number[]) => [
    Uint8Array.from([LOCAL_SET, ...encodeU32(amount)]),
    take([LOCAL_GET, ...encodeU32(amount), I64_EXTEND_I32_U, I64_CONST, ...units]),
    Uint8Array.from([LOCAL_GET, ...encodeU32(amount)]),
  ]
  const bulk = once(() => byOperand([BULK_SHIFT, I64_SHR_U]))
  const grow = once(() => byOperand([...encodeSigned(BigInt(UNITS_A_PAGE)), I64_MUL]))

  out.add(take([I64_CONST, ...encodeSigned(BigInt(1 + Math.floor(size / BYTES_A_UNIT)))]))
  let copiedTo = body.at()
  const copyTo = (to: number) => {
    out.add(body.since(copiedTo).subarray(0, to - copiedTo))
    copiedTo = to
  }
  for (let depth = 1; depth > 0;) {
    const from = body.at()
    const kind: Instruction = readInstruction(body)
    if (kind === "block" || kind === "loop") depth++
    if (kind === "end") depth--
    if (depth > MAX_DEPTH) body.refuse(`a function has blocks more than ${MAX_DEPTH} deep`)
    if (kind === "loop") {
      copyTo(body.at())
      out.add(one())
    } else if (kind === "bulk" || kind === "grow") {
      copyTo(from)
      out.add(...(kind === "bulk" ? bulk() : grow()))
    }
  }
  if (!body.isAtEnd()) body.refuse("a function goes on behind its end")
  copyTo(body.at())
  return out.take()
}
