/** What counts as an answer of a hook, point by point. */
import { describe, expect, test } from "bun:test"
import { readAnswer } from "#core/hooks/answer.ts"
import { hookPoints } from "#core/hooks.ts"

describe.each(hookPoints.map((point) => ({ point })))("at $point", ({ point }) => {
  test("it may pass, say what it is made of, and refuse with a reason", () => {
    expect(readAnswer(point, '{"verdict":"pass"}')).toEqual({ verdict: "pass", change: {}, labels: [] })
    expect(readAnswer(point, ' {"verdict":"pass","labels":["untrusted"]}\n')).toMatchObject({ labels: ["untrusted"] })
    expect(readAnswer(point, '{"verdict":"refuse","why":"no"}')).toEqual({ verdict: "refuse", why: "no" })
  })

  test.each([
    "",
    "  \n",
    "pass",
    "{",
    "null",
    "[]",
    '"pass"',
    "{}",
    '{"verdict":"allow"}',
    '{"verdict":"refuse"}',
    '{"verdict":"refuse","why":""}',
    '{"verdict":"refuse","why":"no","text":"x"}',
    '{"verdict":"pass","why":"x"}',
    '{"verdict":"pass","text":""}',
    '{"verdict":"pass","text":5}',
    '{"verdict":"pass","arguments":[]}',
    '{"verdict":"pass","arguments":"{}"}',
    '{"verdict":"pass","tool":"other"}',
    '{"verdict":"pass","labels":["vetted"]}',
    '{"verdict":"pass"}{"verdict":"pass"}',
    '{"verdict":"pass"} trailing',
  ])("%j is no answer", (output) => {
    expect(readAnswer(point, output)).toMatchObject({ verdict: "fault" })
  })

  test("it rewrites what may be rewritten there, and nothing else", () => {
    const may = { "message.in": "text", "response.transform": "text", "tool.call": "arguments" }
    const field: string | undefined = Object.entries(may).find(([name]) => name === point)?.[1]
    const text = readAnswer(point, '{"verdict":"pass","text":"new"}')
    expect(text).toMatchObject(field === "text" ? { change: { text: "new" } } : { verdict: "fault" })
    const args = readAnswer(point, '{"verdict":"pass","arguments":{"a":1}}')
    expect(args).toMatchObject(field === "arguments" ? { change: { arguments: { a: 1 } } } : { verdict: "fault" })
  })
})
