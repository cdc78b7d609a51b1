/** Reading and writing the WebAssembly binary format (core specification 2.0, chapter 5): a cursor that never leaves its bounds. */

/** What the format, or our limits, do not allow. Its message says what and where; it never leaves this folder as an exception. */
export class WasmRefusal extends Error {}

/**
 * Bounds on counts, above what compilers emit (interpreters with their libraries have some 30,000 functions), so that no count in a file
 * can make us allocate or loop without an end: judging a million empty functions took half a minute and a GB (2026-12).
 */
const MAX_COUNT = 100_000

export type WasmReader = {
  /** Offset in the file of the next byte. */
  at(): number
  isAtEnd(): boolean
  byte(): number
  /** LEB128, at most 32 bits, as the specification bounds its length and its unused bits. */
  u32(): number
  /** A count of things that take at least a byte each. */
  count(): number
  /** Passes a signed LEB128 of at most `bits`. */
  skipSigned(bits: 32 | 33 | 64): void
  bytes(length: number): Uint8Array
  /** What was read since that offset. */
  since(from: number): Uint8Array
  /** A name: UTF-8, or refused. */
  name(): string
  /** A reader of the next `length` bytes alone; this one goes on behind them. */
  part(length: number): WasmReader
  refuse(why: string): never
}

const utf8 = new TextDecoder("utf-8", { fatal: true, ignoreBOM: true })

/** Reads `file` from `from` to before `to`; offsets in refusals are those of the file. */
export function createReader(file: Uint8Array, from = 0, to = file.length): WasmReader {
  let at = from
  const refuse = (why: string): never => {
    throw new WasmRefusal(`${why} (at byte ${at})`)
  }
  const byte = (): number => {
    const value = at < to ? file[at] : undefined
    if (value === undefined) return refuse("it ends too early")
    at++
    return value
  }
  const bytes = (length: number): Uint8Array => {
    if (length > to - at) return refuse("a length points beyond the end")
    at += length
    return file.subarray(at - length, at)
  }
  const u32 = (): number => {
    let value = 0
    for (let shift = 0; ; shift += 7) {
      const next = byte()
      if (shift === 28 && next > 0x0f) return refuse("a number is too long")
      value += (next & 0x7f) * 2 ** shift // not by bits: they are signed at the 32nd
      if (next < 0x80) return value
    }
  }
  return {
    at: () => at,
    isAtEnd: () => at === to,
    byte,
    u32,
    count() {
      const count = u32()
      return count > MAX_COUNT || count > to - at ? refuse(`a count of ${count} is too large`) : count
    },
    skipSigned(bits) {
      for (let left = bits; ; left -= 7) {
        const next = byte()
        if (left <= 7) {
          // The last byte there may be: its unused bits repeat the sign.
          const unused = (0x7f << (left - 1)) & 0x7f
          if (next >= 0x80 || ((next & unused) !== 0 && (next & unused) !== unused)) refuse("a number is too long")
          return
        }
        if (next < 0x80) return
      }
    },
    bytes,
    since: (start) => file.subarray(start, at),
    name() {
      const text = bytes(u32())
      try {
        return utf8.decode(text)
      } catch {
        return refuse("a name is not UTF-8")
      }
    },
    part(length) {
      const start = at
      bytes(length)
      return createReader(file, start, at)
    },
    refuse,
  }
}

/** Bytes in the order in which they were added. */
export type WasmWriter = { add(...parts: (number | Uint8Array)[]): void; u32(value: number): void; take(): Uint8Array }

export function createWriter(): WasmWriter {
  const parts: (number[] | Uint8Array)[] = []
  const single = (value: number) => {
    const last = parts.at(-1)
    if (Array.isArray(last)) last.push(value)
    else parts.push([value])
  }
  return {
    add(...added) {
      for (const part of added) {
        if (typeof part === "number") single(part)
        else if (part.length > 0) parts.push(part)
      }
    },
    u32(value) {
      for (const one of encodeU32(value)) single(one)
    },
    take() {
      const whole = new Uint8Array(parts.reduce((sum, part) => sum + part.length, 0))
      let at = 0
      for (const part of parts) {
        whole.set(part, at)
        at += part.length
      }
      return whole
    },
  }
}

export function encodeU32(value: number): number[] {
  const encoded: number[] = []
  let rest = value
  do {
    const low = rest % 128
    rest = Math.floor(rest / 128)
    encoded.push(rest > 0 ? low | 0x80 : low)
  } while (rest > 0)
  return encoded
}

/** Signed LEB128, as `i32.const` and `i64.const` have it. */
export function encodeSigned(value: bigint): number[] {
  const encoded: number[] = []
  let rest = value
  for (;;) {
    const low = Number(rest & 0x7fn)
    rest >>= 7n
    const isLast = (rest === 0n && (low & 0x40) === 0) || (rest === -1n && (low & 0x40) !== 0)
    encoded.push(isLast ? low : low | 0x80)
    if (isLast) return encoded
  }
}
