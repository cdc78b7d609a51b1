import { describe, expect, test } from "bun:test"
import { copyFileSync, symlinkSync } from "node:fs"
import { join } from "node:path"
import { makeTree } from "#test/fakes/tree.ts"
import { checksOf } from "#scripts/check.ts"

const house = join(import.meta.dir, "../..")

/** Judges a small tree with the project's own configuration files and tools. */
async function judge(check: string, files: Record<string, string>): Promise<{ ok: boolean; details: string }> {
  using tree = makeTree(files)
  for (const name of [
    ".gitignore",
    ".oxfmtrc.json",
    ".oxlintrc.json",
    "tsconfig.json",
    "package.json",
    "bunfig.toml",
    "bun.lock",
  ]) {
    copyFileSync(join(house, name), join(tree.root, name))
  }
  symlinkSync(join(house, "node_modules"), join(tree.root, "node_modules"))
  const found = checksOf(tree.root).find(({ name }) => name === check)
  if (!found) throw new Error(`No check is called "${check}"`)
  // Awaited here: the tree is gone when this returns.
  return await found.run()
}

const clean = "/** What it is for. */\nexport const answer: number = 42\n"

describe("format", () => {
  test("passes what is formatted", async () =>
    expect(await judge("format", { "core/a.ts": clean })).toMatchObject({ ok: true }))
  test("finds what is not", async () => {
    const { ok, details } = await judge("format", { "core/a.ts": "export const a = 'x';\n" })
    expect(ok).toBe(false)
    expect(details).toContain("core/a.ts")
  })
})

describe("types", () => {
  test("pass what is typed", async () =>
    expect(await judge("types", { "core/a.ts": clean })).toMatchObject({ ok: true }))
  const bad: readonly (readonly [what: string, code: string, line: string])[] = [
    ["a wrong type", "TS2322", 'export const a: number = "x"'],
    ["an index that may be missing", "TS2322", "export const first = (list: string[]): string => list[0]"],
    ["an optional that is set to undefined", "TS2375", "export const a: { b?: string } = { b: undefined }"],
    ["an enum", "TS1294", "export enum Colour { red }"],
    ["a parameter property", "TS1294", "export class A { constructor(private a: string) {} }"],
    ["an unused local", "TS6133", "export function f(): void { const a = 1 }"],
    ["a type imported as a value", "TS1484", 'import { Server } from "bun"\nexport type S = Server<unknown>'],
  ]
  test("find what is wrong, each by its rule", async () => {
    const files = bad.map(([, , line], index) => [`core/a${index}.ts`, `${line}\n`])
    const { ok, details } = await judge("types", Object.fromEntries(files))
    expect(ok).toBe(false)
    for (const [index, [what, code]] of bad.entries()) {
      const line = details.split("\n").find((text) => text.startsWith(`core/a${index}.ts`) && text.includes(code))
      expect(line, what).toBeDefined()
    }
  })
})

describe("lint", () => {
  test("passes what is clean", async () =>
    expect(await judge("lint", { "core/a.ts": clean })).toMatchObject({ ok: true }))
  const bad: readonly (readonly [rule: string, line: string])[] = [
    ["no-explicit-any", "export const a = (b: any): unknown => b"],
    ["no-non-null-assertion", "export const a = (b: string[]): string => b[0]!"],
    ["no-default-export", "export default 1"],
    ["no-floating-promises", "export function f(): void { Promise.resolve(1) }"],
    ["no-misused-promises", "export const a = [1].filter(async () => true)"],
    ["no-unsafe-assignment", 'export const a: string = JSON.parse("1")'],
    ["no-unsafe-argument", 'export const a = Number.parseInt(JSON.parse("1"))'],
    ["no-console", 'console.log("x")'],
    ["no-restricted-globals", 'export const a = () => fetch("https://x.test")'],
    ["no-restricted-globals", 'export const a = () => new WebSocket("wss://x.test")'],
    ["no-restricted-globals", "setTimeout(() => {}, 1)"],
    ["no-restricted-globals", "setInterval(() => {}, 1)"],
    ["no-restricted-globals", "export const a = performance.now()"],
    ["no-restricted-properties", "export const a = Date.now()"],
    ["no-restricted-properties", "export const a = Math.random()"],
    ["no-restricted-properties", 'export const a = process.env["HOME"]'],
    ["no-restricted-properties", 'export const a = Bun.env["HOME"]'],
    ["no-restricted-properties", "export const a = Bun.connect"],
    ["no-eval", 'export const a = eval("1")'],
    ["no-empty", "export const f = (): void => { try { f() } catch {} }"],
    ["switch-exhaustiveness-check", 'export const f = (a: "x" | "y"): void => { switch (a) { case "x": f(a) } }'],
  ]
  test("finds what is forbidden, each by its rule", async () => {
    const files = bad.map(([, line], index) => [`core/a${index}.ts`, `${line}\n`])
    const { ok, details } = await judge("lint", Object.fromEntries(files))
    expect(ok).toBe(false)
    for (const [index, [rule, text]] of bad.entries()) {
      const line = details.split("\n").find((entry) => entry.startsWith(`core/a${index}.ts:`) && entry.includes(rule))
      expect(line, text).toBeDefined()
    }
  })
  test("lets the files whose business it is", async () => {
    const verdict = await judge("lint", {
      "core/clock.ts": "export const now = (): number => Date.now()\n",
      "core/config.ts": 'export const home = process.env["HOME"]\n',
      "core/safety/egress.ts": 'export const reach = () => fetch("https://x.test")\n',
      "core/log.ts": 'export const tell = (): void => console.error("x")\n',
      "cmd/run.ts": "export default 1\n",
      "scripts/a.ts": "console.log(Date.now())\n",
    })
    expect(verdict).toMatchObject({ ok: true })
  })
  test("does not let a clock tell things, nor a library of verbs export a default", async () => {
    const { details } = await judge("lint", {
      "core/clock.ts": "console.log(1)\n",
      "cmd/lib/a.ts": "export default 1\n",
    })
    expect(details).toContain("core/clock.ts")
    expect(details).toContain("cmd/lib/a.ts")
  })
})

describe("dead exports", () => {
  const config = {
    "knip.json": JSON.stringify({
      entry: ["cmd/ironclaw.ts"],
      project: ["{cmd,core}/**/*.ts"],
      include: ["files", "exports"],
    }),
    "cmd/ironclaw.ts": 'import { used } from "../core/a.ts"\nused()\n',
  }
  const used = "export const used = (): void => {}\n"
  test("pass what is used", async () => {
    expect(await judge("dead exports", { ...config, "core/a.ts": used })).toMatchObject({ ok: true })
  })
  test("find an export that nobody imports", async () => {
    const { ok, details } = await judge("dead exports", {
      ...config,
      "core/a.ts": `${used}export const forgotten = 1\n`,
    })
    expect(ok).toBe(false)
    expect(details).toContain("forgotten")
  })
  test("find a file that nobody imports", async () => {
    const { ok, details } = await judge("dead exports", { ...config, "core/a.ts": used, "core/b.ts": used })
    expect(ok).toBe(false)
    expect(details).toContain("core/b.ts")
  })
})

describe("the checks written here are wired in", () => {
  const bad: readonly (readonly [check: string, files: Record<string, string>])[] = [
    ["layers", { "core/a.ts": 'import "#cmd/app.ts"\n' }],
    ["sizes and names", { "core/utils.ts": clean }],
    ["forbidden", { "core/a.ts": "new Date()\n" }],
    ["readme", { "README.md": "# Nothing\n" }],
  ]
  for (const [check, files] of bad) {
    test(check, async () => expect(await judge(check, files)).toMatchObject({ ok: false }))
  }
  test("packages, and the real ones pass", async () =>
    expect(await judge("packages", {})).toMatchObject({ ok: true, details: "" }))
})
