/**
 * WebAssembly guests, on Extism's own kernel, with the host's share of it replaced: requests, configuration, logs and the size of blocks
 * are ours, so that plugins built with any stock plugin kit run unchanged and reach nothing that a call does not give them.
 */
import { type CallContext, createPlugin } from "@extism/extism"
import { systemClock } from "#core/clock.ts"
import { judgeShape, t } from "#core/schema.ts"
import { HOST_MODULE, KERNEL_MODULE, WASI_MODULE } from "../guest-imports.ts"
import { FUEL_EXPORT } from "../meter.ts"
import { type Engine, type EngineCall, type EngineOutcome, GuestStop, type LogLevel, failureOf } from "./engine.ts"
import { type FailureReason, hostFunctionNames } from "./guest.ts"
import { createWasi, GuestExit } from "./wasi.ts"

/** Extism gives a block its number in 16 signed bits of an address. */
const MAX_BLOCKS = 32_000
/** Variables live for one call. */
const MAX_VARIABLES = 1_000
const MAX_KEY_BYTES = 1_024
/** Extism's number of the level "debug". */
const LOG_LEVEL_DEBUG = 1

const StockRequest = t.Object({
  url: t.String(),
  method: t.Optional(t.Union([t.String(), t.Null()])),
  headers: t.Optional(t.Union([t.Record(t.String(), t.String()), t.Null()])),
})
const encoder = new TextEncoder()

/** Compiled once; `wasm` has been metered. */
export function loadWasm(wasm: Uint8Array<ArrayBuffer>): Engine {
  const module = new WebAssembly.Module(wasm)
  const imported = new Set(WebAssembly.Module.imports(module).map((one) => one.module))
  return { call: (call) => run({ module, imported }, call) }
}

type Loaded = {
  module: WebAssembly.Module
  /** The modules that it asks for: functions of others are not made for a call. */
  imported: ReadonlySet<string>
}

async function run({ module, imported }: Loaded, call: EngineCall): Promise<EngineOutcome> {
  let fuel: FuelGlobal | null = null
  let memory: WebAssembly.Memory | null = null
  const left = () => fuel?.value ?? call.fuel
  // All of it, where the meter stopped it below zero.
  const used = () => ({
    fuel: left() < 0n ? call.fuel : call.fuel - left(),
    memoryBytes: (memory?.buffer.byteLength ?? 0) + blocks.heldBytes(),
  })
  const blocks = createBlocks(call)
  const output = { bytes: new Uint8Array() }
  try {
    const plugin = await createPlugin(module, {
      useWasi: false,
      runInWorker: false,
      functions: {
        ...(imported.has(WASI_MODULE) ? { [WASI_MODULE]: wasiFunctions(call, () => memory) } : {}),
        [KERNEL_MODULE]: kernelFunctions(call, { blocks, output }),
        ...(imported.has(HOST_MODULE) ? { [HOST_MODULE]: hostFunctions(call, blocks) } : {}),
      },
      logger: silent,
      fetch: noFetch,
    })
    // A plugin of one module: Extism calls it "0".
    const { exports } = await plugin.getInstance("0")
    memory = exports["memory"] instanceof WebAssembly.Memory ? exports["memory"] : null
    fuel = fuelOf(exports)
    fuel.value = call.fuel
    if (typeof exports[call.name] !== "function") stop("code", `It has no function "${call.name}"`)
    const initialize = exports["_initialize"]
    if (typeof initialize === "function") Reflect.apply(initialize, undefined, [])
    await plugin.call(call.name, call.input)
    return { ok: true, output: output.bytes, ...used() }
  } catch (error) {
    if (error instanceof GuestExit && error.status === 0) return { ok: true, output: new Uint8Array(), ...used() }
    return { ...failureOf(plain(error), left()), ...used() }
  }
}

function wasiFunctions({ door }: EngineCall, memory: () => WebAssembly.Memory | null) {
  const wasi = createWasi({
    memory: () => memory() ?? stop("trap", "It called the system before it had a memory"),
    now: systemClock.nowMs,
    write: (text) => door.log("info", text),
  })
  return withContext(wasi[WASI_MODULE] ?? {})
}

/** Extism gives its context to every function before the guest's arguments; WASI's have no use for it. */
function withContext(functions: Record<string, (...args: never[]) => unknown>) {
  return Object.fromEntries(
    Object.entries(functions).map(([name, work]) => [
      name,
      (_context: CallContext, ...args: (number | bigint)[]): unknown => Reflect.apply(work, null, args),
    ]),
  )
}

type FuelGlobal = { value: bigint }

function fuelOf(exports: WebAssembly.Instance["exports"]): FuelGlobal {
  const fuel = exports[FUEL_EXPORT]
  if (!(fuel instanceof WebAssembly.Global) || typeof fuel.value !== "bigint") return stop("code", "It was not metered")
  // An i64, as its value shows.
  return fuel
}

type Blocks = {
  heldBytes(): number
  read(context: CallContext, at: bigint): Uint8Array | null
  text(context: CallContext, at: bigint): string | null
  alloc(context: CallContext, size: bigint): bigint
  /** It was freed: its bytes count no more. */
  forget(at: bigint): void
  /** A new block with these bytes. */
  store(context: CallContext, bytes: Uint8Array): bigint
}

/** Extism's blocks of memory outside the guest, which it bounds neither in size nor in number. */
function createBlocks({ maxMemoryBytes }: { maxMemoryBytes: number }): Blocks {
  const sizes = new Map<bigint, number>()
  let held = 0
  let count = 0
  const decoder = new TextDecoder()
  const room = (bytes: number) => {
    if (++count > MAX_BLOCKS) stop("memory", `It asked for more than ${MAX_BLOCKS} blocks`)
    if (held + bytes > maxMemoryBytes) stop("memory", `It asked for blocks of more than ${maxMemoryBytes} bytes`)
    held += bytes
  }
  const read = (context: CallContext, at: bigint) => context.read(at)?.bytes() ?? null
  return {
    heldBytes: () => held,
    read,
    text(context, at) {
      const bytes = read(context, at)
      return bytes === null ? null : decoder.decode(bytes)
    },
    alloc(context, size) {
      if (size < 0n || size > BigInt(maxMemoryBytes)) return stop("memory", `It asked for a block of ${size} bytes`)
      room(Number(size))
      const at = context.alloc(size)
      sizes.set(at, Number(size))
      return at
    },
    forget(at) {
      held -= sizes.get(at) ?? 0
      sizes.delete(at)
    },
    store(context, bytes) {
      room(bytes.length)
      // Extism takes the whole buffer below the bytes.
      const at = context.store(bytes.length === bytes.buffer.byteLength ? bytes : bytes.slice())
      sizes.set(at, bytes.length)
      return at
    },
  }
}

type Free = (at: bigint) => void

/**
 * Extism's own `free`, with our count of what is held. Extism binds a replacement to its context just before it overwrites its own function,
 * which it keeps under a symbol that it does not export: that is the moment in which to keep the original.
 */
function countedFree(counted: (at: bigint) => void) {
  const replacement = (_context: CallContext, at: bigint) => counted(at)
  return Object.assign(replacement, {
    bind(_self: unknown, context: CallContext) {
      const key = Object.getOwnPropertySymbols(context).find((symbol) => symbol.description === "env")
      // As its declarations type what is there.
      const { free } = Reflect.get(context, key ?? "") as { free: Free }
      return (at: bigint) => {
        counted(at)
        free(at)
      }
    },
  })
}

/** The part of the kernel that is ours. The rest touches only blocks that were counted. */
function kernelFunctions(call: EngineCall, { blocks, output }: { blocks: Blocks; output: { bytes: Uint8Array } }) {
  let status = 0
  let headers: string | null = null
  const variables = new Map<string, bigint>()
  const log = (level: LogLevel) => (context: CallContext, at: bigint) =>
    call.door.log(level, blocks.text(context, at) ?? "")

  return {
    alloc: blocks.alloc,
    free: countedFree(blocks.forget),
    output_set(context: CallContext, at: bigint, length: bigint) {
      const bytes = blocks.read(context, at) ?? stop("trap", "Its output is no block")
      if (length < 0n || length > BigInt(bytes.length)) stop("trap", "Its output is longer than its block")
      if (length > BigInt(call.maxOutputBytes))
        stop("size", `Its output has ${length} bytes, over ${call.maxOutputBytes}`)
      // The block itself: what the guest still writes into it counts, as in Extism's other hosts.
      output.bytes = bytes.subarray(0, Number(length))
    },
    config_get(context: CallContext, at: bigint) {
      const key = blocks.text(context, at)
      if (key === null || !Object.hasOwn(call.config, key)) return 0n
      return blocks.store(context, encoder.encode(call.config[key]))
    },
    var_get: (context: CallContext, at: bigint) => variables.get(blocks.text(context, at) ?? "") ?? 0n,
    var_set(context: CallContext, at: bigint, value: bigint) {
      if (variables.size >= MAX_VARIABLES || context.length(at) > MAX_KEY_BYTES)
        stop("memory", `It set more than ${MAX_VARIABLES} variables, or one with a long name`)
      const key = blocks.text(context, at) ?? ""
      if (value === 0n) variables.delete(key)
      else variables.set(key, value)
    },
    http_request(context: CallContext, request: bigint, body: bigint) {
      const shape = judgeShape(StockRequest, jsonOf(blocks.text(context, request) ?? ""))
      if (!shape.ok) return stop("trap", "It sent a request that is none")
      const { url, method, headers: sent } = shape.value
      const bytes = body === 0n ? new Uint8Array() : (blocks.read(context, body) ?? new Uint8Array())
      const answer = call.door.ask({ name: "http", method: method ?? "GET", url, headers: sent ?? {} }, bytes)
      // As in Extism's other hosts: a request that is not allowed ends the call.
      if ("refused" in answer) return stop("host", answer.refused)
      status = answer.header.status ?? 0
      headers = JSON.stringify(answer.header.headers ?? {})
      return blocks.store(context, answer.body)
    },
    http_status_code: () => status,
    http_headers: (context: CallContext) => (headers === null ? 0n : blocks.store(context, encoder.encode(headers))),
    get_log_level: () => LOG_LEVEL_DEBUG,
    log_trace: () => {},
    log_debug: log("debug"),
    log_info: log("info"),
    log_warn: log("warn"),
    log_error: log("error"),
  }
}

/** JSON in, JSON out; a refusal is `{"error": words}`, so that a guest can go on. */
function hostFunctions({ door }: EngineCall, blocks: Blocks) {
  return Object.fromEntries(
    hostFunctionNames.map((name) => [
      name,
      (context: CallContext, at: bigint) => {
        const answer = door.ask({ name, payload: blocks.text(context, at) ?? "" })
        return blocks.store(
          context,
          "refused" in answer ? encoder.encode(JSON.stringify({ error: answer.refused })) : answer.body,
        )
      },
    ]),
  )
}

function jsonOf(text: string): unknown {
  try {
    return JSON.parse(text)
  } catch {
    // Judged by its shape: undefined has none.
    return undefined
  }
}

function stop(reason: FailureReason, words: string): never {
  throw new GuestStop(reason, words)
}

/** An error that the guest set is its own words, without Extism's before them. */
function plain(error: unknown): unknown {
  if (!(error instanceof Error)) return error
  const told = /^Plugin-originated error: ([^]*)$/.exec(error.message)?.[1]
  return told === undefined ? error : new Error(told)
}

const nothing = () => {}
/** Extism's own words about a guest's mistakes go nowhere: the guest's outcome says them. */
const silent = Object.assign(Object.create(console) as Console, {
  log: nothing,
  info: nothing,
  debug: nothing,
  warn: nothing,
  error: nothing,
  trace: nothing,
})
/** Never called: a module is given, not an address. */
const noFetch = Object.assign(() => Promise.reject(new Error("There is no network here")), { preconnect: nothing })
