/** What a command line means: the flags that every verb takes, the verb, and whether its own flags are what it says it takes. */
import type { ArgDef, ArgsDef } from "citty"
import { AppError } from "#core/errors.ts"
import { nearest } from "#core/nearest.ts"
import type { GlobalFlags, Verb } from "./verb.ts"

export type CommandLine = { flags: GlobalFlags; help: boolean; words: string[] }

/** Takes the flags of all verbs out, wherever they stand before a `--`. Throws `usage.wrong`. */
export function splitCommandLine(argv: readonly string[]): CommandLine {
  const set: Record<string, string> = {}
  const flags = { json: false, verbose: false, home: undefined as string | undefined, set }
  const words: string[] = []
  let help = false
  for (let at = 0; at < argv.length; at++) {
    const word = argv[at] ?? ""
    if (word === "--") {
      words.push(...argv.slice(at))
      break
    }
    const valued = /^--(home|set)(?:=([\s\S]*))?$/.exec(word)
    if (word === "--json") flags.json = true
    else if (word === "-v" || word === "--verbose") flags.verbose = true
    else if (word === "-h" || word === "--help") help = true
    else if (valued) {
      const value = valued[2] ?? argv[++at]
      if (value === undefined || value === "") throw new AppError("usage.wrong", `--${valued[1]} needs a value`)
      if (valued[1] === "home") flags.home = value
      else set[keyOf(value)] = value.slice(value.indexOf("=") + 1)
    } else words.push(word)
  }
  return { flags, help, words }
}

function keyOf(value: string): string {
  const equals = value.indexOf("=")
  if (equals > 0) return value.slice(0, equals)
  throw new AppError("usage.wrong", `--set takes key=value, not "${value}"`)
}

/** The verb that the words lead to, its path, and the words left for it. Throws `usage.wrong` for a word that is no verb of a group. */
export function findVerb(
  verb: Verb,
  path: readonly string[],
  words: readonly string[],
): { verb: Verb; path: readonly string[]; words: readonly string[] } {
  const verbs = verb.subCommands
  const [name] = words
  if (!verbs || name === undefined || name.startsWith("-")) return { verb, path, words }
  const next = Object.hasOwn(verbs, name) ? verbs[name] : undefined
  if (next) return findVerb(next, [...path, name], words.slice(1))
  throw unknownVerb(name, path, Object.keys(verbs))
}

export function unknownVerb(name: string, path: readonly string[], known: readonly string[]): AppError {
  const near = nearest(name, known)
  const command = ["ironclaw", ...path].join(" ")
  const hint = near
    ? `Did you mean \`${command} ${near}\`?`
    : path.length === 0
      ? '`ironclaw --help` lists the commands; to say something to the assistant: `ironclaw run -m "…"`.'
      : `It takes ${known.join(", ")}.`
  return new AppError("usage.wrong", `\`${command} ${name}\` is no command`, { hint })
}

/** What is wrong with the flags among the words, null where nothing is: citty's parser takes any flag without a word. */
export function judgeFlags(words: readonly string[], args: ArgsDef): string | null {
  const takesValue = new Map<string, boolean>()
  for (const [name, arg] of Object.entries(args)) {
    if (arg.type === "positional") continue
    for (const each of [name, ...aliasesOf(arg)]) takesValue.set(each, arg.type !== "boolean")
  }
  for (let at = 0; at < words.length; at++) {
    const word = words[at] ?? ""
    if (word === "--") return null
    if (!word.startsWith("-") || word === "-" || /^-\d/.test(word)) continue
    const long = word.startsWith("--")
    const [left, inline] = long ? splitOnce(word.slice(2)) : [word.slice(1, 2), word.slice(2) || undefined]
    const name = long && left.startsWith("no-") && takesValue.get(left.slice(3)) === false ? left.slice(3) : left
    const valued = takesValue.get(name)
    if (valued === undefined) {
      if (/\s/.test(word)) return "A text that begins with a dash goes behind `--`, which ends the flags"
      const near = nearest(
        name,
        [...takesValue.keys()].filter((known) => known.length > 1),
      )
      return `There is no flag ${long ? `--${name}` : `-${name}`}${near ? `; did you mean --${near}?` : ""}`
    }
    if (!valued) {
      if (!long && inline !== undefined) words = words.toSpliced(at--, 1, `-${inline}`) // -ab is -a -b
      continue
    }
    if (inline !== undefined) continue
    const value = words[++at]
    if (value === undefined || (value.startsWith("-") && value !== "-" && !/^-\d/.test(value))) {
      return `${word} needs a value${value === undefined ? "" : `; one that starts with a dash is written as --name=${value}`}`
    }
  }
  return null
}

function splitOnce(text: string): [string, string | undefined] {
  const at = text.indexOf("=")
  return at === -1 ? [text, undefined] : [text.slice(0, at), text.slice(at + 1)]
}

export function aliasesOf(arg: ArgDef): string[] {
  if (!("alias" in arg) || arg.alias === undefined) return []
  return typeof arg.alias === "string" ? [arg.alias] : arg.alias
}
