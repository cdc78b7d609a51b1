import { describe, expect, test } from "bun:test"
import { AppError } from "#core/errors.ts"
import { describeProblems, int, judgeShape, parse, t } from "#core/schema.ts"

const Input = t.Object(
  { query: t.String({ minLength: 1, maxLength: 5 }), limit: t.Optional(int({ minimum: 1, maximum: 50 })) },
  { additionalProperties: false },
)

describe("the shape gate", () => {
  test("takes what fits, and hands back that very value", () => {
    const value = { query: "a", limit: 3 }
    const judged = judgeShape(Input, value)
    expect(judged.ok && judged.value).toBe(value)
    expect(judgeShape(Input, { query: "a" }).ok).toBeTrue()
  })

  test("coerces nothing, fills nothing in and drops nothing", () => {
    for (const value of [
      { query: "a", limit: "3" },
      { query: "a", limit: 3.5 },
      { query: "a", limit: Number.NaN },
      { query: "a", limit: null },
      { query: "a", limit: true },
      { query: "a", extra: 1 },
      { query: 1 },
      { query: "" },
      { query: "abcdef" },
      {},
      null,
      "query",
      [{ query: "a" }],
    ]) {
      const before = JSON.stringify(value)
      expect([before, judgeShape(Input, value).ok]).toEqual([before, false])
      expect(JSON.stringify(value)).toBe(before)
    }
  })

  test("names every problem with its place", () => {
    const judged = judgeShape(Input, { limit: 0, extra: 1 })
    const paths = judged.ok ? [] : judged.problems.map(({ path }) => path)
    expect(paths).toContain("/limit")
    expect(paths).toContain("/query")
    expect(paths).toContain("/extra")
    expect(describeProblems([{ path: "", message: "Expected object" }])).toBe("(whole): Expected object")
  })

  test("lists no more problems than a person reads", () => {
    const judged = judgeShape(
      t.Array(t.String()),
      Array.from({ length: 1_000 }, () => 1),
    )
    expect(judged.ok ? 0 : judged.problems.length).toBe(20)
  })

  test("is told as the caller's mistake at a border", () => {
    expect(parse(Input, { query: "a" })).toEqual({ query: "a" })
    try {
      parse(Input, { query: 1 }, "body")
      throw new Error("It should not fit")
    } catch (error) {
      expect(error).toBeInstanceOf(AppError)
      expect(error).toMatchObject({
        code: "input.invalid",
        message: expect.stringContaining("The body is not valid: /query"),
      })
    }
  })
})
