/** Changes to config.toml that keep its comments and order; each edit is read back and compared before it replaces the file. */
import { existsSync, readFileSync, realpathSync } from "node:fs"
import { parse as parseToml, patch } from "@decimalturn/toml-patch"
import { type ConfigSource, isConfigKey, loadConfig, type LoadConfigOptions, restartNeeded, valueOf } from "./config.ts"
import { isTable, unknownKey } from "./config-file.ts"
import { judgeValue } from "./config-judge.ts"
import { configKeyNames, specOf } from "./config-keys.ts"
import { AppError } from "./errors.ts"
import { writePrivateFile } from "./home-file.ts"

export type ConfigChange = {
  key: string
  /** The value in force now; undefined where the key is none (an unknown one was taken out of the file). */
  value: unknown
  source: ConfigSource | null
  restartNeeded: boolean
  /** What else is wrong with the configuration, so that the change made has no effect yet. */
  problem: string | null
}

/** Sets a key in config.toml; a text is read as on a command line, so "3000" is a number where one is wanted. Throws `config.unknown_key`, `config.invalid`, `config.secret`, `config.unreadable`, `home.not_writable`. */
export async function setConfigValue(
  options: LoadConfigOptions & { key: string; value: unknown },
): Promise<ConfigChange> {
  const { home, key } = options
  const value = judgedValue(key, options.value)
  edit(
    home.configFile,
    (tables, section, name) => {
      tables[section] = { ...tableOf(tables[section]), [name]: value }
    },
    key,
  )
  return effect(options, key)
}

/** The value as the file will have it. Throws `config.unknown_key`, `config.invalid`, `config.secret`. */
export function judgedValue(key: string, given: unknown): unknown {
  if (!isConfigKey(key)) throw unknownKey(key, key, configKeyNames)
  const value = typeof given === "string" ? specOf(key).fromText(given) : given
  const problem = judgeValue(key, value, { from: "file", name: "" })
  if (problem !== null) throw new AppError("config.invalid", problem)
  return value
}

/** Takes a key out of config.toml, so that its default is in force; unknown ones too, for they are why a person comes here. */
export async function unsetConfigValue(options: LoadConfigOptions & { key: string }): Promise<ConfigChange> {
  const { home, key } = options
  const there = edit(
    home.configFile,
    (tables, section, name) => {
      if (name === "") delete tables[section]
      else if (isTable(tables[section])) delete tables[section][name]
    },
    key,
  )
  if (!there && !isConfigKey(key)) throw unknownKey(key, key, configKeyNames)
  return effect(options, key)
}

/** `:3:7: what is wrong`, for the end of a file's name; "" where this parser finds nothing wrong. */
export function syntaxProblem(text: string): string {
  try {
    parseToml(text)
    return " is not valid TOML"
  } catch (error) {
    if (!(error instanceof Error)) return " is not valid TOML"
    const at = /\((\d+), (\d+)\)/.exec(error.message)
    const lines = error.message.trim().split("\n")
    return at ? `:${at[1]}: ${lines.at(-1) ?? "not valid TOML"}` : `: ${lines.at(-1) ?? "not valid TOML"}`
  }
}

type Tables = Record<string, unknown>

/** True where the file changed. */
function edit(path: string, change: (tables: Tables, section: string, name: string) => void, key: string): boolean {
  const dot = key.indexOf(".")
  const section = dot === -1 ? key : key.slice(0, dot)
  const name = dot === -1 ? "" : key.slice(dot + 1)
  // A config.toml that links into someone's dotfiles stays a link.
  const target = existsSync(path) ? realpathSync(path) : path
  const before = existsSync(target) ? readFileSync(target, "utf8") : ""
  const tables = parsed(path, before)
  const wanted = structuredClone(tables)
  change(wanted, section, name)
  if (Bun.deepEquals(wanted, tables)) return false
  const after = patch(before, wanted)
  // What was read with one parser was written with another: the edit counts only if both agree on every value.
  if (!Bun.deepEquals(withoutEmptyTables(parsed(path, after)), withoutEmptyTables(wanted))) {
    throw new AppError("config.unreadable", `${path} is written in a way that cannot be edited safely`, {
      hint: `Change ${key} in it by hand.`,
    })
  }
  writePrivateFile(target, after.endsWith("\n") ? after : `${after}\n`)
  return true
}

function parsed(path: string, text: string): Tables {
  try {
    return { ...Bun.TOML.parse(text) }
  } catch (cause) {
    throw new AppError("config.unreadable", `${path}${syntaxProblem(text)}`, { cause })
  }
}

async function effect(options: LoadConfigOptions, key: string): Promise<ConfigChange> {
  const known = isConfigKey(key) ? key : null
  const change: ConfigChange = {
    key,
    value: undefined,
    source: null,
    restartNeeded: known !== null && restartNeeded([known]).length > 0,
    problem: null,
  }
  try {
    const { config } = await loadConfig(options)
    return known === null ? change : { ...change, value: valueOf(config, known), source: config.sources[known] }
  } catch (error) {
    if (error instanceof AppError) return { ...change, problem: error.message }
    throw error
  }
}

function tableOf(value: unknown): Tables {
  return isTable(value) ? value : {}
}

function withoutEmptyTables(tables: Tables): Tables {
  return Object.fromEntries(
    Object.entries(tables).filter(([, value]) => !isTable(value) || Object.keys(value).length > 0),
  )
}
