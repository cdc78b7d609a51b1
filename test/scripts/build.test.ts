import { describe, expect, test } from "bun:test"
import { join } from "node:path"
import { makeTree } from "#test/fakes/tree.ts"
import { compile, isTarget, judgeSize, stampsOf } from "#scripts/build.ts"

describe("a binary that grew too large is found", () => {
  test("on Linux x64 over 150 MB", () => {
    expect(judgeSize("linux-x64", 150_000_000)).toBeNull()
    expect(judgeSize("linux-x64", 150_000_001)).toContain("over 150 MB")
  })
  test("elsewhere over 165 MB", () => {
    expect(judgeSize("darwin-arm64", 165_000_000)).toBeNull()
    expect(judgeSize("windows-x64", 165_000_001)).toContain("over 165 MB")
  })
})

test("names of targets are checked", () => {
  expect(isTarget("linux-arm64-musl")).toBe(true)
  expect(isTarget("amiga-68k")).toBe(false)
  expect(isTarget("toString")).toBe(false)
})

test("the stamps say version, commit and date", async () => {
  const stamps = await stampsOf("1.2.3")
  expect(stamps["BUILD_VERSION"]).toBe("1.2.3")
  expect(stamps["BUILD_COMMIT"]).toMatch(/^(unknown|[0-9a-f]{12})(-dirty)?$/)
  expect(stamps["BUILD_DATE"]).toMatch(/^\d{4}-\d\d-\d\dT/)
})

test("a compiled program has its stamps, and obeys nothing that is planted where it is started", async () => {
  using tree = makeTree({
    "main.ts":
      "declare const BUILD_VERSION: string\nconsole.log(BUILD_VERSION, process.env['PLANTED'], globalThis.planted)\n",
    "elsewhere/.env": "PLANTED=dotenv\n",
    "elsewhere/bunfig.toml": 'preload = ["./evil.ts"]\n',
    "elsewhere/evil.ts": 'globalThis.planted = "preload"\n',
  })
  const outFile = join(tree.root, "program")
  await compile({ entries: [join(tree.root, "main.ts")], outFile, target: null, stamps: { BUILD_VERSION: "1.2.3" } })
  const child = Bun.spawn([outFile], { cwd: join(tree.root, "elsewhere"), stdout: "pipe", env: {} })
  expect((await child.stdout.text()).trim()).toBe("1.2.3 undefined undefined")
})

test("a build that fails throws the compiler's words", async () => {
  using tree = makeTree({ "main.ts": 'import "./gone.ts"\n' })
  const request = {
    entries: [join(tree.root, "main.ts")],
    outFile: join(tree.root, "program"),
    target: null,
    stamps: {},
  }
  expect(compile(request)).rejects.toThrow("gone.ts")
})
