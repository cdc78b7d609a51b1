/** Plugins inside the program: each can be installed by its name, and a wrong name says which there are. */
import { afterAll, beforeAll, describe, expect, setDefaultTimeout, test } from "bun:test"
import { AppError } from "#core/errors.ts"
import { createBundled } from "#sandbox/bundled.ts"
import { judgePackage } from "#sandbox/package.ts"
import { sourceOf } from "#cmd/tool/install.ts"
import { pluginHouse, type PluginHouse, toolCode } from "../fakes/plugin-house.ts"

setDefaultTimeout(60_000) // children are started, on a machine that may be busy

const manifest = (version: string) =>
  JSON.stringify({
    name: "almanac",
    version,
    entry: "plugin.ts",
    description: "Days and dates.",
    effects: { day_name: "read" },
  })
const rows = (version: string) => ({
  almanac: async () => ({
    "plugin.json": { default: manifest(version) },
    "plugin.ts": { default: toolCode("day_name", "return `${input.word} is a day`") },
    "SKILL.md": { default: "# Days\n" },
  }),
})

let at: PluginHouse
beforeAll(async () => {
  at = await pluginHouse({ bundled: createBundled(rows("1.2.0")) })
})
afterAll(() => at.close())

const named = (name: string) => ({ source: { name }, known: {} })
const signal = new AbortController().signal

describe("a bundled plugin", () => {
  test("is offered, installed by its name inactive, and runs once it is granted", async () => {
    const offered = { name: "almanac", kind: "tool" as const, version: "1.2.0", description: "Days and dates." }
    expect(await at.plugins.available()).toEqual([{ ...offered, installed: null }])
    const installed = await at.plugins.install(await at.plugins.prepareInstall(named("almanac"), signal))
    expect(installed).toMatchObject({ name: "almanac", state: "inactive" })
    expect(await at.plugins.available()).toEqual([{ ...offered, installed: "1.2.0" }])
    await at.grant("almanac")
    expect((await at.call("day_name", { word: "Friday" })).told).toMatchObject({
      state: "done",
      text: "Friday is a day",
    })
  })

  test("that does not exist is an error that names the nearest and what there is", async () => {
    const error = await at.plugins.prepareInstall(named("almanak"), signal).catch((thrown: unknown) => thrown)
    expect(error).toBeInstanceOf(AppError)
    expect((error as AppError).code).toBe("not_found")
    expect((error as AppError).hint).toContain("Did you mean almanac? almanac is inside this program")
    expect(() => at.plugins.judgeAsked(named("almanak"))).toThrow("is called")
    for (const name of ["constructor", "__proto__"])
      expect(await at.plugins.prepareInstall(named(name), signal).catch(String)).toContain("is called")
  })
})

test("a bare word is a name; a slash, a dot in front or an extension make it a path", () => {
  expect(sourceOf("weather")).toEqual({ name: "weather" })
  expect(sourceOf("google-drive")).toEqual({ name: "google-drive" })
  for (const path of ["./weather", "weather/", "/tmp/weather", "weather.ts", ".weather", ".."])
    expect(sourceOf(path)).toHaveProperty("path")
})

test("every plugin inside this program is one that can be installed under its name", async () => {
  const bundled = createBundled()
  const manifests = await bundled.manifests()
  expect(manifests.map(({ name }) => name)).toEqual([...bundled.names])
  for (const name of bundled.names) {
    const judged = judgePackage(await bundled.read(name), { agreed: null })
    expect(judged.ok ? [] : judged.problems).toEqual([])
  }
})
