/** The help texts: of the program, from its map of verbs; of a verb, from what it says of itself. */
import type { ArgDef } from "citty"
import { aliasesOf } from "./arguments.ts"
import type { Ui } from "./ui.ts"
import type { Verb, VerbTable } from "./verb.ts"

const globals: readonly (readonly [flag: string, about: string])[] = [
  ["--json", "Print one JSON document and nothing else"],
  ["--home PATH", "Use this home instead of IRONCLAW_HOME or ~/.ironclaw"],
  ["--set KEY=VALUE", "Set a configuration key for this run; can be repeated"],
  ["-v, --verbose", "Show the log on stderr"],
  ["-h, --help", "Show this help"],
]

export function showMainHelp(ui: Ui, verbs: VerbTable): void {
  const { bold } = ui.style
  ui.print(`${bold("ironclaw")}: a personal AI assistant that its owner can trust`)
  ui.print()
  ui.print(`${bold("Usage:")} ironclaw [COMMAND] [FLAGS]     without a command: ironclaw run`)
  ui.print()
  ui.print(bold("Commands:"))
  showPairs(
    ui,
    Object.entries(verbs).map(([name, { about, alias = [] }]) => [[name, ...alias].join(", "), about]),
  )
  ui.print()
  ui.print(bold("Flags of every command:"))
  showPairs(ui, [...globals, ["--version", "Print the version"]])
  ui.print()
  ui.print(`${bold("Examples:")}`)
  for (const example of [
    "ironclaw",
    'ironclaw run -m "What is on my list for today?"',
    "ironclaw serve",
    "ironclaw config list",
  ])
    ui.print(`  ${example}`)
  ui.print()
  ui.print("`ironclaw COMMAND --help` says more about each.")
}

export function showVerbHelp(ui: Ui, verb: Verb, path: readonly string[]): void {
  const { bold } = ui.style
  const command = ["ironclaw", ...path].join(" ")
  const all = Object.entries(verb.args)
  const words = all.filter(([, arg]) => arg.type === "positional")
  const flags = all.filter(([, arg]) => arg.type !== "positional")
  ui.print(verb.meta.description)
  ui.print()
  const usage = [
    command,
    ...(verb.subCommands ? [verb.run ? "[COMMAND]" : "COMMAND"] : []),
    ...words.map(([name, arg]) => (isOptional(arg) ? `[${name.toUpperCase()}]` : name.toUpperCase())),
    ...(verb.meta.rest ? [`[${verb.meta.rest}…]`] : []),
    "[FLAGS]",
  ]
  ui.print(`${bold("Usage:")} ${usage.join(" ")}`)
  if (verb.subCommands)
    section(
      ui,
      "Commands:",
      Object.entries(verb.subCommands).map(([name, { meta }]) => [name, meta.description]),
    )
  section(
    ui,
    "Arguments:",
    words.map(([name, arg]) => [name.toUpperCase(), arg.description ?? ""]),
  )
  section(
    ui,
    "Flags:",
    flags.map(([name, arg]) => [flagText(name, arg), aboutOf(arg)]),
  )
  section(ui, "Flags of every command:", globals)
  ui.print()
  ui.print(bold("Examples:"))
  for (const example of verb.meta.examples) ui.print(`  ${example}`)
}

function section(ui: Ui, title: string, pairs: readonly (readonly [string, string])[]): void {
  if (pairs.length === 0) return
  ui.print()
  ui.print(ui.style.bold(title))
  showPairs(ui, pairs)
}

function showPairs(ui: Ui, pairs: readonly (readonly [string, string])[]): void {
  const width = Math.max(...pairs.map(([left]) => left.length))
  for (const [left, right] of pairs) ui.print(`  ${ui.style.cyan(left.padEnd(width))}  ${right}`)
}

function flagText(name: string, arg: ArgDef): string {
  const names = [...aliasesOf(arg).map((alias) => (alias.length === 1 ? `-${alias}` : `--${alias}`)), `--${name}`].join(
    ", ",
  )
  if (arg.type === "boolean") return names
  return `${names} ${"options" in arg && arg.options ? arg.options.join("|") : (arg.valueHint ?? name).toUpperCase()}`
}

function aboutOf(arg: ArgDef): string {
  const standing = arg.default === undefined || arg.default === false ? "" : ` (default ${String(arg.default)})`
  return `${arg.description ?? ""}${standing}`
}

function isOptional(arg: ArgDef): boolean {
  return arg.required === false || arg.default !== undefined
}
