import { describe, expect, test } from "bun:test"
import { makeTree } from "#test/fakes/tree.ts"
import { checkSizesAndNames, judgeHeader, judgeName, judgeP95 } from "#scripts/sizes-and-names.ts"

function fileOf(lines: number, header = "/** What this file is for. */"): { file: string; text: string } {
  return { file: "core/a.ts", text: `${header}\n${"const a = 1\n".repeat(lines - 1)}` }
}

describe("a name that says nothing is found", () => {
  for (const name of ["utils", "helpers", "common", "misc", "types", "manager", "handler", "index", "string-utils"]) {
    test(name, () => expect(judgeName(`core/db/${name}.ts`)).toHaveLength(1))
  }
  test("of a folder", () => expect(judgeName("core/utils/a.ts")).toHaveLength(1))
  test("of a test", () => expect(judgeName("test/core/utils.test.ts")).toHaveLength(1))
  test("a name in camel case", () => expect(judgeName("core/openDb.ts")).toHaveLength(1))
  test("a good name passes", () => expect(judgeName("core/db/sync-directory.ts")).toEqual([]))
  test("a banned word that is not the noun passes", () => expect(judgeName("core/type-check.ts")).toEqual([]))
})

describe("a file that is too long is found", () => {
  test("at 401 lines", () => expect(judgeHeader(fileOf(401))).toHaveLength(1))
  test("not at 400", () => expect(judgeHeader(fileOf(400))).toEqual([]))
  test("unless its header says why one file is right", () => {
    expect(judgeHeader(fileOf(500, "/** A table. One file, because a table cut in two is harder to read. */"))).toEqual(
      [],
    )
  })
  test("not in a test", () => expect(judgeHeader({ ...fileOf(900, ""), file: "test/core/a.test.ts" })).toEqual([]))
})

describe("a file without a header is found", () => {
  test("when it starts with code", () => expect(judgeHeader(fileOf(3, "const b = 2"))).toHaveLength(1))
  test("when its header is empty", () => expect(judgeHeader(fileOf(3, "/** */"))).toHaveLength(1))
  test("a header after #! passes", () =>
    expect(judgeHeader(fileOf(3, "#!/usr/bin/env bun\n// What this is for."))).toEqual([]))
})

describe("the 95th percentile", () => {
  const small = Array.from({ length: 18 }, () => fileOf(50))
  test("is found when two of twenty are long", () => {
    expect(judgeP95([...small, fileOf(401), fileOf(402)])[0]?.message).toContain("401")
  })
  test("passes when one of twenty is long", () => expect(judgeP95([...small, fileOf(400), fileOf(900)])).toEqual([]))
  test("of nothing passes", () => expect(judgeP95([])).toEqual([]))
})

test("the whole check reads the tree from the disk", () => {
  using tree = makeTree({ "core/utils.ts": "/** Bits and pieces. */\n", "cmd/run.ts": "export const a = 1\n" })
  expect(checkSizesAndNames(tree.root).map(({ file }) => file)).toEqual(["core/utils.ts", "cmd/run.ts"])
})
