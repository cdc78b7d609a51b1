/** A conversation between the service's events and what is shown: nothing lost, nothing twice, whatever order they come in. */
import { expect, test } from "bun:test"
import type { TurnOutcome } from "#core/agent/agent.ts"
import { AppError } from "#core/errors.ts"
import type { Event, EventBody } from "#core/event.ts"
import { newId } from "#core/id.ts"
import type { SessionSummary } from "#core/session/session.ts"
import { type Conversation, openConversation } from "#cmd/lib/chat-conversation.ts"
import type { ChatView } from "#cmd/lib/chat-view.ts"
import type { Client } from "#gateway/client.ts"
import { createFakeClock } from "../fakes/clock.ts"

const sessionId = newId("ses")
const approvalId = newId("apr")
const turnId = newId("trn")
const second = newId("trn")
const messageId = newId("msg")
const session: SessionSummary = {
  id: sessionId,
  agentId: "main",
  title: "",
  channel: "terminal",
  model: null,
  thinking: null,
  createdAt: "2026-01-15T12:00:00.000Z",
  updatedAt: "2026-01-15T12:00:00.000Z",
  activeTurn: null,
}

type Answer = object | AppError

async function talk({
  answers = [],
  outcomes = {},
  from = session,
}: { answers?: Answer[]; outcomes?: Record<string, Partial<TurnOutcome>>; from?: SessionSummary } = {}) {
  const shown: string[] = []
  const back: string[] = []
  const moved: string[] = []
  let stops = 0
  const waiting: Event[] = []
  let wake = () => {}
  let told: ((state: "connected" | "lost") => void) | undefined
  const at = {
    messages: {
      post: async () => {
        const answer = answers.shift() ?? { sessionId, messageId, turnId, state: "running" }
        if (answer instanceof AppError) throw answer
        return answer
      },
      get: async () => ({ items: [{ id: messageId, text: "The whole message" }] }),
    },
    stop: { post: async () => ({ stopped: ++stops > 0 }) },
  }
  const posted: unknown[] = []
  const approval = { id: approvalId, state: "open", question: "May it?" }
  const fake = {
    api: {
      approvals: Object.assign(
        () => ({
          get: async () => approval,
          allow: {
            post: async ({ body }: { body: { presence: object } }) => {
              posted.push(body)
              if ("ask" in body.presence) return { challenge: { id: "chl", code: "123456" } }
              return { approval }
            },
          },
        }),
        { get: async () => ({ items: [approval] }) },
      ),
      sessions: () => at,
      turns: ({ id }: { id: string }) => ({
        get: async () => ({
          state: "finished",
          text: "",
          model: "fake/one",
          finishReason: "stop",
          usage: { inputTokens: 7, cachedInputTokens: 0, outputTokens: 3, costUsdMicros: 1_500 },
          error: null,
          ...outcomes[id],
        }),
      }),
    },
    async *events({ signal, onConnection }: Parameters<Client["events"]>[0] & object) {
      told = onConnection
      onConnection?.("connected")
      while (!signal?.aborted) {
        const next = waiting.shift()
        if (next) yield next
        else await new Promise<void>((resolve) => (wake = resolve))
      }
    },
  }
  const view: ChatView = {
    person: (text) => void shown.push(`> ${text}`),
    say: (text) => void shown.push(text),
    note: (text) => void shown.push(`(${text})`),
    warn: (text) => void shown.push(`! ${text}`),
    question: (text) => void shown.push(`? ${text}`),
    asking: (how) => void (how !== null && shown.push(`[${how.split(" ")[0]}]`)),
    problem: ({ message }) => void shown.push(`Error: ${message}`),
    text: (part) => void (part !== "" && shown.push(part)),
    thinking: () => {},
    toolStarted: ({ tool }) => void shown.push(`· ${tool}`),
    toolFinished: ({ tool, outcome }) => void shown.push(`· ${tool} ${outcome}`),
    discard: () => void shown.push("(discarded)"),
    endTurn: (line) => void shown.push(`= ${line}`),
    running: () => {},
    queued: (texts) => void (texts.length > 0 && shown.push(`queued: ${texts.join(" | ")}`)),
    connection: (state) => void shown.push(state),
  }
  const clock = createFakeClock()
  const conversation: Conversation = await openConversation({
    client: fake as unknown as Client, // it has what a conversation calls, and nothing else
    view,
    clock,
    session: from,
    model: undefined,
    ownerAt: "own terminal",
    standAside: (work) => work(),
    handBack: (text) => back.push(text),
    onMove: (id) => moved.push(id),
    onFault: (error) => shown.push(String(error)),
  })
  let seq = 0
  return {
    conversation,
    shown,
    back,
    moved,
    posted,
    clock,
    stops: () => stops,
    connection: (state: "connected" | "lost") => told?.(state),
    async happens(...bodies: (EventBody | (Event & { type: "turn.delta" }))[]) {
      for (const body of bodies) {
        seq += 1
        waiting.push(
          body.type === "turn.delta" ? body : { agentId: "main", labels: [], source: "", at: "", seq, ...body },
        )
      }
      wake()
      await clock.advance(100)
    },
  }
}

const started = (id = turnId): EventBody => ({ type: "turn.started", sessionId, turnId: id, model: "fake/one" })
const received = (preview: string, id = turnId): EventBody => ({
  type: "message.received",
  sessionId,
  messageId,
  turnId: id,
  preview,
  characters: preview.length,
})
const delta = (text: string, offset = 0): Event & { type: "turn.delta" } => ({
  type: "turn.delta",
  agentId: "main",
  sessionId,
  turnId,
  kind: "text",
  offset,
  text,
})
const finished = (state: "finished" | "failed" | "stopped" = "finished", id = turnId): EventBody => ({
  type: "turn.finished",
  sessionId,
  turnId: id,
  state,
  messageId: null,
  preview: "",
  costUsdMicros: 0,
})

test("a message, its answer as it comes, and the line that sums it up", async () => {
  const { conversation, happens, shown } = await talk({ outcomes: { [turnId]: { text: "Hi there." } } })
  await conversation.send("hello")
  expect(conversation.isBusy).toBe(true)
  await happens(received("hello"), started(), delta("Hi "), delta("there.", 3), finished())
  expect(shown).toEqual(["> hello", "Hi ", "there.", "= fake/one · 7 in, 3 out · $0.0015 · 0 ms"])
  expect(conversation.isBusy).toBe(false)
})

test("text that was missed while the connection was lost is shown at the end, and only that", async () => {
  const { conversation, happens, shown, connection } = await talk({
    outcomes: { [turnId]: { text: "One two three." } },
  })
  await conversation.send("count")
  await happens(received("count"), started(), delta("One "))
  connection("lost")
  connection("lost")
  connection("connected")
  await happens(finished())
  expect(shown.slice(0, 5)).toEqual(["> count", "One ", "lost", "connected", " two three."])
})

test("what is typed while a turn runs is queued, and said when its turn begins", async () => {
  const { conversation, happens, shown } = await talk({
    answers: [
      { sessionId, messageId, turnId, state: "running" },
      { sessionId, messageId, turnId: second, state: "queued" },
    ],
  })
  await conversation.send("first")
  await happens(received("first"), started())
  await conversation.send("next")
  await happens(received("next", second), { type: "turn.queued", sessionId, turnId: second })
  expect(shown).toEqual(["> first", "queued: next", "queued: next"])
  await happens(finished(), started(second))
  expect(shown.slice(3)).toEqual([expect.stringContaining("= fake/one"), "> next"])
})

test("a queued message that a stop dropped comes back to be edited", async () => {
  const { conversation, happens, back, shown, stops } = await talk({
    answers: [
      { sessionId, messageId, turnId, state: "running" },
      { sessionId, messageId, turnId: second, state: "queued" },
    ],
    outcomes: { [turnId]: { state: "stopped", text: "Half" }, [second]: { state: "stopped" } },
  })
  await conversation.send("first")
  await happens(received("first"), started(), delta("Half"))
  await conversation.send("next")
  await conversation.stop()
  await happens(received("next", second), finished("stopped"), finished("stopped", second))
  expect(stops()).toBe(1)
  expect(back).toEqual(["next"])
  expect(shown.filter((line) => line.startsWith("="))).toEqual([expect.stringContaining("stopped · fake/one")])
  expect(conversation.isBusy).toBe(false)
})

test("a message that could not be sent comes back, and why is said", async () => {
  const { conversation, back, shown } = await talk({
    answers: [new AppError("service.unreachable", "No service answers")],
  })
  await conversation.send("hello")
  expect(back).toEqual(["hello"])
  expect(shown).toEqual(["> hello", "Error: No service answers"])
  expect(conversation.isBusy).toBe(false)
})

test("a command's answer is said, and /new moves on", async () => {
  const other = newId("ses")
  const { conversation, shown, moved } = await talk({
    answers: [{ command: { text: "A new conversation begins.", sessionId: other } }],
  })
  await conversation.send("/new")
  expect(shown).toEqual(["> /new", "A new conversation begins."])
  expect(moved).toEqual([other])
  expect(conversation.isBusy).toBe(false)
})

test("what is told to the running turn is shown once", async () => {
  const { conversation, happens, shown } = await talk({
    answers: [
      { sessionId, messageId, turnId, state: "running" },
      { command: { text: "The running turn was told.", sessionId } },
    ],
  })
  await conversation.send("first")
  await happens(received("first"), started())
  await conversation.send("/steer be brief")
  await happens(received("be brief"), { type: "turn.steered", sessionId, turnId, messageId }, finished())
  expect(shown.filter((line) => line.includes("be brief"))).toEqual(["> /steer be brief"])
  expect(conversation.isBusy).toBe(false)
})

test("what somebody says at another terminal is shown where its turn begins", async () => {
  const { happens, shown } = await talk({ outcomes: { [turnId]: { text: "Yes." } } })
  await happens(received("from the page"), started(), delta("Yes."), finished())
  expect(shown.slice(-3, -1)).toEqual(["> from the page", "Yes."])
})

test("a turn that comes back after a crash is told anew", async () => {
  const active = { ...session, activeTurn: { id: turnId, state: "running" as const } }
  const { happens, shown, conversation } = await talk({ from: active, outcomes: { [turnId]: { text: "Again." } } })
  expect(conversation.isBusy).toBe(true)
  await happens(delta("Par"), { type: "turn.resumed", sessionId, turnId, why: "restart" }, delta("Again."), finished())
  expect(shown).toEqual([
    "Par",
    "(discarded)",
    "(The service was restarted; the turn goes on.)",
    "Again.",
    expect.stringContaining("= fake/one"),
  ])
})

test("an error, a refused tool, a question for approval and a fallback are all said", async () => {
  const { conversation, happens, shown } = await talk({
    outcomes: { [turnId]: { state: "failed", error: { code: "model.failed", message: "It broke", hint: "Mend it" } } },
  })
  await conversation.send("go")
  const callId = newId("call")
  const at = { sessionId, turnId }
  await happens(
    received("go"),
    started(),
    { type: "tool.finished", ...at, callId, tool: "exec", outcome: "refused", preview: "no", durationMs: 1 },
    { type: "turn.suspended", ...at, approvalId, question: "May it?" },
    { type: "turn.resumed", ...at, why: "approval" },
    { type: "model.failed", ...at, model: "a/b", error: "overloaded", next: "c/d" },
    finished("failed"),
  )
  expect(shown).toContain("· exec refused")
  expect(shown).toContain("? Waiting for your approval:\nMay it?")
  expect(shown).toContain("(a/b: overloaded Trying c/d.)")
  expect(shown).toContain("Error: It broke")
})

test("a question is shown, y answers it with the proof, and the turn goes on", async () => {
  const { conversation, happens, shown, posted, clock } = await talk()
  await conversation.send("go")
  const at = { sessionId, turnId }
  expect(conversation.isAnswer("y")).toBe(false)
  await happens(received("go"), started(), { type: "turn.suspended", ...at, approvalId, question: "May it?" })
  expect(shown.slice(1)).toEqual(["? Waiting for your approval:\nMay it?", "[[y]]"])
  await clock.advance(1_000)
  expect(conversation.isAnswer("yes")).toBe(false)
  expect(conversation.isAnswer("y")).toBe(true)
  await conversation.send("y")
  expect(posted).toEqual([
    { how: "once", presence: { ask: {} } },
    { how: "once", presence: { challenge: "chl", code: "123456" } },
  ])
  await happens({ type: "turn.resumed", ...at, why: "approval" }, finished())
  expect(shown).toContain("(Answered; the turn goes on.)")
  expect(conversation.isAnswer("y")).toBe(false)
  expect(conversation.isBusy).toBe(false)
})

test('"yes" to a question is a message, queued, and answers nothing', async () => {
  const { conversation, happens, shown, posted, clock } = await talk({
    answers: [
      { sessionId, messageId, turnId, state: "running" },
      { sessionId, messageId, turnId: second, state: "queued" },
    ],
  })
  await conversation.send("go")
  await happens(received("go"), started(), {
    type: "turn.suspended",
    sessionId,
    turnId,
    approvalId,
    question: "May it?",
  })
  await clock.advance(1_000)
  await conversation.send("yes")
  expect(posted).toEqual([])
  expect(shown).toContain("queued: yes")
})

test("a conversation whose turn waits for an answer asks again when it is opened", async () => {
  const { shown } = await talk({ from: { ...session, activeTurn: { id: turnId, state: "suspended" as const } } })
  expect(shown).toEqual(["? Waiting for your approval:\nMay it?", "[[y]]"])
})

test("a message besides a reply is shown whole, and as what it is", async () => {
  const { shown, happens } = await talk()
  await happens({ type: "message.delivered", sessionId, messageId, channel: "terminal", preview: "The wh…" })
  // One that is out of reach by now is shown as its event tells of it.
  await happens({ type: "message.delivered", sessionId, messageId: newId("msg"), channel: "terminal", preview: "Part" })
  expect(shown).toEqual(["Message from the assistant:\nThe whole message", "Message from the assistant:\nPart"])
})
