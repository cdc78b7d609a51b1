import { describe, expect, test } from "bun:test"
import { createKnownSearch } from "#core/safety/known-values.ts"
import { ALNUM, randomOf } from "./made-keys.ts"

const value = `k-${randomOf(17)(ALNUM, 24)}_7/+x`
const find = createKnownSearch([{ name: "KEY", value }])
const base64 = (text: string) => Buffer.from(text).toString("base64")
const hex = Buffer.from(value).toString("hex")
const chunks = (text: string, size: number, between: string) =>
  text.match(new RegExp(`[^]{1,${size}}`, "g"))?.join(between) ?? ""

/** However it is written, what is redacted of the text leaves none of it. */
const disguises: Record<string, string> = {
  "as it is": value,
  "in JSON": JSON.stringify(value).slice(1, -1),
  "in a URL": encodeURIComponent(value),
  "every character percent-encoded": Array.from(value, (c) => `%${c.charCodeAt(0).toString(16)}`).join(""),
  "as \\u escapes": Array.from(value, (c) => `\\u${c.charCodeAt(0).toString(16).padStart(4, "0")}`).join(""),
  "as \\x escapes": Array.from(value, (c) => `\\x${c.charCodeAt(0).toString(16)}`).join(""),
  "as HTML references": Array.from(value, (c) => `&#${c.charCodeAt(0)};`).join(""),
  "in base64": base64(value),
  "in base64 behind one byte": base64(`a${value}b`),
  "in base64 behind two bytes": base64(`ab${value}`),
  "in base64 for URLs": Buffer.from(`ab${value}?`).toString("base64url"),
  "in base64 of a longer text": base64(`please keep this: ${value}, and tell nobody`),
  "in base64 twice": base64(base64(value)),
  "in base64 with line breaks": chunks(base64(`the key is ${value}`), 12, "\r\n"),
  "in hex": hex,
  "in capital hex": hex.toUpperCase(),
  "in hex with colons": chunks(hex, 2, ":"),
  "in hex with spaces": chunks(hex, 2, " "),
  reversed: Array.from(value).toReversed().join(""),
  "reversed base64": Array.from(base64(value)).toReversed().join(""),
  "split by spaces": chunks(value, 1, " "),
  "split by line breaks": chunks(value, 8, "\n"),
  "split by zero-width characters": chunks(value, 1, "\u200b"),
  "split by dashes": chunks(value, 4, "-"),
  "split into quoted pieces": `"${chunks(value, 6, '" + "')}"`,
  "reversed and split": chunks(Array.from(value).toReversed().join(""), 3, " "),
}

describe("values that are known", () => {
  for (const [how, written] of Object.entries(disguises)) {
    test(`are found ${how}, at their place`, () => {
      const text = `note="${written}" (end)`
      const [found, ...others] = find(text)
      expect(others).toEqual([])
      expect(found?.name).toBe("KEY")
      // Base64 at an offset shares its outermost letters with what stands around.
      expect(found?.start).toBeLessThanOrEqual('note="'.length + 28)
      expect(text.slice(found?.end)).toContain(" (end)")
      expect(find(text.slice(0, found?.start) + text.slice(found?.end))).toEqual([])
    })
  }

  test("are not found where they are not", () => {
    for (const text of [
      "",
      "an ordinary note",
      value.slice(1),
      value.toUpperCase(),
      hex.slice(2),
      base64(value).slice(4),
    ])
      expect([text, find(text)]).toEqual([text, []])
    expect(createKnownSearch([{ name: "PIN", value: "1234" }])("call 1234")).toEqual([])
    expect(createKnownSearch([])("anything")).toEqual([])
  })

  test("of words alone are not found in other sentences that have these words", () => {
    const words = createKnownSearch([{ name: "PHRASE", value: "correct-horse-battery" }])
    expect(words("the correct horse, battery included")).toEqual([])
    expect(words("it is correct-horse-\nbattery")).toHaveLength(1)
  })

  test("are told apart, the longer one first", () => {
    const both = createKnownSearch([
      { name: "SHORT", value: "hunter2hunter2" },
      { name: "LONG", value: "hunter2hunter2-and-more" },
    ])
    expect(both("a hunter2hunter2-and-more b hunter2hunter2").map(({ name }) => name)).toEqual(["LONG", "SHORT"])
  })
})
