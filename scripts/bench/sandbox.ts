/** Calls into children of the built program: warm and cold, beside Extism alone in this process; and how late a runaway loop is killed. */
import { createPlugin } from "@extism/extism"
import { systemClock } from "#core/clock.ts"
import type { GuestCode, Sandbox } from "#sandbox/child/guest.ts"
import { createSandbox } from "#sandbox/child/sandbox.ts"
import { codeOf, guestCall, quietLog } from "#test/fakes/guest.ts"
import { I32, makeModule } from "#test/sandbox/module-maker.ts"
import { join } from "node:path"
import { binaryPath } from "../freshness.mjs"
import { atMost, type Bench, type Figure, told } from "./figure.ts"

const WARM_CALLS = 1_000
const COLD_CALLS = 15
const KILLS = 1_000
/** Long enough that the loop runs, compiled, when it is killed. */
const DEADLINE_MS = 20
const MIB = 1024 * 1024

const empty = makeModule({
  functions: [
    { export: "run", results: [I32], code: [0x41, 0] },
    { export: "loop", code: [0x03, 0x40, 0x0c, 0, 0x0b] },
  ],
})
const module = codeOf("wasm", empty)
const script = codeOf("ts", "export const run = (): number => 1")

export const sandbox: Bench = async ({ tell }) => {
  const command = [binaryPath(join(import.meta.dir, "../..")), "sandbox-child"]
  const open = () => createSandbox({ command, clock: systemClock, log: quietLog })
  const box = open()
  try {
    // So that what is done once for all calls is not counted as one's own.
    await box.warm()
    tell(`sandbox: ${WARM_CALLS} warm calls`)
    const warm = await times(WARM_CALLS, () => run(box, module))
    const warmScript = await times(WARM_CALLS, () => run(box, script))
    const bare = await bareExtism()
    tell(`sandbox: ${COLD_CALLS} cold calls of each kind, a new child for each`)
    const cold = await coldCalls(box, module)
    const coldScript = await coldCalls(box, script)
    return [
      atMost("warm call of an empty .wasm tool, p50", warm, { value: 0.2, unit: "ms" }),
      told("the same call, Extism alone in this process", bare, "ms"),
      told("warm call of an empty script, p50", warmScript, "ms"),
      atMost("cold call, .wasm", cold, { value: 15, unit: "ms" }),
      atMost("cold call, TypeScript", coldScript, { value: 35, unit: "ms" }),
      ...(await kills(box, tell)),
    ]
  } finally {
    await box.stopAll()
  }
}

async function run(box: Sandbox, code: GuestCode, pluginId = "bench"): Promise<void> {
  const result = await box.call(guestCall({ pluginId, code, name: "run" }))
  if (!result.ok) throw new Error(`A call failed: ${result.words}`)
}

/** The median, in ms. */
async function times(count: number, work: () => Promise<unknown>): Promise<number> {
  const all: number[] = []
  for (let round = 0; round < count; round++) {
    const fromMs = performance.now()
    await work()
    all.push(performance.now() - fromMs)
  }
  return all.sort((a, b) => a - b)[Math.floor(count / 2)] ?? 0
}

/** As a person meets it: a plugin is active already, and another one is called for the first time. */
async function coldCalls(box: Sandbox, code: GuestCode): Promise<number> {
  const all: number[] = []
  for (let round = 0; round < COLD_CALLS; round++) {
    await Bun.sleep(150)
    const fromMs = performance.now()
    await run(box, code, `cold ${round}`)
    all.push(performance.now() - fromMs)
    await box.stop(`cold ${round}`)
  }
  return all.sort((a, b) => a - b)[Math.floor(COLD_CALLS / 2)] ?? 0
}

async function bareExtism(): Promise<number> {
  const compiled = new WebAssembly.Module(empty)
  return times(WARM_CALLS, async () => {
    // A new instance for each call, as ours are.
    const plugin = await createPlugin(compiled, { useWasi: false })
    await plugin.call("run")
  })
}

async function kills(box: Sandbox, tell: (words: string) => void): Promise<Figure[]> {
  tell(`sandbox: ${KILLS} runaway loops`)
  const late: number[] = []
  Bun.gc(true)
  const before = process.memoryUsage().rss
  for (let round = 0; round < KILLS; round++) {
    const result = await box.call(guestCall({ code: module, name: "loop", limits: { timeoutMs: DEADLINE_MS } }))
    if (result.ok || result.reason !== "deadline") throw new Error("A runaway loop was not stopped by its deadline")
    late.push(result.usage.ranMs - DEADLINE_MS)
  }
  Bun.gc(true)
  const grown = (process.memoryUsage().rss - before) / MIB
  late.sort((a, b) => a - b)
  return [
    told("runaway loop killed after its deadline, p50", late[KILLS / 2] ?? 0, "ms"),
    atMost("the same, the latest of 1,000", late.at(-1) ?? 0, { value: 50, unit: "ms" }),
    atMost("growth of the parent over 1,000 kills", grown, { value: 32, unit: "MiB" }),
  ]
}
