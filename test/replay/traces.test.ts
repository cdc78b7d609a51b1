/** Recorded conversations go through the whole house: our own, and those of a folder that TEST_TRACES names. */
import { afterAll, beforeAll, describe, expect, test } from "bun:test"
import { readFileSync } from "node:fs"
import { join } from "node:path"
import { openStage, type Stage } from "#test/flow/stage.ts"
import { noScript, replay, TRACE_TOOLS, unmet, type Cue } from "./replay.ts"
import { readTrace } from "./trace.ts"

const OWN = join(import.meta.dir, "traces")
const given = process.env["TEST_TRACES"]
const filesIn = (folder: string) => [...new Bun.Glob("**/*.json").scanSync(folder)].toSorted()

let stage: Stage
const cue: Cue = { script: noScript() }
beforeAll(async () => {
  stage = await openStage({ tools: TRACE_TOOLS, answers: (request) => cue.script.next(request) })
})
afterAll(() => stage.close())

for (const file of filesIn(OWN)) {
  test(`what ${file} expects is met`, async () => {
    const read = readTrace(readFileSync(join(OWN, file), "utf8"))
    if ("skip" in read) throw new Error(read.skip)
    expect((await replay(stage, cue, read.trace)).problems).toEqual([])
  })
}

test("a trace whose tools do not exist says which", () => {
  const step = {
    response: { type: "tool_calls", tool_calls: [{ name: "builtin__shell", arguments: { command: "ls" } }] },
  }
  expect(readTrace(JSON.stringify({ steps: [step] }))).toEqual({ skip: "there is no shell" })
})

describe("an expectation that is not met is told", () => {
  const calls = [{ tool: "file_read", state: "failed", text: "no such file" }]
  for (const expects of [
    { tools_used: ["echo"] },
    { tools_not_used: ["read_file"] },
    { tools_order: ["read_file", "echo"] },
    { all_tools_succeeded: true },
    { response_contains: ["welcome"] },
    { tool_results_contain: { read_file: "welcome" } },
    { max_tool_calls: 0 },
    { min_responses: 2 },
  ]) {
    test(JSON.stringify(expects), () => {
      expect(unmet(expects, { calls, replies: ["hello"] })).toHaveLength(1)
    })
  }
})

test.skipIf(given === undefined)(
  "of a folder of traces, those whose tools exist are met",
  async () => {
    const folder = given ?? ""
    const lines: string[] = []
    const tally = { total: 0, replayed: 0, passed: 0, asks: 0 }
    for (const file of filesIn(folder)) {
      tally.total += 1
      const read = readTrace(readFileSync(join(folder, file), "utf8"))
      if ("skip" in read) {
        lines.push(`skip  ${file}: ${read.skip}`)
        continue
      }
      const { problems, asks, calls } = await replay(stage, cue, read.trace)
      tally.replayed += 1
      tally.asks += asks
      if (problems.length === 0) tally.passed += 1
      lines.push(
        `${problems.length === 0 ? "ok    " : "failed"} ${file}: ${calls} calls, ${asks} questions${problems.map((problem) => `\n       ${problem}`).join("")}`,
      )
    }
    const { total, replayed, passed, asks } = tally
    console.log([...lines, `${total} traces, ${replayed} replayed, ${passed} met, ${asks} questions`].join("\n"))
    expect(replayed - passed).toBe(0)
  },
  600_000,
)
