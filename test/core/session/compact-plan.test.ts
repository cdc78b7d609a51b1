import { expect, test } from "bun:test"
import type { MessageRow } from "#core/db/schema.ts"
import type { TurnId } from "#core/id.ts"
import { firstLines, planCompaction, transcriptParts, withoutStanding } from "#core/session/compact-plan.ts"
import { STANDING_HEADING } from "#core/session/standing.ts"

const turn = (n: number): TurnId => `trn_${n}`

function row(position: number, said: Partial<MessageRow> & { text: string }): MessageRow {
  return {
    id: `msg_${position}`,
    position,
    sessionId: "ses_1",
    turnId: null,
    agentId: "main",
    role: "person",
    personId: null,
    parts: null,
    toolCalls: null,
    callId: null,
    coversTo: null,
    labels: [],
    source: "",
    createdAt: "2026-01-01T00:00:00.000Z",
    ...said,
  }
}

/** `count` turns of a question and an answer each, from position 1 on. */
function conversation(count: number): MessageRow[] {
  return Array.from({ length: count }, (_, n) => [
    row(2 * n + 1, { turnId: turn(n), text: `question ${n}` }),
    row(2 * n + 2, { turnId: turn(n), role: "model", text: `answer ${n}` }),
  ]).flat()
}

const none: ReadonlySet<TurnId> = new Set()
const plan = (messages: MessageRow[], options: Partial<Parameters<typeof planCompaction>[0]> = {}) =>
  planCompaction({ messages, atWork: none, queued: none, keepTurns: 2, keepTokens: 10_000, ...options })

test("the last turns stay whole, what is before them is covered", () => {
  expect(plan(conversation(5))).toMatchObject({
    coversTo: 6,
    coveredTurns: [turn(0), turn(1), turn(2)],
    messagesBefore: 10,
    messagesKept: 4,
  })
})

test("fewer turns stay where they are too long, but the last one always does", () => {
  const messages = conversation(4)
  expect(plan(messages, { keepTurns: 4, keepTokens: 10 })?.coversTo).toBe(6)
  expect(plan(messages, { keepTurns: 4, keepTokens: 0 })?.coversTo).toBe(6)
})

test("one turn alone, or none, leaves nothing to cover", () => {
  expect(plan([])).toBeNull()
  expect(plan(conversation(1), { keepTurns: 0, keepTokens: 0 })).toBeNull()
  expect(plan(conversation(2))).toBeNull()
})

test("a turn at work is kept whole beside the last finished ones", () => {
  const messages = [...conversation(4), row(9, { turnId: turn(9), text: "now" })]
  expect(plan(messages, { atWork: new Set([turn(9)]) })).toMatchObject({ coversTo: 4, messagesKept: 5 })
  expect(plan(messages, { atWork: new Set([turn(9)]), keepTurns: 0 })).toMatchObject({ coversTo: 6 })
})

test("a turn at work that is long past takes everything after it along", () => {
  expect(plan(conversation(6), { atWork: new Set([turn(1)]) })).toMatchObject({ coversTo: 2, coveredTurns: [turn(0)] })
})

test("turns whose positions overlap are covered together or not at all", () => {
  // Turn 1 was queued at position 2, while turn 0 ran from 1 to 4.
  const messages = [
    row(1, { turnId: turn(0), text: "a" }),
    row(3, { turnId: turn(0), role: "model", text: "b" }),
    row(4, { turnId: turn(0), role: "model", text: "c" }),
    row(2, { turnId: turn(1), text: "d" }),
    row(5, { turnId: turn(1), role: "model", text: "e" }),
    row(6, { turnId: turn(2), text: "f" }),
  ]
  expect(plan(messages, { keepTurns: 1 })).toMatchObject({ coversTo: 5, coveredTurns: [turn(0), turn(1)] })
  expect(plan(messages.slice(0, 5), { keepTurns: 1 })).toBeNull()
})

test("a queued turn does not hinder: its message can be moved behind", () => {
  const messages = [
    ...conversation(3).map((one) => ({ ...one, position: one.position * 10 })),
    row(15, { turnId: turn(7), text: "waits" }),
  ]
  expect(plan(messages, { queued: new Set([turn(7)]), keepTurns: 1 })).toMatchObject({ coversTo: 40, messagesKept: 3 })
})

test("texts from outside and the rest are on different sides, earlier summaries included", () => {
  const messages = [
    row(90, { role: "summary", text: "clean summary", coversTo: 0 }),
    row(91, { role: "summary", text: "tainted summary", coversTo: 0, labels: ["untrusted"] }),
    row(1, { turnId: turn(0), text: "read this page" }),
    row(2, { turnId: turn(0), role: "tool", text: "EVIL", labels: ["untrusted"] }),
    row(3, { turnId: turn(0), role: "model", text: "it says EVIL", labels: ["untrusted"] }),
    row(4, { turnId: turn(1), text: "kept" }),
  ]
  const { trusted, untrusted } = plan(messages, { keepTurns: 1 }) ?? { trusted: [], untrusted: [] }
  expect(trusted.map(({ text }) => text)).toEqual(["clean summary", "read this page"])
  expect(untrusted.map(({ text }) => text)).toEqual(["tainted summary", "EVIL", "it says EVIL"])
})

test("a transcript that is too long loses tool results first", () => {
  const messages = [
    row(1, { text: "short question" }),
    row(2, {
      role: "model",
      text: "",
      toolCalls: [{ callId: "call_1", name: "file_read", arguments: { path: "log" } }],
    }),
    row(3, { role: "tool", callId: "call_1", text: "log line ".repeat(1_000) }),
    row(4, { role: "model", text: "The log is about ducks. ".repeat(20) }),
  ]
  const [roomy] = transcriptParts(messages, { maxTokens: 10_000 })
  expect(roomy).toContain("log line")
  const [tight] = transcriptParts(messages, { maxTokens: 240 })
  expect(tight).not.toContain("log line")
  expect(tight).toContain("result of file_read · 9000 characters · handle msg_3")
  expect(tight).toContain("The log is about ducks. ".repeat(20))
})

test("what fits in no shape comes in parts, and none is over the limit", () => {
  const messages = Array.from({ length: 300 }, (_, n) => row(n, { text: `message number ${n} says this and that` }))
  const parts = transcriptParts(messages, { maxTokens: 1_000 })
  expect(parts.length).toBeGreaterThan(1)
  expect(parts.join("\n\n").match(/message number \d+ /g)).toHaveLength(300)
})

test("an earlier summary goes in without its quotations", () => {
  expect(withoutStanding(`What was done.\n\n${STANDING_HEADING}\n\n> Always ask.`)).toBe("What was done.")
  expect(withoutStanding("No quotations.")).toBe("No quotations.")
})

test("first lines say that no model wrote them, and keep the newest where room is short", () => {
  const text = firstLines(conversation(100), { maxCharacters: 500 })
  expect(text).toContain("Not written by a model")
  expect(text).toContain("- Person: question 99")
  expect(text).not.toContain("question 1\n")
  expect(text).toMatch(/\d+ earlier messages are not listed/)
  expect(text.length).toBeLessThanOrEqual(600)
})

test("first lines name the handle of what they cut", () => {
  expect(firstLines([row(5, { text: "first\nsecond" })], { maxCharacters: 500 })).toContain("- Person: first … (msg_5)")
})
