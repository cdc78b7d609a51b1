/**
 * Schemas of core as Elysia takes them. Elysia is handed a Standard Schema and not the TypeBox one, because it coerces types, drops or
 * adds fields and puts whole bodies into its error messages; here nothing is changed, and every problem is named.
 */
import { isStorableText } from "#core/db/storable.ts"
import { AppError } from "#core/errors.ts"
import { type Static, type TObject, parse } from "#core/schema.ts"

export type Shape<S extends TObject> = {
  /** For the API document. */
  readonly schema: S
  readonly "~standard": {
    readonly version: 1
    readonly vendor: "ironclaw"
    readonly types?: { readonly input: Static<S>; readonly output: Static<S> }
    validate(value: unknown): { value: Static<S> }
  }
}

/** A JSON body. Strict: the schema says `additionalProperties: false`. Throws `input.invalid` naming every problem. */
export function body<S extends TObject>(schema: S): Shape<S> {
  return shape(schema, (value) => parse(schema, value, "body"))
}

/** The same, where none is one without fields. */
export function optionalBody<S extends TObject>(schema: S): Shape<S> {
  return shape(schema, (value) => parse(schema, value ?? {}, "body"))
}

/** Query parameters: texts, read as what the schema says of each; one given twice is a problem. */
export function query<S extends TObject>(schema: S): Shape<S> {
  return shape(schema, (value) => {
    const texts = Object.entries(isRecord(value) ? value : {})
    const found = Object.fromEntries(texts.map(([name, text]) => [name, fromText(schema.properties[name], text)]))
    return parse(schema, found, "query")
  })
}

/** Every name of the query as its text, or a list of texts where it is given more than once. */
export function readQuery(url: string): Record<string, string | string[]> {
  const start = url.indexOf("?")
  if (start === -1) return {}
  const found = new Map<string, string | string[]>()
  for (const [name, text] of new URLSearchParams(url.slice(start + 1))) {
    if (!isStorableText(name) || !isStorableText(text)) {
      throw new AppError("input.invalid", "The query holds a NUL or half a surrogate pair")
    }
    const before = found.get(name)
    found.set(name, before === undefined ? text : [before, text].flat())
  }
  return Object.fromEntries(found)
}

function shape<S extends TObject>(schema: S, validate: (value: unknown) => Static<S>): Shape<S> {
  return { schema, "~standard": { version: 1, vendor: "ironclaw", validate: (value) => ({ value: validate(value) }) } }
}

/** A number or a truth value where the schema wants one and the text is exactly one; else the text, for the schema to refuse. */
function fromText(schema: unknown, text: unknown): unknown {
  if (typeof text !== "string" || !isRecord(schema)) return text
  if (schema["type"] === "integer" && /^-?\d{1,15}$/.test(text)) return Number(text)
  if (schema["type"] === "boolean" && (text === "true" || text === "false")) return text === "true"
  return text
}

function isRecord(value: unknown): value is Record<string, unknown> {
  return typeof value === "object" && value !== null
}

/** A TypeBox schema as plain JSON Schema, without the marks that it keeps in symbols. */
export function plainSchema(schema: object): Record<string, unknown> {
  const plain: unknown = JSON.parse(JSON.stringify(schema))
  return isRecord(plain) ? plain : {}
}
