/** `ironclaw tool`: plugins, code that nobody here vetted: installed inactive, granted in plain words, taken away at once. */
import type { PluginStatus } from "#sandbox/plugin.ts"
import type { AvailablePlugin } from "#sandbox/plugins.ts"
import { readArguments } from "./lib/json-arguments.ts"
import { withPresence } from "./lib/presence.ts"
import { type Ui, visible } from "./lib/ui.ts"
import { defineVerbGroup } from "./lib/verb.ts"
import { askVerb } from "./lib/verbs.ts"
import { auth } from "./tool/auth.ts"
import { config, showSettings } from "./tool/config.ts"
import { install, showChanges } from "./tool/install.ts"

const nameArg = { name: { type: "positional", description: "The plugin's name" } } as const

const list = askVerb({
  meta: {
    description:
      "Lists the plugins and how far each got; with --available, what is inside this program; with --all, the builtin tools too",
    examples: ["ironclaw tool list", "ironclaw tool list --available", "ironclaw tool list --all"],
  },
  args: {
    available: { type: "boolean", description: "Plugins inside this program, to be installed by name" },
    all: { type: "boolean", description: "Every tool that the assistant has, builtin ones too" },
  },
  ask: async ({ client, args }) => ({
    ...(await client.api.plugins.get()),
    tools: args.all ? (await client.api.tools.get()).items : [],
  }),
  show({ items, available, tools }, { ui, args }) {
    if (args.available) return showAvailable(available, ui)
    ui.table(
      items,
      [
        { title: "name", value: (row: PluginStatus) => row.name },
        { title: "version", value: (row: PluginStatus) => visible(row.version) },
        { title: "state", value: (row: PluginStatus) => row.state },
        { title: "kind", value: (row: PluginStatus) => row.kind },
        { title: "tools", value: (row: PluginStatus) => row.tools.join(", "), shrinks: true },
        { title: "says of itself", value: (row: PluginStatus) => visible(row.description), shrinks: true },
      ],
      "No plugins.",
    )
    for (const { name, state, problems } of items) {
      for (const problem of problems) ui.warn(`${name}: ${visible(problem)}`)
      if (state === "inactive") ui.note(`${name} is inactive: \`ironclaw tool grant ${name}\` shows what it asks for`)
    }
    for (const { name, version, installed } of available)
      if (installed !== null && installed !== version)
        ui.note(`${name} ${visible(installed)}: inside this program is ${version}: \`ironclaw tool install ${name}\``)
    for (const { name } of tools) ui.print(name)
    if (items.length === 0 && available.length > 0)
      ui.note("`ironclaw tool list --available` shows what can be installed by name")
  },
})

const info = askVerb({
  meta: {
    description: "Shows one plugin: what it asks for, what you granted, and what is different",
    examples: ["ironclaw tool info weather"],
  },
  args: nameArg,
  ask: async ({ client, args }) => (await client.api.plugins({ name: args.name }).get()).plugin,
  show: showPlugin,
})

const grant = askVerb({
  meta: {
    description:
      "Shows what a plugin asks for and grants it, at this terminal: the code that appears here is typed back",
    examples: ["ironclaw tool grant weather"],
  },
  args: nameArg,
  async ask({ client, args, signal }) {
    const at = client.api.plugins({ name: args.name }).grant
    return (await withPresence((presence) => at.post({ body: { presence } }), signal)).plugin
  },
  show: (plugin, { ui }) =>
    ui.print(
      plugin.kind === "channel"
        ? `The channel ${plugin.name} is ${plugin.state}: \`ironclaw channel status ${plugin.name}\``
        : `${plugin.name} is ${plugin.state}: ${[...plugin.tools, ...plugin.hooks].join(", ")}`,
    ),
})

const enable = askVerb({
  meta: {
    description: "Lets a disabled plugin run again, at this terminal: the code that appears here is typed back",
    examples: ["ironclaw tool enable weather"],
  },
  args: nameArg,
  async ask({ client, args, signal }) {
    const at = client.api.plugins({ name: args.name }).enable
    return (await withPresence((presence) => at.post({ body: { presence } }), signal)).plugin
  },
  show: (plugin, { ui }) => ui.print(`${plugin.name} is ${plugin.state}`),
})

const disable = askVerb({
  meta: {
    description:
      "Stops a plugin at once, calls under way too; what you granted stays on record. One that judges what passes: at this terminal",
    examples: ["ironclaw tool disable weather"],
  },
  args: nameArg,
  async ask({ client, args, signal }) {
    const at = client.api.plugins({ name: args.name }).disable
    return (await withPresence((presence) => at.post({ body: { presence } }), signal)).plugin
  },
  show: (plugin, { ui }) => ui.print(`${plugin.name} is ${plugin.state}`),
})

const remove = askVerb({
  meta: {
    description:
      "Takes a plugin away: its files, what you granted it, and its processes. One that judges what passes: at this terminal",
    examples: ["ironclaw tool remove weather"],
  },
  args: nameArg,
  async ask({ client, args, signal }) {
    const at = client.api.plugins({ name: args.name })
    const { removed, name } = await withPresence((presence) => at.delete({ body: { presence } }), signal)
    return { removed, name }
  },
  show: ({ name }, { ui }) => ui.print(`${name} is gone`),
})

const call = askVerb({
  meta: {
    description:
      "Calls one tool by hand, to try it; what does more than read is confirmed at this terminal. Status 1 where it fails",
    examples: ["ironclaw tool call time_now", `ironclaw tool call weather_now --arguments '{"place":"Oslo"}'`],
  },
  args: {
    name: { type: "positional", description: "The tool's name" },
    arguments: { type: "string", description: "Its arguments, as a JSON object", valueHint: "json", default: "{}" },
  },
  async ask({ client, args, signal }) {
    const at = client.api.tools({ name: args.name }).call
    const body = { arguments: readArguments(args.arguments) }
    return (await withPresence((presence) => at.post({ body: { ...body, presence } }), signal)).result
  },
  show({ state, text }, { ui }) {
    ui.print(visible(text))
    const ended = { unknown: "was cut off", failed: "failed" }[state as string] ?? `was ${state}`
    if (state !== "done") ui.note(`It ${ended}`)
  },
  status: ({ state }) => (state === "done" ? 0 : 1),
})

function showAvailable(available: readonly AvailablePlugin[], ui: Ui): void {
  ui.table(
    available,
    [
      { title: "name", value: (row: AvailablePlugin) => row.name },
      { title: "kind", value: (row: AvailablePlugin) => row.kind },
      { title: "version", value: (row: AvailablePlugin) => visible(row.version) },
      { title: "installed", value: (row: AvailablePlugin) => visible(row.installed ?? "no") },
      { title: "what it is", value: (row: AvailablePlugin) => visible(row.description), shrinks: true },
    ],
    "No plugins are inside this program.",
  )
  if (available.length > 0) ui.note("Install one: ironclaw tool install NAME")
}

function showPlugin(plugin: PluginStatus, { ui }: { ui: Ui }): void {
  ui.print(`${plugin.name} ${visible(plugin.version)}: ${plugin.state}`)
  if (plugin.description !== "") ui.print(`It says of itself: ${visible(plugin.description)}`)
  if (plugin.sha256 !== null) ui.print(`sha256 ${plugin.sha256}`)
  if (plugin.publisher !== null) ui.print(`signed with the key ${plugin.publisher}`)
  for (const problem of plugin.problems) ui.warn(visible(problem))
  ui.print(plugin.state === "active" ? "It may:" : "It asks to:")
  for (const line of plugin.asks) ui.print(`  - ${visible(line)}`)
  for (const { name, isSet, isRequired } of plugin.secrets)
    ui.print(
      `Your ${visible(name)}: ${isSet ? "set" : isRequired ? `missing: \`ironclaw tool auth ${plugin.name}\`` : "not set"}`,
    )
  if (plugin.settings.length > 0) showSettings(plugin.settings, ui)
  showChanges(plugin.changes, ui)
}

export default defineVerbGroup(
  {
    description: "Plugins, code that nobody here vetted: install, grant, look at, stop, take away",
    examples: ["ironclaw tool list", "ironclaw tool install ./weather", "ironclaw tool grant weather"],
  },
  { list, info, install, grant, auth, config, enable, disable, remove, call },
)
