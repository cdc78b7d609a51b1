/** file_read and file_list on a real folder. */
import { afterAll, beforeAll, describe, expect, test } from "bun:test"
import { findLeaks } from "#core/safety/leaks.ts"
import { appendFileSync, mkdirSync, mkdtempSync, rmSync, symlinkSync, writeFileSync } from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { openJail, type Jail } from "#core/safety/paths.ts"
import { fileReadTools } from "#core/tools/file-read.ts"
import type { Tool } from "#core/tools/tool.ts"
import { toolContext } from "#test/fakes/tool-context.ts"

const base = mkdtempSync(join(tmpdir(), "ironclaw-files-"))
const root = join(base, "project")
let jail: Jail
let tools: Tool[]

beforeAll(() => {
  mkdirSync(join(root, "docs", "deep"), { recursive: true })
  mkdirSync(join(base, "home"))
  writeFileSync(join(base, "secret.txt"), "outside")
  writeFileSync(join(root, "lines.txt"), Array.from({ length: 5_000 }, (_, index) => `line ${index}\n`).join(""))
  writeFileSync(join(root, "no-end.txt"), "one\ntwo")
  writeFileSync(join(root, "empty.txt"), "")
  writeFileSync(join(root, "wide.txt"), `first\n${"é".repeat(200_000)}\nlast\n`)
  writeFileSync(join(root, "latin.txt"), Buffer.from([0x63, 0x61, 0x66, 0xe9, 0x20, 0x61]))
  writeFileSync(join(root, "cat.png"), Buffer.from("89504e470d0a1a0a0000000d", "hex"))
  writeFileSync(join(root, "photo.jpg"), Buffer.from("ffd8ffe041424344", "hex"))
  writeFileSync(join(root, "data.bin"), Buffer.from([1, 0, 2]))
  writeFileSync(join(root, "paper.pdf"), "%PDF-1.7\nwords")
  writeFileSync(join(root, "mz.txt"), "MZ is how Windows programs begin")
  writeFileSync(join(root, ".env"), "KEY=1")
  writeFileSync(join(root, "docs", "a.md"), "# A")
  writeFileSync(join(root, "docs", "deep", "b.md"), "# B")
  symlinkSync("../secret.txt", join(root, "link"))
  jail = openJail({ root, closed: [join(base, "home")] })
  tools = fileReadTools({ project: jail, findSecrets: findLeaks })
})
afterAll(() => {
  jail.close()
  rmSync(base, { recursive: true, force: true })
})

const call = (name: string, input: unknown) => {
  const tool = tools.find((each) => each.name === name)
  if (!tool) throw new Error(`no tool ${name}`)
  return tool.run(input, toolContext())
}
const read = (path: string, rest: Record<string, unknown> = {}) => call("file_read", { path, ...rest })

describe("file_read", () => {
  test("reads a text, and says whose word it is not", async () => {
    expect(await read("no-end.txt")).toMatchObject({
      data: { path: "no-end.txt", size: 7, text: "one\ntwo", lines: 2, more: false },
      labels: ["untrusted", "private"],
      source: "file:no-end.txt",
    })
    expect(await read("empty.txt")).toMatchObject({ data: { text: "", lines: 0, more: false } })
  })

  test("reads lines from an offset, and says whether there are more", async () => {
    expect(await read("lines.txt", { offset: 10, limit: 2 })).toMatchObject({
      data: { text: "line 10\nline 11\n", lines: 2, more: true },
    })
    expect(await read("lines.txt", { offset: 4_998, limit: 10 })).toMatchObject({
      data: { text: "line 4998\nline 4999\n", lines: 2, more: false },
    })
    expect(await read("lines.txt", { offset: 9_999 })).toMatchObject({ data: { text: "", lines: 0, more: false } })
    expect(await read("lines.txt")).toMatchObject({ data: { lines: 2_000, more: true } })
  })

  test("reads bytes where lines are long, and a long line says where to go on", async () => {
    expect(await read("lines.txt", { unit: "bytes", offset: 5, limit: 3 })).toMatchObject({
      data: { text: "0\nl", more: true },
    })
    const cut = await read("wide.txt")
    expect(cut).toMatchObject({ data: { more: true, note: expect.stringContaining(`offset ${128 * 1024}`) } })
    if (!("data" in cut)) throw new Error("failed")
    expect(JSON.stringify(cut.data).length).toBeLessThan(140_000)
    expect(await read("wide.txt", { offset: 2 })).toMatchObject({ data: { text: "last\n", lines: 1, more: false } })
  })

  test.each([
    ["cat.png", "a PNG image"],
    ["photo.jpg", "a JPEG image"],
    ["data.bin", "binary data"],
    ["paper.pdf", "a PDF document"],
  ])("says what %s is instead of reading it", async (path, what) => {
    expect(await read(path)).toMatchObject({ failed: expect.stringContaining(what) })
  })

  test("reads a text that begins like a program, and one in another encoding with a note", async () => {
    expect(await read("mz.txt")).toMatchObject({ data: { text: "MZ is how Windows programs begin" } })
    expect(await read("latin.txt")).toMatchObject({
      data: { text: "caf\uFFFD a", note: expect.stringContaining("UTF-8") },
    })
  })

  test.each(["../secret.txt", "link", ".env", "/etc/passwd", "none.txt", "docs"])(
    "reads nothing at %s",
    async (path) => {
      const result = await read(path)
      expect(result).toHaveProperty("failed")
      expect(JSON.stringify(result)).not.toContain('outside"')
    },
  )

  test("reads what a file is at that moment", async () => {
    writeFileSync(join(root, "grows.log"), "one\n")
    await read("grows.log")
    appendFileSync(join(root, "grows.log"), "two\n")
    expect(await read("grows.log")).toMatchObject({ data: { text: "one\ntwo\n" } })
  })
})

describe("file_list", () => {
  test("names what is in a folder, and counts what is closed", async () => {
    const listed = await call("file_list", {})
    expect(listed).toMatchObject({
      data: { path: "", note: "1 more are closed to tools" },
      labels: ["untrusted", "private"],
    })
    const text = JSON.stringify(listed)
    expect(text).toContain('"path":"docs","kind":"folder"')
    expect(text).toContain('"path":"link","kind":"link"')
    expect(text).not.toContain(".env")
  })

  test("goes down as far as it is told", async () => {
    expect(await call("file_list", { path: "docs" })).toMatchObject({
      data: {
        entries: [
          { path: "docs/a.md", kind: "file", size: 3 },
          { path: "docs/deep", kind: "folder" },
        ],
      },
    })
    expect(JSON.stringify(await call("file_list", { depth: 3 }))).toContain("docs/deep/b.md")
  })

  test("stops at a number that a model can read", async () => {
    mkdirSync(join(root, "many"))
    for (let index = 0; index < 600; index++) writeFileSync(join(root, "many", `${index}.txt`), "")
    const listed = await call("file_list", { path: "many" })
    expect(listed).toMatchObject({ data: { note: expect.stringContaining("first 500") } })
    rmSync(join(root, "many"), { recursive: true })
  })

  test.each(["..", "link", "/etc", "docs/a.md"])("lists nothing at %s", async (path) => {
    expect(await call("file_list", { path })).toHaveProperty("failed")
  })
})
