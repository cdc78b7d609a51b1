import { afterAll, afterEach, describe, expect, test } from "bun:test"
import { AppError } from "#core/errors.ts"
import { vendorNamed } from "#core/llm/catalogue.ts"
import { MAX_MESSAGE_CHARACTERS, toFailure } from "#core/llm/failures.ts"
import { startModelServer } from "#test/fakes/model-server.ts"
import { ask, failureOf, hastyClock, hear, modelsAt, TEST_KEY, textOf } from "./rig.ts"

const server = startModelServer()
afterAll(() => server.stop())
afterEach(() => server.reset())

const formats = [
  { format: "openai", id: "openai/gpt-4o" },
  { format: "anthropic", id: "anthropic/claude-sonnet-4-5" },
  { format: "google", id: "gemini/gemini-2.5-flash" },
]

/** New ones each time: a breaker that one test opened is not the next one's. */
const fresh = () => modelsAt(server.url, { clock: hastyClock }).models

for (const { format, id } of formats) {
  describe(`a vendor that speaks ${format}`, () => {
    for (const [status, kind] of [
      [400, "bad_request"],
      [401, "auth"],
      [403, "auth"],
      [404, "bad_request"],
      [413, "too_large"],
    ] as const) {
      test(`answers ${status}: ${kind}, asked once`, async () => {
        server.script({ status, message: "no, not so" })
        const failure = failureOf(await hear(fresh().get(id), ask("hi")))
        expect(failure).toMatchObject({ kind, status, retryable: false })
        expect(failure.message).toContain("no, not so")
        expect(server.requests).toHaveLength(1)
      })
    }

    for (const [status, kind] of [
      [408, "timeout"],
      [429, "rate_limit"],
      [500, "overloaded"],
      [503, "overloaded"],
      [529, "overloaded"],
    ] as const) {
      test(`answers ${status} once: tried again, then an answer`, async () => {
        server.script({ status }, { text: "there" })
        const events = await hear(fresh().get(id), ask("hi"))
        expect(textOf(events)).toBe("there")
        expect(server.requests).toHaveLength(2)
      })

      test(`answers ${status} for ever: ${kind}, after no more than three tries`, async () => {
        server.script({ status, times: 3 })
        const failure = failureOf(await hear(fresh().get(id), ask("hi")))
        expect(failure).toMatchObject({ kind, status, retryable: true })
        expect(server.requests.length).toBe(kind === "timeout" ? 2 : 3)
      })
    }

    test("says that the prompt is too long: context_overflow, asked once", async () => {
      server.script({ fault: "context_overflow" })
      const failure = failureOf(await hear(fresh().get(id), ask("hi")))
      expect(failure).toMatchObject({ kind: "context_overflow", retryable: false })
      expect(server.requests).toHaveLength(1)
    })

    test("sends garbage instead of events: a failure, no throw", async () => {
      server.script({ fault: "garbage", times: 3 })
      const failure = failureOf(await hear(fresh().get(id), ask("hi")))
      expect(["garbage", "network"]).toContain(failure.kind)
    })

    test("sends a page of HTML with 200: garbage", async () => {
      server.script({ fault: "html" })
      const failure = failureOf(await hear(fresh().get(id), ask("hi")))
      expect(failure.kind).toBe("garbage")
      expect(failure.message).not.toContain("<html>")
    })

    test("sends an error object with 200: its words are read", async () => {
      server.script({ fault: "json_error", message: "engine is overloaded" }, { text: "back" })
      expect(textOf(await hear(fresh().get(id), ask("hi")))).toBe("back")
    })

    test("sends a broken event in the middle: garbage, and what was shown stays", async () => {
      server.script({ text: "a long enough answer to have a middle", fault: "garbage_chunk" })
      const events = await hear(fresh().get(id), ask("hi"))
      expect(failureOf(events).kind).toBe("garbage")
      expect(textOf(events).length).toBeGreaterThan(0)
      expect(server.requests).toHaveLength(1)
    })

    test("reports an error in the middle of the stream: overloaded, not tried again after a delta", async () => {
      server.script({ text: "a long enough answer to have a middle", fault: "stream_error" })
      const events = await hear(fresh().get(id), ask("hi"))
      expect(failureOf(events).kind).toBe("overloaded")
      expect(server.requests).toHaveLength(1)
    })

    test("cuts the connection in the middle: network, with the usage so far", async () => {
      server.script({ text: "a long enough answer to have a middle", fault: "cut" })
      const events = await hear(fresh().get(id), ask("hi"))
      const end = events.at(-1)
      expect(end).toMatchObject({ type: "failed", failure: { kind: "network" } })
      expect(end?.type === "failed" && end.usage.inputTokens).toBeGreaterThan(0)
      expect(end?.type === "failed" && end.usage.costUsdMicros).toBeGreaterThan(0)
    })

    test("ends cleanly without a finish: a failure, not an answer", async () => {
      server.script({ text: "a long enough answer to have a middle", fault: "end_early" })
      const events = await hear(fresh().get(id), ask("hi"))
      expect(["network", "garbage"]).toContain(failureOf(events).kind)
    })
  })
}

test("nobody listens at the address: network, with the address in the hint", async () => {
  const gone = startModelServer()
  await gone.stop()
  const { models: local } = modelsAt(gone.url, {
    clock: hastyClock,
    settings: { backend: "ollama", baseUrl: gone.url },
  })
  const failure = failureOf(await hear(local.get("ollama/llama3.1"), ask("hi")))
  expect(failure).toMatchObject({ kind: "network", retryable: true })
  expect(failure.message).toContain(`127.0.0.1:${gone.port}`)
})

test("a vendor that repeats the key in its error does not get it into the message", async () => {
  server.script({ status: 401, message: `Incorrect API key provided: ${TEST_KEY}.` })
  const failure = failureOf(await hear(fresh().get("openai/gpt-4o"), ask("hi")))
  expect(failure.message).not.toContain(TEST_KEY)
  expect(failure.message).toContain("OPENAI_API_KEY")
})

test("an error of a megabyte becomes a short message", async () => {
  server.script({ status: 400, body: "x".repeat(1_000_000) })
  const failure = failureOf(await hear(fresh().get("openai/gpt-4o"), ask("hi")))
  expect(failure.message.length).toBeLessThan(MAX_MESSAGE_CHARACTERS + 200)
})

const context = (vendor: string) => ({
  vendor: vendorNamed(vendor),
  host: "h",
  modelName: "m",
  redact: (text: string) => text,
  nowMs: Date.UTC(2026, 0, 1),
})
const answer = (statusCode: number, error: unknown, responseHeaders: Record<string, string> = {}) => ({
  name: "AI_APICallError",
  message: "m",
  statusCode,
  responseBody: JSON.stringify({ error }),
  responseHeaders,
})

describe("each vendor's words for a prompt that is too long", () => {
  const words: [string, number, unknown][] = [
    [
      "openai",
      400,
      { code: "context_length_exceeded", message: "Your input exceeds the context window of this model." },
    ],
    ["openai", 400, { message: "Input tokens exceed the configured limit of 272000 tokens." }],
    [
      "anthropic",
      400,
      { type: "invalid_request_error", message: "prompt is too long: 210000 tokens > 200000 maximum" },
    ],
    [
      "anthropic",
      400,
      {
        type: "invalid_request_error",
        message: "input length and `max_tokens` exceed context limit: 190000 + 64000 > 200000",
      },
    ],
    [
      "gemini",
      400,
      { message: "The input token count (1200000) exceeds the maximum number of tokens allowed (1048576)." },
    ],
    [
      "groq",
      400,
      { message: "Please reduce the length of the messages or completion.", code: "context_length_exceeded" },
    ],
    [
      "mistral",
      400,
      {
        message:
          "Prompt contains 40000 tokens and 0 draft tokens, too large for model with 32768 maximum context length",
      },
    ],
    ["xai", 400, { message: "This model's maximum prompt length is 131072 but the request contains 150000 tokens." }],
    [
      "deepseek",
      400,
      { message: "This model's maximum context length is 65536 tokens. However, you requested 70000 tokens" },
    ],
    [
      "together",
      422,
      {
        message:
          "Input validation error: `inputs` tokens + `max_new_tokens` must be <= 8193. Given: 9000 `inputs` tokens",
      },
    ],
    [
      "openrouter",
      400,
      {
        message: "This endpoint's maximum context length is 128000 tokens. However, you requested about 150000 tokens",
      },
    ],
    [
      "llamacpp",
      400,
      {
        type: "exceed_context_size_error",
        message: "the request exceeds the available context size, try increasing it",
      },
    ],
    [
      "lmstudio",
      400,
      { message: "The number of tokens to keep from the initial prompt is greater than the context length" },
    ],
    [
      "vllm",
      400,
      { message: "This model's maximum context length is 4096 tokens. However, you requested 5000 tokens" },
    ],
    ["ollama", 400, { message: "prompt too long; exceeded max context length by 12 tokens" }],
  ]
  for (const [vendor, status, error] of words) {
    test(`${vendor}: ${JSON.stringify(error).slice(0, 70)}`, () => {
      expect(toFailure(answer(status, error), context(vendor)).kind).toBe("context_overflow")
    })
  }

  test("near misses are ordinary bad requests", () => {
    for (const message of [
      "context is required",
      "max_tokens is too large: 200000",
      "the field `context_length` is unknown",
      "messages: at least one message is required",
    ]) {
      expect(toFailure(answer(400, { message }), context("openai")).kind).toBe("bad_request")
    }
  })
})

test("an account without credit is not asked again, whatever status it comes with", () => {
  const cases = [
    answer(429, {
      code: "insufficient_quota",
      message: "You exceeded your current quota, please check your plan and billing details.",
    }),
    answer(400, {
      type: "invalid_request_error",
      message: "Your credit balance is too low to access the Anthropic API.",
    }),
    answer(402, { message: "Insufficient Balance" }),
  ]
  for (const one of cases) expect(toFailure(one, context("openai"))).toMatchObject({ kind: "auth", retryable: false })
})

test("Gemini's 400 for a wrong key is an auth failure", () => {
  const error = { code: 400, message: "API key not valid. Please pass a valid API key.", status: "INVALID_ARGUMENT" }
  expect(toFailure(answer(400, error), context("gemini")).kind).toBe("auth")
})

describe("how long a vendor asks to wait", () => {
  const after = (headers: Record<string, string>, message = "slow down") =>
    toFailure(answer(429, { message }, headers), context("openai")).retryAfterMs

  test("in seconds, milliseconds or as a date", () => {
    expect(after({ "retry-after": "7" })).toBe(7_000)
    expect(after({ "retry-after-ms": "250", "retry-after": "7" })).toBe(250)
    expect(after({ "retry-after": "Thu, 01 Jan 2026 00:00:30 GMT" })).toBe(30_000)
  })
  test("in words", () => {
    expect(after({}, "Rate limit reached. Please try again in 1.5s.")).toBe(1_500)
    expect(after({}, "Please try again in 2m30s.")).toBe(150_000)
    expect(after({}, "Please try again in 20ms.")).toBe(20)
  })
  test("as Gemini's retryDelay", () => {
    const error = {
      code: 429,
      message: "Quota exceeded.",
      details: [{ "@type": "type.googleapis.com/google.rpc.RetryInfo", retryDelay: "37s" }],
    }
    expect(toFailure(answer(429, error), context("gemini")).retryAfterMs).toBe(37_000)
  })
  test("nonsense is no time", () => {
    expect(after({ "retry-after": "soon" })).toBeNull()
    expect(after({ "retry-after": "-5" })).toBe(0)
  })
})

test("what the egress gate refuses is told in its words and not tried again; what it cannot reach is", () => {
  const refused = new Error("wrapped", {
    cause: new AppError("egress.refused", "The request was refused: not granted"),
  })
  expect(toFailure(refused, context("openai"))).toMatchObject({ kind: "network", retryable: false })
  expect(toFailure(refused, context("openai")).message).toContain("not granted")
  expect(toFailure(new AppError("egress.dns", "no such name"), context("openai"))).toMatchObject({
    kind: "network",
    retryable: true,
  })
})

test("things that are no errors at all become failures too", () => {
  for (const odd of [undefined, null, 0, "", {}, [], { message: 5 }, { error: { error: {} } }, new Error("")]) {
    expect(toFailure(odd, context("openai")).message.length).toBeGreaterThan(0)
  }
})
