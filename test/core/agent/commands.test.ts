import { afterAll, beforeAll, expect, test } from "bun:test"
import { commandList, createCommands, parseCommand, type CommandDeps } from "#core/agent/commands.ts"
import { AppError } from "#core/errors.ts"
import type { PersonId, SessionId } from "#core/id.ts"
import type { Model } from "#core/llm/model.ts"
import { openMemoryDb } from "../db/memory.ts"
import { openRig, PLACE, type Rig } from "../session/rig.ts"

// --- what is a command

test.each([
  ["/help", "help", ""],
  ["/new", "new", ""],
  ["/clear", "clear", ""],
  ["/undo\n", "undo", ""],
  ["/redo ", "redo", ""],
  ["/compact", "compact", ""],
  ["/stop", "stop", ""],
  ["/model", "model", ""],
  ["/model anthropic/claude-sonnet-4-5", "model", "anthropic/claude-sonnet-4-5"],
  ["/model openrouter/meta-llama/llama-3.3-70b:free", "model", "openrouter/meta-llama/llama-3.3-70b:free"],
  ["/model default", "model", "default"],
  ["/thinking", "thinking", ""],
  ["/thinking  high", "thinking", "high"],
  ["/title Trip to Rome, 2027", "title", "Trip to Rome, 2027"],
  ["/status", "status", ""],
  ["/usage", "usage", ""],
  ["/steer stop that\nand do this", "steer", "stop that\nand do this"],
  ["/export", "export", ""],
  ["/export json", "export", "json"],
  ["/session", "session", ""],
] as const)("%p is a command", (text, name, argument) => {
  expect(parseCommand(text)).toEqual({ name, argument })
})

test.each([
  "",
  "/",
  "//",
  "ok",
  "yes",
  "no",
  "stop",
  "undo",
  "help",
  "/etc/passwd is broken",
  "/usr",
  "/usr/bin/new",
  "/foo",
  "/new idea: a tea shop",
  "/news",
  "/news of today",
  "/new/old",
  "/new-york",
  "/new: what is new?",
  "/New",
  "/HELP",
  " /help",
  "\n/help",
  "please /help",
  "/help me with my taxes",
  "/help!",
  "/helpme",
  "/stop the war",
  "/stop now",
  "/clear?",
  "/clear\nthe table",
  "/undo undo",
  "/status of my order",
  "/usage of commas in German",
  "/session musicians wanted",
  "/compact cars in Europe",
  "/model trains are fun",
  "/model trains",
  "/model a/b c/d",
  "/model ../../etc/passwd",
  "/thinking about you",
  "/thinking hard",
  "/export markdown now",
  "/export pdf",
  "/title",
  "/title two\nlines",
  "/steer",
  "/steer   ",
  "/constructor",
  "/toString",
  "/__proto__",
  "/hasOwnProperty",
  "／help",
  "/help\u200b",
  "\\/help",
  `/${"a".repeat(100_000)}`,
  `/title${" ".repeat(100_000)}`,
])("%p is ordinary text", (text) => {
  expect(parseCommand(text)).toBeNull()
})

test("every row of the table is a command as it is written in its usage, without what is optional", () => {
  for (const { usage } of commandList)
    expect(parseCommand(usage.replace(/ \[.*\]$/, "").replace("TEXT", "some text"))).not.toBeNull()
})

// --- what they do

let rig: Rig
beforeAll(async () => {
  rig = await openRig(openMemoryDb)
}, 30_000) // the first database of a process is made from nothing, on a machine that may be busy
afterAll(() => rig.close())

const model: Model = {
  id: "a/known",
  contextTokens: 1,
  maxOutputTokens: 1,
  sees: { images: false, thinking: false, tools: false },
  // oxlint-disable-next-line require-yield -- no command asks a model
  async *stream() {
    throw new Error("no command asks a model")
  },
}

function commands(overrides: Partial<CommandDeps> = {}) {
  return createCommands({
    store: rig.store,
    compact: async () => ({ messagesBefore: 12, messagesAfter: 5 }),
    stop: async () => true,
    left: () => {},
    steer: async (text, at) => ({ text: `Told it: ${text}`, sessionId: at.sessionId }),
    usage: async () => [{ label: "Today", calls: 1, inputTokens: 12_345, outputTokens: 67, costUsdMicros: 1_500 }],
    models: {
      defaultId: "demo/demo",
      get(id) {
        if (id === "a/known") return model
        throw new AppError("not_found", `There is no model "${id}"`, { hint: "See /model." })
      },
      list: async () => [
        {
          id: "a/known",
          vendor: "a",
          contextTokens: 1,
          inputUsdMicrosPerMillion: null,
          outputUsdMicrosPerMillion: null,
          configured: true,
        },
        {
          id: "b/other",
          vendor: "b",
          contextTokens: 1,
          inputUsdMicrosPerMillion: null,
          outputUsdMicrosPerMillion: null,
          configured: false,
        },
      ],
    },
    ...overrides,
  })
}

const personId: PersonId = "per_owner"
const at = (sessionId: SessionId | null) => ({ sessionId, place: PLACE, agentId: "main", personId })
const reply = async (text: string, sessionId: SessionId | null, overrides?: Partial<CommandDeps>) =>
  (await commands(overrides)(text, at(sessionId)))?.text ?? null

test("ordinary text is answered with null and touches nothing", async () => {
  expect(await commands()("/etc/passwd is broken", at(null))).toBeNull()
})

test("/help shows every command", async () => {
  const text = await reply("/help", null)
  for (const { usage, help } of commandList) {
    expect(text).toContain(usage)
    expect(text).toContain(help)
  }
})

test("/new opens another session at the same place and keeps the old one", async () => {
  const id = await rig.session()
  const left: string[] = []
  const made = await commands({ left: (session) => left.push(session.id) })("/new", at(id))
  expect(left).toEqual([id])
  expect(made?.sessionId).not.toBe(id)
  expect((await rig.store.atPlace("main", PLACE))?.id ?? null).toBe(made?.sessionId ?? null)
  expect((await rig.store.get(id)).id).toBe(id)
})

test("without a session named, a command means the one at the place", async () => {
  const made = await rig.store.create({ agentId: "main", place: PLACE })
  expect(await reply("/title From the place", null)).toContain('"From the place"')
  expect((await rig.store.get(made.id)).title).toBe("From the place")
})

test("where there is no conversation, a command says so", async () => {
  const nowhere = { sessionId: null, place: { ...PLACE, peer: "nobody" }, agentId: "main", personId }
  for (const text of ["/undo", "/clear", "/stop", "/status", "/title x", "/model", "/export"])
    expect((await commands()(text, nowhere))?.text).toContain("no conversation here yet")
  expect((await commands()("/usage", nowhere))?.text).toContain("Today")
})

test("/undo and /redo take back and bring back, and say how many are left", async () => {
  const id = await rig.session()
  await rig.turn(id, "one", "1")
  await rig.turn(id, "two", "2")
  expect(await reply("/undo", id)).toContain("1 more can be undone")
  expect(await reply("/redo", id)).toContain("0 more can be redone")
  expect(await rig.texts(id)).toEqual(["one", "1", "two", "2"])
})

test("a refusal is a reply with what to do, not an error", async () => {
  const id = await rig.session()
  expect(await reply("/undo", id)).toContain("nothing to undo")
  await rig.beginTurn(id)
  expect(await reply("/clear", id)).toContain("stop it first")
})

test("a fault is no reply: it goes up", async () => {
  const id = await rig.session()
  const broken = { stop: () => Promise.reject(new Error("boom")) }
  let error: unknown
  try {
    await commands(broken)("/stop", at(id))
  } catch (caught) {
    error = caught
  }
  expect(String(error)).toContain("boom")
})

test("/clear clears, /title renames, /session and /status show", async () => {
  const id = await rig.session()
  await rig.turn(id, "one", "1")
  await reply("/clear", id)
  expect(await rig.texts(id)).toEqual([])
  await reply("/title Tea", id)
  expect(await reply("/session", id)).toContain(`Session: ${id}\nTitle: Tea`)
  expect(await reply("/status", id)).toContain("Model: demo/demo (default)\nThinking: default\nNow: idle")
})

test("/model shows, sets and resets; an unknown model changes nothing", async () => {
  const id = await rig.session()
  expect(await reply("/model", id)).toContain("demo/demo (the default)")
  expect(await reply("/model", id)).toContain("  a/known")
  expect(await reply("/model", id)).not.toContain("b/other")
  expect(await reply("/model a/known", id)).toBe("This conversation now uses a/known.")
  expect(await reply("/model x/unknown", id)).toContain('no model "x/unknown"')
  expect((await rig.store.get(id)).model).toBe("a/known")
  await reply("/model default", id)
  expect((await rig.store.get(id)).model).toBeNull()
})

test("/thinking shows, sets and resets", async () => {
  const id = await rig.session()
  await reply("/thinking high", id)
  expect(await reply("/thinking", id)).toContain("high")
  await reply("/thinking default", id)
  expect((await rig.store.get(id)).thinking).toBeNull()
})

test("/compact says what became of how much", async () => {
  const id = await rig.session()
  expect(await reply("/compact", id)).toContain("of 12 messages the model now sees 5")
  const none = { compact: async () => ({ messagesBefore: 1, messagesAfter: 1 }) }
  expect(await reply("/compact", id, none)).toContain("1 message is in sight")
})

test("/stop says whether there was something to stop", async () => {
  const id = await rig.session()
  expect(await reply("/stop", id)).toBe("Stopped.")
  expect(await reply("/stop", id, { stop: async () => false })).toContain("Nothing is being done")
})

test("/usage shows money and tokens, /steer hands its text over, /export gives the document", async () => {
  const id = await rig.session()
  await rig.turn(id, "a question", "an answer")
  expect(await reply("/usage", id)).toBe("Today: $0.0015, 12,345 tokens in, 67 out, 1 model call")
  expect(await reply("/steer the other way", id)).toBe("Told it: the other way")
  expect(await reply("/export", id)).toContain("an answer")
  expect(JSON.parse((await reply("/export json", id)) ?? "")).toMatchObject({ format: "ironclaw-session" })
})
