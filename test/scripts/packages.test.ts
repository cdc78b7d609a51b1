import { describe, expect, test } from "bun:test"
import { existsSync } from "node:fs"
import { join } from "node:path"
import manifest from "../../package.json" with { type: "json" }
import { judgeAudit, judgeBunfig, judgeManifest } from "#scripts/packages.ts"

const good = {
  packageManager: "bun@1.4.5",
  scripts: { start: "node x" },
  trustedDependencies: [],
  devDependencies: { "@types/bun": "1.4.5", elysia: "1.4.30", beta: "1.0.0-rc.1" },
}

function messagesFor(change: Record<string, unknown>): string[] {
  return judgeManifest({ ...good, ...change }).map(({ message }) => message)
}

describe("a manifest that opens a door is found", () => {
  test("a good one passes", () => expect(messagesFor({})).toEqual([]))
  for (const pin of ["^1.0.0", "~1.0.0", "1.x", "latest", "*", ">=1.0.0", "github:a/b", "file:../a", "1.0"]) {
    test(`the pin ${pin}`, () =>
      expect(messagesFor({ devDependencies: { ...good.devDependencies, a: pin } })).toHaveLength(1))
  }
  test("trustedDependencies left out", () => expect(messagesFor({ trustedDependencies: undefined })).toHaveLength(1))
  test("a trusted package", () => expect(messagesFor({ trustedDependencies: ["esbuild"] })).toHaveLength(1))
  test("an install script of our own", () => expect(messagesFor({ scripts: { postinstall: "x" } })).toHaveLength(1))
  test("something for npm to install", () => expect(messagesFor({ dependencies: { a: "1.0.0" } })).toHaveLength(1))
  test("more packages than one can keep an eye on", () => {
    const many = Object.fromEntries(Array.from({ length: 60 }, (_, index) => [`a${index}`, "1.0.0"]))
    expect(messagesFor({ devDependencies: { ...many, "@types/bun": "1.4.5" } })).toEqual([
      "61 direct packages, over 60",
    ])
  })
  test("Bun unpinned", () => expect(messagesFor({ packageManager: "bun@^1.4.5" })).toHaveLength(1))
  test("Bun and its types apart", () => {
    expect(messagesFor({ devDependencies: { "@types/bun": "1.4.4" } })).toHaveLength(1)
  })
})

describe("a bunfig that takes what is brand-new is found", () => {
  const judge = (text: string): number => judgeBunfig(Bun.TOML.parse(text)).length
  test("a good one passes", () => expect(judge("[install]\nexact = true\nminimumReleaseAge = 259200")).toBe(0))
  test("no minimum age", () => expect(judge("[install]\nexact = true")).toBe(1))
  test("too small an age", () => expect(judge("[install]\nexact = true\nminimumReleaseAge = 3600")).toBe(1))
  test("ranges", () => expect(judge("[install]\nminimumReleaseAge = 259200")).toBe(1))
})

describe("the registry's advisories", () => {
  const answer = (severity: string): string => JSON.stringify({ a: [{ severity, title: "Prototype pollution" }] })
  test("a high one fails", () => {
    expect(judgeAudit({ exitCode: 1, stdout: answer("high"), stderr: "" }).problems).toMatchObject([
      { file: "bun.lock", message: "a: high, Prototype pollution" },
    ])
  })
  test("a critical one fails", () => {
    expect(judgeAudit({ exitCode: 1, stdout: answer("critical"), stderr: "" }).problems).toHaveLength(1)
  })
  test("a moderate one is told", () => {
    const { problems, note } = judgeAudit({ exitCode: 1, stdout: answer("moderate"), stderr: "" })
    expect(problems).toEqual([])
    expect(note).toContain("1 advisor")
  })
  test("none is silent", () =>
    expect(judgeAudit({ exitCode: 0, stdout: "{}", stderr: "" })).toEqual({ problems: [], note: null }))
  test("no answer is told, and is no failure", () => {
    const { problems, note } = judgeAudit({ exitCode: 1, stdout: "", stderr: "error: ConnectionRefused" })
    expect(problems).toEqual([])
    expect(note).toContain("ConnectionRefused")
  })
})

test("the empty list overrides Bun's own: the installed packages that bring scripts are all blocked", async () => {
  const root = join(import.meta.dir, "../..")
  const child = Bun.spawn([process.execPath, "pm", "untrusted"], { cwd: root, stdout: "pipe", stderr: "pipe" })
  const [stdout, stderr] = await Promise.all([child.stdout.text(), child.stderr.text()])
  await child.exited
  expect(manifest.trustedDependencies).toEqual([])
  // Bun trusts esbuild by default: that its script stands in this list is the proof.
  expect(existsSync(join(root, "node_modules/esbuild"))).toBe(true)
  expect(`${stdout}${stderr}`).toContain("esbuild")
})
