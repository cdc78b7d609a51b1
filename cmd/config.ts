/** `ironclaw config`: reads the files alone, and changes them so too where safety allows it, for it must work when they are wrong. */
import type { ConfigChange } from "#core/config-edit.ts"
import {
  type ConfigEntry,
  type ConfigKey,
  configKeyNames,
  configSchema,
  describeConfig,
  environmentNamesOf,
  isConfigKey,
  loadConfig,
} from "#core/config.ts"
import { unknownKey } from "#core/config-file.ts"
import { readLock } from "#core/home-lock.ts"
import { changeConfig } from "./lib/config-change.ts"
import { openSetting, type Setting } from "./lib/setting.ts"
import type { Ui } from "./lib/ui.ts"
import { visible } from "./lib/ui.ts"
import { defineVerb, defineVerbGroup, type Outcome } from "./lib/verb.ts"

const key = { type: "positional", description: "The key, such as gateway.port" } as const
const offers = { key: configKeyNames }

const list = defineVerb({
  meta: {
    description: "Lists every key with its value and where the value comes from",
    examples: ["ironclaw config list", "ironclaw config list --set-only", "ironclaw config list --json"],
  },
  args: { "set-only": { type: "boolean", description: "Only keys that are not at their default" } },
  async run({ args, flags, ui }) {
    const setting = openSetting({ flags, ui })
    const { config, warnings } = await loadConfig(setting)
    const entries = describeConfig(config).filter((entry) => !args["set-only"] || entry.source.from !== "default")
    return {
      data: entries.map(asJson),
      show() {
        for (const warning of warnings) ui.warn(warning)
        ui.table(
          entries,
          [
            { title: "key", value: (entry) => entry.key },
            { title: "value", value: (entry) => shown(entry.value), shrinks: true },
            { title: "from", value: (entry) => sourceText(entry.source), shrinks: true },
          ],
          "Every key is at its default.",
        )
      },
    }
  },
})

const get = defineVerb({
  meta: {
    description: "Prints the value of one key, and nothing else",
    examples: ["ironclaw config get gateway.port"],
    offers,
  },
  args: { key },
  async run({ args, flags, ui }) {
    if (!isConfigKey(args.key)) throw unknownKey(args.key, args.key, configKeyNames)
    const { config } = await loadConfig(openSetting({ flags, ui }))
    const entry = describeConfig(config).find((one) => one.key === args.key)
    return { data: entry ? asJson(entry) : null, show: () => ui.print(shown(entry?.value)) }
  },
})

const set = defineVerb({
  meta: {
    description:
      "Sets a key in config.toml, whose comments and order are kept; what changes safety is confirmed at this terminal",
    examples: [
      "ironclaw config set limits.day_usd 5",
      "ironclaw config set approvals.level read-only",
      "ironclaw config set model.fallbacks openai/gpt-5,ollama/qwen3",
    ],
    offers,
  },
  args: { key, value: { type: "positional", description: "The value; a list is written with commas, or as JSON" } },
  async run({ args: { key: name, value }, flags, ui, signal }) {
    const setting = openSetting({ flags, ui })
    const change = await changeConfig({ key: name, value }, { setting, flags, ui, signal })
    return outcomeOf(change, { setting, ui, wanted: true })
  },
})

const unset = defineVerb({
  meta: {
    description: "Takes a key out of config.toml, so that its default is in force",
    examples: ["ironclaw config unset gateway.port"],
    offers,
  },
  args: { key },
  async run({ args: { key: name }, flags, ui, signal }) {
    const setting = openSetting({ flags, ui })
    const change = await changeConfig({ key: name, value: null }, { setting, flags, ui, signal })
    return outcomeOf(change, { setting, ui, wanted: false })
  },
})

const path = defineVerb({
  meta: {
    description: "Prints where the configuration is",
    examples: ["ironclaw config path", "$EDITOR $(ironclaw config path)"],
  },
  args: {},
  async run({ flags, ui }) {
    const { home } = openSetting({ flags, ui })
    return {
      data: { home: home.root, config: home.configFile, env: home.envFile },
      show: () => ui.print(home.configFile),
    }
  },
})

const schema = defineVerb({
  meta: {
    description: "Shows what each key is for and what it accepts, as JSON Schema with --json",
    examples: ["ironclaw config schema", "ironclaw config schema model.backend", "ironclaw config schema --json"],
    offers,
  },
  args: { key: { ...key, required: false } },
  async run({ args, ui }) {
    const asked = args.key
    if (asked !== undefined && !isConfigKey(asked)) throw unknownKey(asked, asked, configKeyNames)
    const keys: readonly ConfigKey[] = asked === undefined ? configKeyNames : [asked]
    return {
      data: configSchema(),
      show() {
        for (const one of keys) showKey(ui, one)
      },
    }
  },
})

export default defineVerbGroup(
  {
    description: "Lists, reads and changes the configuration (flag > environment > config.toml > default)",
    examples: ["ironclaw config list", "ironclaw config set limits.day_usd 5", "ironclaw config path"],
  },
  { list, get, set, unset, path, schema },
)

function showKey(ui: Ui, one: ConfigKey): void {
  const [section = "", name = ""] = one.split(".")
  const found = propertyOf(propertyOf(configSchema(), section), name)
  ui.print(ui.style.bold(one))
  ui.print(`  ${String(found["description"])}`)
  ui.print(
    ui.style.dim(
      `  default ${shown("default" in found ? found["default"] : null)} · ${found["live"] === true ? "picked up live" : "needs a restart"} · ${environmentNamesOf(one).join(", ")}`,
    ),
  )
}

function propertyOf(schemaOf: Record<string, unknown>, name: string): Record<string, unknown> {
  const properties = schemaOf["properties"]
  if (typeof properties !== "object" || properties === null) return {}
  const found: unknown = Object.entries(properties).find(([own]) => own === name)?.[1]
  return typeof found === "object" && found !== null ? { ...found } : {}
}

function outcomeOf(
  change: ConfigChange,
  { setting, ui, wanted }: { setting: Setting; ui: Ui; wanted: boolean },
): Outcome {
  const running = readLock(setting.home) !== null
  const overridden = change.source !== null && change.source.from !== (wanted ? "file" : "default")
  return {
    data: { ...change, overridden, running },
    show() {
      const value = shown(change.value)
      ui.print(change.source === null ? `${change.key} is taken out of the file` : `${change.key} is ${value}`)
      if (change.problem !== null) ui.warn(`The configuration is not valid yet: ${visible(change.problem)}`)
      if (overridden && change.source) ui.warn(`${sourceText(change.source)} sets it, and goes before config.toml`)
      else if (running && change.restartNeeded)
        ui.warn("Restart needed: the running service keeps the old value until then")
      else if (running) ui.note("The running service picks it up")
    },
  }
}

function asJson({ key: name, value, source, live, about }: ConfigEntry): Record<string, unknown> {
  return { key: name, value, source: source.from, from: source.name, live, about }
}

function sourceText({ from, name }: ConfigEntry["source"]): string {
  if (from === "default") return "default"
  return from === "file" ? name : from === "flag" ? `--set ${name}` : `${name} (${from})`
}

/** A value as one would write it on a command line. */
function shown(value: unknown): string {
  if (value === null || value === undefined) return "(unset)"
  if (Array.isArray(value))
    return value.length === 0 ? "(empty)" : value.map((entry) => visible(String(entry))).join(",")
  return visible(typeof value === "string" ? value : JSON.stringify(value))
}
