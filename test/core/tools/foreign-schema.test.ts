import { describe, expect, test } from "bun:test"
import { judgeShape } from "#core/schema.ts"
import { readForeignSchema } from "#core/tools/foreign-schema.ts"

const accepts = (schema: unknown, value: unknown): boolean => {
  const read = readForeignSchema(schema)
  if (!read.ok) throw new Error(read.problems.join("; "))
  return judgeShape(read.schema, value).ok
}
const problems = (schema: unknown): string => {
  const read = readForeignSchema(schema)
  return read.ok ? "" : read.problems.join("; ")
}

describe("a schema of somebody else", () => {
  const order = {
    type: "object",
    $defs: { size: { enum: ["small", "large", null] } },
    properties: {
      count: { type: "integer", minimum: 1, maximum: 5 },
      size: { $ref: "#/$defs/size" },
      note: { anyOf: [{ type: "string", maxLength: 5 }, { type: "null" }] },
      tags: { type: "array", items: { type: "string" }, maxItems: 2 },
      either: { type: ["string", "number"] },
      more: { type: "object", additionalProperties: { type: "boolean" } },
    },
    required: ["count"],
    additionalProperties: false,
  }

  test("judges arguments as one of ours does", () => {
    expect(accepts(order, { count: 1, size: null, note: null, tags: ["a"], either: 2, more: { a: true } })).toBe(true)
    for (const wrong of [
      {},
      { count: 0 },
      { count: 1.5 },
      { count: "1" },
      { count: 1, size: "huge" },
      { count: 1, note: "too long" },
      { count: 1, tags: ["a", "b", "c"] },
      { count: 1, either: true },
      { count: 1, more: { a: 1 } },
      { count: 1, surprise: 1 },
    ])
      expect(`${JSON.stringify(wrong)} ${accepts(order, wrong)}`).toBe(`${JSON.stringify(wrong)} false`)
  })

  test("runs no pattern of theirs", () => {
    const schema = { type: "object", properties: { text: { type: "string", pattern: "^(a+)+$", format: "email" } } }
    expect(accepts(schema, { text: `${"a".repeat(60)}!` })).toBe(true)
  })

  test("is refused where it says what would not be judged", () => {
    const within = (inner: unknown) => ({ type: "object", properties: { it: inner } })
    expect(problems({ type: "string" })).toContain("must be object")
    expect(problems(null)).toContain("no schema")
    expect(problems(within({ type: "object", patternProperties: { a: {} } }))).toBe(
      '/it: "patternProperties" is not supported',
    )
    expect(problems(within({ not: { type: "string" } }))).toContain("does not say its type")
    expect(problems(within({ type: "constructor" }))).toContain("is no type")
    expect(problems(within({ $ref: "#/$defs/constructor" }))).toContain("refers to nothing")
    expect(problems(within({ $ref: "https://example.com/schema" }))).toContain("refers to nothing")
    expect(problems(within({ type: "string", maxLength: "9" }))).toContain("bound")
    expect(problems({ type: "object", required: ["absent"] })).toContain("no property")
    expect(
      problems({ type: "object", $defs: { a: { $ref: "#/$defs/a" } }, properties: { it: { $ref: "#/$defs/a" } } }),
    ).toContain("nested")
    const wide = Object.fromEntries(Array.from({ length: 600 }, (_, at) => [`p${at}`, { type: "string" }]))
    expect(problems({ type: "object", properties: wide })).toContain("parts")
  })
})
