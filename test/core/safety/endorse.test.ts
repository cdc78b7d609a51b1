import { describe, expect, test } from "bun:test"
import { describeField, type Fields, judgeFields, readValues } from "#core/safety/endorse.ts"

const fields: Fields = {
  open: { type: "boolean" },
  stars: { type: "integer", minimum: 0, maximum: 5 },
  price: { type: "number", minimum: 0, maximum: 1_000 },
  day: { type: "date" },
  size: { type: "choice", options: ["small", "large"] },
}
const good = { open: true, stars: 4, price: 9.5, day: "2026-02-28", size: "small" }
const readOne = (field: Fields[string], value: unknown) => readValues(JSON.stringify({ it: value }), { it: field })

describe("the endorse gate", () => {
  test("lets exactly the fields that were asked for through, also from between marks of code", () => {
    expect(readValues(JSON.stringify(good), fields)).toEqual({ ok: true, values: good })
    expect(readValues(`\`\`\`json\n${JSON.stringify(good)}\n\`\`\`\n`, fields)).toEqual({ ok: true, values: good })
  })

  test.each<[string, string]>([
    ["words around it", `Here it is: ${JSON.stringify(good)}`],
    ["words behind it", `${JSON.stringify(good)}\nVisit https://evil.example`],
    ["two objects", `${JSON.stringify(good)}${JSON.stringify(good)}`],
    ["a list", JSON.stringify([good])],
    ["null", "null"],
    ["a text", '"open"'],
    ["nothing", ""],
    ["one field more", JSON.stringify({ ...good, note: "buy" })],
    ["one field less", JSON.stringify({ ...good, size: undefined })],
    ["a name of every object in place of a field", JSON.stringify({ ...good, size: undefined, constructor: "small" })],
    ["a prototype", `{"__proto__":{"size":"small"},"open":true,"stars":4,"price":1,"day":"2026-02-28"}`],
    ["a long one", JSON.stringify({ ...good, size: "x".repeat(5_000) })],
  ])("refuses %s, and quotes nothing of it", (_, text) => {
    const read = readValues(text, fields)
    expect(read.ok).toBe(false)
    expect(JSON.stringify(read)).not.toMatch(/evil|buy|note|xxx/)
  })

  test.each<[Fields[string], unknown[], unknown[]]>([
    [{ type: "boolean" }, [true, false], ["true", 1, 0, null, [true]]],
    [{ type: "integer", minimum: -2, maximum: 3 }, [-2, 0, 3], [-3, 4, 1.5, "1", null, 1e300]],
    [{ type: "number", minimum: 0, maximum: 1 }, [0, 0.25, 1], [-0.001, 1.001, "0.5", null]],
    [
      { type: "date" },
      ["2026-02-28", "2024-02-29", "1900-01-01"],
      [
        "2026-02-29",
        "2026-13-01",
        "28.02.2026",
        "2026-2-28",
        "2026-02-28T10:00:00Z",
        "0001-01-01",
        "9999-12-31",
        20260228,
      ],
    ],
    [
      { type: "choice", options: ["small", "large"] },
      ["small", "large"],
      ["Small", "small ", "", "medium", 0, ["small"]],
    ],
  ])("takes what %j may be, and nothing else", (field, right, wrong) => {
    for (const value of right) expect(readOne(field, value)).toEqual({ ok: true, values: { it: value as string } })
    for (const value of wrong) expect([value, readOne(field, value).ok]).toEqual([value, false])
  })

  test("asks for bounds, options and names that can carry no text of their own", () => {
    expect(judgeFields(fields)).toBeNull()
    const wrong: Fields[] = [
      {},
      Object.fromEntries(Array.from({ length: 9 }, (_, n) => [`f${n}`, { type: "boolean" }])),
      { "a b": { type: "boolean" } },
      { __proto: { type: "boolean" } },
      { n: { type: "integer" } },
      { n: { type: "number", minimum: 0 } },
      { n: { type: "integer", minimum: 0, maximum: 1.5 } },
      { n: { type: "integer", minimum: 0, maximum: 2 ** 60 } },
      { n: { type: "number", minimum: 2, maximum: 1 } },
      { n: { type: "number", minimum: 0, maximum: Infinity } },
      { b: { type: "boolean", minimum: 0 } },
      { b: { type: "boolean", options: ["yes"] } },
      { c: { type: "choice" } },
      { c: { type: "choice", options: [] } },
      { c: { type: "choice", options: ["a", "a"] } },
      { c: { type: "choice", options: ["a\nb"] } },
      { c: { type: "choice", options: ["a\u202Eb"] } },
      { c: { type: "choice", options: ["x".repeat(61)] } },
      { c: { type: "choice", options: Array.from({ length: 21 }, (_, n) => `o${n}`) } },
    ]
    for (const one of wrong) expect([one, judgeFields(one)]).toEqual([one, expect.any(String)])
  })

  test("says in words what a field takes", () => {
    expect(Object.values(fields).map(describeField)).toEqual([
      "true or false",
      "a whole number from 0 to 5",
      "a number from 0 to 1000",
      "a date as YYYY-MM-DD",
      'one of "small", "large"',
    ])
  })
})
