/** json_query: what JSONPath picks, and that no query holds the process. */
import { describe, expect, test } from "bun:test"
import { jsonTools, judgeQuery } from "#core/tools/json-query.ts"
import { toolContext } from "#test/fakes/tool-context.ts"

const store = JSON.stringify({
  items: [
    { id: 1, name: "a, b" },
    { id: 2, name: "c..d" },
  ],
  "odd key": { id: 3 },
})
const [tool] = jsonTools()
const query = (json: string, path: string) =>
  tool?.run({ json, query: path }, toolContext({ labels: ["untrusted"], source: "web:x" }))

describe("json_query", () => {
  test.each([
    ["$.items[0].name", ["a, b"]],
    ["$..id", [3, 1, 2]],
    ["$.items[?@.id > 1].name", ["c..d"]],
    ["$['odd key'].id", [3]],
    ["$.items[-1:].id", [2]],
    ["$.items[?@.name == 'a, b, c..d']", []],
    ["$.none", []],
  ])("picks %s", async (path, results) => {
    const result = await query(store, path)
    expect(result).toMatchObject({ labels: ["untrusted"], source: "web:x" })
    if (!result || "failed" in result) throw new Error("failed")
    // An object has no order, so a descent may come by either branch first.
    const { results: picked } = result.data as { results: unknown[] }
    expect(new Set(picked)).toEqual(new Set<unknown>(results))
    expect(picked).toHaveLength(results.length)
  })

  test.each([
    ["not json", "$"],
    ["{}", "items"],
    ["{}", "$.["],
    [`${"[".repeat(100)}${"]".repeat(100)}`, "$..x"],
  ])("says what is wrong with %s and %s", async (json, path) => {
    expect(await query(json, path)).toHaveProperty("failed")
  })

  test("gives the first of many results and says so", async () => {
    expect(await query(JSON.stringify(Array.from({ length: 2_000 }, (_, index) => index)), "$[*]")).toMatchObject({
      data: { note: expect.stringContaining("500") },
    })
  })

  test("takes a value as deep as it says it does, and strings full of brackets", async () => {
    expect(await query(`${"[".repeat(64)}1${"]".repeat(64)}`, "$..x")).toMatchObject({ data: { results: [] } })
    expect(await query(JSON.stringify({ text: '[[[["{{{{'.repeat(50) }), "$..none")).toMatchObject({
      data: { results: [] },
    })
  })
})

describe("what could multiply", () => {
  test.each(["$..a..b", "$[?$..x]", "$[0,0][0,0][0,0][0,0][0,0]", "$[?match(@.a, '(a+)+$')]", "$[?@[?@[?@[?@.a]]]]"])(
    "is refused: %s",
    (path) => {
      expect(judgeQuery(path)).toBeString()
    },
  )

  test.each(["$..a.b", "$['..']..a", "$[?@.a == '$,$,$,$,$']", "$[?@.a == 1 && @.b == 2]", "$['a','b']"])(
    "only looks so: %s",
    (path) => {
      expect(judgeQuery(path)).toBeNull()
    },
  )
})
