/**
 * WASI preview 1 for guests: a clock, randomness, an empty environment, and a log where they write. Nothing else is there: every other
 * function answers with an error number, as on a machine without files and sockets.
 */
import { WASI_MODULE, wasiSignatures } from "../guest-imports.ts"
import { coarseNowMs, GuestStop } from "./engine.ts"

/** Error numbers of WASI preview 1. */
const OK = 0
const BAD_DESCRIPTOR = 8
const INVALID = 28
const NOT_SUPPORTED = 52

const NS_PER_MS = 1_000_000n
/** Of one getrandom, by the Web Crypto API. */
const RANDOM_CHUNK = 65_536
const MAX_VECTORS = 1_024 // as IOV_MAX of Linux
const CHARACTER_DEVICE = 2
const FDSTAT_BYTES = 24

export type WasiDeps = {
  /** The guest's memory; only there once it is instantiated. */
  memory: () => WebAssembly.Memory
  now: () => number
  write: (text: string) => void
}

/** A guest that ends itself: status 0 is no failure. */
export class GuestExit extends Error {
  readonly status: number
  constructor(status: number) {
    super(`It ended itself with status ${status}`)
    this.status = status
  }
}

type WasiFunction = (...args: never[]) => number

export function createWasi({ memory, now, write }: WasiDeps): Record<string, Record<string, WasiFunction>> {
  const view = () => new DataView(memory().buffer)
  const isOutput = (descriptor: number) => descriptor === 1 || descriptor === 2
  const decoder = new TextDecoder()
  const zero = (...at: number[]) => {
    for (const place of at) view().setUint32(place, 0, true)
    return OK
  }
  const known: Partial<Record<keyof typeof wasiSignatures, WasiFunction>> = {
    args_get: () => OK,
    args_sizes_get: (count: number, size: number) => zero(count, size),
    environ_get: () => OK,
    environ_sizes_get: (count: number, size: number) => zero(count, size),
    clock_res_get(_clock: number, at: number) {
      view().setBigUint64(at, 100n * NS_PER_MS, true)
      return OK
    },
    clock_time_get(_clock: number, _precision: bigint, at: number) {
      view().setBigUint64(at, BigInt(coarseNowMs(now)) * NS_PER_MS, true)
      return OK
    },
    random_get(at: number, length: number) {
      const bytes = new Uint8Array(memory().buffer, at >>> 0, length >>> 0)
      for (let from = 0; from < bytes.length; from += RANDOM_CHUNK)
        crypto.getRandomValues(bytes.subarray(from, from + RANDOM_CHUNK))
      return OK
    },
    fd_write(descriptor: number, vectors: number, count: number, written: number) {
      if (!isOutput(descriptor)) return BAD_DESCRIPTOR
      if (count >>> 0 > MAX_VECTORS) return INVALID
      const data = view()
      let total = 0
      for (let at = vectors >>> 0; at < (vectors >>> 0) + count * 8; at += 8) {
        const bytes = new Uint8Array(data.buffer, data.getUint32(at, true), data.getUint32(at + 4, true))
        total += bytes.length
        write(decoder.decode(bytes.subarray(0, RANDOM_CHUNK)))
      }
      data.setUint32(written, total >>> 0, true)
      return OK
    },
    fd_read(_descriptor: number, _vectors: number, _count: number, got: number) {
      return zero(got) // the end of an empty input
    },
    fd_fdstat_get(descriptor: number, at: number) {
      if (descriptor !== 0 && !isOutput(descriptor)) return BAD_DESCRIPTOR
      new Uint8Array(memory().buffer, at >>> 0, FDSTAT_BYTES).fill(0)
      view().setUint8(at, CHARACTER_DEVICE)
      return OK
    },
    fd_close: (descriptor: number) => (isOutput(descriptor) ? OK : BAD_DESCRIPTOR),
    fd_prestat_get: () => BAD_DESCRIPTOR,
    sched_yield: () => OK,
    proc_exit(status: number) {
      throw new GuestExit(status)
    },
    proc_raise(signal: number) {
      throw new GuestStop("trap", `It raised signal ${signal}`)
    },
  }
  const all: Record<string, WasiFunction> = {}
  for (const name of Object.keys(wasiSignatures)) all[name] = () => NOT_SUPPORTED
  return { [WASI_MODULE]: { ...all, ...known } }
}
