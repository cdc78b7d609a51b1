/** The text forms that travel: what goes in comes out, and what Postgres cannot hold is refused before it is sent. */
import { describe, expect, test } from "bun:test"
import { decodeArrays, decodeRows, encodeJson, encodeStatement } from "#core/db/values.ts"
import { AppError } from "#core/errors.ts"

const encode = (value: unknown) => encodeStatement({ sql: "", params: [value] }).params[0]
const decode = (type: number, text: string | null) =>
  decodeRows({ columns: [{ name: "it", type }], rows: [[text]], tag: "SELECT 1" })[0]?.["it"]

describe("encoding", () => {
  test("gives every kind of value its Postgres text", () => {
    expect(encode("plain")).toBe("plain")
    expect(encode(12)).toBe("12")
    expect(encode(9_007_199_254_740_993n)).toBe("9007199254740993")
    expect(encode(true)).toBe("t")
    expect(encode(null)).toBeNull()
    expect(encode(undefined)).toBeNull()
    expect(encode(new Uint8Array([0, 255]))).toBe("\\x00ff")
    expect(encode(new Date(0))).toBe("1970-01-01T00:00:00.000Z")
    expect(encode({ a: "ü" })).toBe('{"a":"ü"}')
  })

  test("quotes what has a meaning inside an array", () => {
    expect(encode(["a", 'b"c', "d\\e", "f,g", "{}", null, ["NULL"]])).toBe(
      '{"a","b\\"c","d\\\\e","f,g","{}",NULL,{"NULL"}}',
    )
  })

  test.each([
    ["a NUL", "a\0b"],
    ["the first half of a pair", "a\ud83d"],
    ["the second half of a pair", "\ude00b"],
    ["a NUL in an array", ["a\0"]],
    ["a NUL in JSON", { deep: ["\0"] }],
    ["half a pair in JSON", { deep: "\udc00" }],
    ["half a pair in a JSON key", { "\ud800": 1 }],
  ])("refuses %s", (_, value) => {
    expect(() => encode(value)).toThrow(expect.objectContaining({ code: "input.invalid" }))
  })

  test("takes whole pairs, and text that only looks like an escape", () => {
    expect(encode("😀")).toBe("😀")
    expect(encodeJson("😀\u0001")).toBe('"😀\\u0001"')
    expect(encodeJson("the text \\u0000 and \\ud800")).toBe('"the text \\\\u0000 and \\\\ud800"')
  })

  test("tells nothing of the value in the refusal", () => {
    try {
      encode("password\0")
      expect.unreachable()
    } catch (error) {
      expect(error).toBeInstanceOf(AppError)
      expect(String(error)).not.toContain("password")
    }
  })
})

describe("decoding", () => {
  test("gives JavaScript values by type", () => {
    expect(decode(23, "-7")).toBe(-7)
    expect(decode(20, "42")).toBe(42)
    expect(decode(16, "f")).toBe(false)
    expect(decode(701, "1.5")).toBe(1.5)
    expect(decode(1700, "1.50")).toBe("1.50")
    expect(decode(17, "\\x00ff")).toEqual(new Uint8Array([0, 255]))
    expect(decode(3802, '{"a":[1]}')).toEqual({ a: [1] })
    expect(decode(25, null)).toBeNull()
  })

  test("keeps every digit of a bigint that JavaScript's number cannot hold", () => {
    expect(decode(20, "9007199254740993")).toBe("9007199254740993")
  })

  test("reads times as ISO 8601, and leaves infinity alone", () => {
    expect(decode(1184, "2026-11-22 16:00:00.123+00")).toBe("2026-11-22T16:00:00.123Z")
    expect(decode(1184, "infinity")).toBe("infinity")
  })

  test("reads arrays with quotes, escapes, nulls and depth", () => {
    expect(decode(1009, '{a,"b c","q\\"\\\\",NULL,"NULL",""}')).toEqual(["a", "b c", 'q"\\', null, "NULL", ""])
    expect(decode(1007, "{{1,2},{3,4}}")).toEqual([
      [1, 2],
      [3, 4],
    ])
    expect(decode(1009, "{}")).toEqual([])
    expect(decode(1007, "[0:1]={5,6}")).toEqual([5, 6])
  })

  test("leaves JSON to drizzle as text, so that it is parsed once", () => {
    expect(decodeArrays({ columns: [{ name: "j", type: 3802 }], rows: [['"123"']], tag: "SELECT 1" })).toEqual([
      ['"123"'],
    ])
  })
})
