/** Plugins from archives, as an owner installs them. */
import { afterAll, beforeAll, describe, expect, setDefaultTimeout, test } from "bun:test"
import { existsSync, readdirSync, writeFileSync } from "node:fs"
import { join } from "node:path"
import { AppError } from "#core/errors.ts"
import { pluginHouse, type PluginHouse, toolCode } from "../fakes/plugin-house.ts"
import { gzipOf, tarOf, zipOf } from "./parse/archive-maker.ts"

setDefaultTimeout(60_000) // children are started, on a machine that may be busy

let at: PluginHouse
beforeAll(async () => {
  at = await pluginHouse()
})
afterAll(() => at.close())

const manifestOf = (name: string, more: object = {}) =>
  JSON.stringify({ name, version: "1.0.0", entry: "plugin.ts", effects: { [`${name}_tool`]: "read" }, ...more })
const filesOf = (name: string, prefix = "") => [
  { name: `${prefix}plugin.json`, text: manifestOf(name) },
  { name: `${prefix}plugin.ts`, text: toolCode(`${name}_tool`, `return "from ${name}"`) },
]

function put(name: string, bytes: Uint8Array): string {
  const path = join(at.root, name)
  writeFileSync(path, bytes)
  return path
}
async function problemsOf(path: string): Promise<string> {
  const error = await at.install(path).catch((thrown: unknown) => thrown)
  if (error instanceof AppError && error.code === "plugin.unusable") return error.message
  throw new Error(`It was ${JSON.stringify(error)}`)
}

describe("an archive", () => {
  test("of any form is a folder: installed inactive, granted, and its tool runs", async () => {
    const made: Record<string, Uint8Array> = {
      "one.zip": zipOf(filesOf("one")),
      "two.tar": tarOf(filesOf("two")),
      "three.tgz": gzipOf(tarOf([{ name: "three-1.0/", kind: "5" }, ...filesOf("three", "three-1.0/")])),
      // By content: what it is called says nothing.
      "four.ts": zipOf(filesOf("four", "deep/")),
      "five.zip": zipOf([
        ...filesOf("five", "top/"),
        { name: "__MACOSX/top/._plugin.ts", text: "x" },
        { name: "top/.DS_Store", text: "x" },
      ]),
    }
    for (const [file, bytes] of Object.entries(made)) {
      const name = file.split(".")[0] ?? ""
      expect(await at.install(put(file, bytes))).toMatchObject({ name, state: "inactive" })
      expect(readdirSync(join(at.dir, name)).sort()).toEqual(["plugin.json", "plugin.ts"])
      await at.grant(name)
      expect((await at.call(`${name}_tool`)).told).toMatchObject({ state: "done", text: `from ${name}` })
    }
  })

  test("is the same plugin as the folder that it is of", async () => {
    const path = at.source("same", toolCode("same_tool", "return 1"))
    const fromFolder = await at.plugins.prepareInstall({ source: { path }, known: {} }, new AbortController().signal)
    const files = ["plugin.json", "plugin.ts"].map(async (name) => ({
      name,
      text: await Bun.file(join(path, name)).bytes(),
    }))
    const zip = put("same.zip", zipOf(await Promise.all(files)))
    const fromZip = await at.plugins.prepareInstall({ source: { path: zip }, known: {} }, new AbortController().signal)
    expect(fromZip.sha256).toBe(fromFolder.sha256)
  })

  test("that would lead out, link out, or explode is refused with all that is wrong, and leaves nothing behind", async () => {
    const before = existsSync(at.dir) ? readdirSync(at.dir).sort() : []
    const outside = join(at.root, "evil")
    const slip = await problemsOf(
      put(
        "slip.zip",
        zipOf([
          ...filesOf("slip"),
          { name: "../evil", text: "x" },
          { name: outside, text: "x" },
          { name: "b", text: "/etc/passwd", mode: 0o120777 },
        ]),
      ),
    )
    for (const why of ["leads out", "absolute", "a link"]) expect(slip).toContain(why)
    expect(
      await problemsOf(put("slip.tgz", gzipOf(tarOf([...filesOf("slip"), { name: "l", kind: "2", link: "/etc" }])))),
    ).toContain("a link")
    expect(
      await problemsOf(put("bomb.zip", zipOf([...filesOf("bomb"), { name: "a", text: new Uint8Array(30_000_000) }]))),
    ).toContain("hundred times")
    expect(await problemsOf(put("bomb.tgz", gzipOf(new Uint8Array(200_000_000))))).toContain("unpacks to more")
    expect(
      await problemsOf(put("nested.zip", zipOf([...filesOf("nested"), { name: "lib/x.ts", text: "x" }]))),
    ).toContain("it is in a folder")
    const many = Array.from({ length: 40 }, (_, index) => ({ name: `f${index}`, text: "x" }))
    expect(await problemsOf(put("many.zip", zipOf([...filesOf("many"), ...many])))).toContain("more than 30 files")
    expect(await problemsOf(put("empty.zip", zipOf([])))).toContain("no files")
    expect(await problemsOf(put("manifest.zip", zipOf([{ name: "plugin.ts", text: "x" }])))).toContain("no plugin.json")
    expect(existsSync(outside)).toBe(false)
    expect(existsSync(at.dir) ? readdirSync(at.dir).sort() : []).toEqual(before)
    expect(at.sandbox.status().children.filter(({ kind }) => kind === "parser")).toEqual([])
  })
})

test("paths in a manifest lead nowhere: its entry is a plain name of its own folder", async () => {
  for (const entry of [
    "../plugin.ts",
    "/etc/passwd.ts",
    "a/b.ts",
    "..",
    ".ts",
    "plugin.ts/../x.ts",
    "https://x/y.ts",
    "C:\\\\x.ts",
  ]) {
    const files = [{ name: "plugin.json", text: manifestOf("lead", { entry }) }, ...filesOf("lead").slice(1)]
    expect(await problemsOf(put("lead.zip", zipOf(files)))).toContain("plugin.json /entry")
  }
  const missing = [
    { name: "plugin.json", text: manifestOf("lead", { entry: "other.ts" }) },
    ...filesOf("lead").slice(1),
  ]
  expect(await problemsOf(put("lead.zip", zipOf(missing)))).toContain("there is no other.ts")
})

describe("a single file", () => {
  test("is what its bytes are; what is neither archive, module nor script is refused in words", async () => {
    expect(await problemsOf(put("page.ts", Buffer.from("<!DOCTYPE html><p>404")))).toContain("it is a web page")
    expect(await problemsOf(put("picture.js", Buffer.from([0x89, 0x50, 0x4e, 0x47, 0])))).toContain(
      "no archive, no WebAssembly and no script",
    )
    expect(await problemsOf(put("notes.txt", Buffer.from("hello")))).toContain("no script")
    expect(await problemsOf(put("plugin.json", Buffer.from(manifestOf("x"))))).toContain("no script")
    expect(await problemsOf(put("empty.ts", new Uint8Array()))).toContain("no script")
    expect(await problemsOf(put("...ts", Buffer.from("let x")))).toContain("no letters")
    expect(
      await at.install(
        put("my-script.mjs", Buffer.from(toolCode("mine_tool", "return 1").replaceAll(/: \{ word\?: string \}/g, ""))),
      ),
    ).toMatchObject({ name: "my-script", state: "inactive" })
  })
})
