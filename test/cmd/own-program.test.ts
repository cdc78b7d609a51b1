import { afterAll, describe, expect, test } from "bun:test"
import {
  chmodSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { ownProgram, stageProgram, sweep, switchBack, switchTo } from "#cmd/lib/own-program.ts"
import { AppError } from "#core/errors.ts"

const base = mkdtempSync(join(tmpdir(), "ironclaw-own-program-"))
afterAll(() => rmSync(base, { recursive: true, force: true }))

function place(path: string, text = "old"): string {
  const full = join(base, path)
  mkdirSync(join(full, ".."), { recursive: true })
  writeFileSync(full, text, { mode: 0o755 })
  return full
}

describe("a program is ours to replace", () => {
  test("where an install put it, and by its real name", () => {
    const path = place("a/bin/ironclaw")
    symlinkSync(path, join(base, "link"))
    expect(ownProgram({ path: join(base, "link"), isBuilt: true }).path).toBe(path)
  })

  test("in a folder that only looks like a checkout's", () => {
    expect(ownProgram({ path: place("b/dist/ironclaw"), isBuilt: true }).path).toBe(join(base, "b/dist/ironclaw"))
  })
})

describe("a program is not ours to replace", () => {
  const why = (path: string, isBuilt = true) => {
    try {
      return ownProgram({ path, isBuilt }).path
    } catch (error) {
      return error instanceof AppError && error.code === "update.not_ours" ? `${error.message} ${error.hint}` : error
    }
  }
  test("where it runs from the sources", () => {
    expect(why(place("c/bun"), false)).toContain("git pull")
  })
  test("where a checkout builds it", () => {
    place("d/package.json", '{\n  "name": "ironclaw",\n}')
    expect(why(place("d/dist/ironclaw"))).toContain("npm run build")
  })
  test.each(["opt/Cellar/x/bin/tool", "x/node_modules/x/tool"])("where a package manager put it: %s", (path) => {
    expect(why(place(path))).toContain("belongs to")
  })
  test("in the system's own folders", () => {
    expect(why("/bin/sh")).toContain("the system's package manager")
  })
})

describe("replacing it", () => {
  const fresh = (name: string) => ownProgram({ path: place(`${name}/ironclaw`), isBuilt: true })
  const read = (path: string) => readFileSync(path, "utf8")

  test("keeps the one before, and going back twice is nothing", () => {
    const own = fresh("e")
    switchTo(own, stageProgram(own, Buffer.from("new")))
    expect([read(own.path), read(own.previous)]).toEqual(["new", "old"])
    switchBack(own)
    expect([read(own.path), read(own.previous)]).toEqual(["old", "new"])
    switchBack(own)
    expect([read(own.path), read(own.previous)]).toEqual(["new", "old"])
    expect(readdirSync(own.folder).sort()).toEqual([".ironclaw.previous", "ironclaw"])
  })

  test("goes on where an earlier one was killed between its steps", () => {
    const own = fresh("f")
    switchTo(own, stageProgram(own, Buffer.from("two")))
    // Killed after the program was kept and before the new one had its name: both names are one file.
    rmSync(own.previous)
    const staged = stageProgram(own, Buffer.from("three"))
    switchTo(own, staged)
    rmSync(own.path)
    writeFileSync(own.path, "three")
    sweep(own)
    switchTo(own, stageProgram(own, Buffer.from("four")))
    expect([read(own.path), read(own.previous)]).toEqual(["four", "three"])
    expect(readdirSync(own.folder).sort()).toEqual([".ironclaw.previous", "ironclaw"])
  })

  test("leaves nothing of what was killed, and nothing that is not ours", () => {
    const own = fresh("g")
    const staged = stageProgram(own, Buffer.from("half"))
    place("g/.ironclaw-install.x", "another's")
    sweep(own)
    expect(existsSync(staged)).toBe(false)
    expect(readdirSync(own.folder).sort()).toEqual([".ironclaw-install.x", "ironclaw"])
  })

  test("says so where there is no version before, and where nothing can be written", () => {
    const own = fresh("h")
    expect(() => switchBack(own)).toThrow("There is no version before")
    expect(() => stageProgram({ ...own, folder: join(base, "nowhere") }, Buffer.from("x"))).toThrow(
      "could not be written",
    )
    chmodSync(own.folder, 0o755)
  })
})
