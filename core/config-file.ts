/** Reads config.toml: which keys it sets, on which lines, and what in it is no key. */
import { readFileSync } from "node:fs"
import { type ConfigKey, configKeyNames, isConfigKey } from "./config-keys.ts"
import { AppError } from "./errors.ts"
import { type Home, reasonOf, systemCodeOf } from "./home.ts"
import { nearest } from "./nearest.ts"

/** `line` is null where the key is written in an unusual way. */
export type FileValues = ReadonlyMap<ConfigKey, { value: unknown; line: number | null }>

/** Throws `config.unreadable` and `config.unknown_key`. */
export async function readConfigFile(home: Home): Promise<FileValues> {
  const text = readText(home.configFile)
  const values = new Map<ConfigKey, { value: unknown; line: number | null }>()
  if (text === null) return values
  let tables: object
  try {
    tables = Bun.TOML.parse(text)
  } catch {
    // Bun says what is wrong but not where; the editor's parser knows the line, and is loaded for this alone.
    const { syntaxProblem } = await import("./config-edit.ts")
    throw new AppError("config.unreadable", `${home.configFile}${syntaxProblem(text)}`)
  }
  for (const [section, table] of Object.entries<unknown>({ ...tables })) {
    const known = configKeyNames.filter((key) => key.startsWith(`${section}.`))
    if (!isTable(table)) {
      throw unknownKey(section, `${place(home, text, section)}: ${section}`, configKeyNames)
    }
    for (const [name, value] of Object.entries(table)) {
      const key = `${section}.${name}`
      if (!isConfigKey(key))
        throw unknownKey(key, `${place(home, text, key)}: ${key}`, known.length > 0 ? known : configKeyNames)
      values.set(key, { value, line: lineOf(text, key) })
    }
  }
  return values
}

function place(home: Home, text: string, key: string): string {
  const line = lineOf(text, key)
  return line === null ? home.configFile : `${home.configFile}:${line}`
}

/** The line on which a key is set in the usual ways of writing it; null where it is written in another. */
function lineOf(text: string, key: string): number | null {
  const [section = "", name = ""] = key.split(".")
  let table = ""
  for (const [at, line] of text.split("\n").entries()) {
    table = /^\s*\[\s*["']?([\w-]+)["']?\s*\]/.exec(line)?.[1] ?? table
    const left = /^\s*([\w."'-]+)\s*=/.exec(line)?.[1]?.replaceAll(/["']/g, "")
    if (left === undefined) continue
    if (left === key || (table === section && left === name) || (table === "" && left === section)) return at + 1
  }
  return null
}

/** The file's text, null where there is none. Throws `config.unreadable`. */
export function readText(path: string): string | null {
  try {
    return readFileSync(path, "utf8")
  } catch (cause) {
    if (systemCodeOf(cause) === "ENOENT") return null
    throw new AppError("config.unreadable", `${path} cannot be read: ${reasonOf(cause)}`, { cause })
  }
}

export function unknownKey(name: string, where: string, known: readonly string[]): AppError {
  const near = nearest(name, known)
  return new AppError(
    "config.unknown_key",
    `${where} is no configuration key`,
    near ? { hint: `Did you mean ${near}? \`ironclaw config list\` shows every key.` } : {},
  )
}

export function isTable(value: unknown): value is Record<string, unknown> {
  return typeof value === "object" && value !== null && !Array.isArray(value)
}
