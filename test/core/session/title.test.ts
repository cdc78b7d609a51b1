import { expect, test } from "bun:test"
import { tidyTitle, titleFrom } from "#core/session/title.ts"

test("a title is the first words of the message", () => {
  expect(titleFrom("Plan my trip to Rome")).toBe("Plan my trip to Rome")
})

test("a long message is cut at a word", () => {
  const title = titleFrom("Please compare the three offers that came by mail today and tell me which one is best")
  expect(title).toBe("Please compare the three offers that came by mail today…")
})

test("empty lines, headings and lines without a word are passed over", () => {
  expect(titleFrom("\n---\n\n# **Groceries**\nmilk")).toBe("Groceries")
})

test("a text without words gives no title", () => {
  expect(titleFrom("")).toBe("")
  expect(titleFrom("???\n!!!")).toBe("")
})

test("text without blanks is cut, and never through a surrogate pair", () => {
  for (const lead of ["", "a"]) {
    const title = titleFrom(lead + "𠮷".repeat(100))
    expect(title.isWellFormed()).toBe(true)
    expect(title.length).toBeLessThanOrEqual(60)
    expect(title.endsWith("…")).toBe(true)
  }
})

test("direction marks and control characters do not get into a title", () => {
  expect(titleFrom("pay \u202egnp.exe\u202c now\u0007")).toBe("pay gnp.exe now")
  expect(tidyTitle(" two\nlines\u200b ")).toBe("two lines")
})

test("a title that a person gives is bounded", () => {
  expect(tidyTitle("x".repeat(500))).toHaveLength(200)
})

test("a million characters are titled at once", () => {
  expect(titleFrom("word ".repeat(200_000)).length).toBeLessThanOrEqual(60)
})
