import { afterAll, describe, expect, test } from "bun:test"
import {
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  symlinkSync,
  writeFileSync,
} from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { ownProgram, stageProgram, sweep, switchBack, switchTo } from "#cmd/lib/own-program.ts"
import { createReleases } from "#cmd/lib/releases.ts"
import { AppError } from "#core/errors.ts"
import { openHome } from "#core/home.ts"
import { smallDisk } from "#test/fakes/small-disk.ts"

const base = mkdtempSync(join(tmpdir(), "ironclaw-own-program-"))
const disk = smallDisk(join(base, "disk"))
afterAll(() => {
  if (disk !== null) Bun.spawnSync(["umount", "-l", disk])
  rmSync(base, { recursive: true, force: true })
})

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
    const nowhere = { ...own, folder: join(base, "nowhere") }
    expect(() => stageProgram(nowhere, Buffer.from("x"))).toThrow("could not be written")
  })

  test.skipIf(disk === null)("leaves nothing on a disk that became full", () => {
    const own = { path: place("i/ironclaw"), folder: disk ?? "", previous: join(disk ?? "", ".ironclaw.previous") }
    expect(() => stageProgram(own, Buffer.alloc(200_000))).toThrow("the disk is full")
    expect(readdirSync(own.folder)).toEqual([])
  })
})

describe("what the release server sends", () => {
  const releases = (body: () => Response, root: string) =>
    createReleases({
      home: openHome({ env: {}, explicit: root }),
      url: () => "https://releases.example.org/ironclaw/",
      fetchFor: () =>
        Object.assign(
          async (input: string | URL | Request) => (
            asked.push(input instanceof Request ? input.url : input.toString()),
            body()
          ),
          {
            preconnect() {},
          },
        ),
    })
  const asked: string[] = []
  const download = (face: ReturnType<typeof releases>) =>
    face.download({ file: "1.2.3/ironclaw.gz", maxBytes: 1_000_000, signal: new AbortController().signal })

  test("comes into the home for its owner alone, and what an earlier one left is gone", async () => {
    const face = releases(() => new Response("the bytes"), join(base, "home"))
    mkdirSync(join(base, "home/run"), { recursive: true, mode: 0o700 })
    writeFileSync(join(base, "home/run/update-old.part"), "half")
    const { path, bytes } = await download(face)
    expect(asked.at(-1)).toBe("https://releases.example.org/ironclaw/1.2.3/ironclaw.gz")
    expect([bytes, readFileSync(path, "utf8"), statSync(path).mode & 0o777]).toEqual([9, "the bytes", 0o600])
    expect(readdirSync(join(base, "home/run")).length).toBe(1)
  })

  test("is one at a time, and leaves nothing where it breaks off", async () => {
    let breakOff = () => {}
    const face = releases(
      () =>
        new Response(
          new ReadableStream({
            start: (to) => (to.enqueue(new Uint8Array(5)), (breakOff = () => to.error(new Error("gone")))),
          }),
        ),
      join(base, "home-2"),
    )
    const first = download(face)
    expect(download(face)).rejects.toThrow("fetched already")
    breakOff()
    await first.catch(() => {})
    expect(readdirSync(join(base, "home-2/run"))).toEqual([])
    expect(face.running()).toBeNull()
  })

  test.skipIf(disk === null)("says that the disk is full, and leaves nothing", async () => {
    const root = join(disk ?? "", "home")
    const face = releases(() => new Response(new Uint8Array(200_000)), root)
    expect(await download(face).catch((error: unknown) => String(error))).toContain("the disk is full")
    expect(readdirSync(join(root, "run"))).toEqual([])
  })
})
