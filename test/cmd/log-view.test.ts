import { expect, test } from "bun:test"
import { mkdirSync, writeFileSync } from "node:fs"
import { join } from "node:path"
import { showLog } from "#cmd/lib/log-view.ts"
import { createUi } from "#cmd/lib/ui.ts"
import { makeHome } from "#test/fakes/home.ts"

const line = (at: string, level: string, message: string, more: object = {}) =>
  `${JSON.stringify({ ...more, at: `2026-01-15T${at}.000Z`, level, message })}\n`

async function show(files: Record<string, string>, args: Record<string, string | boolean>) {
  using home = makeHome()
  mkdirSync(join(home.path, "logs"), { recursive: true, mode: 0o700 })
  for (const [name, text] of Object.entries(files)) writeFileSync(join(home.path, "logs", name), text)
  const out: string[] = []
  const terminal = { write: (text: string) => void out.push(text), isTTY: false, columns: 80 }
  const ui = createUi({ json: false, verbose: false, out: terminal, err: terminal, stdinIsTTY: false, env: {} })
  const given = { follow: undefined, lines: "50", level: undefined, grep: undefined, since: undefined, ...args }
  const flags = { json: false, verbose: false, home: home.path, set: {} }
  // The view asks for what its own table of arguments says; the test gives all of it.
  const context = { args: given, rest: [], flags, ui, signal: new AbortController().signal } as Parameters<
    typeof showLog
  >[0]
  const outcome = await showLog(context)
  outcome?.show()
  return out.join("")
}

const newest = line("10:00:00", "info", "ready") + line("10:00:01", "warn", "slow") + line("10:00:02", "error", "gone")

test("shows the last lines, the older file's where the newest has too few", async () => {
  const shown = await show({ "ironclaw.log": newest, "ironclaw.log.1": line("09:00:00", "info", "before") }, {})
  expect(shown.split("\n").filter((one) => one !== "").length).toBe(4)
  expect(shown.indexOf("before")).toBeLessThan(shown.indexOf("ready"))
  expect(await show({ "ironclaw.log": newest }, { lines: "1" })).not.toContain("slow")
})

test("filters by level, text and time", async () => {
  expect(await show({ "ironclaw.log": newest }, { level: "warn" })).not.toContain("ready")
  expect(await show({ "ironclaw.log": newest }, { grep: "SLOW" })).not.toContain("gone")
  expect(await show({ "ironclaw.log": newest }, { since: "2026-01-15T10:00:02Z" })).not.toContain("slow")
  expect(show({ "ironclaw.log": newest }, { since: "yesterday-ish" })).rejects.toThrow("--since")
  expect(show({ "ironclaw.log": newest }, { level: "loud" })).rejects.toThrow("--level")
})

test("a torn line is shown as it is, and nothing in a line moves the terminal", async () => {
  const shown = await show({ "ironclaw.log": `{"at":"2026\n${line("10:00:00", "info", "a\u001b[2Jb")}` }, {})
  expect(shown).toContain('{"at":"2026')
  expect(shown).not.toContain("\u001b[2J")
})
