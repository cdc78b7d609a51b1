/**
 * A JSON Schema that somebody else wrote, as one of ours: so that arguments for their tools are judged by the same check as all others.
 * What it says beyond the subset here is refused, not passed over. Patterns and formats are left out: a pattern of theirs
 * could run for ever in this process, and their own code sees the arguments anyway.
 */
import { type TObject, type TSchema, t } from "../schema.ts"

export type ForeignSchema = { ok: true; schema: TObject } | { ok: false; problems: string[] }

/** Deeper and wider than any form that a model fills in. */
const MAX_DEPTH = 12
const MAX_NODES = 500
const MAX_TEXT = 300
/** Kept with the schema for the model to read; they judge nothing. */
const NOTES = ["title", "description", "default", "examples", "deprecated", "readOnly"]
const IGNORED = ["format", "pattern", "$schema", "$id", "$comment", "writeOnly", "$defs", "definitions"]
const BOUNDS: ReadonlyMap<string, readonly string[]> = new Map(
  Object.entries({
    string: ["minLength", "maxLength"],
    number: ["minimum", "maximum", "exclusiveMinimum", "exclusiveMaximum", "multipleOf"],
    integer: ["minimum", "maximum", "exclusiveMinimum", "exclusiveMaximum", "multipleOf"],
    array: ["minItems", "maxItems"],
    object: ["minProperties", "maxProperties"],
  }),
)

type Reading = { problems: string[]; nodes: number; defs: Record<string, unknown> }

export function readForeignSchema(given: unknown): ForeignSchema {
  const reading: Reading = { problems: [], nodes: 0, defs: {} }
  if (isRecord(given)) Object.assign(reading.defs, recordIn(given, "definitions"), recordIn(given, "$defs"))
  const schema = read(given, { at: "", depth: 0, reading })
  if (reading.problems.length === 0 && (!isRecord(given) || given["type"] !== "object"))
    reading.problems.push("(whole): its type must be object")
  // Its type was just looked at.
  return reading.problems.length > 0
    ? { ok: false, problems: reading.problems }
    : { ok: true, schema: schema as TObject }
}

type Place = { at: string; depth: number; reading: Reading }

function read(given: unknown, place: Place): TSchema {
  const { at, depth, reading } = place
  const wrong = (words: string): TSchema => {
    reading.problems.push(`${at || "(whole)"}: ${words}`)
    return t.Never()
  }
  if (reading.problems.length > 0) return t.Never()
  if (++reading.nodes > MAX_NODES) return wrong(`it has more than ${MAX_NODES} parts`)
  if (depth > MAX_DEPTH) return wrong(`it is nested more than ${MAX_DEPTH} deep, or refers to itself`)
  if (given === true) return t.Unknown()
  if (!isRecord(given)) return wrong("it is no schema")
  const inner = (value: unknown, key: string) => read(value, { at: `${at}/${key}`, depth: depth + 1, reading })
  const notes = pick(given, NOTES)
  const known = (...keys: readonly string[]): string | null =>
    Object.keys(given).find((key) => ![...NOTES, ...IGNORED, ...keys].includes(key)) ?? null

  const reference = given["$ref"]
  if (typeof reference === "string") {
    const name = /^#\/(?:\$defs|definitions)\/([^/]+)$/.exec(reference)?.[1]
    if (name === undefined || !Object.hasOwn(reading.defs, name))
      return wrong(`"${reference.slice(0, 80)}" refers to nothing in it`)
    return inner(reading.defs[name], name)
  }
  if ("const" in given)
    return isLiteral(given["const"]) ? literal(given["const"], notes) : wrong("const is no plain value")
  if (Array.isArray(given["enum"])) {
    const values: unknown[] = given["enum"]
    if (values.length === 0 || !values.every(isLiteral)) return wrong("enum holds what is no plain value")
    return t.Union(
      values.map((value) => literal(value, {})),
      notes,
    )
  }
  for (const key of ["anyOf", "oneOf"] as const) {
    const choices = given[key]
    if (!Array.isArray(choices)) continue
    const more = known(key, "type")
    if (more !== null) return wrong(`"${more}" beside ${key} is not supported`)
    return t.Union(
      choices.map((choice: unknown, index) => inner(choice, `${key}/${index}`)),
      notes,
    )
  }
  const { type } = given
  if (Array.isArray(type)) {
    return t.Union(
      type.map((one: unknown, index) => inner({ ...given, type: one }, `type/${index}`)),
      notes,
    )
  }
  if (type === undefined && known() === null) return t.Unknown(notes)
  if (typeof type !== "string") return wrong("it does not say its type")
  const bounds = pick(given, BOUNDS.get(type) ?? [])
  if (!Object.values(bounds).every((bound) => typeof bound === "number" && Number.isFinite(bound)))
    return wrong("a bound is no number")
  const also =
    type === "object"
      ? ["properties", "required", "additionalProperties"]
      : type === "array"
        ? ["items", "uniqueItems"]
        : []
  const more = known("type", ...(BOUNDS.get(type) ?? []), ...also)
  if (more !== null) return wrong(`"${more.slice(0, 40)}" is not supported`)
  const options = { ...notes, ...bounds }
  switch (type) {
    case "string":
      return t.String(options)
    case "number":
      return t.Number(options)
    case "integer":
      return t.Integer(options)
    case "boolean":
      return t.Boolean(options)
    case "null":
      return t.Null(options)
    case "array":
      return t.Array("items" in given ? inner(given["items"], "items") : t.Unknown(), options)
    case "object": {
      const required: unknown[] = Array.isArray(given["required"]) ? given["required"] : []
      const properties = recordIn(given, "properties")
      if (!required.every((name) => typeof name === "string" && Object.hasOwn(properties, name)))
        return wrong("required names what is no property")
      const rest = given["additionalProperties"]
      const additional = rest === undefined || typeof rest === "boolean" ? rest : inner(rest, "additionalProperties")
      return t.Object(
        Object.fromEntries(
          Object.entries(properties).map(([name, value]) => {
            const property = inner(value, name)
            return [name, required.includes(name) ? property : t.Optional(property)]
          }),
        ),
        { ...options, ...(additional === undefined ? {} : { additionalProperties: additional }) },
      )
    }
    default:
      return wrong(`"${type.slice(0, 40)}" is no type`)
  }
}

function literal(value: string | number | boolean | null, notes: object): TSchema {
  return value === null ? t.Null(notes) : t.Literal(value, notes)
}

function isLiteral(value: unknown): value is string | number | boolean | null {
  return value === null || ["string", "number", "boolean"].includes(typeof value)
}

function isRecord(value: unknown): value is Record<string, unknown> {
  return typeof value === "object" && value !== null && !Array.isArray(value)
}

function recordIn(given: Record<string, unknown>, key: string): Record<string, unknown> {
  const value = given[key]
  return isRecord(value) ? value : {}
}

/** Texts are bounded: a model reads them in every request. */
function pick(given: Record<string, unknown>, keys: readonly string[]): Record<string, unknown> {
  return Object.fromEntries(
    keys.flatMap((key) => {
      const value = given[key]
      if (value === undefined) return []
      return [[key, typeof value === "string" ? value.slice(0, MAX_TEXT).toWellFormed() : value]]
    }),
  )
}
