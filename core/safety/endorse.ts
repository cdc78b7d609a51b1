/**
 * Question: may this value leave untrusted text as clean?
 * Fails closed by: a boolean, a number within bounds, a date, or one of listed words; one thing else in an answer spoils all of it.
 * Known limits: whoever wrote the text can choose among the values, so each may be wrong; none can be an address, a name or an order.
 * Source: Microsoft's FIDES (2025), which lets values of small capacity out of what a quarantined model has read.
 */
import { type Static, t } from "../schema.ts"

const MAX_FIELDS = 8
const MAX_OPTIONS = 20
const MAX_OPTION_CHARACTERS = 60 // a few words; the one who asks writes them, so they only have to be short
const MAX_ANSWER_CHARACTERS = 4_000 // eight fields need less
const YEARS = { first: 1900, last: 2199 }

/** What the value of each named field may be. Bounds and options are judged by `judgeFields`: a shape cannot say them for some types alone. */
export const Fields = t.Record(
  t.String(),
  t.Object(
    {
      type: t.Union(["boolean", "integer", "number", "date", "choice"].map((type) => t.Literal(type))),
      minimum: t.Optional(t.Number()),
      maximum: t.Optional(t.Number()),
      options: t.Optional(t.Array(t.String())),
    },
    { additionalProperties: false },
  ),
  { description: "By name; numbers need bounds" },
)
export type Fields = Static<typeof Fields>
type Field = Fields[string]

export type Values = Record<string, boolean | number | string>

/** Why these fields could carry more than bounded values, or null. */
export function judgeFields(fields: Fields): string | null {
  const names = Object.keys(fields)
  if (names.length === 0 || names.length > MAX_FIELDS) return `returns has one to ${MAX_FIELDS} fields`
  for (const name of names)
    if (!/^[a-z][a-zA-Z0-9_]{0,39}$/.test(name))
      return "a field's name begins with a small letter and is one short word"
  for (const [name, field] of Object.entries(fields)) {
    const problem = judgeField(field)
    if (problem !== null) return `the field ${name} ${problem}`
  }
  return null
}

function judgeField({ type, minimum, maximum, options }: Field): string | null {
  const isNumber = type === "integer" || type === "number"
  if (isNumber) {
    const isBound = type === "integer" ? Number.isSafeInteger : Number.isFinite
    if (minimum === undefined || maximum === undefined || !isBound(minimum) || !isBound(maximum) || minimum > maximum)
      return `needs a minimum and a maximum that are ${type === "integer" ? "whole numbers" : "numbers"}`
  } else if (minimum !== undefined || maximum !== undefined) return "has bounds, which only numbers have"
  if (type !== "choice") return options === undefined ? null : "has options, which only a choice has"
  if (!options || options.length === 0 || options.length > MAX_OPTIONS || new Set(options).size !== options.length)
    return `needs one to ${MAX_OPTIONS} options, each of them once`
  return options.every((one) => one.length <= MAX_OPTION_CHARACTERS && /^[^\p{C}\p{Zl}\p{Zp}]+$/u.test(one))
    ? null
    : `has an option that is empty, longer than ${MAX_OPTION_CHARACTERS} characters, or more than one line`
}

/** The values of an answer, where it is a JSON object of exactly these fields. A problem never quotes the answer. */
export function readValues(
  text: string,
  fields: Fields,
): { ok: true; values: Values } | { ok: false; problem: string } {
  const parsed = parseObject(text)
  const names = Object.keys(fields)
  if (!parsed) return { ok: false, problem: "it is not one JSON object" }
  if (Object.keys(parsed).some((name) => !names.includes(name)))
    return { ok: false, problem: "it has a field that was not asked for" }
  const values: Values = {}
  for (const [name, field] of Object.entries(fields)) {
    const value = Object.hasOwn(parsed, name) ? valueOf(parsed[name], field) : null
    if (value === null) return { ok: false, problem: `${name} is not ${describeField(field)}` }
    values[name] = value
  }
  return { ok: true, values }
}

/** "a whole number from 0 to 10". */
export function describeField({ type, minimum, maximum, options = [] }: Field): string {
  switch (type) {
    case "boolean":
      return "true or false"
    case "date":
      return "a date as YYYY-MM-DD"
    case "choice":
      return `one of ${options.map((option) => JSON.stringify(option)).join(", ")}`
    default:
      return `a ${type === "integer" ? "whole " : ""}number from ${minimum} to ${maximum}`
  }
}

function valueOf(value: unknown, { type, minimum, maximum, options = [] }: Field): boolean | number | string | null {
  if (type === "boolean") return typeof value === "boolean" ? value : null
  if (type === "choice") return typeof value === "string" && options.includes(value) ? value : null
  if (type === "date") return typeof value === "string" && isDate(value) ? value : null
  if (typeof value !== "number" || minimum === undefined || maximum === undefined) return null
  if (type === "integer" && !Number.isSafeInteger(value)) return null
  return value >= minimum && value <= maximum ? value : null
}

function isDate(text: string): boolean {
  const match = /^(\d{4})-\d\d-\d\d$/.exec(text)
  const year = Number(match?.[1])
  if (!match || year < YEARS.first || year > YEARS.last) return false
  const at = new Date(`${text}T00:00:00Z`)
  return !Number.isNaN(at.getTime()) && at.toISOString().startsWith(text) // the 31st of June becomes the 1st of July
}

/** Models like to put JSON between marks of code; nothing else may stand around it. */
function parseObject(text: string): Record<string, unknown> | null {
  if (text.length > MAX_ANSWER_CHARACTERS) return null
  const bare = text.trim().replace(/^```(?:json)?\s*\n([\s\S]*)\n\s*```$/, "$1")
  try {
    const value: unknown = JSON.parse(bare)
    // An object by the check; its values are judged one by one.
    return typeof value === "object" && value !== null && !Array.isArray(value)
      ? (value as Record<string, unknown>)
      : null
  } catch {
    return null // the parser's message quotes the text
  }
}
