/** An agent with plugins: real children, a real folder, a small internet, and a model that calls what a test says. */
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { systemClock } from "#core/clock.ts"
import type { SessionId } from "#core/id.ts"
import type { Db, Writer } from "#core/db/db.ts"
import { createHookChain, type HookChain } from "#core/hooks/chain.ts"
import { createHookStore, type HookStore } from "#core/hooks/store.ts"
import { type AuthoritySeal, createAuthoritySeal } from "#core/safety/authority.ts"
import { createLog, silentLog } from "#core/log.ts"
import { createMemory } from "#core/memory/memory.ts"
import { createSandbox } from "#sandbox/child/sandbox.ts"
import { type Bundled, createBundled } from "#sandbox/bundled.ts"
import { createInstalledFolder } from "#sandbox/installed.ts"
import { createPluginPins } from "#sandbox/pins.ts"
import { createPlugins, type PluginsDeps } from "#sandbox/plugins.ts"
import type { KnownOfSource, PluginSource } from "#sandbox/source.ts"
import { sandboxChildCommand } from "#cmd/lib/own-command.ts"
import { pluginSourceFetch, scansFor, toolFetch } from "#cmd/lib/outbound.ts"
import type { Tool } from "#core/tools/tool.ts"
import { createFakeInternet, type FakeInternet } from "#test/core/safety/fake-internet.ts"
import { agentHouse } from "./agent-house.ts"
import { toolContext } from "./tool-context.ts"
import { oneModel, scriptedModel, type ScriptStep } from "./model.ts"

export type PluginHouse = Awaited<ReturnType<typeof pluginHouse>>

export async function pluginHouse({
  tools = [],
  secrets = {},
  secretValues = () => Object.entries(secrets).map(([name, value]) => ({ name, value })),
  loginsFor = async () => ({
    valueFor: () => (name: string) => secrets[name] ?? null,
    prepare: async () => ({ version: null }),
    renew: async () => false,
  }),
  bundled = createBundled(),
}: {
  tools?: Tool[]
  secrets?: Record<string, string>
  /** In place of `secrets`: what must not leave, and who is given what. */
  secretValues?: () => { name: string; value: string }[]
  loginsFor?: (parts: {
    db: Db
    writer: Writer
    seal: AuthoritySeal
    badSeals: string[]
    internet: FakeInternet
  }) => Promise<PluginsDeps["logins"]>
  bundled?: Bundled
} = {}) {
  const root = mkdtempSync(join(tmpdir(), "ironclaw-plugins-"))
  const dir = join(root, "plugins")
  const logs = join(root, "logs")
  mkdirSync(logs)
  const internet = createFakeInternet(scansFor(secretValues))
  const steps: ScriptStep[] = []
  const model = scriptedModel([() => steps.shift() ?? { say: "Done" }])
  let hookStore: HookStore | undefined
  let hooks: HookChain | undefined
  const house = await agentHouse({
    models: oneModel(model),
    tools,
    async hooksFor({ db, writer }) {
      const seal = createAuthoritySeal({ key: () => new Uint8Array(32).fill(7) }) // the house's own
      hookStore = await createHookStore({ db, writer, clock: systemClock, seal, onBadSeal() {}, onFault() {} })
      return (hooks = createHookChain({
        store: hookStore,
        plugged: { current: () => plugins.hooks.current(), ask: (hook, how) => plugins.hooks.ask(hook, how) },
        egress: internet.egress,
        writer,
        clock: systemClock,
        log: silentLog,
        redact: (text) => text,
      }))
    },
    fetchFor: (call) => toolFetch(internet.egress, plugins)(call),
  })
  if (!hookStore || !hooks) throw new Error("The house asked for no hooks")
  const log = createLog({
    dir: logs,
    level: "debug",
    redact: (text) => text,
    clock: systemClock,
    maxBytes: 1_000_000,
    files: 1,
    mirror: null,
  })
  const sandbox = createSandbox({ command: sandboxChildCommand(), clock: systemClock, log })
  const installed = createInstalledFolder({ dir })
  const pins = createPluginPins({
    db: house.db,
    writer: house.writer,
    clock: systemClock,
    seal: house.seal,
    onBadSeal: (what) => house.badSeals.push(what),
  })
  const memory = createMemory({ db: house.db, writer: house.writer, bus: house.bus })
  const logins = await loginsFor({ ...house, internet })
  const plugins = createPlugins({
    installed,
    bundled,
    fetchFrom: pluginSourceFetch(internet.egress),
    pins,
    sandbox,
    registry: house.registry,
    memory,
    logins,
    log,
  })
  const signal = new AbortController().signal
  let calls = 0

  return {
    ...house,
    dir,
    root,
    logs,
    hooks,
    hookStore,
    internet,
    installed,
    logins,
    memory,
    model,
    pins,
    plugins,
    sandbox,
    /** What the model answers next. */
    steps,
    /** Writes a plugin somewhere else than into the plugins folder. */
    source(name: string, code: string, manifest: Record<string, unknown> = {}): string {
      const path = join(root, `source-${name}`)
      writePlugin(path, name, code, manifest)
      return path
    },
    /** Writes a plugin as a person drops it. */
    drop(name: string, code: string, manifest: Record<string, unknown> = {}): void {
      writePlugin(join(dir, name), name, code, manifest)
    },
    async install(source: string | PluginSource, known: KnownOfSource = {}) {
      const asked = { source: typeof source === "string" ? { path: source } : source, known }
      return plugins.install(await plugins.prepareInstall(asked, signal))
    },
    async grant(name: string) {
      return plugins.grant(await plugins.prepareGrant(name, signal))
    },
    /** Has the model make this call; what it was told of it, or that the owner is asked. */
    async call(tool: string, args: Record<string, unknown> = {}, more: { sessionId?: SessionId } = {}) {
      const id = `c${++calls}`
      steps.push({ call: [{ id, name: tool, arguments: args }] })
      const { outcome } = await house.say(`Call ${tool}`, more)
      const [row] = await house.db.query({
        sql: "select c.state, c.principal, c.effect, m.text, m.labels from calls c join messages m on m.call_id = c.id where c.tool = $1 order by c.id desc limit 1",
        params: [tool],
      })
      const told = row && {
        state: String(row["state"]),
        text: String(row["text"]),
        labels: row["labels"],
        principal: String(row["principal"]),
      }
      return { outcome, told }
    },
    /** A call of one tool straight to its body, as the pipeline makes it once every gate has let it through. */
    async direct(tool: string): Promise<string> {
      const card = house.registry.registry.find(tool)
      const body = card && house.registry.take(tool, card.provider)
      if (!body) return "gone"
      const result = await body({}, toolContext())
      return "data" in result ? String(result.data) : result.failed
    },
    async close() {
      await hooks?.drain()
      await house.close()
      await sandbox.stopAll()
      internet.close()
      rmSync(root, { recursive: true, force: true })
    },
  }
}

export function writePlugin(path: string, name: string, code: string, manifest: Record<string, unknown> = {}): void {
  mkdirSync(path, { recursive: true })
  writeFileSync(join(path, "plugin.ts"), code)
  writeFileSync(join(path, "plugin.json"), JSON.stringify({ name, version: "1.0.0", entry: "plugin.ts", ...manifest }))
}

/** A plugin of one tool, whose body is code. */
export function toolCode(name: string, run: string, more = ""): string {
  return `import { callTool, config, definePlugin, defineTool, hasSecret, http, log, memory } from "ironclaw"
export const { describe, call } = definePlugin(defineTool({
  name: ${JSON.stringify(name)},
  description: "A tool of a test.",
  input: { type: "object", properties: { word: { type: "string", maxLength: 2000 } } },
  ${more}
  run(input: { word?: string }) { ${run} },
}))
void [callTool, config, hasSecret, http, log, memory]
`
}
