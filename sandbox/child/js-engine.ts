/** JavaScript guests: QuickJS compiled to WebAssembly and metered like any guest, in a new virtual machine for each call. */
import { JSException, type JSValueHandle, type QuickJS } from "quickjs-wasi"
import { systemClock } from "#core/clock.ts"
import { WASI_MODULE } from "../guest-imports.ts"
import { FUEL_EXPORT } from "../meter.ts"
import {
  type Answer,
  type Engine,
  type EngineCall,
  type EngineOutcome,
  type HostDoor,
  GuestStop,
  failureOf,
} from "./engine.ts"
import { createHeap, exportsOf, type Heap, type HostCallbacks, instantiate } from "./js-heap.ts"
import { createWasi } from "./wasi.ts"

/** As QuickJS numbers the states of promises. */
const PENDING = 0
const encoder = new TextEncoder()
const decoder = new TextDecoder()
const LOG_LEVELS = ["debug", "info", "warn", "error"] as const

export type ScriptEngine = { load(source: string): Engine }

/** `wasm` is QuickJS, metered; `sdk` what guests import as "ironclaw". */
export async function createScripts(wasm: Uint8Array<ArrayBuffer>, { sdk }: { sdk: string }): Promise<ScriptEngine> {
  const module = await WebAssembly.compile(wasm)
  // No guest is there yet, so nobody logs.
  const heap = await createHeap(module, { sdk, wasi: (memory) => wasiOf(memory, { log() {} }) })
  return { load: (source) => ({ call: (call) => run(heap, source, call) }) }
}

async function run(heap: Heap, source: string, call: EngineCall): Promise<EngineOutcome> {
  let fuel: { value: bigint } | null = null
  let memory: WebAssembly.Memory | null = null
  const left = () => fuel?.value ?? call.fuel
  const used = () => ({
    fuel: left() < 0n ? call.fuel : call.fuel - left(),
    memoryBytes: memory?.buffer.byteLength ?? 0,
  })
  try {
    const vm: QuickJS = await instantiate(heap, {
      wasi(its) {
        memory = its
        return wasiOf(its, call.door)
      },
      loadModule(name) {
        if (name === "plugin") return source
        // A text, not an Error: the stack of one would tell the guest about files of ours.
        throw `There is no module "${name}" here: a plugin is one file, and may import "ironclaw"`
      },
      host: hostOf(() => vm, call),
      maxMemoryBytes: call.maxMemoryBytes,
    })
    fuel = fuelOf(vm)
    fuel.value = call.fuel
    const started = vm.callFunction(
      vm.global.getProp("__run"),
      vm.undefined,
      vm.newString(call.name),
      vm.newString(decoder.decode(call.input)),
      vm.newString(JSON.stringify(call.config)),
    )
    const output = await settle(vm, started)
    if (output.isUndefined) throw new GuestStop("code", `It exports no function "${call.name}"`)
    const bytes = encoder.encode(output.toString())
    if (bytes.length > call.maxOutputBytes)
      throw new GuestStop("size", `Its output has ${bytes.length} bytes, over ${call.maxOutputBytes}`)
    return { ok: true, output: bytes, ...used() }
  } catch (error) {
    return { ...failureOf(named(error), left()), ...used() }
  }
}

function wasiOf(
  memory: WebAssembly.Memory,
  door: Pick<HostDoor, "log">,
): Record<string, (...args: number[]) => number> {
  const wasi = createWasi({ memory: () => memory, now: systemClock.nowMs, write: (text) => door.log("info", text) })
  // WASI functions take numbers and give one; so the package's own declaration has them.
  return wasi[WASI_MODULE] as unknown as Record<string, (...args: number[]) => number>
}

function fuelOf(vm: QuickJS): { value: bigint } {
  const fuel = exportsOf(vm)[FUEL_EXPORT]
  if (!(fuel instanceof WebAssembly.Global) || typeof fuel.value !== "bigint")
    throw new GuestStop("code", "The engine was not metered")
  return fuel
}

/** Runs what waits, and gives what the promise came to. */
async function settle(vm: QuickJS, promise: JSValueHandle): Promise<JSValueHandle> {
  vm.executePendingJobs()
  if (promise.promiseState === PENDING)
    throw new GuestStop("trap", "It waits for something that never comes: nothing here happens by itself")
  const result = await vm.resolvePromise(promise)
  if ("error" in result) throw new JSException(result.error)
  return result.value
}

/** What stands behind the SDK's functions; see its declaration. */
function hostOf(its: () => QuickJS, { door }: EngineCall): HostCallbacks {
  const answerOf = (
    answer: Answer,
    told: (answer: Exclude<Answer, { refused: string }>) => Record<string, JSValueHandle>,
  ) => {
    const object = its().newObject()
    const parts = "refused" in answer ? { refused: its().newString(answer.refused) } : told(answer)
    for (const [name, part] of Object.entries(parts)) object.setProp(name, part)
    return object
  }
  return {
    ask: (name, payload) =>
      answerOf(door.ask({ name: String(name), payload: String(payload) }), ({ body }) => ({
        text: its().newString(decoder.decode(body)),
      })),
    http(header, body) {
      const request = JSON.parse(String(header)) as { method: string; url: string; headers: Record<string, string> }
      const bytes = body === undefined || body.isUndefined ? undefined : bytesOf(body)
      return answerOf(door.ask({ name: "http", ...request }, bytes), (answer) => ({
        header: its().newString(JSON.stringify(answer.header)),
        body: its().newArrayBuffer(answer.body),
      }))
    },
    log(level, line) {
      const known = LOG_LEVELS.find((name) => name === String(level)) ?? "info"
      door.log(known, String(line))
      return its().undefined
    },
    decode(bytes, charset) {
      const by = charset === undefined || charset.isUndefined ? decoder : decoderOf(String(charset))
      return its().newString(bytes ? by.decode(bytes.toArrayBuffer()) : "")
    },
    encode: (text) => its().newArrayBuffer(encoder.encode(String(text))),
    random: () => its().newNumber(randomFraction()),
  }
}

/** As JavaScript has it: from 0, below 1, with 53 bits. */
function randomFraction(): number {
  const [high = 0, low = 0] = crypto.getRandomValues(new Uint32Array(2))
  return ((high >>> 5) * 2 ** 26 + (low >>> 6)) / 2 ** 53
}

/** For the labels of the WHATWG's encodings; another label is as good as none. */
function decoderOf(charset: string): TextDecoder {
  try {
    // A label is any text; one that the type does not name is refused here.
    return new TextDecoder(charset as ConstructorParameters<typeof TextDecoder>[0])
  } catch {
    return decoder // no such encoding: most text is UTF-8
  }
}

function bytesOf(handle: JSValueHandle): Uint8Array {
  return handle.isString ? encoder.encode(handle.toString()) : new Uint8Array(handle.toArrayBuffer())
}

/** A guest's exception with its kind, as a JavaScript author would read it. */
function named(error: unknown): unknown {
  if (!(error instanceof JSException) || error.name === "Error") return error
  if (error.name === "InternalError" && error.message === "out of memory")
    return new GuestStop("memory", "It used more memory than it may")
  return new Error(`${error.name}: ${error.message}`)
}
