/** What the meter costs: the same six programs metered and as they were, turn about in one process. Needs clang with its linker for WebAssembly. */
import { mkdtempSync, readFileSync, rmSync } from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { wasmLimits } from "#sandbox/child/program.ts"
import { FUEL_EXPORT, meterModule } from "#sandbox/meter.ts"
import { atMost, type Bench, median } from "./figure.ts"

/** Rounds that take some tens of ms: long enough for the compiled code to be the measured one. */
const KERNELS = { sieve: 4, fib: 6, matmul: 24, sha: 24, json: 24, sort: 6 } as const
type Kernel = keyof typeof KERNELS
const kernels = Object.keys(KERNELS) as Kernel[] // its own keys, and no others
const TIMES = 9
/** Until the last tier of the compiler has had its say. */
const WARM_UP = 6
const MEMORY_MB = 32

export const meter: Bench = async ({ tell }) => {
  const wasm = await compileKernels()
  if (wasm === null) {
    tell("meter was not measured: there is no clang with wasm-ld on this machine (Debian: apt-get install clang lld)")
    return []
  }
  const metered = meterModule(wasm, wasmLimits(MEMORY_MB))
  if (metered.verdict === "refused") throw new Error(metered.why)
  const plain = exportsOf(wasm)
  const counted = exportsOf(metered.wasm)
  const ratios = kernels.map((kernel) => {
    tell(`meter: ${kernel}`)
    return { kernel, ratio: ratioOf(kernel, { plain, counted }) }
  })
  const product = ratios.reduce((all, { ratio }) => all * ratio, 1)
  return [
    ...ratios.map(({ kernel, ratio }) =>
      atMost(`metered ${kernel}, times unmetered`, ratio, { value: 1.6, unit: "×" }),
    ),
    atMost("metered, geometric mean of the six", product ** (1 / ratios.length), { value: 1.25, unit: "×" }),
  ]
}

type Exports = { run: (kernel: Kernel, rounds: number) => number; refuel: () => void }

function ratioOf(kernel: Kernel, { plain, counted }: { plain: Exports; counted: Exports }): number {
  const rounds = KERNELS[kernel]
  const times: { plain: number[]; counted: number[] } = { plain: [], counted: [] }
  for (let at = 0; at < WARM_UP + TIMES; at++) {
    const one = timed(() => plain.run(kernel, rounds))
    counted.refuel()
    const other = timed(() => counted.run(kernel, rounds))
    if (one.result !== other.result) throw new Error(`${kernel} comes to another result when it is metered`)
    if (at < WARM_UP) continue
    times.plain.push(one.ms)
    times.counted.push(other.ms)
  }
  return median(times.counted) / median(times.plain)
}

/** Of the processor, so that what else the machine does counts for neither side. */
function timed(work: () => number): { result: number; ms: number } {
  const from = process.cpuUsage()
  const result = work()
  const { user, system } = process.cpuUsage(from)
  return { result, ms: (user + system) / 1000 }
}

function exportsOf(wasm: Uint8Array<ArrayBuffer>): Exports {
  const { exports } = new WebAssembly.Instance(new WebAssembly.Module(wasm), {})
  const fuel = exports[FUEL_EXPORT]
  return {
    run: (kernel, rounds) => Number(Reflect.apply(exports[kernel] as () => number, undefined, [rounds])), // exported by kernels.c
    refuel() {
      if (fuel instanceof WebAssembly.Global) fuel.value = 1n << 60n
    },
  }
}

async function compileKernels(): Promise<Uint8Array<ArrayBuffer> | null> {
  const find = (name: string) =>
    [name, `${name}-14`, `${name}-19`].map((one) => Bun.which(one)).find((path) => path !== null)
  const clang = find("clang")
  const linker = find("wasm-ld")
  if (clang === undefined || linker === undefined) return null
  const folder = mkdtempSync(join(tmpdir(), "ironclaw-kernels-"))
  try {
    const out = join(folder, "kernels.wasm")
    const flags = [
      "--target=wasm32-unknown-unknown",
      "-nostdlib",
      "-O2",
      "-mbulk-memory",
      `-fuse-ld=${linker}`,
      "-Wl,--no-entry",
    ]
    const child = Bun.spawn([clang, ...flags, "-o", out, join(import.meta.dir, "kernels.c")], { stderr: "pipe" })
    const words = await child.stderr.text()
    if ((await child.exited) !== 0) throw new Error(`kernels.c does not compile: ${words}`)
    return new Uint8Array(readFileSync(out))
  } finally {
    rmSync(folder, { recursive: true, force: true })
  }
}
