/** Answers given before anybody is asked: flags, then a file of TOML or JSON with the same names. Each is taken once. */
import { AppError } from "#core/errors.ts"
import { readText } from "#core/config-file.ts"
import { nearest } from "#core/nearest.ts"
import type { ArgValues } from "./verb.ts"

/** Every answer, as a flag; in a file `base-url` is `base_url`. */
export const answerArgs = {
  database: { type: "string", valueHint: "url", description: "embedded, or postgres://user@host:5432/name" },
  encryption: {
    type: "string",
    valueHint: "where",
    description: "The master key: keychain, file, passphrase or environment",
  },
  "passphrase-file": {
    type: "string",
    valueHint: "path",
    description: "A file with the passphrase that seals the master key; the service finds it there",
  },
  model: { type: "string", valueHint: "vendor/model", description: "The model that answers, or demo" },
  "base-url": { type: "string", valueHint: "url", description: "The address of the model's API, where it is your own" },
  "key-file": { type: "string", valueHint: "path", description: "A file that holds the model's key and nothing else" },
  "key-stdin": { type: "boolean", description: "Read the model's key from stdin" },
  "day-usd": { type: "string", valueHint: "amount", description: "What the models may cost in a day, or none" },
  name: { type: "string", valueHint: "name", description: "What the assistant is called" },
  owner: { type: "string", valueHint: "name", description: "What it calls you" },
  "time-zone": { type: "string", valueHint: "zone", description: "Such as Europe/Vienna" },
  language: { type: "string", valueHint: "language", description: "What it speaks where you do not say" },
  manner: { type: "string", valueHint: "words", description: "brief, warm, formal, or your own words" },
  project: { type: "string", valueHint: "folder", description: "A folder that it may work in, or none" },
  tools: { type: "string", valueHint: "names", description: "Plugins to install and grant, by commas, or none" },
  service: { type: "string", valueHint: "how", description: "install, detach or none" },
} as const

export type AnswerName = keyof typeof answerArgs
// Object.keys gives exactly the keys of the literal above.
const names = Object.keys(answerArgs) as AnswerName[]

export type Answers = {
  has(name: AnswerName): boolean
  peek(name: AnswerName): string | undefined
  /** The answer, once: when a question comes again, it is because this one was no good. */
  take(name: AnswerName): string | undefined
}

/** Throws `usage.wrong` for a file that cannot be read, and for what in it is no answer. */
export function readAnswers(args: Partial<ArgValues<typeof answerArgs>>, file: string | undefined): Answers {
  const given = new Map<AnswerName, string>(file === undefined ? [] : fromFile(file))
  for (const name of names) {
    const value = args[name]
    if (value !== undefined) given.set(name, String(value))
  }
  return {
    has: (name) => given.has(name),
    peek: (name) => given.get(name),
    take(name) {
      const value = given.get(name)
      given.delete(name)
      return value
    },
  }
}

function fromFile(path: string): [AnswerName, string][] {
  const text = readText(path)
  if (text === null) throw new AppError("usage.wrong", `There is no file of answers at ${path}`)
  return Object.entries(parse(path, text)).map(([key, value]) => {
    const name = names.find((each) => each === key.replaceAll("_", "-"))
    if (name === undefined) {
      const near = nearest(key.replaceAll("_", "-"), names)
      throw new AppError(
        "usage.wrong",
        `${path}: "${key}" is no answer${near ? `; did you mean ${near.replaceAll("-", "_")}?` : ""}`,
        { hint: `It may hold ${names.map((each) => each.replaceAll("-", "_")).join(", ")}.` },
      )
    }
    if (typeof value === "string" || typeof value === "number" || typeof value === "boolean")
      return [name, String(value)]
    throw new AppError("usage.wrong", `${path}: ${key} should be a text or a number`)
  })
}

function parse(path: string, text: string): object {
  try {
    const parsed: unknown = text.trimStart().startsWith("{") ? JSON.parse(text) : Bun.TOML.parse(text)
    if (typeof parsed === "object" && parsed !== null && !Array.isArray(parsed)) return parsed
  } catch {
    // The parsers' own words may quote the file, and a key may stand in it where none should.
  }
  throw new AppError("usage.wrong", `${path} is neither TOML nor JSON`)
}
