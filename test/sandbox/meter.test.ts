import { describe, expect, test } from "bun:test"
import { FUEL_EXPORT, type Metered, meterModule, type MeterOptions } from "#sandbox/meter.ts"
import { createRandom } from "#test/fakes/random.ts"
import { FUNCREF, I32, leb, makeModule, type ModuleOf, name, section, signed } from "./module-maker.ts"

const options: MeterOptions = {
  maxMemoryPages: 16,
  maxTableEntries: 100,
  initialFuel: 100_000n,
  allowedImports: { host: { log: ["i32->"] } },
}
const whyOf = (metered: Metered) => (metered.verdict === "refused" ? metered.why : "accepted")

function run(
  of: ModuleOf | Uint8Array,
  call: { export: string; args?: readonly number[]; fuel?: bigint; options?: Partial<MeterOptions> },
) {
  const metered = meterModule(of instanceof Uint8Array ? of : makeModule(of), { ...options, ...call.options })
  if (metered.verdict === "refused") throw new Error(`refused: ${metered.why}`)
  const instance = new WebAssembly.Instance(new WebAssembly.Module(metered.wasm), { host: { log: () => {} } })
  const fuel = instance.exports[FUEL_EXPORT] as WebAssembly.Global<"i64">
  if (call.fuel !== undefined) fuel.value = call.fuel
  const work = instance.exports[call.export] as (...args: number[]) => number
  try {
    return { result: work(...(call.args ?? [])), left: fuel.value }
  } catch (error) {
    return { error, left: fuel.value }
  }
}

/** How many random modules; the long run has IRONCLAW_TEST_FULL=1. */
const REDUCED = { modules: 60, damaged: 600 }
const FULL = { modules: 3_000, damaged: 30_000 }

const LOOP_FOR_EVER = [0x03, 0x40, 0x0c, 0x00, 0x0b]
const i32 = (value: number) => [0x41, ...signed(value)]

describe("what would never end", () => {
  const endless: Record<string, ModuleOf> = {
    "a loop": { functions: [{ code: LOOP_FOR_EVER, export: "go" }] },
    "a loop that branches from deep inside": {
      functions: [{ code: [0x03, 0x40, 0x02, 0x40, 0x02, 0x40, 0x0c, 0x02, 0x0b, 0x0b, 0x0b], export: "go" }],
    },
    "a loop by br_if": { functions: [{ code: [0x03, 0x40, ...i32(1), 0x0d, 0x00, 0x0b], export: "go" }] },
    "a loop by br_table": {
      functions: [{ code: [0x03, 0x40, ...i32(0), 0x0e, 0x01, 0x00, 0x00, 0x0b], export: "go" }],
    },
    "a loop with a value": {
      functions: [
        { code: [...i32(1), 0x03, ...leb(1), 0x0c, 0x00, 0x0b, 0x1a], export: "go" },
        { params: [I32], results: [I32], code: [0x20, 0x00] },
      ],
    },
    recursion: { functions: [{ code: [0x10, 0x00], export: "go" }] },
    "recursion by way of a table": {
      table: [1],
      elements: [0],
      functions: [{ code: [...i32(0), 0x11, 0x00, 0x00], export: "go" }],
    },
    "a loop that clears memory": {
      memory: [1],
      functions: [
        { code: [0x03, 0x40, ...i32(0), ...i32(0), ...i32(65_536), 0xfc, 0x0b, 0x00, 0x0c, 0x00, 0x0b], export: "go" },
      ],
    },
    "a loop that copies memory": {
      memory: [2],
      functions: [
        {
          code: [0x03, 0x40, ...i32(0), ...i32(9), ...i32(65_536), 0xfc, 0x0a, 0x00, 0x00, 0x0c, 0x00, 0x0b],
          export: "go",
        },
      ],
    },
    "a loop that asks for memory": {
      memory: [1],
      functions: [{ code: [0x03, 0x40, ...i32(1), 0x40, 0x00, 0x1a, 0x0c, 0x00, 0x0b], export: "go" }],
    },
  }
  for (const [what, module] of Object.entries(endless)) {
    test(`${what} ends for want of fuel`, () => {
      const { error, left } = run(module, { export: "go", fuel: 10_000n })
      expect(error).toBeInstanceOf(Error)
      // A stack may be used up before the fuel; everything else ends by it.
      if (!what.startsWith("recursion")) expect(left).toBeLessThan(0n)
    })
  }

  test("a start function runs on the fuel that the module begins with", () => {
    const metered = meterModule(makeModule({ functions: [{ code: LOOP_FOR_EVER }], start: 0 }), options)
    if (metered.verdict === "refused") throw new Error(metered.why)
    expect(() => new WebAssembly.Instance(new WebAssembly.Module(metered.wasm))).toThrow()
  })

  test("work that grows with an operand costs by it: large fills use up what small ones do not", () => {
    const fill = (bytes: number): ModuleOf => ({
      memory: [16],
      functions: [{ code: [...i32(0), ...i32(1), ...i32(bytes), 0xfc, 0x0b, 0x00], export: "go" }],
    })
    expect(run(fill(64), { export: "go", fuel: 100n }).error).toBeUndefined()
    expect(run(fill(1_000_000), { export: "go", fuel: 100n }).error).toBeInstanceOf(Error)
  })
})

describe("what may run", () => {
  /** sum(n): adds 1 to n in a loop, with a local, a block and a global. */
  const sum: ModuleOf = {
    globals: [7],
    functions: [
      {
        params: [I32],
        results: [I32],
        locals: [[1, I32]],
        export: "sum",
        code: [
          0x02,
          0x40,
          0x03,
          0x40,
          0x20,
          0x00,
          0x45,
          0x0d,
          0x01,
          0x20,
          0x01,
          0x20,
          0x00,
          0x6a,
          0x21,
          0x01,
          0x20,
          0x00,
          ...i32(1),
          0x6b,
          0x21,
          0x00,
          0x0c,
          0x00,
          0x0b,
          0x0b,
          0x20,
          0x01,
          0x23,
          0x00,
          0x6a,
        ],
      },
    ],
  }
  test("gives the same result, and costs a unit a round", () => {
    const { result, left } = run(sum, { export: "sum", args: [100], fuel: 1_000n })
    expect(result).toBe(5_057)
    expect(left).toBe(1_000n - 1n - 101n)
  })
  test("ends in the middle where the fuel does", () => {
    expect(run(sum, { export: "sum", args: [100], fuel: 50n }).error).toBeInstanceOf(Error)
  })
  test("says what it imports and exports", () => {
    const metered = meterModule(
      makeModule({
        imports: [{ module: "host", name: "log", params: [I32] }],
        memory: [2],
        ...sum,
        exports: [{ name: "memory", kind: 2, index: 0 }],
      }),
      options,
    )
    expect(metered).toMatchObject({
      verdict: "accepted",
      imports: [{ module: "host", name: "log", signature: "i32->" }],
      exports: [
        { name: "memory", kind: "memory" },
        { name: "sum", kind: "function" },
      ],
      memoryPages: 2,
    })
  })
  test("a memory without a bound gets the cap, and cannot grow beyond it", () => {
    const grow: ModuleOf = {
      memory: [1],
      functions: [{ params: [I32], results: [I32], code: [0x20, 0x00, 0x40, 0x00], export: "grow" }],
    }
    expect(run(grow, { export: "grow", args: [15] }).result).toBe(1)
    expect(run(grow, { export: "grow", args: [16] }).result).toBe(-1)
  })
})

describe("what is refused", () => {
  const one = { functions: [{ code: [], export: "go" }] } satisfies ModuleOf
  const modules: [what: string, module: Uint8Array, why: string][] = [
    ["no module", Uint8Array.from([1, 2, 3]), "does not begin"],
    ["half a module", makeModule(one).slice(0, -3), "end"],
    [
      "a function that nobody offers",
      makeModule({ ...one, imports: [{ module: "env", name: "system" }] }),
      "not offered",
    ],
    [
      "a name of an object's own",
      makeModule({ ...one, imports: [{ module: "host", name: "constructor" }] }),
      "not offered",
    ],
    ["another signature", makeModule({ ...one, imports: [{ module: "host", name: "log", results: [I32] }] }), "i32->"],
    [
      "a memory from outside",
      Uint8Array.from([...makeModule({}).slice(0, 8), ...section(2, [1, ...name("host"), ...name("log"), 2, 0, 1])]),
      "no function",
    ],
    ["too much memory to begin with", makeModule({ ...one, memory: [17] }), "begins with 17"],
    ["too large a table", makeModule({ ...one, table: [101] }), "begins with 101"],
    [
      "the meter's own name",
      makeModule({ ...one, globals: [1], exports: [{ name: FUEL_EXPORT, kind: 3, index: 0 }] }),
      "is the meter's",
    ],
    [
      "the fuel, by its index to come",
      makeModule({ functions: [{ code: [0x42, 0x00, 0x24, 0x00], export: "go" }] }),
      "not valid",
    ],
    ["a tail call", makeModule({ functions: [{ code: [0x12, 0x00], export: "go" }] }), "instruction"],
    ["an atomic instruction", makeModule({ functions: [{ code: [0xfe, 0x03, 0x00], export: "go" }] }), "instruction"],
    ["what does not validate", makeModule({ functions: [{ results: [I32], code: [], export: "go" }] }), "not valid"],
    ["code behind the end", makeModule({ functions: [{ code: [0x0b, 0x01], export: "go" }] }), "behind its end"],
    [
      "blocks without an end",
      makeModule({
        functions: [{ code: Array.from({ length: 20_002 }, (_, at) => (at % 2 ? 0x40 : 0x02)), export: "go" }],
      }),
      "deep",
    ],
    [
      "a block of a type that came later, whose bytes hide the loop behind it",
      makeModule({
        functions: [
          {
            // (block (result (ref null 2)) (ref.null 2)) (drop) (block (result (ref null 32)) (loop (type 1) (br 0)) unreachable) (drop)
            code: [2, 0x63, 2, 0xd0, 2, 0x0b, 0x1a, 2, 0x63, 0x20, 3, 1, 0x0c, 0, 0x0b, 0, 0x0b, 0x1a],
            export: "go",
          },
          ...Array.from({ length: 40 }, () => ({ code: [] })),
        ],
      }),
      "block of a type",
    ],
    [
      "more entries in many tables than in one",
      Uint8Array.from([...makeModule({}).slice(0, 8), ...section(4, [2, FUNCREF, 0, 60, FUNCREF, 0, 60])]),
      "begin with 120",
    ],
    ["a million locals", makeModule({ functions: [{ locals: [[1_000_000, I32]], code: [], export: "go" }] }), "locals"],
    ["a tag of exceptions", Uint8Array.from([...makeModule({}).slice(0, 8), ...section(13, [0])]), "section"],
    [
      "sections in another order",
      Uint8Array.from([...makeModule({}).slice(0, 8), ...section(3, [0]), ...section(1, [0])]),
      "order",
    ],
    ["a shared memory", Uint8Array.from([...makeModule({}).slice(0, 8), ...section(5, [1, 3, 1, 1])]), "shared"],
    [
      "more functions than any compiler makes, each as good as nothing",
      Uint8Array.from([
        ...makeModule({}).slice(0, 8),
        ...section(1, [1, 0x60, 0, 0]),
        ...section(3, [...leb(100_001), ...new Uint8Array(100_001)]),
      ]),
      "count of 100001",
    ],
    [
      "a count without end",
      Uint8Array.from([...makeModule({}).slice(0, 8), ...section(1, [0xff, 0xff, 0xff, 0xff, 0x0f])]),
      "count",
    ],
  ]
  for (const [what, module, why] of modules)
    test(what, () => {
      expect(whyOf(meterModule(module, options))).toContain(why)
    })
})

describe("at random", () => {
  const random = createRandom(20_261_127)
  const below = (limit: number) => Math.floor(random() * limit)

  /** A body that leaves the stack as it was, with every shape that the meter has to know. */
  function body(depth: number): number[] {
    const code: number[] = []
    for (let left = 1 + below(4); left > 0; left--) {
      const kind = below(depth > 4 ? 4 : 8)
      if (kind === 0) code.push(0x20, 0x01, ...i32(below(1000)), 0x6a, 0x21, 0x01)
      else if (kind === 1) code.push(0x20, 0x01, 0x24, 0x00, 0x23, 0x00, 0x1a)
      else if (kind === 2) code.push(...i32(below(100)), ...i32(below(9)), ...i32(below(500)), 0xfc, 0x0b, 0x00)
      else if (kind === 3) code.push(...i32(below(60_000)), 0x20, 0x01, 0x36, 0x02, 0x00)
      else if (kind === 4) code.push(0x02, 0x40, ...body(depth + 1), 0x20, 0x01, ...i32(1), 0x71, 0x0d, 0x00, 0x0b)
      else if (kind === 5) code.push(0x20, 0x01, 0x04, 0x40, ...body(depth + 1), 0x05, ...body(depth + 1), 0x0b)
      // A loop of a few rounds, counted by a local of its depth.
      else
        code.push(
          ...i32(1 + below(3)),
          0x21,
          ...leb(2 + depth),
          0x03,
          0x40,
          ...body(depth + 1),
          0x20,
          ...leb(2 + depth),
          ...i32(1),
          0x6b,
          0x22,
          ...leb(2 + depth),
          0x0d,
          0x00,
          0x0b,
        )
    }
    return code
  }
  const randomModule = () =>
    makeModule({
      memory: [1],
      globals: [below(100)],
      functions: [
        {
          params: [I32],
          results: [I32],
          locals: [[8, I32]],
          code: [...body(0), 0x20, 0x01, 0x23, 0x00, 0x6a],
          export: "go",
        },
      ],
    })

  const { modules, damaged } = process.env["IRONCLAW_TEST_FULL"] === "1" ? FULL : REDUCED

  test(`${modules} modules do the same with fuel as without the meter, and end without it`, () => {
    for (let n = 0; n < modules; n++) {
      const wasm = randomModule()
      expect(WebAssembly.validate(wasm)).toBe(true)
      const plain = new WebAssembly.Instance(new WebAssembly.Module(wasm)).exports["go"] as (n: number) => number
      const metered = run(wasm, { export: "go", args: [n], fuel: 10n ** 12n })
      expect(metered.error).toBeUndefined()
      expect(metered.result).toBe(plain(n))
      expect(run(wasm, { export: "go", args: [n], fuel: 0n }).error).toBeInstanceOf(Error)
    }
  })

  test(`${damaged} damaged modules are refused or still metered, and never more`, () => {
    let refused = 0
    for (let n = 0; n < damaged; n++) {
      const wasm = randomModule()
      for (let hits = 1 + below(4); hits > 0; hits--) {
        const at = 8 + below(wasm.length - 8)
        wasm[at] = random() < 0.5 ? below(256) : (wasm[at] ?? 0) ^ (1 << below(8))
      }
      const metered = meterModule(wasm, options)
      if (metered.verdict === "refused") {
        refused++
        continue
      }
      expect(WebAssembly.validate(metered.wasm)).toBe(true)
      expect(WebAssembly.Module.exports(new WebAssembly.Module(metered.wasm)).map((one) => one.name)).toContain(
        FUEL_EXPORT,
      )
    }
    expect(refused).toBeGreaterThan(damaged / 3)
  })
})
