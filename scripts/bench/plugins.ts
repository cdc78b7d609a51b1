/** Plugins as the house has them: a call through the whole pipeline, and what a hundred that nobody calls cost a service. */
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { systemClock } from "#core/clock.ts"
import type { Db } from "#core/db/db.ts"
import { openDb } from "#core/db/open.ts"
import { loadSnapshot } from "#core/db/snapshot.ts"
import { createWriter } from "#core/db/writer.ts"
import { createEventBus } from "#core/event.ts"
import { openHome } from "#core/home.ts"
import { createHookChain } from "#core/hooks/chain.ts"
import { createMemory } from "#core/memory/memory.ts"
import { type AuthoritySeal, createAuthoritySeal } from "#core/safety/authority.ts"
import { openMasterKey } from "#core/secrets/master-key.ts"
import { createRegistry, type OpenRegistry } from "#core/tools/registry.ts"
import { createBundled } from "#sandbox/bundled.ts"
import { createSandbox } from "#sandbox/child/sandbox.ts"
import { createInstalledFolder } from "#sandbox/installed.ts"
import { createPluginPins } from "#sandbox/pins.ts"
import { createPlugins, type Plugins } from "#sandbox/plugins.ts"
import { environmentOf } from "#test/fakes/binary.ts"
import { quietLog } from "#test/fakes/guest.ts"
import { startService } from "#test/fakes/service.ts"
import { wasmPlugin } from "#test/sandbox/plugin-tools.ts"
import { binaryPath } from "../freshness.mjs"
import { atMost, type Bench, type Figure, median, told } from "./figure.ts"
import { makeHome, removeHome } from "./house.ts"
import { benchTools, callsOn } from "./pipeline.ts"
import { pssMib } from "./processes.ts"
import { secondsToReady } from "./start.ts"

const MANY = 100
const START_ROUNDS = 7
const POINT_ROUNDS = 200
const SETTLE_MS = 15_000
const command = [binaryPath(join(import.meta.dir, "../..")), "sandbox-child"]

export const plugins: Bench = async ({ tell }) => {
  tell("plugins: calls of an empty .wasm tool through the pipeline")
  return [...(await throughPipeline()), ...(await manyInstalled(tell))]
}

/** Of a plugin with one tool, which answers "done", and one hook, which lets everything pass where `judges`. */
export function writePlugin(path: string, name: string, { judges = false } = {}): void {
  const tool = `${name.replaceAll("-", "_")}_tool`
  const described = { tools: [{ name: tool, description: "A tool of this bench.", inputSchema: { type: "object" } }] }
  const answer = { content: [{ type: "text", text: "done" }] }
  mkdirSync(path, { recursive: true })
  writeFileSync(
    join(path, "plugin.wasm"),
    wasmPlugin({ describe: JSON.stringify(described), call: JSON.stringify(answer), hook: '{"verdict":"pass"}' }),
  )
  const hooks = judges ? { hooks: [{ point: "message.in" }] } : {}
  const manifest = { name, version: "1.0.0", entry: "plugin.wasm", effects: { [tool]: "read" }, ...hooks }
  writeFileSync(join(path, "plugin.json"), JSON.stringify(manifest))
}

type House = { plugins: Plugins; registry: OpenRegistry; close(): Promise<void> }

function openPlugins({ db, seal, dir }: { db: Db; seal: AuthoritySeal; dir: string }): House {
  const sandbox = createSandbox({ command, clock: systemClock, log: quietLog })
  const bus = createEventBus({ onListenerError() {} })
  const writer = createWriter({ db, publish: bus.publish })
  const registry = createRegistry(benchTools)
  const made = createPlugins({
    installed: createInstalledFolder({ dir }),
    bundled: createBundled(),
    pins: createPluginPins({ db, writer, clock: systemClock, seal, onBadSeal() {} }),
    sandbox,
    registry,
    memory: createMemory({ db, writer, bus }),
    logins: { valueFor: () => () => null, prepare: async () => ({ version: null }), renew: async () => false },
    fetchFrom() {
      throw new Error("Nothing is fetched here")
    },
    log: quietLog,
  })
  return {
    plugins: made,
    registry,
    async close() {
      await sandbox.stopAll()
      await writer.drain()
      await db.close()
    },
  }
}

type Wanted = { from: string; names: readonly string[]; judges?: boolean }

async function install({ plugins: made }: House, { from, names, judges = false }: Wanted) {
  const { signal } = new AbortController()
  for (const name of names) {
    const path = join(from, name)
    writePlugin(path, name, { judges })
    await made.install(await made.prepareInstall({ source: { path }, known: {} }, signal))
    const { state } = await made.grant(await made.prepareGrant(name, signal))
    if (state !== "active") throw new Error(`${name} is ${state}`)
  }
}

async function throughPipeline(): Promise<Figure[]> {
  const folder = mkdtempSync(join(tmpdir(), "ironclaw-bench-plugin-"))
  const config = { kind: "embedded" as const, dir: join(folder, "pgdata") }
  const db = await openDb({ config, clock: systemClock, onWarning() {}, loadSnapshot })
  const seal = createAuthoritySeal({ key: () => new Uint8Array(32).fill(1) })
  const house = openPlugins({ db, seal, dir: join(folder, "plugins") })
  try {
    await install(house, { from: join(folder, "sources"), names: ["empty"] })
    const timeOf = await callsOn(db, house.registry)
    // The first one also pays for compiling what both pass.
    const builtin = Math.min(await timeOf("bench_read"), await timeOf("bench_read"))
    const unjudged = await timeAtPoint(house.plugins)
    await install(house, { from: join(folder, "sources"), names: ["judge"], judges: true })
    return [
      atMost("a point without hooks, p50", unjudged, { value: 0.02, unit: "ms" }),
      atMost("a plugin's empty hook, .wasm, warm, p50", await timeAtPoint(house.plugins), { value: 5, unit: "ms" }),
      atMost("empty .wasm tool, warm, through the pipeline, p50", await timeOf("empty_tool"), { value: 4, unit: "ms" }),
      told("a builtin tool the same way", builtin, "ms"),
    ]
  } finally {
    await house.close()
    rmSync(folder, { recursive: true, force: true })
  }
}

/** What a message waits for the hooks of a house whose owner has none of their own. */
async function timeAtPoint({ hooks }: Plugins): Promise<number> {
  const chain = createHookChain({
    store: { current: () => ({ hooks: [], broken: [], problem: null }) },
    plugged: hooks,
    egress: {
      fetchFor() {
        throw new Error("Nothing is asked for here")
      },
    },
    writer: { commit: async () => ({ rows: [], events: [] }), drain: async () => {} },
    clock: systemClock,
    log: quietLog,
    redact: (text) => text,
  })
  const { signal } = new AbortController()
  const place = { agentId: "main", channel: "bench", sessionId: null, turnId: null, personId: null }
  const value = { text: "What is on today?", images: 0 }
  const times: number[] = []
  for (let round = 0; round < POINT_ROUNDS; round++) {
    const before = performance.now()
    const { verdict } = await chain.judge("message.in", { ...place, labels: [], source: "bench", value, signal })
    times.push(performance.now() - before)
    if (verdict !== "pass") throw new Error("The hook of this bench refused")
  }
  return median(times)
}

async function manyInstalled(tell: (words: string) => void): Promise<Figure[]> {
  const homes = { none: makeHome(), many: makeHome() }
  try {
    // The first start makes the database and the key.
    await secondsToReady(homes.none)
    await secondsToReady(homes.many)
    tell(`plugins: installing ${MANY}`)
    await installInto(homes.many)
    const seconds: Record<keyof typeof homes, number[]> = { none: [], many: [] }
    for (let round = 1; round <= START_ROUNDS; round++) {
      tell(`plugins: starts, round ${round}`)
      seconds.none.push(await secondsToReady(homes.none))
      seconds.many.push(await secondsToReady(homes.many))
    }
    tell(`plugins: ${(2 * SETTLE_MS) / 1000} s of silence`)
    const none = await idleMib(homes.none, 0)
    const many = await idleMib(homes.many, MANY)
    const later = (median(seconds.many) - median(seconds.none)) * 1000
    return [
      told("start-up without plugins", median(seconds.none) * 1000, "ms"),
      atMost(`start-up with ${MANY} plugins, later by`, later, { value: 100, unit: "ms" }),
      told("idle memory without plugins (PSS)", none, "MiB"),
      atMost(`idle memory with ${MANY} plugins, more by`, many - none, { value: 60, unit: "MiB" }),
    ]
  } finally {
    removeHome(homes.none)
    removeHome(homes.many)
  }
}

async function installInto(userHome: string): Promise<void> {
  const home = openHome({ env: { IRONCLAW_HOME: environmentOf(userHome)["IRONCLAW_HOME"] } })
  const config = { kind: "embedded" as const, dir: join(home.folder("db"), "pgdata") }
  const db = await openDb({ config, clock: systemClock, onWarning() {}, loadSnapshot })
  // In a home of its own the service finds no keychain, and keeps its key in a file.
  const keychain = {
    read: async () => null,
    works: async () => false,
    write: async () => false,
    delete: async () => true,
  }
  const key = await openMasterKey({ db, clock: systemClock, home, keychain, environment: undefined, lock: null })
  const seal = createAuthoritySeal({ key: () => key.derive("authority") })
  const house = openPlugins({ db, seal, dir: home.paths.plugins })
  try {
    const names = Array.from({ length: MANY }, (_, at) => `bench-${at}`)
    await install(house, { from: join(userHome, "sources"), names })
  } finally {
    await house.close()
  }
}

/** Of all its processes. Throws where it has not as many plugins as it should. */
async function idleMib(home: string, count: number): Promise<number> {
  const service = await startService({ home, env: { LLM_BACKEND: "demo" } })
  try {
    const answer = await service.call("GET", "/api/plugins")
    const { items } = answer.body as { items: { state: string }[] } // as the API lists them
    const active = items.filter(({ state }) => state === "active").length
    if (active !== count) throw new Error(`${active} plugins are active, not ${count}`)
    await Bun.sleep(SETTLE_MS)
    return pssMib(service.pid)
  } finally {
    await service.stop()
  }
}
