/** file_glob and file_grep on a real folder. */
import { afterAll, beforeAll, describe, expect, test } from "bun:test"
import { findLeaks } from "#core/safety/leaks.ts"
import { mkdirSync, mkdtempSync, rmSync, symlinkSync, utimesSync, writeFileSync } from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { openJail, type Jail } from "#core/safety/paths.ts"
import { fileFindTools } from "#core/tools/file-find.ts"
import type { Tool } from "#core/tools/tool.ts"
import { toolContext } from "#test/fakes/tool-context.ts"

const base = mkdtempSync(join(tmpdir(), "ironclaw-find-"))
const root = join(base, "project")
let jail: Jail
let tools: Tool[]

beforeAll(() => {
  for (const folder of ["src/deep", "node_modules/lib", "home"]) mkdirSync(join(root, folder), { recursive: true })
  mkdirSync(join(base, "outside"))
  writeFileSync(join(base, "outside", "a.ts"), "NEEDLE outside")
  writeFileSync(join(root, "readme.md"), "first\nthe Needle is here\n")
  writeFileSync(join(root, "src", "a.ts"), "const needle = 1\n// a.b (c)\n")
  writeFileSync(join(root, "src", "deep", "b.ts"), "no such\nneedle42 and needle7\n")
  writeFileSync(join(root, "src", "min.js"), `needle${"x".repeat(5_000)}`)
  writeFileSync(join(root, "node_modules", "lib", "c.ts"), "needle in a library")
  writeFileSync(join(root, "home", "d.ts"), "needle in the home")
  writeFileSync(join(root, ".env"), "needle=1")
  writeFileSync(join(root, "image.ts"), Buffer.from("needle\0\u0001"))
  symlinkSync(join(base, "outside"), join(root, "link"))
  utimesSync(join(root, "src", "a.ts"), 1, 1)
  jail = openJail({ root, closed: [join(root, "home")] })
  tools = fileFindTools({ project: jail, findSecrets: findLeaks })
})
afterAll(() => {
  jail.close()
  rmSync(base, { recursive: true, force: true })
})

async function call(name: string, input: unknown, signal = new AbortController().signal) {
  const tool = tools.find((each) => each.name === name)
  if (!tool) throw new Error(`no tool ${name}`)
  return tool.run(input, toolContext({ signal }))
}
async function places(input: Record<string, unknown>): Promise<string[]> {
  const result = await call("file_grep", input)
  if ("failed" in result) throw new Error(result.failed)
  // The tool's own shape, proved by the tests that look at it whole.
  const { lines } = result.data as { lines: { path: string; line: number }[] }
  return lines.map(({ path, line }) => `${path}:${line}`).sort()
}

describe("file_glob", () => {
  test("finds files by pattern, newest first, not through links and not what is closed", async () => {
    const found = await call("file_glob", { pattern: "**/*.ts" })
    expect(found).toMatchObject({
      labels: ["untrusted", "private"],
      data: { note: expect.stringContaining("node_modules") },
    })
    if ("failed" in found) throw new Error(found.failed)
    const { files } = found.data as { files: { path: string }[] }
    expect(files.map(({ path }) => path).sort()).toEqual(["image.ts", "src/a.ts", "src/deep/b.ts"])
    expect(files.at(-1)?.path).toBe("src/a.ts")
  })

  test("looks below the folder it is given, also one that is skipped otherwise", async () => {
    expect(await call("file_glob", { pattern: "*.ts", path: "src" })).toMatchObject({
      data: { files: [{ path: "src/a.ts" }] },
    })
    expect(await call("file_glob", { pattern: "**/*.ts", path: "node_modules" })).toMatchObject({
      data: { files: [{ path: "node_modules/lib/c.ts" }] },
    })
  })

  test.each(["..", "link", "/etc", "home"])("looks nowhere at %s", async (path) => {
    expect(await call("file_glob", { pattern: "**", path })).toHaveProperty("failed")
  })
})

describe("file_grep", () => {
  test("finds lines by regular expression in text that is open", async () => {
    expect(await places({ pattern: "needle\\d+" })).toEqual(["src/deep/b.ts:2"])
    expect(await places({ pattern: "needle", ignoreCase: true })).toEqual([
      "readme.md:2",
      "src/a.ts:1",
      "src/deep/b.ts:2",
      "src/min.js:1",
    ])
    expect(await places({ pattern: "needle", files: "src/*.ts" })).toEqual(["src/a.ts:1"])
  })

  test("takes a pattern as it is where that is asked for", async () => {
    expect(await places({ pattern: "a.b (c)", plain: true })).toEqual(["src/a.ts:2"])
    expect(await places({ pattern: "a+b (c)", plain: true })).toEqual([])
  })

  test("cuts long lines, and says that a pattern is none", async () => {
    const found = JSON.stringify(await call("file_grep", { pattern: "needlex" }))
    expect(found.length).toBeLessThan(600)
    expect(await call("file_grep", { pattern: "(" })).toMatchObject({ failed: expect.stringContaining("RE2") })
    expect(await call("file_grep", { pattern: "(?=x)" })).toHaveProperty("failed")
  })

  test("a pattern that makes others hang takes no longer than the text is long", async () => {
    writeFileSync(join(root, "bait.txt"), `${"a".repeat(50_000)}b`)
    expect(await places({ pattern: "^(a+)+$", files: "bait.txt" })).toEqual([])
    rmSync(join(root, "bait.txt"))
  })

  test("stops when it is told to", async () => {
    const failure = await call("file_grep", { pattern: "x" }, AbortSignal.abort(new Error("stopped"))).catch(
      (error: unknown) => error,
    )
    expect(failure).toMatchObject({ message: "stopped" })
  })
})
