import { afterAll, afterEach, beforeAll, describe, expect, setDefaultTimeout, test } from "bun:test"
import { binary, environmentOf, modelEnvironment, until } from "#test/fakes/binary.ts"
import { makeHome } from "#test/fakes/home.ts"
import { type ModelScript, type ModelServer, startModelServer } from "#test/fakes/model-server.ts"
import { type Json, type Service, startService } from "#test/fakes/service.ts"

setDefaultTimeout(60_000) // a whole process on a busy machine; nothing here measures

const home = makeHome()
let model: ModelServer
let service: Service

beforeAll(async () => {
  model = startModelServer()
  service = await startService({ home: home.path, env: modelEnvironment(model.url) })
})
afterEach(() => model.reset())
afterAll(async () => {
  await service.stop()
  await model.stop()
  home[Symbol.dispose]()
})

async function askedOf(...scripts: ModelScript[]): Promise<Json> {
  model.script(...scripts)
  return service.ask(await service.newSession(), "go")
}

/** Starts a turn that does not end by itself, and gives how long the stop took and what became of the turn. */
async function stopped(script: ModelScript, whenAsked = 300) {
  const id = await service.newSession()
  model.script(script)
  const sent = await service.call("POST", `/api/sessions/${id}/messages`, { content: "go" })
  await until("the model is asked", () => model.requests.length > 0)
  await Bun.sleep(whenAsked)
  const startedMs = performance.now()
  expect((await service.call("POST", `/api/sessions/${id}/stop`)).body).toEqual({ stopped: true })
  const { body: turn } = await service.call("GET", `/api/turns/${sent.body.turnId}?wait=true`)
  return { turn, tookMs: performance.now() - startedMs }
}

describe("stop takes effect within a second", () => {
  for (const [what, script] of [
    ["that never answers", { fault: "hang" }],
    ["that sends a head and then nothing", { fault: "hang_after_head" }],
  ] as const) {
    test(`in a model ${what}`, async () => {
      const { turn, tookMs } = await stopped(script)
      expect(turn.state).toBe("stopped")
      expect(tookMs).toBeLessThan(1_000)
    })
  }

  test("in a model that falls silent in the middle, and the words so far are kept", async () => {
    const { turn, tookMs } = await stopped({ text: "the first half and the second half", fault: "hang_in_middle" })
    expect(turn.state).toBe("stopped")
    expect(turn.text).toStartWith("the first")
    expect(tookMs).toBeLessThan(1_000)
  })

  test("in a model that talks without end", async () => {
    const { turn, tookMs } = await stopped({ text: "on and on ".repeat(100_000), chunkDelayMs: 1 })
    expect(turn.state).toBe("stopped")
    expect(turn.text).toStartWith("on and on")
    expect(tookMs).toBeLessThan(1_000)
  })
})

describe("errors of the vendor end the turn with what to do", () => {
  for (const [what, script] of [
    ["401", { status: 401 }],
    ["400", { status: 400 }],
    ["403", { status: 403 }],
    ["404", { status: 404 }],
    ["413", { status: 413 }],
    ["garbage instead of a stream", { fault: "garbage" }],
    ["a page instead of a stream", { fault: "html" }],
    ["an error in the middle of the words", { text: "some words here", fault: "stream_error" }],
    ["a connection that dies in the middle", { text: "some words here", fault: "cut" }],
    ["a stream without its end", { text: "some words here", fault: "end_early" }],
    ["an error in place of an answer", { fault: "json_error" }],
    ["a prompt that is too long whatever is done", { fault: "context_overflow" }],
    ["an error body of a megabyte", { status: 400, body: `<html>${"x".repeat(1_000_000)}` }],
    ["an error body with what a terminal obeys", { status: 400, message: "\u001b]0;owned\u0007\u001b[2J" }],
  ] as const satisfies [string, ModelScript][]) {
    test(what, async () => {
      const turn = await askedOf({ ...script, times: 20 })
      expect(turn.state).toBe("failed")
      expect(turn.error.code).toStartWith("model.")
      expect(turn.error.hint).not.toBe("")
      expect(turn.error.message.length).toBeLessThan(1_000)
      model.reset()
      // Whatever it was, the next message is a new chance.
      expect((await askedOf({ text: "all is well again" })).text).toBe("all is well again")
    })
  }

  test("what was said before the connection died is kept", async () => {
    const id = await service.newSession()
    model.script({ text: "words that were shown already and that the owner has read", fault: "cut", times: 20 })
    const turn = await service.ask(id, "go")
    expect(turn.state).toBe("failed")
    expect(turn.text).toStartWith("words that were")
    const { body } = await service.call("GET", `/api/sessions/${id}/messages`)
    expect(body.items.at(-1).text).toBe(turn.text)
  })
})

describe("what passes is tried again", () => {
  test("500, then an answer", async () => {
    expect((await askedOf({ status: 500 }, { text: "at last" })).text).toBe("at last")
    expect(model.requests).toHaveLength(2)
  })

  test("429 is tried again, not before Retry-After says", async () => {
    const startedMs = performance.now()
    expect((await askedOf({ status: 429, retryAfter: "1" }, { text: "at last" })).text).toBe("at last")
    expect(performance.now() - startedMs).toBeGreaterThan(950)
    expect(model.requests).toHaveLength(2)
  })

  test("a Retry-After of a day is not waited for", async () => {
    const turn = await askedOf({ status: 429, retryAfter: "86400", times: 20 })
    expect(turn.state).toBe("failed")
  })

  test("401 is not tried again: nothing would change", async () => {
    await askedOf({ status: 401, times: 20 })
    expect(model.requests).toHaveLength(1)
  })
})

describe("answers that are no use", () => {
  test("an empty one is asked for once more", async () => {
    expect((await askedOf({ text: "" }, { text: "now with words" })).text).toBe("now with words")
    expect(model.requests).toHaveLength(2)
  })

  test("two empty ones are said to be empty", async () => {
    const turn = await askedOf({ text: "", times: 2 })
    expect(turn).toMatchObject({ state: "failed", error: { code: "model.empty" } })
  })

  test("a tool call that the length limit cut off is never run", async () => {
    const call = { name: "memory_append", arguments: '{"path":"notes/cut.md","content":"half a sent' }
    const turn = await askedOf({ toolCalls: [call], finish: "length" }, { text: "I could not." })
    expect(turn.state).not.toBe("running")
    expect((await service.call("GET", "/api/memory/document?path=notes/cut.md")).status).toBe(404)
  })

  test("a whole call with the length limit as its end is never run either", async () => {
    const call = { name: "memory_append", arguments: { path: "notes/cut2.md", content: "x" } }
    await askedOf({ toolCalls: [call], finish: "length" }, { text: "I could not." })
    expect((await service.call("GET", "/api/memory/document?path=notes/cut2.md")).status).toBe(404)
  })

  for (const [what, args] of [
    ["are not JSON", "{path: notes/x.md"],
    ["are a list", "[]"],
    ["lack a field", '{"path":"notes/x.md"}'],
    ["have one too many", '{"path":"notes/x.md","content":"x","evil":1}'],
    ["are of the wrong type", '{"path":"notes/x.md","content":{"a":1}}'],
    ["hold a path out of memory", '{"path":"../../etc/passwd","content":"x"}'],
    ["hold a NUL", '{"path":"notes/\\u0000x.md","content":"x"}'],
  ] as const) {
    test(`tool arguments that ${what} go back to the model with the reason, and it can go on`, async () => {
      const turn = await askedOf({ toolCalls: [{ name: "memory_append", arguments: args }] }, { text: "I see." })
      expect(turn).toMatchObject({ state: "finished", text: "I see." })
      const results: Json = model.requests.at(-1)?.body["messages"]
      expect(results.at(-1).role).toBe("tool")
      expect(results.at(-1).content.length).toBeGreaterThan(20)
      expect((await service.call("GET", "/api/memory/document?path=notes/x.md")).status).toBe(404)
    })
  }

  test("a tool that does not exist is said not to", async () => {
    const turn = await askedOf({ toolCalls: [{ name: "rm_rf", arguments: {} }] }, { text: "I see." })
    expect(turn.text).toBe("I see.")
  })

  test("a model that calls the same thing for ever is brought to an end", async () => {
    model.decide(() => ({ toolCalls: [{ name: "time_now", arguments: {} }] }))
    const turn = await service.ask(await service.newSession(), "go")
    expect(["finished", "failed"]).toContain(turn.state)
    expect(model.requests.length).toBeLessThanOrEqual(52)
  })

  test("ten megabytes of text are kept within bounds, and the service with them", async () => {
    const before = service.memoryMib()
    const turn = await askedOf({ text: "0123456789".repeat(1_000_000), chunkCharacters: 65_536 })
    expect(["finished", "failed"]).toContain(turn.state)
    expect((await askedOf({ text: "still here" })).text).toBe("still here")
    await until("memory is where it was", () => service.memoryMib() - before < 200)
  })
})

const hasScript = Bun.which("script") !== null
test.skipIf(!hasScript)(
  "what a terminal obeys is spelled out on a terminal (needs script(1), which makes one)",
  async () => {
    model.script({
      text: "\u001b]0;owned\u0007\u001b[2Jred \u001b[31mtext\u001b[0m \u202Ereversed\u0008\u0008 end",
      times: 2,
    })
    for (const flag of ["", "--stream"]) {
      // Without CI the spinner would move, by codes of our own.
      const child = Bun.spawn(["script", "-qec", `"${binary}" run ${flag} -m go`, "/dev/null"], {
        cwd: home.path,
        env: environmentOf(home.path, { CI: "1", TERM: "xterm", SHELL: "/bin/sh" }),
        stdin: "ignore",
        stdout: "pipe",
        stderr: "pipe",
      })
      const shown = await child.stdout.text()
      expect(await child.exited).toBe(0)
      expect(shown).toContain("red ")
      expect(shown).toContain(" end")
      expect(shown).not.toMatch(/[\u0000-\u0008\u000b\u000c\u000e-\u001f\u007f\u202e]/)
    }
  },
)

test("none of all this was a fault of the service", async () => {
  const log = await Bun.file(`${home.path}/.ironclaw/logs/ironclaw.log`).text()
  expect(log).toContain("The service is ready")
  expect(log.split("\n").filter((line) => line.includes('"level":"error"'))).toEqual([])
})
