/** The chat's history in the home. */
import { expect, test } from "bun:test"
import { chmodSync, readFileSync, statSync, symlinkSync, writeFileSync } from "node:fs"
import { join } from "node:path"
import { openHistory } from "#cmd/lib/chat-history.ts"
import { openHome } from "#core/home.ts"
import { makeHome } from "../fakes/home.ts"

const fail = (error: unknown) => {
  throw error
}
const open = (path: string, onProblem: (error: unknown) => void = fail) =>
  openHistory({ home: openHome({ env: {}, explicit: path }), onProblem })

test("what was added is there at the next start, several lines of one message as one", () => {
  using home = makeHome()
  open(home.path).add("one\ntwo")
  open(home.path).add("three")
  expect(open(home.path).entries).toEqual(["one\ntwo", "three"])
})
test("the same twice in a row is kept once", () => {
  using home = makeHome()
  const history = open(home.path)
  history.add("same")
  history.add("same")
  expect(history.entries).toEqual(["same"])
})
test("only the owner can read the file, and a secret is not in it", () => {
  using home = makeHome()
  const secret = `sk-ant-api03-${"A1b2".repeat(24)}AA`
  open(home.path).add(`use ${secret}`)
  const file = join(home.path, "chat-history")
  expect(readFileSync(file, "utf8")).not.toContain(secret)
  expect(readFileSync(file, "utf8")).toContain("use ")
  if (process.platform !== "win32") expect(statSync(file).mode & 0o777).toBe(0o600)
})
test("the file is cut to the last thousand entries when it grew", () => {
  using home = makeHome()
  const file = join(home.path, "chat-history")
  writeFileSync(file, Array.from({ length: 2_500 }, (_, at) => `"entry ${at}"\n`).join(""), { mode: 0o600 })
  expect(open(home.path).entries).toHaveLength(1_000)
  expect(readFileSync(file, "utf8").trim().split("\n")).toHaveLength(1_000)
  expect(open(home.path).entries.at(-1)).toBe("entry 2499")
})
test("half a line is skipped, the others are read", () => {
  using home = makeHome()
  writeFileSync(join(home.path, "chat-history"), '"whole"\n"hal', { mode: 0o600 })
  expect(open(home.path).entries).toEqual(["whole"])
})
test.skipIf(process.platform === "win32")("a file that others can read, or a symlink, is told and not used", () => {
  using home = makeHome()
  const file = join(home.path, "chat-history")
  writeFileSync(file, '"x"\n')
  chmodSync(file, 0o644)
  const problems: unknown[] = []
  const history = open(home.path, (error) => problems.push(error))
  history.add("more")
  expect(problems).toHaveLength(1)
  expect(history.entries).toEqual(["more"])
  using other = makeHome()
  symlinkSync(file, join(other.path, "chat-history"))
  open(other.path, (error) => problems.push(error)).add("through the link")
  expect(problems).toHaveLength(2)
  expect(readFileSync(file, "utf8")).toBe('"x"\n')
})
