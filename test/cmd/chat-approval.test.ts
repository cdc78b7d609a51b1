/** What is an answer to a question and what is a message, and what an answer sends. */
import { describe, expect, test } from "bun:test"
import { AppError } from "#core/errors.ts"
import { newId } from "#core/id.ts"
import { completeCommand } from "#cmd/lib/chat-completion.ts"
import { createApprovalDesk, type OwnerAt, parseAnswer } from "#cmd/lib/chat-approval.ts"
import { bodyOf } from "#cmd/lib/chat-conversation.ts"
import type { Client } from "#gateway/client.ts"
import { createFakeClock } from "../fakes/clock.ts"

describe("what is typed", () => {
  const allow = { do: "allow", how: null, code: null, byLetter: false }
  test.each([
    ["/allow", allow],
    ["/allow ", allow],
    ["/allow session", { ...allow, how: "session" }],
    ["/allow 123456", { ...allow, code: "123456" }],
    ["/allow 123 456", { ...allow, code: "123456" }],
    ["/allow always 123456", { ...allow, how: "always", code: "123456" }],
    ["/deny", { do: "deny", reason: "", byLetter: false }],
    ["/deny not on a Sunday", { do: "deny", reason: "not on a Sunday", byLetter: false }],
    ["y", { ...allow, how: "once", byLetter: true }],
    ["s", { ...allow, how: "session", byLetter: true }],
    ["a", { ...allow, how: "always", byLetter: true }],
    ["n", { do: "deny", reason: "", byLetter: true }],
  ])("%j is an answer", (text, answer) => {
    expect(parseAnswer(text, { letters: true })).toEqual(answer as ReturnType<typeof parseAnswer>) // the rows' types are joined
  })
  test.each([
    "yes",
    "ok",
    "Y",
    " y",
    "y\ny",
    "no",
    "/allow me to explain",
    "/allowed",
    " /allow",
    "/allow 12345",
    "/deny a\nb",
  ])("%j is a message", (text) => {
    expect(parseAnswer(text, { letters: true })).toBeNull()
  })
  test("letters are messages where no letter is asked for", () => {
    expect(parseAnswer("y", { letters: false })).toBeNull()
  })
  test("Tab completes the answers", () => {
    expect(completeCommand("/al").text).toBe("/allow ")
    expect(completeCommand("/allow s").text).toBe("/allow session")
    expect(completeCommand("/allow ").options).toEqual(["once", "session", "always"])
    expect(completeCommand("/de").text).toBe("/deny ")
  })
})

const approvalId = newId("apr")
const SEEN_MS = 1_000

function makeDesk(ownerAt: OwnerAt, { code = null, fails = [] }: { code?: string | null; fails?: AppError[] } = {}) {
  const posted: unknown[] = []
  const shown: string[] = []
  const clock = createFakeClock()
  const approval = { id: approvalId, state: "open", question: "May it?" }
  const client = {
    api: {
      approvals: Object.assign(
        () => ({
          get: async () => approval,
          allow: {
            post: async ({ body }: { body: { presence: object } }) => {
              posted.push(body)
              if ("ask" in body.presence) return { challenge: { id: "chl", code } }
              const error = fails.shift()
              if (error) throw error
              return { approval }
            },
          },
          deny: { post: async ({ body }: { body: object }) => void posted.push({ deny: body }) },
        }),
        { get: async () => ({ items: [approval] }) },
      ),
    },
  }
  const desk = createApprovalDesk({
    client: client as unknown as Client, // it has what the desk calls, and nothing else
    view: {
      question: (text) => void shown.push(`? ${text}`),
      asking: (how) => void shown.push(how === null ? "(answered)" : `asking ${how.split(" ")[0]}`),
      note: (text) => void shown.push(text),
      warn: (text) => void shown.push(`! ${text}`),
      problem: ({ message }) => void shown.push(`Error: ${message}`),
    },
    clock,
    sessionId: newId("ses"),
    ownerAt,
    pid: 4_711,
    async standAside(work) {
      shown.push("aside")
      return await work()
    },
    bodyOf,
  })
  return {
    desk,
    posted,
    shown,
    clock,
    async types(text: string) {
      const answer = desk.read(text)
      if (answer === null) throw new Error(`No answer: ${text}`)
      await desk.answer(answer)
    },
  }
}

describe("an answer", () => {
  test("a letter that comes with the question is not one", async () => {
    const { desk, types, posted, shown } = makeDesk("own terminal", { code: "123456" })
    await desk.ask(approvalId)
    await types("a")
    expect(posted).toEqual([])
    expect(shown.at(-1)).toContain("only just come")
  })
  test("at an attached terminal the screen stands aside for the code, which is typed back", async () => {
    const { desk, types, posted, shown } = makeDesk("attached terminal")
    await desk.ask(approvalId)
    expect(desk.read("y")).toBeNull()
    await types("/allow session")
    expect(shown).toContain("aside")
    await types("/allow 123 456")
    expect(posted).toEqual([
      { how: "session", presence: { ask: { pid: 4_711 } } },
      { how: "session", presence: { challenge: "chl", code: "123456" } },
    ])
    expect(shown).toContain("(answered)")
  })
  test("a wrong code can be typed again, a spent one cannot", async () => {
    const fails = [new AppError("presence.wrong_code", "Wrong"), new AppError("presence.expired", "Spent")]
    const { desk, types, posted, shown } = makeDesk("attached terminal", { fails })
    await desk.ask(approvalId)
    await types("/allow")
    await types("/allow 111111")
    await types("/allow 222222")
    await types("/allow 333333")
    expect(posted).toHaveLength(3)
    expect(shown.slice(-3)).toEqual(["Error: Wrong", "Error: Spent", "No code was asked for: /allow shows one."])
  })
  test("a code for once does not say always", async () => {
    const { desk, types, posted } = makeDesk("attached terminal")
    await desk.ask(approvalId)
    await types("/allow once")
    await types("/allow always 123456")
    expect(posted).toHaveLength(1)
  })
  test("no yes comes from a pipe, but a no does", async () => {
    const { desk, types, posted, shown } = makeDesk("pipe", { code: "123456" })
    await desk.ask(approvalId)
    expect(desk.read("y")).toBeNull()
    await types("/allow")
    expect(posted).toEqual([])
    expect(shown.at(-1)).toBe("Error: A yes is not taken from a pipe")
    await types("/deny never")
    expect(posted).toEqual([{ deny: { reason: "never" } }])
  })
  test("there is nothing to answer after the question was answered elsewhere", async () => {
    const { desk, types, posted, shown, clock } = makeDesk("own terminal", { code: "123456" })
    await desk.ask(null)
    await clock.advance(SEEN_MS)
    expect(desk.read("y")).not.toBeNull()
    desk.close(newId("apr")) // another question's answer leaves this one open
    expect(desk.read("y")).not.toBeNull()
    desk.close(approvalId)
    expect(desk.read("y")).toBeNull()
    await types("/allow")
    expect(posted).toEqual([])
    expect(shown.at(-1)).toBe("Nothing waits for your answer here.")
  })
})
