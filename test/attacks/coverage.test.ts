/** The tables of known attacks tell the truth: each test that they name is there, by exactly that name, and is not skipped. */
import { expect, test } from "bun:test"
import { existsSync, readdirSync } from "node:fs"
import { join } from "node:path"
import { notApplicable } from "./not-applicable.ts"
import { tables } from "./tables.ts"
import { titlesIn, titlesOfFile } from "./titles.ts"

const root = join(import.meta.dir, "../..")
const LEAST_TESTED = 80

const entries = Object.entries(tables)
const rows = entries.flatMap(([, table]) => table)
const tested = rows.flatMap((row) => (row.status === "tested" ? [row] : []))
const later = rows.flatMap((row) => (row.status === "later" ? [row] : []))
const repeated = (words: readonly string[]): string[] => words.filter((word, at) => words.indexOf(word) !== at)

const titlesByFile = new Map<string, ReturnType<typeof titlesOfFile>>()
function problemOf(reference: string): string | null {
  const [file = "", ...rest] = reference.split(" › ")
  if (!/^test\/.+\.test\.ts$/.test(file) || !existsSync(join(root, file))) return "no such file"
  const titles = titlesByFile.get(file) ?? titlesOfFile(join(root, file))
  titlesByFile.set(file, titles)
  const found = titles.filter(({ name }) => name === rest.join(" › "))
  if (found.length === 0) return "no such test"
  return found.every(({ always }) => always) ? null : "does not always run"
}

test("every test that a row names is there and always runs", () => {
  const wrong = tested.flatMap(({ id, test: references }) =>
    references.flatMap((reference) => {
      const problem = problemOf(reference)
      return problem === null ? [] : [`${id}: ${problem}: ${reference}`]
    }),
  )
  expect(wrong).toEqual([])
})

test("no row, no attack and no public name is there twice, and each row says what stands against it", () => {
  expect(repeated(rows.map(({ id }) => id))).toEqual([])
  expect(repeated(rows.map(({ attack }) => attack))).toEqual([])
  const named = [...rows.flatMap(({ covers = [] }) => covers), ...notApplicable.flatMap(({ ids }) => ids)]
  expect(repeated(named)).toEqual([])
  expect(entries.flatMap(([area, table]) => table.filter(({ id }) => !id.startsWith(`${area}/`)))).toEqual([])
  const files = readdirSync(join(import.meta.dir, "rows"))
  expect(files.toSorted()).toEqual(entries.map(([area]) => `${area}.ts`).toSorted())
  expect(tested.filter((row) => row.test.length === 0 || repeated(row.test).length > 0)).toEqual([])
  expect(notApplicable.filter(({ ids, why }) => ids.length === 0 || why.length < 20)).toEqual([])
})

test("a rule that is named for later names a file of ours that is there", () => {
  const wrong = later.flatMap(({ id, rule }) => {
    const paths = rule.match(/\b(core|gateway|cmd|sandbox)\/[\w/-]+\.ts\b/g) ?? []
    const missing = paths.filter((path) => !existsSync(join(root, path)))
    return paths.length > 0 && missing.length === 0 ? [] : [`${id}: ${missing.join(", ") || "names none"}`]
  })
  expect(wrong).toEqual([])
})

test("enough of them have tests", () => {
  const references = new Set(tested.flatMap((row) => row.test))
  for (const [area, table] of entries) {
    const count = table.filter(({ status }) => status === "tested").length
    console.log(`${area}: ${count} of ${table.length} tested`)
  }
  console.log(`${tested.length} of ${rows.length} attacks tested, by ${references.size} tests; ${later.length} later`)
  expect(tested.length).toBeGreaterThanOrEqual(LEAST_TESTED)
})

test("tests are found by their groups and sentence, and skipped ones are told from those that run", () => {
  const source = `
    describe("a", () => {
      test("one", () => {})
      test.each([1])("two %s", () => {})
      test.skip("three", () => {})
      test.todo("four")
      test.skipIf(noDisk)("five", () => {})
      test.if(onLinux)("six", () => {})
      test(\`seven \${x}\`, () => {})
      // test("eight", () => {})
      other("nine", () => {})
    })
    describe.skip("b", () => { test("one", () => {}) })
    const text = 'test("ten", () => {})'`
  expect(titlesIn(source).map(({ name, always }) => `${always} ${name}`)).toEqual([
    "true a › one",
    "true a › two %s",
    "false a › three",
    "false a › four",
    "false a › five",
    "true a › six",
    "true a › seven ${x}",
    "false b › one",
  ])
})
