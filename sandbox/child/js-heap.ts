/**
 * QuickJS as it is before any guest: started, its host functions in place, the SDK evaluated. Made once in a child from code of ours alone
 * and copied into a new instance for each call, which so begins with the same bytes as every other and shares none of them.
 */
import { EvalFlags, QuickJS, type QuickJSOptions, type Snapshot } from "quickjs-wasi"

/** Names of the functions that guests reach through the SDK. */
export const hostNames = ["ask", "http", "log", "decode", "encode", "random"] as const
export type HostName = (typeof hostNames)[number]
export type HostCallbacks = Record<HostName, Parameters<QuickJS["newFunction"]>[1]>

/** Deep recursion is an error that the guest sees, long before the engine's own stack of 1 MiB ends. */
const MAX_STACK_BYTES = 200 * 1024
/** What is zero in the heap is not copied: a page that nobody wrote costs no memory, and no time. */
const PAGE_BYTES = 4_096

/**
 * Calls an export of the plugin by name, with JSON in and out. The heap is the same for every call, and so would be the numbers of its
 * generator: those come from the host.
 */
const PRELUDE = `
import "ironclaw"
const host = globalThis.__host
delete globalThis.__host
const { random } = host
Math.random = () => random()
globalThis.__run = async (name, input, config) => {
  delete globalThis.__run
  host.configure(config)
  const plugin = await import("plugin")
  const work = Object.hasOwn(plugin, name) ? plugin[name] : undefined
  if (typeof work !== "function") return undefined
  const output = await work(input === "" ? undefined : JSON.parse(input))
  return output === undefined ? "" : JSON.stringify(output)
}
`

export type Heap = {
  module: WebAssembly.Module
  snapshot: Omit<Snapshot, "memory">
  bytes: number
  parts: { at: number; bytes: Uint8Array }[]
}

export type InstanceOptions = Required<Pick<QuickJSOptions, "wasi">> & { loadModule: (name: string) => string }

/** `sdk`: what guests import as "ironclaw". */
export async function createHeap(
  module: WebAssembly.Module,
  { sdk, wasi }: { sdk: string } & Pick<InstanceOptions, "wasi">,
): Promise<Heap> {
  const vm = await QuickJS.create(optionsOf(module, { wasi, loadModule: () => sdk }))
  const host = vm.newObject()
  for (const name of hostNames)
    host.setProp(
      name,
      vm.newFunction(name, () => vm.undefined),
    )
  vm.global.setProp("__ironclaw", host)
  vm.global.setProp("__host", host)
  const done = vm.evalCode(PRELUDE, "prelude", EvalFlags.TYPE_MODULE)
  vm.executePendingJobs()
  const ended = await vm.resolvePromise(done)
  if ("error" in ended) throw new Error(`The SDK does not run: ${String(ended.error)}`)
  vm.runGC()
  const { memory, ...snapshot } = vm.snapshot()
  return { module, snapshot, bytes: memory.length, parts: partsOf(memory) }
}

/** The memory without its pages of zeros, in as few parts as that takes. */
function partsOf(memory: Uint8Array): Heap["parts"] {
  const parts: Heap["parts"] = []
  let from: number | null = null
  for (let at = 0; at <= memory.length; at += PAGE_BYTES) {
    const isEmpty = memory.subarray(at, at + PAGE_BYTES).every((byte) => byte === 0)
    if (isEmpty && from !== null) parts.push({ at: from, bytes: memory.slice(from, at) })
    from = isEmpty ? null : (from ?? at)
  }
  return parts
}

/** A new instance with that heap in it, and these functions behind the names. */
export async function instantiate(
  { module, snapshot, bytes, parts }: Heap,
  { host, maxMemoryBytes, ...options }: InstanceOptions & { host: HostCallbacks; maxMemoryBytes: number },
): Promise<QuickJS> {
  // The package would copy every page. It is given none, and what it writes into the empty memory is overwritten with the same values.
  const vm = await QuickJS.restore({ ...snapshot, memory: new Uint8Array() }, optionsOf(module, options))
  const { memory, qjs_set_memory_limit: setMemoryLimit } = exportsOf(vm)
  const missing = bytes - memory.buffer.byteLength
  if (missing > 0) memory.grow(Math.ceil(missing / WASM_PAGE_BYTES))
  const into = new Uint8Array(memory.buffer)
  for (const part of parts) into.set(part.bytes, part.at)
  setMemoryLimit(maxMemoryBytes)
  for (const name of hostNames) vm.registerHostCallback(name, host[name])
  return vm
}

const WASM_PAGE_BYTES = 65_536

type EngineExports = { memory: WebAssembly.Memory; qjs_set_memory_limit: (bytes: number) => void }

/** The package keeps the instance's exports under this name; the meter's global is among them. */
export function exportsOf(vm: QuickJS): EngineExports & Record<string, unknown> {
  return Reflect.get(vm, "exports") as EngineExports & Record<string, unknown>
}

function optionsOf(module: WebAssembly.Module, { wasi, loadModule }: InstanceOptions): QuickJSOptions {
  return {
    wasm: module,
    wasi,
    maxStackSize: MAX_STACK_BYTES,
    timezoneOffset: 0, // where its owner lives is not the guest's business
    moduleLoader: { normalize: (_base, name) => name, load: loadModule },
  }
}
