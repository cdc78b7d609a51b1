/** JavaScript guests: QuickJS compiled to WebAssembly and metered like any guest, in a new virtual machine for each call. */
import { EvalFlags, JSException, type JSValueHandle, QuickJS, type QuickJSOptions } from "quickjs-wasi"
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
import { createWasi } from "./wasi.ts"

/** Deep recursion is an error that the guest sees, long before the engine's own stack of 1 MiB ends. */
const MAX_STACK_BYTES = 200 * 1024
/** As QuickJS numbers the states of promises. */
const PENDING = 0
const encoder = new TextEncoder()
const decoder = new TextDecoder()
const LOG_LEVELS = ["debug", "info", "warn", "error"] as const

/** Calls an export of the plugin by name, with JSON in and out. */
const RUNNER = `
import * as plugin from "plugin"
globalThis.__run = async (name, input) => {
  const work = Object.hasOwn(plugin, name) ? plugin[name] : undefined
  if (typeof work !== "function") return undefined
  const output = await work(input === "" ? undefined : JSON.parse(input))
  return output === undefined ? "" : JSON.stringify(output)
}
`

export type ScriptEngine = { load(script: { source: string; sdk: string }): Engine }

/** `wasm` is QuickJS, metered. */
export async function createScripts(wasm: Uint8Array<ArrayBuffer>): Promise<ScriptEngine> {
  const module = await WebAssembly.compile(wasm)
  return { load: (script) => ({ call: (call) => run(module, script, call) }) }
}

async function run(
  module: WebAssembly.Module,
  { source, sdk }: { source: string; sdk: string },
  call: EngineCall,
): Promise<EngineOutcome> {
  let fuel: { value: bigint } | null = null
  let memory: WebAssembly.Memory | null = null
  const left = () => fuel?.value ?? call.fuel
  const used = () => ({
    fuel: left() < 0n ? call.fuel : call.fuel - left(),
    memoryBytes: memory?.buffer.byteLength ?? 0,
  })
  try {
    const options: QuickJSOptions = {
      wasm: module,
      wasi(its) {
        memory = its
        return wasiOf(its, call.door)
      },
      memoryLimit: call.maxMemoryBytes,
      maxStackSize: MAX_STACK_BYTES,
      timezoneOffset: 0, // where its owner lives is not the guest's business
      moduleLoader: {
        normalize: (_base, name) => name,
        load(name) {
          if (name === "plugin") return source
          if (name === "ironclaw") return sdk
          // A text, not an Error: the stack of one would tell the guest about files of ours.
          throw `There is no module "${name}" here: a plugin is one file, and may import "ironclaw"`
        },
      },
    }
    const vm = await QuickJS.create(options)
    fuel = fuelOf(vm)
    fuel.value = call.fuel
    offerHost(vm, call)
    await settle(vm, vm.evalCode(RUNNER, "runner", EvalFlags.TYPE_MODULE))
    const started = vm.callFunction(
      vm.global.getProp("__run"),
      vm.undefined,
      vm.newString(call.name),
      vm.newString(decoder.decode(call.input)),
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

function wasiOf(memory: WebAssembly.Memory, door: HostDoor): Record<string, (...args: number[]) => number> {
  const wasi = createWasi({ memory: () => memory, now: systemClock.nowMs, write: (text) => door.log("info", text) })
  // WASI functions take numbers and give one; so the package's own declaration has them.
  return wasi[WASI_MODULE] as unknown as Record<string, (...args: number[]) => number>
}

/** The package keeps the instance's exports under this name; the meter's global is among them. */
function fuelOf(vm: QuickJS): { value: bigint } {
  const fuel: unknown = Reflect.get(Reflect.get(vm, "exports") as object, FUEL_EXPORT)
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

/** `sdk.ts` takes it from there; see its declaration. */
function offerHost(vm: QuickJS, { door, config }: EngineCall): void {
  const host = vm.newObject()
  const offer = (name: string, work: (...args: JSValueHandle[]) => JSValueHandle) =>
    host.setProp(name, vm.newFunction(name, work))
  const answerOf = (
    answer: Answer,
    told: (answer: Exclude<Answer, { refused: string }>) => Record<string, JSValueHandle>,
  ) => {
    const object = vm.newObject()
    const parts = "refused" in answer ? { refused: vm.newString(answer.refused) } : told(answer)
    for (const [name, part] of Object.entries(parts)) object.setProp(name, part)
    return object
  }
  offer("ask", (name, payload) =>
    answerOf(door.ask({ name: String(name), payload: String(payload) }), ({ body }) => ({
      text: vm.newString(decoder.decode(body)),
    })),
  )
  offer("http", (header, body) => {
    const request = JSON.parse(String(header)) as { method: string; url: string; headers: Record<string, string> }
    const bytes = body === undefined || body.isUndefined ? undefined : bytesOf(body)
    return answerOf(door.ask({ name: "http", ...request }, bytes), (answer) => ({
      header: vm.newString(JSON.stringify(answer.header)),
      body: vm.newArrayBuffer(answer.body),
    }))
  })
  offer("log", (level, line) => {
    const known = LOG_LEVELS.find((name) => name === String(level)) ?? "info"
    door.log(known, String(line))
    return vm.undefined
  })
  offer("decode", (bytes, charset) =>
    vm.newString(
      bytes
        ? decoderOf(charset === undefined || charset.isUndefined ? "utf-8" : String(charset)).decode(
            bytes.toArrayBuffer(),
          )
        : "",
    ),
  )
  offer("encode", (text) => vm.newArrayBuffer(encoder.encode(String(text))))
  host.setProp("config", vm.newString(JSON.stringify(config)))
  vm.global.setProp("__ironclaw", host)
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
