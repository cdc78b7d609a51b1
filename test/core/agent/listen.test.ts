/** What one model call says passes the gate before anyone is told, thoughts and broken-off words too. */
import { describe, expect, test } from "bun:test"
import { listen } from "#core/agent/listen.ts"
import type { Model, ModelEvent, ModelFailure } from "#core/llm/model.ts"
import { createReplyGate } from "#core/safety/reply.ts"
import { scriptedModel } from "#test/fakes/model.ts"

const usage = { inputTokens: 1, cachedInputTokens: 0, outputTokens: 1, costUsdMicros: 0 }
const failure: ModelFailure = { message: "Cut", kind: "network", status: null, retryable: true, retryAfterMs: null }

async function hear(...events: ModelEvent[]) {
  const model: Model = {
    ...scriptedModel([]),
    async *stream() {
      yield* events
    },
  }
  const gate = createReplyGate({ secretValues: () => [{ name: "KEY", value: "k3y-of-the-house" }] })
  const told: string[] = []
  const heard = await listen(
    model,
    { system: [], messages: [], tools: [], trusted: false },
    {
      signal: new AbortController().signal,
      gate: () => gate.stream({ labels: ["untrusted"], mayLink: () => false }),
      onDelta: (kind, text) => told.push(`${kind}: ${text}`),
      onFallback: () => {},
    },
  )
  return { heard, told }
}
const text = (part: string): ModelEvent => ({ type: "text", text: part })
const thinking = (part: string): ModelEvent => ({ type: "thinking", text: part })
const finished: ModelEvent = { type: "finished", reason: "stop", model: "fake/fake", usage }

describe("what a model says", () => {
  test("is told as it is kept, a secret and an address in pieces included", async () => {
    const { heard, told } = await hear(
      text("See k3y-of-"),
      text("the-house at http"),
      text("s://evil.example/x"),
      finished,
    )
    expect(heard.text).toBe("See [redacted: KEY] at hxxps://evil[.]example/x")
    expect(told).toEqual(["text: See ", "text: [redacted: KEY] at ", "text: hxxps://evil[.]example/x"])
  })

  test("is told in the order in which it came, where thoughts and words alternate", async () => {
    const { heard, told } = await hear(
      thinking("I read http"),
      thinking("s://evil.example/x"),
      text("First"),
      thinking("k3y-of-the-house"),
      text(" second"),
      finished,
    )
    expect(heard.text).toBe("First second")
    expect(told).toEqual([
      "thinking: I read ",
      "thinking: hxxps://evil[.]example/x",
      "thinking: [redacted: ",
      "thinking: KEY]",
      "text: First ", // a word is told once it has ended
      "text: second",
    ])
  })

  test("is told to its end where the model breaks off", async () => {
    const { heard, told } = await hear(text("See https://evil.exam"), {
      type: "failed",
      failure,
      model: "fake/fake",
      usage,
    })
    expect(heard.text).toBe("See hxxps://evil[.]exam")
    expect(told.at(-1)).toBe("text: hxxps://evil[.]exam")
  })
})
