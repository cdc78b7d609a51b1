/** The kinds of configuration keys: what a value of each may be, and what a text from a command line or the environment means for it. */
import { int, t, type TSchema } from "./schema.ts"

/** With `backend` the name counts only where that backend is the one in use. */
export type EnvName = { name: string; backend?: string }

export type KeySpec<T> = {
  readonly about: string
  readonly schema: TSchema
  readonly initial: T
  /** A change is picked up while running; else it needs a restart. */
  readonly live: boolean
  /** Older names first tried after `IRONCLAW_<SECTION>_<NAME>`, in this order. */
  readonly env: readonly EnvName[]
  /** What a text from a command line or the environment means; what cannot be read is handed on for the schema to refuse. */
  fromText(text: string): unknown
  /** What the schema cannot say, in plain words; null where the value is fine. */
  problem(value: unknown): string | null
  /** The value holds a credential, so it may come from the environment only. */
  holdsSecret(value: unknown): boolean
}

type Options<T> = {
  about: string
  initial: T
  live?: boolean
  env?: (string | EnvName)[]
  problem?: (value: string) => string | null
  holdsSecret?: (value: string) => boolean
}
type More = { fromText: (text: string) => unknown }

function spec<T>(
  { about, initial, live = false, env = [], problem, holdsSecret }: Options<T>,
  schema: TSchema,
  { fromText }: More,
): KeySpec<T> {
  return {
    about,
    schema: { ...schema, description: about, ...(initial === null ? {} : { default: initial }) },
    initial,
    live,
    env: env.map((name) => (typeof name === "string" ? { name } : name)),
    fromText,
    problem: (value) => {
      for (const text of Array.isArray(value) ? value : [value]) {
        const found = typeof text === "string" ? (problem?.(text) ?? null) : null
        if (found !== null) return found
      }
      return null
    },
    holdsSecret: (value) => typeof value === "string" && (holdsSecret?.(value) ?? false),
  }
}

const MAX_TEXT = 2_048 // longer than any host, path or model name in use
const MAX_LIST = 32

export function text<T extends string | null>(
  options: Options<T> & { minLength?: number; pattern?: string; maxLength?: number },
): KeySpec<string | T> {
  const { pattern, maxLength = MAX_TEXT } = options
  return spec<string | T>(options, t.String({ minLength: 1, maxLength, ...(pattern ? { pattern } : {}) }), {
    fromText: (value) => value,
  })
}

export function choice<const C extends readonly string[], T extends C[number] | null>(
  choices: C,
  options: Options<T>,
): KeySpec<C[number] | T> {
  return spec<C[number] | T>(options, t.Union(choices.map((value) => t.Literal(value))), {
    fromText: (value) => value.toLowerCase(),
  })
}

export function whole<T extends number | null>(
  options: Options<T> & { minimum: number; maximum: number },
): KeySpec<number | T> {
  return spec<number | T>(options, int({ minimum: options.minimum, maximum: options.maximum }), { fromText: numberOf })
}

/** US dollars; "none" is no limit, 0 spends nothing. */
export function money(options: Options<number | "none">): KeySpec<number | "none"> {
  const schema = t.Union([t.Number({ minimum: 0, maximum: 1_000_000 }), t.Literal("none")])
  return spec(options, schema, { fromText: (value) => (value === "none" ? value : numberOf(value)) })
}

export function list(options: Options<readonly string[]>): KeySpec<readonly string[]> {
  return spec(options, t.Array(t.String({ minLength: 1, maxLength: MAX_TEXT }), { maxItems: MAX_LIST }), {
    fromText: listOf,
  })
}

function numberOf(value: string): unknown {
  return /^-?\d+(?:\.\d+)?$/.test(value.trim()) ? Number(value) : value
}

/** A JSON list, or words between commas. */
function listOf(value: string): unknown {
  if (value.trim().startsWith("[")) {
    try {
      return JSON.parse(value)
    } catch {
      return value // not a list after all: the schema says so
    }
  }
  return value
    .split(",")
    .map((entry) => entry.trim())
    .filter((entry) => entry !== "")
}
