/** How JavaScript values travel to Postgres and back: always as Postgres' own text form, so that both engines give the same rows. */
import { AppError } from "../errors.ts"
import type { Row, Statement } from "./db.ts"
import { isStorableJson, isStorableText } from "./storable.ts"

/** A statement as it is sent: every parameter in text form; the server infers the types. */
export type WireStatement = { sql: string; params: (string | null)[] }
export type WireColumn = { name: string; type: number }
/** `tag` is what the server says of the statement: "INSERT 0 1", "SELECT 3". */
export type WireResult = { columns: WireColumn[]; rows: (string | null)[][]; tag: string }

/** Throws `input.invalid` for text that Postgres cannot hold: NUL, and halves of surrogate pairs. */
export function encodeStatement({ sql, params }: Statement): WireStatement {
  return { sql, params: params.map(encodeParam) }
}

function encodeParam(value: unknown): string | null {
  if (value === null || value === undefined) return null
  if (typeof value === "string") return storable(value)
  if (typeof value === "number" || typeof value === "bigint") return String(value)
  if (typeof value === "boolean") return value ? "t" : "f"
  if (value instanceof Date) return value.toISOString()
  if (value instanceof Uint8Array)
    return `\\x${Buffer.from(value.buffer, value.byteOffset, value.byteLength).toString("hex")}`
  if (Array.isArray(value)) return encodeArray(value)
  return encodeJson(value)
}

function encodeArray(values: readonly unknown[]): string {
  const items = values.map((value) => {
    if (Array.isArray(value)) return encodeArray(value)
    const text = encodeParam(value)
    return text === null ? "NULL" : `"${text.replace(/[\\"]/g, "\\$&")}"`
  })
  return `{${items.join(",")}}`
}

/** JSON for a jsonb parameter; refuses what jsonb cannot hold. */
export function encodeJson(value: unknown): string {
  const text = JSON.stringify(value)
  if (!isStorableJson(text)) throw unstorable()
  return text
}

function storable(text: string): string {
  if (!isStorableText(text)) throw unstorable()
  return text
}

function unstorable(): AppError {
  return new AppError("input.invalid", "Text with a NUL character or with half a surrogate pair cannot be stored", {
    hint: "Remove the characters that are no text (a NUL byte, a broken emoji) and send it again.",
  })
}

// Type numbers of pg_type; they are the same in every server.
const BOOL = 16
const BYTEA = 17
const JSON_TYPES = new Set([114, 3802])
const TIMES_WITH_ZONE = 1184
const NUMBERS = new Set([20, 21, 23, 26, 700, 701]) // int8 int2 int4 oid float4 float8; numeric stays text
const ARRAYS = new Map([
  [1000, BOOL], // bool[]
  [1005, 21], // int2[]
  [1007, 23], // int4[]
  [1016, 20], // int8[]
  [1021, 700], // float4[]
  [1022, 701], // float8[]
  [1009, 25], // text[]
  [1015, 25], // varchar[]
  [1003, 25], // name[]
])

/** Drizzle parses JSON columns itself, so it gets their text; everybody else gets the value. */
export type JsonForm = "text" | "value"

function decodeValue(text: string, type: number, json: JsonForm): unknown {
  if (NUMBERS.has(type)) {
    const number = Number(text)
    // A bigint beyond 2^53 stays text, so that no digit is lost.
    return type === 20 && !Number.isSafeInteger(number) ? text : number
  }
  if (type === BOOL) return text === "t"
  if (JSON_TYPES.has(type)) return json === "value" ? JSON.parse(text) : text
  if (type === TIMES_WITH_ZONE) return isoTime(text)
  if (type === BYTEA) return new Uint8Array(Buffer.from(text.slice(2), "hex"))
  const element = ARRAYS.get(type)
  return element === undefined ? text : decodeArray(text, element)
}

/** "2026-11-22 16:00:00.123+00" as ISO 8601; infinity stays what it is. */
function isoTime(text: string): string {
  const ms = Date.parse(text)
  return Number.isNaN(ms) ? text : new Date(ms).toISOString()
}

/** Postgres' array text, one dimension or more: {a,"b,c",NULL,{d}}. */
function decodeArray(text: string, element: number): unknown[] {
  let at = text.indexOf("{") // a lower bound ("[0:1]={…}") is skipped
  const readArray = (): unknown[] => {
    const values: unknown[] = []
    at += 1
    while (at < text.length && text[at] !== "}") {
      if (text[at] === ",") at += 1
      else values.push(text[at] === "{" ? readArray() : readItem())
    }
    at += 1
    return values
  }
  const readItem = (): unknown => {
    let item = ""
    if (text[at] === '"') {
      for (at += 1; at < text.length && text[at] !== '"'; at += 1) {
        if (text[at] === "\\") at += 1
        item += text[at]
      }
      at += 1
      return decodeValue(item, element, "value")
    }
    for (; at < text.length && text[at] !== "," && text[at] !== "}"; at += 1) item += text[at]
    return item === "NULL" ? null : decodeValue(item, element, "value")
  }
  return readArray()
}

/** Rows as objects. */
export function decodeRows({ columns, rows }: WireResult): Row[] {
  return rows.map((row) => {
    const decoded: Row = {}
    columns.forEach(({ name, type }, index) => {
      const text = row[index]
      decoded[name] = text === null || text === undefined ? null : decodeValue(text, type, "value")
    })
    return decoded
  })
}

/** Rows as arrays in the order of columns, as drizzle maps them. */
export function decodeArrays({ columns, rows }: WireResult): unknown[][] {
  return rows.map((row) =>
    columns.map(({ type }, index) => {
      const text = row[index]
      return text === null || text === undefined ? null : decodeValue(text, type, "text")
    }),
  )
}
