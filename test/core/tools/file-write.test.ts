/** file_write and file_patch: what is changed, what is kept first, and that it can be taken back. */
import { afterAll, beforeAll, beforeEach, describe, expect, test } from "bun:test"
import { existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync, statSync, symlinkSync, writeFileSync } from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { openJail, type Jail } from "#core/safety/paths.ts"
import { undoChange, type FileChange } from "#core/tools/file-change.ts"
import { fileWriteTools } from "#core/tools/file-write.ts"
import { toolContext } from "#test/fakes/tool-context.ts"

const base = mkdtempSync(join(tmpdir(), "ironclaw-write-"))
const root = join(base, "project")
let jail: Jail
let kept: FileChange[]
let keepFails: boolean

beforeAll(() => {
  mkdirSync(root)
  mkdirSync(join(base, "home"))
  writeFileSync(join(base, "outside.txt"), "outside")
  symlinkSync("../outside.txt", join(root, "link"))
  jail = openJail({ root, closed: [join(base, "home")] })
})
beforeEach(() => {
  kept = []
  keepFails = false
})
afterAll(() => {
  jail.close()
  rmSync(base, { recursive: true, force: true })
})

function call(name: string, input: unknown) {
  const keepChange = async (change: FileChange) => {
    if (keepFails) throw new Error("disk full")
    kept.push(change)
  }
  const tool = fileWriteTools({ project: jail, keepChange }).find((each) => each.name === name)
  if (!tool) throw new Error(`no tool ${name}`)
  return tool.run(input, toolContext({ labels: ["untrusted"], source: "web:x" }))
}
const write = (path: string, content: string) => call("file_write", { path, content })
const patch = (path: string, ...edits: { find: string; replace: string; all?: boolean }[]) =>
  call("file_patch", { path, edits })
const file = (path: string) => readFileSync(join(root, path), "utf8")
const put = (path: string, content: string | Uint8Array) => writeFileSync(join(root, path), content)
async function undo() {
  const change = kept.pop()
  if (!change) throw new Error("nothing kept")
  return undoChange({ project: jail, change })
}

describe("file_write", () => {
  test("makes a file with its folders, and undo removes it", async () => {
    expect(await write("notes/new/a.md", "hello")).toMatchObject({
      data: { path: "notes/new/a.md", bytes: 5, created: true },
    })
    expect(file("notes/new/a.md")).toBe("hello")
    expect(kept).toMatchObject([{ path: "notes/new/a.md", before: null, labels: ["untrusted"], source: "web:x" }])
    expect(await undo()).toEqual({ ok: true })
    expect(existsSync(join(root, "notes/new/a.md"))).toBe(false)
  })

  test("replaces a file, and undo brings back every byte and the mode", async () => {
    const bytes = Uint8Array.from([0xff, 0, 1, 2])
    writeFileSync(join(root, "b.bin"), bytes, { mode: 0o755 })
    expect(await write("b.bin", "text")).toMatchObject({ data: { created: false } })
    expect(await undo()).toEqual({ ok: true })
    expect(new Uint8Array(readFileSync(join(root, "b.bin")))).toEqual(bytes)
    expect(statSync(join(root, "b.bin")).mode & 0o777).toBe(0o755)
  })

  test("undo touches nothing that was changed since", async () => {
    await write("c.txt", "ours")
    put("c.txt", "the owner's")
    expect(await undo()).toMatchObject({ ok: false })
    expect(file("c.txt")).toBe("the owner's")
  })

  test("changes nothing where the record cannot be kept", async () => {
    put("d.txt", "before")
    keepFails = true
    const failure = await write("d.txt", "after").catch((error: unknown) => error)
    expect(failure).toBeInstanceOf(Error)
    expect(file("d.txt")).toBe("before")
  })

  test.each(["../x", "/tmp/x", "link", ".env", ".git/hooks/pre-commit", "key.pem", "a\0b", ""])(
    "writes nothing at %j and keeps no record of it",
    async (path) => {
      expect(await write(path, "x")).toHaveProperty("failed")
      expect(kept).toEqual([])
      expect(readFileSync(join(base, "outside.txt"), "utf8")).toBe("outside")
    },
  )
})

describe("file_patch", () => {
  test("makes all edits, each on what the one before left", async () => {
    put("a.txt", "one two three")
    expect(await patch("a.txt", { find: "two", replace: "2" }, { find: "2 three", replace: "2 3" })).toHaveProperty(
      "data",
    )
    expect(file("a.txt")).toBe("one 2 3")
    await undo()
    expect(file("a.txt")).toBe("one two three")
  })

  test("takes both texts as they are: no patterns, no $&", async () => {
    put("a.txt", "price: (1.0)")
    await patch("a.txt", { find: "(1.0)", replace: "$& $1" })
    expect(file("a.txt")).toBe("price: $& $1")
  })

  test("changes nothing where one edit does not fit", async () => {
    put("a.txt", "same same other")
    expect(await patch("a.txt", { find: "other", replace: "x" }, { find: "none", replace: "y" })).toMatchObject({
      failed: expect.stringContaining("edit 2"),
    })
    expect(await patch("a.txt", { find: "same", replace: "x" })).toMatchObject({
      failed: expect.stringContaining("2 times"),
    })
    expect(file("a.txt")).toBe("same same other")
    expect(kept).toEqual([])
    await patch("a.txt", { find: "same", replace: "x", all: true })
    expect(file("a.txt")).toBe("x x other")
  })

  test("keeps line ends and a byte-order mark", async () => {
    put("w.txt", "\uFEFFone\r\ntwo\r\n")
    expect(await patch("w.txt", { find: "one\ntwo", replace: "x" })).toMatchObject({
      failed: expect.stringContaining("Windows"),
    })
    await patch("w.txt", { find: "two", replace: "2" })
    expect(file("w.txt")).toBe("\uFEFFone\r\n2\r\n")
  })

  test("leaves what is no text, or not there, alone", async () => {
    put("bin", Uint8Array.from([1, 0, 2]))
    put("latin", Uint8Array.from([0x63, 0xe9]))
    for (const path of ["bin", "latin", "none", "link", "../outside.txt"]) {
      expect(await patch(path, { find: "c", replace: "x" })).toHaveProperty("failed")
    }
    expect(kept).toEqual([])
  })
})
