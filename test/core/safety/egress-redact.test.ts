import { describe, expect, test } from "bun:test"
import { redactExact, redactExactText } from "#core/safety/egress-redact.ts"

async function through(chunks: readonly string[], values: readonly string[]): Promise<string> {
  const source = new ReadableStream<Uint8Array>({
    start(controller) {
      for (const chunk of chunks) controller.enqueue(new TextEncoder().encode(chunk))
      controller.close()
    },
  })
  return new Response(source.pipeThrough(redactExact(values))).text()
}

describe("exact values in an answer", () => {
  test("are taken out, also where one is split over chunks", async () => {
    expect(await through(["a long-va", "lue b"], ["long-value"])).toBe("a [REDACTED] b")
    expect(redactExactText("a long-value b", ["long-value"])).toBe("a [REDACTED] b")
  })

  test("shorter than eight characters stay: a key of one letter would take that letter out of every word", async () => {
    const answer = '{"text":"six boxes, extra"}'
    for (const value of ["x", "box", "", "extra", "1234567"]) {
      expect(await through([answer], [value])).toBe(answer)
      expect(redactExactText(answer, [value])).toBe(answer)
    }
  })
})
