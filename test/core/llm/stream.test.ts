import { afterAll, afterEach, describe, expect, test } from "bun:test"
import { systemClock } from "#core/clock.ts"
import { isId } from "#core/id.ts"
import { startModelServer } from "#test/fakes/model-server.ts"
import { ask, callsOf, endOf, failureOf, hastyClock, hear, lookUp, modelsAt, textOf } from "./rig.ts"

const server = startModelServer()
afterAll(() => server.stop())
afterEach(() => server.reset())

const ids = ["openai/gpt-4o", "anthropic/claude-sonnet-4-5", "gemini/gemini-2.5-flash"]
const fresh = (waits: { firstByteMs: number; idleMs: number } | null = null) =>
  modelsAt(server.url, { clock: hastyClock, waits }).models
const withTool = ask("look it up", { tools: [lookUp] })

for (const id of ids) {
  describe(id, () => {
    test("text arrives in the pieces in which it was sent", async () => {
      server.script({ text: "one two three four", chunkCharacters: 4 })
      const events = await hear(fresh().get(id), ask("hi"))
      expect(textOf(events)).toBe("one two three four")
      expect(events.filter(({ type }) => type === "text").length).toBe(5)
      expect(endOf(events)).toMatchObject({ type: "finished", reason: "stop", model: id })
    })

    test("the first piece is there long before the last", async () => {
      server.script({ text: "a b c d e f g h i j", chunkCharacters: 2, chunkDelayMs: 15 })
      let firstMs = 0
      const startMs = systemClock.monotonicMs()
      for await (const event of fresh().get(id).stream(ask("hi"), { signal: new AbortController().signal })) {
        if (event.type === "text" && firstMs === 0) firstMs = systemClock.monotonicMs() - startMs
      }
      expect(firstMs).toBeLessThan((systemClock.monotonicMs() - startMs) / 2)
    })

    test("tool calls come whole and parsed, with ids of ours, several in order", async () => {
      server.script({
        text: "Looking.",
        toolCalls: [
          { name: "look_up", arguments: { word: "tree" } },
          { name: "look_up", arguments: { word: "oak" } },
        ],
      })
      const events = await hear(fresh().get(id), withTool)
      expect(callsOf(events).map(({ call, problem }) => [call.name, call.arguments, problem])).toEqual([
        ["look_up", { word: "tree" }, undefined],
        ["look_up", { word: "oak" }, undefined],
      ])
      expect(callsOf(events).every(({ call }) => isId("call", call.id))).toBe(true)
      expect(endOf(events)).toMatchObject({ type: "finished", reason: "tool_calls" })
    })

    test("a call that the length limit cut off is dropped", async () => {
      server.script({
        text: "Wait",
        toolCalls: [{ name: "look_up", arguments: id.startsWith("gemini") ? { word: "tr" } : '{"word":"tr' }],
        finish: "length",
      })
      const events = await hear(fresh().get(id), withTool)
      expect(callsOf(events)).toEqual([])
      expect(endOf(events)).toMatchObject({ type: "finished", reason: "length" })
    })

    test("a call that the length limit cut off where it happens to be JSON is dropped too", async () => {
      server.script({ toolCalls: [{ name: "look_up", arguments: { word: "all" } }], finish: "length" })
      expect(callsOf(await hear(fresh().get(id), withTool))).toEqual([])
    })

    test("a filtered answer ends with filter", async () => {
      server.script({ text: "I", finish: "filter" })
      expect(endOf(await hear(fresh().get(id), ask("hi")))).toMatchObject({ type: "finished", reason: "filter" })
    })

    test("hangs before the head: given up after the first wait", async () => {
      server.script({ fault: "hang", times: 3 })
      const failure = failureOf(await hear(fresh({ firstByteMs: 60, idleMs: 60 }).get(id), ask("hi")))
      expect(failure).toMatchObject({ kind: "timeout", retryable: true })
    })

    test("hangs after the head: given up after the first wait", async () => {
      server.script({ fault: "hang_after_head", times: 3 })
      expect(failureOf(await hear(fresh({ firstByteMs: 60, idleMs: 60 }).get(id), ask("hi"))).kind).toBe("timeout")
    })

    test("hangs in the middle: given up after the shorter wait, what was shown stays", async () => {
      server.script({ text: "half of a sentence that goes on", fault: "hang_in_middle" })
      const events = await hear(fresh({ firstByteMs: 5_000, idleMs: 60 }).get(id), ask("hi"))
      expect(failureOf(events)).toMatchObject({ kind: "timeout" })
      expect(textOf(events).length).toBeGreaterThan(0)
      expect(server.requests).toHaveLength(1)
    })

    test("slow tokens are no silence", async () => {
      server.script({ text: "slow but steady words", chunkCharacters: 3, chunkDelayMs: 25 })
      expect(endOf(await hear(fresh({ firstByteMs: 500, idleMs: 200 }).get(id), ask("hi"))).type).toBe("finished")
    })

    for (const [when, script] of [
      ["before the head", { fault: "hang" }],
      ["in the middle", { text: "half of a sentence that goes on", fault: "hang_in_middle" }],
    ] as const) {
      test(`a stop ${when} takes effect at once and is no failure of the vendor`, async () => {
        server.script(script)
        const stop = new AbortController()
        const { models, failures } = modelsAt(server.url)
        systemClock.after(50, () => stop.abort(new Error("the person said stop")))
        const startMs = systemClock.monotonicMs()
        const events = await hear(models.get(id), ask("hi"), stop.signal)
        expect(systemClock.monotonicMs() - startMs).toBeLessThan(1_000)
        expect(failureOf(events)).toMatchObject({ kind: "aborted", retryable: false })
        expect(failures).toEqual([])
        expect(models.status().every(({ state, failuresInARow }) => state === "ok" && failuresInARow === 0)).toBe(true)
      })
    }

    test("a stop before the call asks nobody", async () => {
      expect(failureOf(await hear(fresh().get(id), ask("hi"), AbortSignal.abort())).kind).toBe("aborted")
      expect(server.requests).toEqual([])
    })

    test("a reader that leaves in the middle closes the connection", async () => {
      server.script({ text: "half of a sentence that goes on", fault: "hang_in_middle" })
      for await (const event of fresh().get(id).stream(ask("hi"), { signal: new AbortController().signal })) {
        if (event.type === "text") break
      }
      expect(server.requests).toHaveLength(1) // and the test ends: nothing keeps waiting
    })
  })
}

test("a stop takes effect even where fetch ignores the signal", async () => {
  const { models } = modelsAt(server.url, { fetchFor: () => () => new Promise(() => {}) })
  const stop = new AbortController()
  systemClock.after(30, () => stop.abort())
  expect(failureOf(await hear(models.get("openai/gpt-4o"), ask("hi"), stop.signal)).kind).toBe("aborted")
})

test("a stop during the wait between two tries takes effect at once", async () => {
  server.script({ status: 429, retryAfter: "30" })
  const stop = new AbortController()
  systemClock.after(50, () => stop.abort())
  const startMs = systemClock.monotonicMs()
  const events = await hear(modelsAt(server.url).models.get("openai/gpt-4o"), ask("hi"), stop.signal)
  expect(failureOf(events).kind).toBe("aborted")
  expect(systemClock.monotonicMs() - startMs).toBeLessThan(1_000)
})

describe("arguments that are not what they should be go back with the problem", () => {
  for (const [what, text, word] of [
    ["no JSON", '{"word": tree}', "not valid JSON"],
    ["a list", '["tree"]', "one JSON object"],
    ["a text", '"tree"', "one JSON object"],
    ["with a NUL", '{"word":"tr\\u0000ee"}', "NUL"],
    ["with half a surrogate pair", '{"word":"tr\\ud83dee"}', "surrogate"],
    ["with a NUL in a name", '{"wo\\u0000rd":"tree"}', "NUL"],
  ] as const) {
    test(what, async () => {
      server.script({ toolCalls: [{ name: "look_up", arguments: text }] })
      const [event] = callsOf(await hear(fresh().get("openai/gpt-4o"), withTool))
      expect(event?.problem).toContain(word)
      expect(event?.call).toMatchObject({ name: "look_up", arguments: {} })
    })
  }

  test("a path that only looks like a NUL is a path, and a whole pair is a letter", async () => {
    server.script({ toolCalls: [{ name: "look_up", arguments: '{"word":"C:\\\\u0000 \\ud83d\\ude00"}' }] })
    const [event] = callsOf(await hear(fresh().get("openai/gpt-4o"), withTool))
    expect(event?.problem).toBeUndefined()
    expect(event?.call.arguments).toEqual({ word: "C:\\u0000 😀" })
  })

  test("none at all means an empty object", async () => {
    server.script({ toolCalls: [{ name: "look_up", arguments: "" }] })
    const [event] = callsOf(await hear(fresh().get("openai/gpt-4o"), withTool))
    expect(event).toMatchObject({ call: { arguments: {} } })
    expect(event?.problem).toBeUndefined()
  })
})

describe("text is fit for people and databases", () => {
  test("an emoji that is split over two chunks comes whole", async () => {
    server.script({ text: "ab🌳cd", chunkCharacters: 3 })
    const events = await hear(fresh().get("openai/gpt-4o"), ask("hi"))
    expect(textOf(events)).toBe("ab🌳cd")
    expect(events.every((event) => event.type !== "text" || event.text.isWellFormed())).toBe(true)
  })
  test("NUL and lone surrogates do not get through", async () => {
    server.script({ text: "a\u0000b\udc00c" })
    expect(textOf(await hear(fresh().get("openai/gpt-4o"), ask("hi")))).toBe("ab\ufffdc")
  })
})

describe("tool calls written as text", () => {
  const written = '<tool_call>{"name":"look_up","arguments":{"word":"tree"}}</tool_call>'
  const hearText = async (id: string, text: string, more: Partial<typeof withTool> = {}) => {
    server.script({ text })
    return hear(modelsAt(server.url, { settings: { backend: "ollama" } }).models.get(id), { ...withTool, ...more })
  }

  test("with a NUL in them stay text, which can be stored", async () => {
    const events = await hearText("ollama/hermes3", written.replace("tree", "tr\\u0000ee"))
    expect(callsOf(events)).toEqual([])
    expect(textOf(events)).toContain("look_up")
  })

  test("count where the catalogue says that the model writes them", async () => {
    const events = await hearText("ollama/hermes3", written)
    expect(callsOf(events).map(({ call }) => [call.name, call.arguments])).toEqual([["look_up", { word: "tree" }]])
    expect(textOf(events)).toBe("")
    expect(endOf(events)).toMatchObject({ reason: "tool_calls" })
  })
  test("count as a bare object, fenced or several", async () => {
    for (const text of [
      '{"name":"look_up","parameters":{"word":"tree"}}',
      '```json\n{"name":"look_up","arguments":{"word":"tree"}}\n```',
      '[TOOL_CALLS][{"name":"look_up","arguments":{"word":"tree"}}]',
    ]) {
      expect(callsOf(await hearText("ollama/hermes3", text))).toHaveLength(1)
    }
    expect(callsOf(await hearText("ollama/hermes3", `${written}\n${written}`))).toHaveLength(2)
  })
  for (const [what, id, text, more] of [
    ["from a model that has calls of its own", "openai/gpt-4o", written, {}],
    ["with something untrusted in play", "ollama/hermes3", written, { trusted: false }],
    ["in the middle of a text", "ollama/hermes3", `I would say ${written}`, {}],
    ["with text behind them", "ollama/hermes3", `${written} is what I would do`, {}],
    ["of a tool that was not offered", "ollama/hermes3", '{"name":"rm","arguments":{}}', {}],
    ["that are other JSON", "ollama/hermes3", '{"word":"tree"}', {}],
    ["with arguments that are no object", "ollama/hermes3", '{"name":"look_up","arguments":["tree"]}', {}],
  ] as const) {
    test(`are text ${what}`, async () => {
      const events = await hearText(id, text, more)
      expect(callsOf(events)).toEqual([])
      expect(textOf(events)).toBe(text)
    })
  }
})
