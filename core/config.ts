/**
 * Configuration: flag > environment (process, then IRONCLAW_HOME/.env) > config.toml > default, each value with its source. Every mistake
 * is an error that names it and the nearest right thing: a misspelt key must never leave a default in force without a word.
 */
import { basename } from "node:path"
import { parseEnv } from "node:util"
import { type ConfigKey, type ConfigValues, configKeyNames, envNameOf, isConfigKey, specOf } from "./config-keys.ts"
import { withoutPassword } from "./config-problems.ts"
import { AppError } from "./errors.ts"
import type { Home } from "./home.ts"
import { readConfigFile, readText, unknownKey } from "./config-file.ts"
import { judgeValue } from "./config-judge.ts"
import { nearest } from "./nearest.ts"

export { type ConfigKey, type ConfigValues, configKeyNames, isConfigKey } from "./config-keys.ts"

/** Where a value comes from. `name` is the flag, the environment name, or the file. */
export type ConfigSource = { from: "flag" | "environment" | ".env" | "file" | "default"; name: string }
export type ConfigSources = Readonly<Record<ConfigKey, ConfigSource>>
export type Config = ConfigValues & { readonly sources: ConfigSources }

/** What the environment says, the home's .env included. The only way to secrets that users keep there (`OPENAI_API_KEY`, …). */
export type Environment = {
  /** An empty value counts as unset. */
  get(name: string): string | undefined
}

export type LoadConfigOptions = {
  home: Home
  /** `process.env`; parameters keep tests apart. */
  env: Readonly<Record<string, string | undefined>>
  /** What the command line sets, as written: `{ "gateway.port": "4000" }`. */
  flags: Readonly<Partial<Record<string, string>>>
}

export type LoadedConfig = {
  config: Config
  environment: Environment
  /** What is odd but harmless, one sentence each. */
  warnings: string[]
}

/** The environment of this process. Everyone gets it as an argument from here, so that nothing else reads it. */
export function processEnvironment(): Readonly<Record<string, string | undefined>> {
  return process.env
}

/** Vendors that a name in the environment chooses where neither backend nor model is configured; the first that is there. */
const backendSigns: readonly (readonly [name: string, backend: string])[] = [
  ["LLM_BASE_URL", "openai_compatible"],
  ["ANTHROPIC_API_KEY", "anthropic"],
  ["OPENAI_API_KEY", "openai"],
  ["OLLAMA_MODEL", "ollama"],
]

/** Names with our prefix that are no keys. */
const ownNames = new Set(["IRONCLAW_HOME"])

type Found = { value: unknown; source: ConfigSource }

/** Throws `config.unknown_key`, `config.invalid`, `config.unreadable`, `config.secret`, each naming everything wrong at its level. */
export async function loadConfig({ home, env, flags }: LoadConfigOptions): Promise<LoadedConfig> {
  const dotEnv = readDotEnv(home)
  const environment = mergeEnvironment(env, dotEnv)
  const file = await readConfigFile(home)
  const warnings: string[] = []
  const unknownEnv = unknownNames(dotEnv)
  const [wrong] = unknownEnv
  if (wrong !== undefined) throw unknownKey(wrong, `${home.envFile}: ${wrong}`, configKeyNames.map(envNameOf))
  for (const name of unknownNames(env)) {
    const near = nearest(name, configKeyNames.map(envNameOf))
    warnings.push(`The environment's ${name} sets nothing${near ? `; did you mean ${near}?` : "."}`)
  }

  const problems: string[] = []
  const found = new Map<ConfigKey, Found>()
  const take = (key: ConfigKey, raw: unknown, source: ConfigSource) => {
    if (found.has(key)) return
    const problem = judgeValue(key, raw, source)
    if (problem !== null) problems.push(problem)
    else found.set(key, { value: raw, source })
  }

  for (const [name, text] of Object.entries(flags)) {
    if (text === undefined) continue
    if (!isConfigKey(name)) throw unknownKey(name, `--set ${name}`, configKeyNames)
    take(name, specOf(name).fromText(text), { from: "flag", name })
  }
  const takeFromEnvironment = (key: ConfigKey, backend: string | null) => {
    for (const { name, backend: only } of [{ name: envNameOf(key), backend: undefined }, ...specOf(key).env]) {
      const text = environment.get(name)
      if (text === undefined || (only !== undefined && only !== backend)) continue
      return take(key, specOf(key).fromText(text), { from: env[name] ? "environment" : ".env", name })
    }
  }
  const takeFromFile = (key: ConfigKey) => {
    const at = file.get(key)
    if (at !== undefined)
      take(key, at.value, { from: "file", name: basename(home.configFile) + (at.line === null ? "" : `:${at.line}`) })
  }
  // The backend first: it decides which vendor's names count.
  takeFromEnvironment("model.backend", null)
  takeFromFile("model.backend")
  // A model that is named says whose it is; the catalogue knows.
  const modelIsNamed =
    [envNameOf("model.name"), "LLM_MODEL"].some((name) => environment.get(name) !== undefined) ||
    found.has("model.name") ||
    file.has("model.name")
  const sign = backendSigns.find(([name]) => environment.get(name) !== undefined)
  if (!found.has("model.backend") && !modelIsNamed && sign) {
    take("model.backend", sign[1], { from: env[sign[0]] ? "environment" : ".env", name: sign[0] })
  }
  const backend = found.get("model.backend")?.value
  for (const key of configKeyNames) {
    takeFromEnvironment(key, typeof backend === "string" ? backend : null)
    takeFromFile(key)
  }
  if (problems.length > 0) throw new AppError("config.invalid", problems.join("\n"))

  const url = found.get("database.url")
  if (url && !found.has("database.kind")) found.set("database.kind", { value: "postgres", source: url.source })
  if (found.get("database.kind")?.value === "postgres" && !url) {
    throw new AppError("config.invalid", "database.kind is postgres, but database.url says no server", {
      hint: "Set DATABASE_URL in the environment, or `ironclaw config set database.url postgres://user@host:5432/name`.",
    })
  }
  if (found.has("gateway.tls_cert_file") !== found.has("gateway.tls_key_file")) {
    throw new AppError(
      "config.invalid",
      "gateway.tls_cert_file and gateway.tls_key_file belong together, and one is missing",
    )
  }
  return { config: assemble(found), environment, warnings }
}

/** One row of `config list`: the value as it may be shown, its source, and what the key is. */
export type ConfigEntry = { key: ConfigKey; value: unknown; source: ConfigSource; live: boolean; about: string }

export function describeConfig(config: Config): ConfigEntry[] {
  return configKeyNames.map((key) => {
    const value = valueOf(config, key)
    const { live, about } = specOf(key)
    return {
      key,
      value: typeof value === "string" ? withoutPassword(value) : value,
      source: config.sources[key],
      live,
      about,
    }
  })
}

export function valueOf(config: Config, key: ConfigKey): unknown {
  const [section = "", name = ""] = key.split(".")
  // A ConfigKey is `section.name`, and both levels are plain objects by construction.
  return (config as unknown as Record<string, Record<string, unknown>>)[section]?.[name]
}

/** The whole schema as JSON Schema, with a sentence for each key. */
export function configSchema(): Record<string, unknown> {
  const sections: Record<string, { type: "object"; additionalProperties: false; properties: Record<string, unknown> }> =
    {}
  for (const key of configKeyNames) {
    const [section = "", name = ""] = key.split(".")
    sections[section] ??= { type: "object", additionalProperties: false, properties: {} }
    sections[section].properties[name] = {
      ...specOf(key).schema,
      environment: environmentNamesOf(key),
      live: specOf(key).live,
    }
  }
  return {
    $schema: "https://json-schema.org/draft/2020-12/schema",
    type: "object",
    additionalProperties: false,
    properties: sections,
  }
}

/** Every environment name that sets the key, strongest first. */
export function environmentNamesOf(key: ConfigKey): string[] {
  return [envNameOf(key), ...specOf(key).env.map(({ name }) => name)]
}

/** Which of these need a restart to take effect. */
export function restartNeeded(keys: readonly ConfigKey[]): ConfigKey[] {
  return keys.filter((key) => !specOf(key).live)
}

/** Values of some keys taken from an earlier configuration, with their sources. */
export function withKept(next: Config, before: Config, kept: readonly ConfigKey[]): Config {
  const found = new Map<ConfigKey, Found>()
  for (const key of configKeyNames) {
    const from = kept.includes(key) ? before : next
    found.set(key, { value: valueOf(from, key), source: from.sources[key] })
  }
  return assemble(found)
}

function assemble(found: ReadonlyMap<ConfigKey, Found>): Config {
  const values: Record<string, Record<string, unknown>> = {}
  const sources: Partial<Record<ConfigKey, ConfigSource>> = {}
  for (const key of configKeyNames) {
    const [section = "", name = ""] = key.split(".")
    const entry = found.get(key) ?? { value: specOf(key).initial, source: { from: "default", name: "" } }
    values[section] ??= {}
    values[section][name] = entry.value
    sources[key] = entry.source
  }
  // Every key was visited, and each value was judged by its schema or is its default.
  return { ...values, sources } as unknown as Config
}

function readDotEnv(home: Home): Record<string, string> {
  const text = readText(home.envFile)
  if (text === null) return {}
  const values: Record<string, string> = {}
  for (const [name, value] of Object.entries(parseEnv(text))) if (value) values[name] = value
  return values
}

function mergeEnvironment(env: LoadConfigOptions["env"], dotEnv: Record<string, string>): Environment {
  return { get: (name) => env[name] || dotEnv[name] || undefined }
}

function unknownNames(env: LoadConfigOptions["env"]): string[] {
  const known = new Set(configKeyNames.map(envNameOf))
  return Object.keys(env).filter((name) => name.startsWith("IRONCLAW_") && !known.has(name) && !ownNames.has(name))
}
