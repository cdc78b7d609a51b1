/** What is taken out of a text because of its form, because of its value, and what is left alone. */
import { describe, expect, test } from "bun:test"
import { redactLeaks } from "#core/safety/leaks.ts"
import { createRedactor } from "#core/safety/redactor.ts"

describe("the redactor", () => {
  let values = [
    { name: "DB", value: 'correct "horse"/battery+' },
    { name: "LONG", value: "hunter2hunter2" },
    { name: "LONGER", value: "hunter2hunter2-and-more" },
    { name: "PIN", value: "1234" },
  ]
  const redact = createRedactor({ leaks: redactLeaks, secretValues: () => values })

  test("takes out exact values wherever they stand, the longest first, by their names", () => {
    expect(redact("a=hunter2hunter2;b=hunter2hunter2-and-more.")).toBe("a=[redacted: LONG];b=[redacted: LONGER].")
    expect(redact("xhunter2hunter2x")).toBe("x[redacted: LONG]x")
  })

  test("takes them out of JSON, URLs and base64 too", () => {
    const value = 'correct "horse"/battery+'
    const base64 = Buffer.from(value).toString("base64")
    for (const form of [
      JSON.stringify({ value }),
      `https://h/?q=${encodeURIComponent(value)}`,
      base64,
      base64.replaceAll("=", ""),
      Buffer.from(value).toString("base64url"),
    ]) {
      expect(redact(form)).toContain("[redacted: DB]")
      expect(redact(form)).not.toContain("horse")
    }
  })

  test("still takes out what only looks like a secret", () => {
    const key = `ghp_${"a1B2".repeat(9)}`
    expect(redact(`token ${key}`)).toBe(redactLeaks(`token ${key}`))
    expect(redact(`token ${key}`)).not.toContain(key)
  })

  test("leaves short values and ordinary text alone", () => {
    for (const text of ["Call 1234 and say hunter2", "", "correct horse battery", "a".repeat(10_000)])
      expect(redact(text)).toBe(text)
  })

  test("knows a new value with the next text, and forgets one that is gone", () => {
    values = [{ name: "NEW", value: "(.*)+[a-z]$" }]
    expect(redact("hunter2hunter2 (.*)+[a-z]$")).toBe("hunter2hunter2 [redacted: NEW]")
    values = []
    expect(redact("hunter2hunter2 (.*)+[a-z]$")).toBe("hunter2hunter2 (.*)+[a-z]$")
  })
})
