/**
 * The plugins of this house: what the owner does with them, and which of their tools and hooks there are at this moment. Whatever changes, in the
 * folder or in the rows, is taken up as one: the new set of tools, then the end of the children that no tool needs any more.
 */
import { AppError } from "#core/errors.ts"
import type { PluggedHooks, PluginHook } from "#core/hooks/plugged.ts"
import { fault } from "#core/hooks/program.ts"
import type { Log } from "#core/log.ts"
import type { EgressCredential } from "#core/safety/egress.ts"
import { canonicalJson } from "#core/safety/fingerprint.ts"
import type { LocalEndpoint } from "#core/safety/hosts.ts"
import type { OpenRegistry } from "#core/tools/registry.ts"
import type { Tool } from "#core/tools/tool.ts"
import type { Sandbox } from "./child/guest.ts"
import { createTakenNames } from "./describe.ts"
import { createDownload, type FetchFrom } from "./download.ts"
import type { PluginWatcher, LivePlugin } from "./live-plugin.ts"
import type { HostFunctionDeps } from "./host-functions.ts"
import type { Bundled } from "./bundled.ts"
import { type Prepared, preparePlugin } from "./install.ts"
import type { InstalledFolder } from "./installed.ts"
import type { PluginChange, PluginPins, PluginSignature } from "./pins.ts"
import { type ConfigValue, type ConfigValues, endpointsOf, readConfigValue, settingsOf } from "./plugin-config.ts"
import { credentialsOf } from "./plugin-credentials.ts"
import { askHook, hooksOf, lostHooksOf } from "./plugin-hooks.ts"
import { emptyOf, statusOf } from "./plugin-status.ts"
import { pluginToolsOf } from "./plugin-tools.ts"
import { createReadArchive } from "./parser.ts"
import { type PluginPin, pluginPrincipal, type PluginStatus } from "./plugin.ts"
import { sentencesFor } from "./sentences.ts"
import { type Asked, createReadSource, judgeAsked, type Source, wordsOf } from "./source.ts"

export type Plugins = {
  list(): Promise<PluginStatus[]>
  /** Throws `not_found`. */
  get(name: string): Promise<PluginStatus>
  /** What is inside this program and can be installed by its name. */
  available(): Promise<AvailablePlugin[]>
  /** Whether these are the very bytes that are inside this program under that name. */
  isOwn(plugin: { name: string; sha256: string }): Promise<boolean>
  /** Throws for what can never be installed, without looking at what is named. */
  judgeAsked(asked: Asked): void
  /** What installing this would mean. Throws `plugin.unusable`, `not_found`, `egress.…`. */
  prepareInstall(asked: Asked, signal: AbortSignal): Promise<Prepared>
  /** Active at once only where the owner has agreed to as much before. */
  install(prepared: Prepared): Promise<PluginStatus>
  /** What agreeing to what is installed would mean. Throws `plugin.unusable`, `not_found`. */
  prepareGrant(name: string, signal: AbortSignal): Promise<Prepared>
  /** Throws `conflict` where the folder has changed since. */
  grant(prepared: Prepared): Promise<PluginStatus>
  /** Throws `conflict` where nothing that is there was agreed to. */
  enable(name: string): Promise<PluginStatus>
  /** Calls under way are cancelled. */
  disable(name: string): Promise<PluginStatus>
  /** What setting these would keep; null unsets. Throws `input.invalid`, `conflict` where nobody agreed to the plugin. */
  prepareConfig(name: string, values: Readonly<Record<string, ConfigValue | null>>): Promise<PreparedConfig>
  configure(prepared: PreparedConfig): Promise<PluginStatus>
  /** Takes files and consent away; calls under way are cancelled. */
  remove(name: string): Promise<void>
  /** Takes up what changed. Never throws. */
  refresh(): Promise<void>
  /** What a plugin's requests are given on their way out. */
  credentialsFor(provider: string): EgressCredential[]
  /** Addresses of the owner's own that they let it reach. */
  endpointsFor(provider: string): LocalEndpoint[]
  /** What they judge of what passes, as the owner agreed to it. */
  hooks: PluggedHooks
  /** What the owner agreed to. Throws `not_found`, and `conflict` where they agreed to nothing. */
  agreedPin(name: string): Promise<PluginPin>
  agreedPins(): PluginPin[]
  /** The channels that run at this moment. */
  channels(): readonly LivePlugin[]
  /** Tells whoever runs them of every change, and before one is taken away. */
  watch(watcher: PluginWatcher): void
}

/** `installed`: the version that lies in the plugins folder under this name; null where none does. */
export type AvailablePlugin = Pick<PluginStatus, "name" | "kind" | "version" | "description"> & {
  installed: string | null
}
/** All that is set of a plugin after the change. */
export type PreparedConfig = { name: string; sha256: string; values: ConfigValues; before: ConfigValues }

export type PluginsDeps = {
  installed: InstalledFolder
  bundled: Bundled
  pins: PluginPins
  /** The one way to an address from which a plugin is to be fetched. */
  fetchFrom: FetchFrom
  sandbox: Pick<Sandbox, "call" | "parse" | "stop">
  registry: Pick<OpenRegistry, "registry" | "supply">
  memory: HostFunctionDeps["memory"]
  logins: HostFunctionDeps["logins"]
  log: Log
}

type Live = { pin: PluginPin; code: ReturnType<InstalledFolder["codeOf"]>; tools: Tool[]; hooks: PluginHook[] }

export function createPlugins({
  installed,
  bundled,
  fetchFrom,
  pins,
  sandbox,
  registry: open,
  ...host
}: PluginsDeps): Plugins {
  const { log } = host
  const readSource = createReadSource({
    bundled,
    readArchive: createReadArchive({ sandbox }),
    download: createDownload({ fetchFrom }),
  })
  let live = new Map<string, Live>()
  let statuses: PluginStatus[] = []
  let hooks: PluginHook[] = []
  let agreed = new Map<string, PluginPin>()
  let signatures: readonly PluginSignature[] = []
  /** One after the other: no refresh sees the middle of a change. */
  let queue: Promise<unknown> = Promise.resolve()
  let watcher: PluginWatcher | null = null

  function inTurn<T>(work: () => Promise<T>): Promise<T> {
    const mine = queue.then(work)
    queue = mine.catch(() => {}) // whoever asked hears of it
    return mine
  }

  const builtinNames = () =>
    open.registry
      .list()
      .filter(({ provider }) => provider === "builtin")
      .map(({ name }) => name)
  const takenBeside = (name: string) => [
    ...builtinNames(),
    ...[...agreed.values()].filter((pin) => pin.name !== name).flatMap(({ tools }) => tools.map((tool) => tool.name)),
  ]

  async function takeUp(): Promise<void> {
    const { pins: rows, broken, signatures: signed } = await pins.list()
    signatures = signed
    agreed = new Map(rows.map((pin) => [pin.name, pin]))
    const found = installed.scan((name) => agreed.get(name)?.sha256 ?? null)
    const next = new Map<string, Live>()
    const taken = createTakenNames(builtinNames())
    const shown: PluginStatus[] = []
    for (const one of found) {
      const pin = agreed.get(one.name)
      const status = statusOf(one, {
        pin,
        isForged: broken.includes(one.name),
        publisher: signerOf(one),
        logins: host.logins,
      })
      if (pin && one.codeSha256 !== null && status.state === "active") {
        // A name that became ours, or somebody else's, since the owner agreed.
        const shadows = taken.problems(pin.tools)
        if (shadows.length > 0) shown.push({ ...status, state: "broken", problems: shadows })
        else {
          const former = live.get(one.name)
          const isSame =
            former?.pin.sha256 === pin.sha256 && canonicalJson(former.pin.config) === canonicalJson(pin.config)
          next.set(one.name, former && isSame ? former : makeLive(pin, one.codeSha256))
          taken.add(pin.tools.map((tool) => tool.name))
          shown.push(status)
        }
      } else shown.push(status)
    }
    for (const pin of rows) {
      if (found.some(({ name }) => name === pin.name)) continue
      shown.push({
        ...statusOf(emptyOf(pin.name), { pin, isForged: false, publisher: null, logins: host.logins }),
        state: "missing",
        problems: ["Its folder is gone"],
      })
    }
    const gone = [...live.values()].filter(({ pin }) => next.get(pin.name)?.pin.sha256 !== pin.sha256)
    open.supply([...next.values()].flatMap(({ tools }) => tools))
    live = next
    statuses = shown.sort((a, b) => (a.name < b.name ? -1 : 1))
    hooks = statuses.flatMap((status) => {
      const { name } = status
      const manifest = broken.includes(name) ? (found.find((one) => one.name === name)?.manifest ?? null) : null
      return next.get(name)?.hooks ?? lostHooksOf(status, { pin: agreed.get(name), forged: manifest })
    })
    for (const { pin, code } of gone) void sandbox.stop(pin.name, { sha256: code.sha256, drain: true })
    watcher?.tookUp()
  }

  function makeLive(pin: PluginPin, codeSha256: string): Live {
    const code = installed.codeOf(pin.name, { manifest: pin.manifest, sha256: codeSha256 })
    return { pin, code, tools: pluginToolsOf(pin, code, { ...host, sandbox, pins }), hooks: hooksOf(pin, null) }
  }

  async function statusNow(name: string): Promise<PluginStatus> {
    await takeUp()
    const status = statuses.find((one) => one.name === name)
    if (status) return status
    throw new AppError("not_found", `There is no plugin called "${name.slice(0, 80)}"`, {
      hint: "`ironclaw tool list` shows them.",
    })
  }

  const pinOf = (name: string) => agreed.get(name) ?? null
  const prepare = (from: string, signal: AbortSignal, source: Source) =>
    preparePlugin({ source, from, sandbox, takenBeside, pinOf, signal })
  /** Who is known to have signed what lies in the folder now. */
  const signerOf = (one: { name: string; sha256: string | null }) =>
    signatures.find(({ plugin, sha256 }) => plugin === one.name && sha256 === one.sha256)?.key ?? null

  /** Grants are of this version: what an owner once allowed for another one was allowed for another program. */
  async function agree(prepared: Prepared, change: PluginChange): Promise<void> {
    const { name, version, sha256, manifest, tools } = prepared
    const former = agreed.get(name)
    const config = former?.config ?? {}
    // Who agrees to a version that nobody signed goes without once, and not from then on.
    const publisher = prepared.publisher ?? former?.publisher ?? null
    await pins.put(
      { name, version, sha256, manifest, tools, state: "active", config, publisher },
      { change, words: `${name} ${version} (${sha256.slice(0, 12)}): ${sentencesFor({ manifest, tools }).join("; ")}` },
    )
  }

  async function agreedPin(name: string): Promise<PluginPin> {
    await statusNow(name)
    const pin = agreed.get(name)
    if (pin) return pin
    throw new AppError("conflict", `Nobody has agreed to ${name} yet`, {
      hint: `\`ironclaw tool grant ${name}\` does.`,
    })
  }

  async function setState(name: string, state: PluginPin["state"], change: PluginChange): Promise<PluginStatus> {
    const pin = await agreedPin(name)
    await pins.put({ ...pin, state }, { change, words: `${name} ${pin.version}` })
    return statusNow(name)
  }

  const pinOfProvider = (provider: string) =>
    [...live.values()].find(({ pin }) => pluginPrincipal(pin) === provider)?.pin ?? null

  return {
    agreedPin: (name) => inTurn(() => agreedPin(name)),
    agreedPins: () => [...agreed.values()],
    hooks: {
      current: () => hooks,
      async ask({ form: { plugin, problem } }, how) {
        const its = live.get(plugin)
        return problem === null && its ? askHook({ ...its, sandbox }, how) : fault(problem ?? "its plugin is gone")
      },
    },
    list: () => inTurn(async () => takeUp().then(() => statuses)),
    get: (name) => inTurn(() => statusNow(name)),
    available: () =>
      inTurn(async () => {
        await takeUp()
        return (await bundled.manifests()).map(({ name, kind = "tool", version, description = "" }) => {
          const there = statuses.find((one) => one.name === name && one.state !== "missing")
          return { name, kind, version, description, installed: there?.version ?? null }
        })
      }),
    isOwn: async ({ name, sha256 }) => bundled.names.includes(name) && (await bundled.read(name)).sha256 === sha256,
    judgeAsked: (asked) => judgeAsked(asked, { bundled }),
    async prepareInstall(asked, signal) {
      await inTurn(takeUp)
      const publisherOf = (name: string) => agreed.get(name)?.publisher ?? null
      const source = await readSource(asked, { publisherOf, signal })
      return inTurn(() => prepare(wordsOf(asked.source), signal, source))
    },
    install: (prepared) =>
      inTurn(async () => {
        const { name, publisher, sha256 } = prepared
        // Calls of the former version that are under way still find its code.
        live.get(name)?.code.keep()
        installed.put(name, prepared.folder)
        await pins.putSignature(name, publisher === null ? null : { sha256, key: publisher })
        if (prepared.changes?.length === 0 && agreed.get(name)?.state === "active") await agree(prepared, "installed")
        else
          await pins.note(name, {
            change: "installed",
            words: `${name} ${prepared.version} (${prepared.sha256.slice(0, 12)}), inactive`,
          })
        return statusNow(name)
      }),
    prepareGrant: (name, signal) =>
      inTurn(async () => {
        const { state, problems } = await statusNow(name)
        if (state === "missing" || state === "broken")
          throw new AppError("plugin.unusable", `${name} cannot be used: ${problems.join("; ")}`)
        const read = installed.read(name)
        if (!read.ok) throw new AppError("plugin.unusable", `${name} cannot be used: ${read.problems.join("; ")}`)
        return prepare(name, signal, {
          folder: read.folder,
          publisher: signerOf({ name, sha256: read.folder.sha256 }),
          isKnown: true,
        })
      }),
    grant: (prepared) =>
      inTurn(async () => {
        const read = installed.read(prepared.name)
        if (!read.ok || read.folder.sha256 !== prepared.sha256)
          throw new AppError("conflict", `${prepared.name} has changed since`, { hint: "Look at it again." })
        await agree(prepared, "granted")
        return statusNow(prepared.name)
      }),
    enable: (name) =>
      inTurn(async () => {
        const { state } = await statusNow(name)
        if (state !== "disabled" && state !== "active")
          throw new AppError("conflict", `${name} is ${state}: there is nothing to enable`, {
            hint: `\`ironclaw tool grant ${name}\` shows what it asks for.`,
          })
        return setState(name, "active", "enabled")
      }),
    disable: (name) =>
      inTurn(async () => {
        const status = await setState(name, "disabled", "disabled")
        await sandbox.stop(name)
        return status
      }),
    prepareConfig: (name, values) =>
      inTurn(async () => {
        const { manifest, sha256, config: before } = await agreedPin(name)
        const read = Object.entries(values).map(([key, value]) => ({
          key,
          value,
          read: readConfigValue(manifest, key, value ?? ""),
        }))
        const known = settingsOf(manifest, {}).map(({ key }) => key)
        const problems = read.flatMap(({ key, value, read: one }) =>
          // What is set of a former version can be unset, and needs no form for that.
          value === null
            ? known.includes(key) || Object.hasOwn(before, key)
              ? []
              : [`It has no setting "${key.slice(0, 80)}"`]
            : one.ok
              ? []
              : [one.problem],
        )
        if (problems.length > 0)
          throw new AppError("input.invalid", `${name}: ${problems.join("; ")}`, {
            hint: `\`ironclaw tool config ${name}\` shows what can be set.`,
          })
        const left = Object.entries(before).filter(([key]) => !Object.hasOwn(values, key))
        const set = read.flatMap(({ key, value, read: one }) =>
          value !== null && one.ok ? [[key, one.value] as const] : [],
        )
        return { name, sha256, before, values: Object.fromEntries([...left, ...set]) }
      }),
    configure: (prepared) =>
      inTurn(async () => {
        const { name, values, before, sha256 } = prepared
        const pin = await agreedPin(name)
        if (pin.sha256 !== sha256 || canonicalJson(pin.config) !== canonicalJson(before))
          throw new AppError("conflict", `${name} has changed since`, { hint: "Look at it again." })
        await pins.put(
          { ...pin, config: values },
          { change: "configured", words: `${name}: ${Object.keys(values).sort().join(", ") || "nothing is set"}` },
        )
        return statusNow(name)
      }),
    remove: (name) =>
      inTurn(async () => {
        await takeUp()
        if (!statuses.some((one) => one.name === name)) await statusNow(name) // says that there is none
        await watcher?.removing({ name, live: live.get(name) ?? null })
        await pins.remove(name)
        installed.remove(name)
        await takeUp()
        await sandbox.stop(name)
        await watcher?.removed(name)
      }),
    refresh: () => inTurn(takeUp).catch((error: unknown) => log.error("The plugins could not be looked at", { error })),
    credentialsFor(provider) {
      const pin = pinOfProvider(provider)
      return pin ? credentialsOf(pin.manifest, host.logins.valueFor(pin)) : []
    },
    endpointsFor(provider) {
      const pin = pinOfProvider(provider)
      return pin ? endpointsOf(pin.manifest, pin.config).local : []
    },
    channels: () => [...live.values()].filter(({ pin }) => pin.manifest.kind === "channel"),
    watch(given) {
      watcher = given
    },
  }
}
