import { afterAll, describe, expect, test } from "bun:test"
import { join } from "node:path"
import { systemClock } from "#core/clock.ts"
import { HostRefusal } from "#sandbox/child/guest.ts"
import { MAX_PER_PLUGIN } from "#sandbox/child/pool.ts"
import { createSandbox } from "#sandbox/child/sandbox.ts"
import { createFakeClock } from "#test/fakes/clock.ts"
import { type CallOf, childCommand, codeOf, guestCall, quietLog, textOf } from "#test/fakes/guest.ts"
import { I32, makeModule, signed } from "../module-maker.ts"

const I64 = 0x7e
const KERNEL = "extism:host/env"
const sandbox = createSandbox({ command: childCommand, clock: systemClock, log: quietLog })
afterAll(() => sandbox.stopAll())

/** What came of it in few words: the output, or the reason. */
async function outcome(call: CallOf): Promise<string> {
  const result = await sandbox.call(guestCall(call))
  return result.ok ? textOf(result.output) : `${result.reason}: ${result.words}`
}

/** Imports by number: 0 to 6. */
const imports = [
  { module: KERNEL, name: "input_offset", results: [I64] },
  { module: KERNEL, name: "input_length", results: [I64] },
  { module: KERNEL, name: "output_set", params: [I64, I64] },
  { module: KERNEL, name: "alloc", params: [I64], results: [I64] },
  { module: KERNEL, name: "http_request", params: [I64, I64], results: [I64] },
  { module: KERNEL, name: "length", params: [I64], results: [I64] },
  { module: "extism:host/user", name: "memory_read", params: [I64], results: [I64] },
  { module: KERNEL, name: "http_status_code", results: [I32] },
]
const call = (index: number) => [0x10, index]
const i64 = (value: number[]) => [0x42, ...value]
/** 2^30 and 2^32, as LEB128. */
const GIB = [0x80, 0x80, 0x80, 0x80, 0x04]
const done = [0x41, 0]
const answerWith = (work: number[]) => [...work, 0x22, 0, 0x20, 0, ...call(5), ...call(2), ...done]
const wasm = codeOf(
  "wasm",
  makeModule({
    imports,
    memory: [1],
    functions: [
      { export: "echo", results: [I32], code: [...call(0), ...call(1), ...call(2), ...done] },
      { export: "loop", code: [0x03, 0x40, 0x0c, 0, 0x0b] },
      { export: "recurse", code: call(imports.length + 2) },
      {
        export: "grow",
        results: [I32],
        code: [0x03, 0x40, 0x41, 16, 0x40, 0, 0x41, 0, 0x4e, 0x0d, 0, 0x0b, 0x00, ...done],
      },
      { export: "block", code: [...i64(GIB), ...call(3), 0x1a] },
      { export: "blocks", code: [0x03, 0x40, ...i64([0xff, 0]), ...call(3), 0x1a, 0x0c, 0, 0x0b] },
      {
        export: "large",
        results: [I32],
        locals: [[1, I64]],
        code: answerWith([...i64([0x80, 0x80, 0xc0, 0]), ...call(3)]),
      },
      { export: "fetch", results: [I32], locals: [[1, I64]], code: answerWith([...call(0), ...i64([0]), ...call(4)]) },
      { export: "read", results: [I32], locals: [[1, I64]], code: answerWith([...call(0), ...call(6)]) },
      { export: "flood", code: [0x03, 0x40, ...call(0), ...call(6), 0x1a, 0x0c, 0, 0x0b] },
      { export: "trap", code: [0x00] },
    ],
  }),
)

const script = (body: string) => codeOf("ts", body)

describe("WebAssembly guests", () => {
  test("get their input and give their output", async () => {
    expect(await outcome({ code: wasm, name: "echo", input: { a: "ü" } })).toBe('{"a":"ü"}')
  })

  test("ask for requests as any Extism plugin does, and get what the host answers", async () => {
    const asked: unknown[] = []
    const host = {
      functions: {},
      log() {},
      http: (request: unknown) => {
        asked.push(request)
        return Promise.resolve({ status: 200, headers: { "x-a": "b" }, body: new TextEncoder().encode("hello") })
      },
    }
    const input = { url: "https://example.com/a", method: "POST", headers: { accept: "text/plain" } }
    expect(await outcome({ code: wasm, name: "fetch", input, host })).toBe("hello")
    expect(asked).toEqual([{ ...input, body: new Uint8Array() }])
  })

  test("are told why a request is refused, and end there", async () => {
    const http = () => Promise.reject(new HostRefusal("evil.example was not granted"))
    const host = { functions: {}, log() {}, http }
    expect(await outcome({ code: wasm, name: "fetch", input: { url: "https://evil.example" }, host })).toBe(
      "host: evil.example was not granted",
    )
    expect(await outcome({ code: wasm, name: "fetch", input: { url: "https://a.example" } })).toBe(
      "host: This plugin was granted no requests",
    )
  })

  test("read a refusal of another host function and go on", async () => {
    expect(await outcome({ code: wasm, name: "read", input: { path: "a" } })).toBe(
      '{"error":"This plugin was not granted \\"memory_read\\""}',
    )
    const functions = { memory_read: (payload: unknown) => Promise.resolve({ got: payload }) }
    expect(await outcome({ code: wasm, name: "read", input: { path: "a" }, host: { functions, log() {} } })).toBe(
      '{"got":{"path":"a"}}',
    )
  })

  test("may be built for WASI, with a set-up that runs first, and end themselves", async () => {
    const module = makeModule({
      imports: [
        { module: "wasi_snapshot_preview1", name: "fd_write", params: [I32, I32, I32, I32], results: [I32] },
        { module: "wasi_snapshot_preview1", name: "proc_exit", params: [I32] },
      ],
      memory: [1],
      exports: [{ name: "memory", kind: 2, index: 0 }],
      functions: [
        // A piece of 3 bytes at 16, and the bytes; the call itself writes them and ends with status 0, or 1 where told so.
        {
          export: "_initialize",
          code: [0, 16, 4, 3, 16, 0x636261].flatMap((value, index) =>
            index % 2 === 0 ? [0x41, ...signed(value)] : [0x41, ...signed(value), 0x36, 2, 0],
          ),
        },
        { export: "run", code: [0x41, 1, 0x41, 0, 0x41, 1, 0x41, 8, ...call(0), 0x1a, 0x41, 0, ...call(1)] },
        { export: "fail", code: [0x41, 1, ...call(1)] },
      ],
    })
    const lines: string[] = []
    const host = { functions: {}, log: (level: string, line: string) => void lines.push(`${level} ${line}`) }
    expect(await outcome({ code: codeOf("wasm", module), name: "run", host })).toBe("")
    expect(lines).toEqual(["info abc"])
    expect(await outcome({ code: codeOf("wasm", module), name: "fail" })).toBe("trap: It ended itself with status 1")
  })

  test("that loop without an end run out of fuel, or of time", async () => {
    expect(await outcome({ code: wasm, name: "loop", limits: { fuel: 1_000_000 } })).toStartWith("fuel:")
    expect(await outcome({ code: wasm, name: "loop", limits: { timeoutMs: 150 } })).toStartWith("deadline:")
    expect(await outcome({ code: wasm, name: "echo", input: 1 })).toBe("1")
  })

  test("that recurse, grow, or ask for blocks without an end are stopped", async () => {
    expect(await outcome({ code: wasm, name: "recurse" })).toStartWith("trap:")
    expect(await outcome({ code: wasm, name: "grow" })).toStartWith("trap:")
    expect(await outcome({ code: wasm, name: "block" })).toStartWith("memory:")
    expect(await outcome({ code: wasm, name: "blocks" })).toStartWith("memory:")
    expect(await outcome({ code: wasm, name: "trap" })).toStartWith("trap:")
    expect(await outcome({ code: wasm, name: "echo", input: 2 })).toBe("2")
  })

  test("do not give more than they may, and are not given more", async () => {
    expect(await outcome({ code: wasm, name: "large", limits: { maxOutputBytes: 1_000_000 } })).toStartWith("size:")
    expect(
      await outcome({ code: wasm, name: "echo", input: "x".repeat(100), limits: { maxInputBytes: 50 } }),
    ).toStartWith("size:")
  })

  test("that flood the host are stopped", async () => {
    const functions = { memory_read: () => Promise.resolve(null) }
    expect(await outcome({ code: wasm, name: "flood", input: {}, host: { functions, log() {} } })).toStartWith("quota:")
  })

  test("that are not the agreed bytes, are refused by the meter, or lack the function do not run", async () => {
    const other = { ...wasm, sha256: "0".repeat(64) }
    expect(await outcome({ code: other, name: "echo" })).toBe("code: The code is not the code that was agreed on")
    expect(await outcome({ code: codeOf("wasm", "no module"), name: "echo" })).toStartWith("code: it does not begin")
    const foreign = makeModule({ imports: [{ module: "env", name: "system" }], functions: [{ code: [] }] })
    expect(await outcome({ code: codeOf("wasm", foreign), name: "echo" })).toContain("not offered")
    expect(await outcome({ code: wasm, name: "nothing" })).toBe('code: It has no function "nothing"')
    expect(await outcome({ code: wasm, name: "memory" })).toStartWith("code:")
  })
})

describe("script guests", () => {
  const tools = script(`
    import { callTool, config, definePlugin, defineTool, hasSecret, http, log, memory } from "ironclaw"
    type Place = { place: string }
    const weather = defineTool<Place>({
      name: "weather_now", description: "Now", input: { type: "object", properties: { place: { type: "string" } } },
      run({ place }) {
        log.warn("asked for " + place)
        const answer = http({ url: "https://example.com/" + place, body: { a: 1 } })
        return { status: answer.status, text: answer.text(), key: hasSecret("KEY"), unit: config["unit"] }
      },
    })
    const note = defineTool({ name: "note", description: "Writes", input: { type: "object" }, async run() {
      memory.write("a.md", "b")
      return callTool("echo", { x: await Promise.resolve(1) })
    } })
    export const { describe, call } = definePlugin(weather, note)
  `)

  test("describe their tools", async () => {
    expect(JSON.parse(await outcome({ code: tools, name: "describe" })).tools[0]).toEqual({
      name: "weather_now",
      description: "Now",
      inputSchema: { type: "object", properties: { place: { type: "string" } } },
    })
  })

  test("reach the host's functions through the typed module", async () => {
    const lines: string[] = []
    const host = {
      log: (level: string, line: string) => void lines.push(`${level} ${line}`),
      functions: { secret_exists: () => Promise.resolve(true) },
      http: ({ url, method, headers, body }: { url: string; method: string; headers: object; body: Uint8Array }) =>
        Promise.resolve({
          status: 201,
          headers: {},
          body: new TextEncoder().encode(`${method} ${url} ${JSON.stringify(headers)} ${textOf(body)}`),
        }),
    }
    const input = { params: { name: "weather_now", arguments: { place: "köln" } } }
    const text = await outcome({ code: tools, name: "call", input, host, config: { unit: "C" } })
    expect(JSON.parse(text).structuredContent).toEqual({
      status: 201,
      text: 'GET https://example.com/köln {"content-type":"application/json"} {"a":1}',
      key: true,
      unit: "C",
    })
    expect(lines).toEqual(["warn asked for köln"])
  })

  test("wait for promises of their own, and hear refusals as errors", async () => {
    const functions = {
      memory_write: () => Promise.resolve(null),
      tool_invoke: () => Promise.reject(new HostRefusal("This needs the owner's approval")),
    }
    const input = { params: { name: "note", arguments: {} } }
    const text = await outcome({ code: tools, name: "call", input, host: { functions, log() {} } })
    expect(JSON.parse(text)).toEqual({
      content: [{ type: "text", text: "This needs the owner's approval" }],
      isError: true,
    })
  })

  test("do not outlive their limits", async () => {
    const hostile = script(`
      export function loop() { for (;;); }
      export function deep() { const f = (n: number): number => 1 + f(n + 1); return f(0) }
      export function hoard() { const all: unknown[] = []; for (;;) all.push(new Array(10_000).fill(1)) }
      export function never() { return new Promise(() => {}) }
      export async function jobs() { for (;;) await null }
      export function large() { return "x".repeat(2_000) }
      export function boom() { throw new TypeError("no") }
      export function around() { return { process: typeof process, Bun: typeof Bun, fetch: typeof fetch, zone: new Date().getTimezoneOffset() } }
    `)
    const limits = { fuel: 5_000_000, maxOutputBytes: 1_000, memoryMb: 4 }
    expect(await outcome({ code: hostile, name: "loop", limits })).toStartWith("fuel:")
    expect(await outcome({ code: hostile, name: "jobs", limits })).toStartWith("fuel:")
    expect(await outcome({ code: hostile, name: "deep", limits })).toStartWith("trap: RangeError")
    expect(await outcome({ code: hostile, name: "hoard", limits: { ...limits, fuel: 50_000_000 } })).toStartWith(
      "memory:",
    )
    expect(await outcome({ code: hostile, name: "never", limits })).toStartWith("trap: It waits")
    expect(await outcome({ code: hostile, name: "large", limits })).toStartWith("size:")
    expect(await outcome({ code: hostile, name: "boom", limits })).toBe("trap: TypeError: no")
    expect(await outcome({ code: hostile, name: "nothing", limits })).toStartWith("code: It exports no function")
    expect(await outcome({ code: hostile, name: "toString", limits })).toStartWith("code: It exports no function")
    expect(await outcome({ code: hostile, name: "around", limits })).toBe(
      '{"process":"undefined","Bun":"undefined","fetch":"undefined","zone":0}',
    )
  })

  test("import nothing but the one module, and learn nothing of our files", async () => {
    const text = await outcome({ code: codeOf("js", 'import "node:fs"; export const a = () => 1'), name: "a" })
    expect(text).toContain('There is no module "node:fs" here')
    expect(text).not.toContain("sandbox/child")
    expect(await outcome({ code: codeOf("ts", "export const a = ("), name: "a" })).toStartWith(
      "code: It is no TypeScript",
    )
  })

  test("keep nothing from one call to the next", async () => {
    const counter = codeOf("js", "let n = 0; export const count = () => ++n")
    expect(await outcome({ code: counter, name: "count" })).toBe("1")
    expect(await outcome({ code: counter, name: "count" })).toBe("1")
    const vandal = codeOf(
      "js",
      `import { config } from "ironclaw"
      export const spoil = () => {
        const before = [typeof Array.prototype.mine, JSON.stringify({}), config.x]
        Array.prototype.mine = 1
        JSON.stringify = () => '"spoilt"'
        Reflect.set(globalThis, "Date", null)
        try { config.x = "mine" } catch {}
        return before
      }`,
    )
    expect(await outcome({ code: vandal, name: "spoil", config: { x: "1" } })).toBe('"spoilt"')
    const fresh = codeOf("js", "export const look = () => [typeof Array.prototype.mine, typeof Date]")
    expect(JSON.parse(await outcome({ code: fresh, name: "look" }))).toEqual(["undefined", "function"])
  })

  test("begin with the same heap, and with the configuration, the clock and the random numbers of their own call", async () => {
    const code = codeOf(
      "ts",
      `import { config } from "ironclaw"
      const unit = config["unit"]
      const n = Math.random()
      export const look = () => ({ unit, live: config["unit"], keys: Object.keys(config), n, m: Math.random(), at: Date.now() })`,
    )
    const first = JSON.parse(await outcome({ code, name: "look", config: { unit: "C" } }))
    const second = JSON.parse(await outcome({ code, name: "look", config: { unit: "F" } }))
    const third = JSON.parse(await outcome({ code, name: "look" }))
    expect([first.unit, first.live, second.unit, second.live, third.keys]).toEqual(["C", "C", "F", "F", []])
    expect(new Set([first.n, first.m, second.n, second.m, third.n, third.m]).size).toBe(6)
    for (const n of [first.n, second.n, third.n]) expect(n >= 0 && n < 1).toBe(true)
    expect(Math.abs(third.at - Date.now())).toBeLessThan(5_000)
  })

  test("find nothing of what started them", async () => {
    const code = codeOf(
      "js",
      `export const look = async () => [
        Object.getOwnPropertyNames(globalThis).filter((name) => name.startsWith("_")),
        Object.keys(await import("ironclaw")).filter((name) => /host|configure|random/.test(name)),
        Object.keys(await import("prelude")),
      ]`,
    )
    expect(JSON.parse(await outcome({ code, name: "look" }))).toEqual([[], [], []])
  })
})

describe("the sandbox", () => {
  test("locks its children where a lock is made", async () => {
    const lock = await sandbox.warm()
    expect(lock.state).toBe(process.platform === "linux" ? "locked" : "unlocked")
  })

  test("runs without the lock where a child that locks itself does not live, and says so", async () => {
    const told: string[] = []
    const log = { ...quietLog, warn: (message: string) => void told.push(message) }
    const liar = join(import.meta.dir, "lying-child.ts")
    const command = [process.execPath, liar, "dies of its lock"]
    const unlocked = createSandbox({ command, clock: systemClock, log })
    const result = await unlocked.call(guestCall({ code: wasm, name: "echo" }))
    expect(result.ok && textOf(result.output)).toBe("alive")
    expect(unlocked.status().lock.state).toBe("unlocked")
    expect(told).toContain("Plugins run without the lock: a child that locks itself does not live")
    await unlocked.stopAll()
  })

  test("does not go without the lock because a child was late: that says nothing of the lock", async () => {
    const clock = createFakeClock()
    const liar = join(import.meta.dir, "lying-child.ts")
    const late = createSandbox({
      command: [process.execPath, liar, "late with its lock"],
      clock,
      log: quietLog,
    })
    const result = late.call(guestCall({ code: wasm, name: "echo" }))
    await clock.advance(10_000)
    expect(await result).toMatchObject({ ok: false, reason: "unavailable" })
    expect(late.status().lock.state).toBe("untried")
    await late.stopAll()
  })

  test("says that no plugin runs where no child can be started", async () => {
    const none = createSandbox({ command: [process.execPath, "-e", ""], clock: systemClock, log: quietLog })
    expect(await none.warm()).toMatchObject({ state: "unlocked", missing: [expect.stringContaining("no plugin runs")] })
    const result = await none.call(guestCall({ code: wasm, name: "echo" }))
    expect(result.ok ? "ok" : result.reason).toBe("unavailable")
    await none.stopAll()
  })

  test("lets the deadline stand still while the host works", async () => {
    const functions = { memory_read: () => Bun.sleep(300).then(() => "late") }
    const result = await sandbox.call(
      guestCall({ code: wasm, name: "read", input: {}, limits: { timeoutMs: 200 }, host: { functions, log() {} } }),
    )
    expect(result.ok).toBe(true)
    expect(result.usage.hostMs).toBeGreaterThan(200)
  })

  test("gives a host function its own deadline, and ends its signal", async () => {
    let signal: AbortSignal | null = null
    const functions = {
      memory_read: (_payload: unknown, context: { signal: AbortSignal }) => {
        signal = context.signal
        return new Promise(() => {})
      },
    }
    const host = { functions, log() {} }
    expect(await outcome({ code: wasm, name: "read", input: {}, limits: { hostTimeoutMs: 50 }, host })).toBe(
      '{"error":"The host took more than 50 ms for this"}',
    )
    expect(signal).toMatchObject({ aborted: true })
  })

  test("refuses at once the call inside of a call that finds every child of its plugin at work", async () => {
    let refusals = 0
    const all = Promise.withResolvers<void>()
    let inside = 0
    const read = async () => {
      inside += 1
      if (inside === MAX_PER_PLUGIN) all.resolve()
      await all.promise
      const inner = await sandbox.call(guestCall({ pluginId: "busy", code: wasm, name: "echo", isNested: true }))
      if (!inner.ok && inner.reason === "unavailable") refusals += 1
      return inner.ok ? "done" : inner.words
    }
    const host = { functions: { memory_read: read }, log() {} }
    const outer = await Promise.all(
      Array.from({ length: MAX_PER_PLUGIN }, () =>
        sandbox.call(guestCall({ pluginId: "busy", code: wasm, name: "read", input: {}, host })),
      ),
    )
    expect(outer.map(({ ok }) => ok)).toEqual(Array.from({ length: MAX_PER_PLUGIN }, () => true))
    expect(refusals).toBe(MAX_PER_PLUGIN)
    const alone = await sandbox.call(guestCall({ pluginId: "busy", code: wasm, name: "echo", isNested: true }))
    expect(alone.ok).toBe(true)
  })

  test("kills what is cancelled, and what is stopped", async () => {
    const controller = new AbortController()
    const cancelled = outcome({ code: wasm, name: "loop", signal: controller.signal, pluginId: "cancelled" })
    await Bun.sleep(50)
    controller.abort()
    expect(await cancelled).toStartWith("cancelled:")
    const stopped = outcome({ code: wasm, name: "loop", pluginId: "stopped" })
    while (!sandbox.status().children.some(({ pluginId, state }) => pluginId === "stopped" && state === "busy"))
      await Bun.sleep(5)
    await Bun.sleep(50)
    await sandbox.stop("stopped")
    expect(await stopped).toStartWith("cancelled:")
    expect(sandbox.status().children.some(({ pluginId }) => pluginId === "stopped")).toBe(false)
  })

  test("does not mind a child that is killed from outside", async () => {
    const running = outcome({ code: wasm, name: "loop", pluginId: "killed" })
    const find = () =>
      sandbox.status().children.find(({ pluginId, state }) => pluginId === "killed" && state === "busy")
    while (!find()) await Bun.sleep(5)
    await Bun.sleep(50)
    process.kill(find()?.pid ?? 0, "SIGKILL")
    expect(await running).toStartWith("crashed:")
    expect(await outcome({ code: wasm, name: "echo", input: 3, pluginId: "killed" })).toBe("3")
  })

  test("kills ten runaway loops in a row, and answers the call after each", async () => {
    for (let round = 0; round < 10; round++) {
      expect(await outcome({ code: wasm, name: "loop", limits: { timeoutMs: 20 } })).toStartWith("deadline:")
      expect(await outcome({ code: wasm, name: "echo", input: round })).toBe(String(round))
    }
  })
})
