/** A key that stands across the border of two pages, or of two lines that are shown apart, is shown in neither. */
import { afterAll, beforeAll, describe, expect, setDefaultTimeout, test } from "bun:test"
import { mkdtempSync, rmSync, writeFileSync } from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { redactLeaks } from "#core/safety/leaks.ts"
import { type Jail, openJail } from "#core/safety/paths.ts"
import { createSecretFinder, sliceWithoutSecrets } from "#core/safety/secret-window.ts"
import { fileFindTools } from "#core/tools/file-find.ts"
import { fileReadTools } from "#core/tools/file-read.ts"
import { toolContext } from "#test/fakes/tool-context.ts"
import { ALNUM, HEX, randomOf } from "../safety/made-keys.ts"
import { vendorFixtures } from "../safety/vendor-fixtures.ts"
import { toolRig } from "./rig.ts"

setDefaultTimeout(60_000) // some scan megabytes, on a machine that may be busy

const base = mkdtempSync(join(tmpdir(), "ironclaw-borders-"))
let jail: Jail
const house = "Ünïcode-words-that-only-we-know"
const findSecrets = createSecretFinder({ secretValues: () => [{ name: "A_TOKEN", value: house }] })
beforeAll(() => void (jail = openJail({ root: base, closed: [] })))
afterAll(() => {
  jail.close()
  rmSync(base, { recursive: true, force: true })
})

const run = async (name: string, input: object) => {
  const deps = { project: jail, findSecrets }
  const tool = [...fileReadTools(deps), ...fileFindTools(deps)].find((one) => one.name === name)
  const result = await tool?.run(input, toolContext())
  if (!result || !("data" in result)) throw new Error("It failed")
  return result.data
}
/** What the model would be shown: the pipeline redacts what it gets, once more. */
const shown = async (name: string, input: object) => redactLeaks(JSON.stringify(await run(name, input)))

const unmarked = (text: string) => text.replaceAll(/\[redacted: [^\]]*\]/g, "").replaceAll("\\n", "\n")

const random = randomOf(7)
const base64 = (length: number) => random(`${ALNUM}+/`, length).replaceAll(/.{64}/g, "$&\n")
const block = (length: number) => `-----BEGIN ${"PRIVATE"} KEY-----\n${base64(length)}\n-----END ${"PRIVATE"} KEY-----`
const filler = "words of a text that says nothing, line after line\n".repeat(200)
const kinds: [kind: string, key: string][] = [
  ...vendorFixtures.map(({ rule, make }): [string, string] => [rule, make(random)]),
  ["named value", `api_key = "${random(ALNUM, 40)}"`],
  ["JSON web token", `eyJhbGciOiJIUzI1NiJ9.eyJ${random(ALNUM, 200)}.${random(ALNUM, 43)}`],
  ["key in base64", Buffer.from(`gh${"p_"}${random(ALNUM, 36)} and more`).toString("base64")],
  ["key in hex", Buffer.from(`gh${"p_"}${random(ALNUM, 36)}`).toString("hex")],
  ["value of the house", house],
  ["private key", block(1_600)],
]

describe("two pages of a file", () => {
  test.each(kinds)("show no half of a key: %s", async (_kind, key) => {
    writeFileSync(join(base, "a.txt"), `${filler}${key}\n${filler}`)
    const at = Buffer.byteLength(filler)
    const length = Buffer.byteLength(key)
    for (const share of [0.3, 0.5, 0.8]) {
      const border = at + Math.floor(length * share)
      const first = await shown("file_read", { path: "a.txt", unit: "bytes", offset: at - 40, limit: border - at + 40 })
      const second = await shown("file_read", { path: "a.txt", unit: "bytes", offset: border, limit: length + 40 })
      expect(first).toContain("[redacted: ")
      expect(second).toContain("[redacted: ")
      const middle = Math.floor(key.length * share)
      for (const part of [key.slice(middle - 7, middle - 1), key.slice(middle + 1, middle + 7)].map((one) =>
        one.trim(),
      ))
        if (part.length === 6) expect(unmarked(first + second)).not.toContain(part)
      expect(first).toContain("line after line")
      expect(second).toContain("words of a text")
    }
  })

  test("show nothing of a private key that is larger than a page and all that stands around it, page after page", async () => {
    const key = block(400_000)
    writeFileSync(join(base, "big.txt"), `${filler}${key}\n${filler}`)
    const body = key.split("\n").filter((line) => line.length > 30)
    let all = ""
    for (let offset = 0, more = true; more; offset += 30_000) {
      const text = await shown("file_read", { path: "big.txt", unit: "bytes", offset, limit: 30_000 })
      more = JSON.parse(text).more
      all += JSON.parse(text).text
    }
    for (const line of body) if (all.includes(line.slice(0, 20))) throw new Error(`It shows ${line}`)
    expect(all).toStartWith(filler.slice(0, 1_000))
    expect(all).toEndWith(filler.slice(-1_000))
    const lines = await shown("file_read", { path: "big.txt", offset: 3_000, limit: 5 })
    expect(JSON.parse(lines).text).toBe("[redacted: private-key]")
  })

  test("are as they were where no secret is near, in the middle of a character too", async () => {
    const text = "é€😀".repeat(50_000)
    writeFileSync(join(base, "plain.txt"), text)
    const bytes = Buffer.from(text)
    for (const offset of [0, 1, 3, 70_001, 100_003])
      expect(await run("file_read", { path: "plain.txt", unit: "bytes", offset, limit: 1_001 })).toMatchObject({
        text: new TextDecoder().decode(bytes.subarray(offset, offset + 1_001)),
      })
    writeFileSync(join(base, "doc.md"), `A "PRIVATE KEY" is a file.\n${filler}`)
    expect(await run("file_read", { path: "doc.md", offset: 100, limit: 2 })).toMatchObject({
      text: "words of a text that says nothing, line after line\n".repeat(2),
    })
  })
})

test("lines of a file that are found one by one show no line of a private key, and no beginning of a long one", async () => {
  const key = block(1_600)
  writeFileSync(join(base, "key.txt"), `before\n${key}\nafter\n${"x".repeat(290)} gh${"p_"}${random(HEX, 36)}\n`)
  const found = await shown("file_grep", { pattern: ".", path: ".", files: "key.txt" })
  for (const line of key.split("\n").filter((one) => one.length > 20)) expect(found).not.toContain(line.slice(0, 20))
  for (const word of ["before", "after"]) expect(found).toContain(`"text":"${word}"`)
  expect(found).not.toContain("ghp_")
})

test("a part of a message that a person pasted shows no half of a key", async () => {
  const key = `gh${"p_"}${random(ALNUM, 36)}`
  const text = `${"so ".repeat(3_000)}${key} ${"so ".repeat(3_000)}`
  for (const border of [9_010, 9_020, 9_035])
    for (const part of [
      { start: 0, end: border },
      { start: border, end: text.length },
    ]) {
      const clean = sliceWithoutSecrets(text, part, findSecrets)
      expect(clean).toContain("[redacted: github-token]")
      expect(unmarked(clean)).not.toMatch(/[A-Za-z0-9]{5}/)
    }
})

test("and so through the whole pipeline", async () => {
  const key = `gh${"p_"}${random(ALNUM, 36)}`
  writeFileSync(join(base, "notes.txt"), `${"a".repeat(100)} ${key} end`)
  const rig = await toolRig({ tools: fileReadTools({ project: jail, findSecrets }) })
  try {
    const { results } = await rig.ask("Read it", [
      { name: "file_read", arguments: { path: "notes.txt", unit: "bytes", limit: 120 } },
      { name: "file_read", arguments: { path: "notes.txt", unit: "bytes", offset: 120 } },
    ])
    expect(results).toHaveLength(2)
    for (const { text } of results) expect(text).toContain("[redacted: github-token]")
    for (const { text } of results)
      for (const part of [key.slice(0, 19), key.slice(19)]) expect(text).not.toContain(part)
  } finally {
    await rig.close()
  }
})
