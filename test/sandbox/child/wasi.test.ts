import { describe, expect, test } from "bun:test"
import { createWasi, GuestExit } from "#sandbox/child/wasi.ts"
import { wasiSignatures, WASI_MODULE } from "#sandbox/guest-imports.ts"

const NOT_SUPPORTED = 52
const BAD_DESCRIPTOR = 8

function setUp() {
  const memory = new WebAssembly.Memory({ initial: 1 })
  const written: string[] = []
  const wasi = createWasi({ memory: () => memory, now: () => 1_234_567, write: (text) => void written.push(text) })
  const functions = wasi[WASI_MODULE] ?? {}
  const call = (name: keyof typeof wasiSignatures, ...args: (number | bigint)[]): unknown =>
    Reflect.apply(functions[name] ?? (() => "absent"), null, args)
  return { call, view: new DataView(memory.buffer), bytes: new Uint8Array(memory.buffer), written, functions }
}

describe("WASI for guests", () => {
  test("has every function of preview 1 that compilers link in, and no file, folder or socket behind any", () => {
    const { call, functions } = setUp()
    expect(Object.keys(functions).toSorted()).toEqual(Object.keys(wasiSignatures).toSorted())
    for (const name of [
      "path_open",
      "path_unlink_file",
      "sock_send",
      "fd_readdir",
      "fd_pwrite",
      "poll_oneoff",
    ] as const)
      expect(call(name, 3, 0, 0, 0, 0, 0, 0, 0, 0)).toBe(NOT_SUPPORTED)
    // No folder was opened for it.
    expect(call("fd_prestat_get", 3, 0)).toBe(BAD_DESCRIPTOR)
    expect(call("fd_write", 3, 0, 0, 0)).toBe(BAD_DESCRIPTOR)
  })

  test("writes to the log, from as many pieces as there are", () => {
    const { call, view, bytes, written } = setUp()
    bytes.set(new TextEncoder().encode("abcdef"), 100)
    for (const [at, value] of [100, 2, 102, 4].entries()) view.setUint32(at * 4, value, true)
    expect(call("fd_write", 1, 0, 2, 40)).toBe(0)
    expect(written).toEqual(["ab", "cdef"])
    expect(view.getUint32(40, true)).toBe(6)
  })

  test("reads no byte beyond the guest's memory", () => {
    const { call, view } = setUp()
    view.setUint32(0, 65_530, true)
    view.setUint32(4, 100, true)
    expect(() => call("fd_write", 1, 0, 1, 40)).toThrow(RangeError)
    expect(() => call("random_get", 65_530, 100)).toThrow(RangeError)
    expect(() => call("clock_time_get", 0, 0n, -1)).toThrow(RangeError)
  })

  test("has a clock too coarse to time others by, randomness, and an empty environment", () => {
    const { call, view, bytes } = setUp()
    expect(call("clock_time_get", 0, 0n, 0)).toBe(0)
    expect(view.getBigUint64(0, true)).toBe(1_234_500_000_000n)
    expect(call("random_get", 16, 32)).toBe(0)
    expect(bytes.slice(16, 48).some((byte) => byte !== 0)).toBe(true)
    view.setUint32(60, 7, true)
    expect(call("environ_sizes_get", 60, 64)).toBe(0)
    expect(view.getUint32(60, true)).toBe(0)
  })

  test("ends a guest that ends itself", () => {
    expect(() => setUp().call("proc_exit", 3)).toThrow(GuestExit)
  })
})
