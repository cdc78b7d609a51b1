import { describe, expect, test } from "bun:test"
import { makeTree } from "#test/fakes/tree.ts"
import { checkForbidden, judgeText } from "#scripts/forbidden.ts"

describe("what no linter rule covers is found", () => {
  const bad = [
    "const now = new Date()",
    "const now = new Date( ).toISOString()",
    "// oxlint-disable-next-line no-console",
    "/* eslint-disable */",
    "// @ts-ignore",
    "// @ts-expect-error it does not matter",
    "// TODO later",
    "debugger",
  ]
  for (const line of bad) test(line, () => expect(judgeText("core/a.ts", line)).toHaveLength(1))
})

describe("what only looks like it passes", () => {
  const good = ["const at = new Date(row.at)", "// TODO #12: later", "const todoList = []", "enableDebugger()"]
  for (const line of good) test(line, () => expect(judgeText("core/a.ts", line)).toEqual([]))
  test("the clock itself", () => expect(judgeText("core/clock.ts", "new Date()")).toEqual([]))
})

test("the whole check reads the product's files, and tells the line", () => {
  using tree = makeTree({ "cmd/run.ts": "/** Runs. */\n\nnew Date()\n", "test/run.test.ts": "new Date()\n" })
  expect(checkForbidden(tree.root)).toMatchObject([{ file: "cmd/run.ts", line: 3 }])
})
