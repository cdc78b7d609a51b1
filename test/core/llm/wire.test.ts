import { afterAll, afterEach, describe, expect, test } from "bun:test"
import type { ModelMessage } from "#core/llm/model.ts"
import { startModelServer } from "#test/fakes/model-server.ts"
import { ask, callsOf, endOf, fetchTo, hear, lookUp, modelsAt, TEST_KEY, textOf } from "./rig.ts"

const server = startModelServer()
afterAll(() => server.stop())
afterEach(() => server.reset())

const { models } = modelsAt(server.url)
const sent = (at = 0) => {
  const request = server.requests[at]
  if (!request) throw new Error("nothing was sent")
  return request
}

const history: ModelMessage[] = [
  { role: "user", content: [{ type: "text", text: "look tree up" }] },
  {
    role: "assistant",
    text: "Looking.",
    toolCalls: [{ id: "call_one", name: "look_up", arguments: { word: "tree" } }],
  },
  { role: "tool", toolCallId: "call_one", toolName: "look_up", text: "a plant", isError: false },
  {
    role: "user",
    content: [
      { type: "text", text: "and what is this?" },
      { type: "image", mediaType: "image/png", base64: "iVBORw0KGgo=" },
    ],
  },
]

describe("OpenAI's wire", () => {
  test("carries system, history, image, tools and choice", async () => {
    await hear(
      models.get("openai/gpt-4o"),
      ask("", {
        messages: history,
        tools: [lookUp],
        toolChoice: "required",
        temperature: 0.5,
        topP: 0.9,
        stop: ["END"],
        maxOutputTokens: 77,
      }),
    )
    const { body, path, headers } = sent()
    expect(path).toBe("/v1/chat/completions")
    expect(headers["authorization"]).toBe(`Bearer ${TEST_KEY}`)
    expect(headers["user-agent"]).toBe("ironclaw")
    expect(body).toEqual({
      model: "gpt-4o",
      max_completion_tokens: 77,
      temperature: 0.5,
      top_p: 0.9,
      stop: ["END"],
      messages: [
        { role: "system", content: "You are a test." },
        { role: "user", content: "look tree up" },
        {
          role: "assistant",
          content: "Looking.",
          tool_calls: [
            { id: "call_one", type: "function", function: { name: "look_up", arguments: '{"word":"tree"}' } },
          ],
        },
        { role: "tool", tool_call_id: "call_one", content: "a plant" },
        {
          role: "user",
          content: [
            { type: "text", text: "and what is this?" },
            { type: "image_url", image_url: { url: "data:image/png;base64,iVBORw0KGgo=" } },
          ],
        },
      ],
      tools: [
        {
          type: "function",
          function: { name: "look_up", description: "Looks a word up", parameters: lookUp.parameters },
        },
      ],
      tool_choice: "required",
      stream: true,
      stream_options: { include_usage: true },
    })
  })

  test("a tool chosen by name is named", async () => {
    await hear(models.get("openai/gpt-4o"), ask("hi", { tools: [lookUp], toolChoice: { name: "look_up" } }))
    expect(sent().body["tool_choice"]).toEqual({ type: "function", function: { name: "look_up" } })
  })

  test("system parts become one message, since many templates know only one", async () => {
    await hear(
      models.get("mistral/mistral-large-latest"),
      ask("hi", {
        system: [
          { text: "One.", cache: true },
          { text: "", cache: false },
          { text: "Two.", cache: false },
        ],
      }),
    )
    expect(sent().body["messages"]).toEqual([
      { role: "system", content: "One.\n\nTwo." },
      { role: "user", content: "hi" },
    ])
  })

  test("a vendor that does not know usage in streams is not asked for it, and usage is estimated", async () => {
    server.script({ text: "four words of text", usage: null })
    const end = endOf(await hear(models.get("mistral/mistral-large-latest"), ask("hello there")))
    expect(sent().body["stream_options"]).toBeUndefined()
    expect(end.usage.inputTokens).toBeGreaterThan(5)
    expect(end.usage.outputTokens).toBe(5)
    expect(end.usage.costUsdMicros).toBeGreaterThan(0)
  })

  test("Mistral gets ids of nine characters, the same for call and result", async () => {
    await hear(models.get("mistral/mistral-large-latest"), ask("", { messages: history }))
    const messages = sent().body["messages"] as { tool_calls?: { id: string }[]; tool_call_id?: string }[]
    const id = messages.find((message) => message.tool_calls)?.tool_calls?.[0]?.id
    expect(id).toMatch(/^[a-z0-9]{9}$/)
    expect(messages.find((message) => message.tool_call_id)?.tool_call_id).toBe(id)
  })

  test("an image for a model without sight is said in words, not sent", async () => {
    await hear(models.get("deepseek/deepseek-chat"), ask("", { messages: history }))
    expect(JSON.stringify(sent().body)).not.toContain("iVBORw0KGgo")
    expect(JSON.stringify(sent().body)).toContain("does not see images")
  })

  test("usage with cached tokens, and its cost", async () => {
    server.script({ text: "hi", usage: { inputTokens: 1_000, cachedInputTokens: 600, outputTokens: 100 } })
    // gpt-4o: 400 × 2.5 + 600 × 1.25 + 100 × 10 dollars per million
    expect(endOf(await hear(models.get("openai/gpt-4o"), ask("hi"))).usage).toEqual({
      inputTokens: 1_000,
      cachedInputTokens: 600,
      outputTokens: 100,
      costUsdMicros: 2_750,
    })
  })

  test("thinking of a reasoning model arrives as thinking", async () => {
    server.script({ thinking: "let me see…", text: "done" })
    const events = await hear(models.get("deepseek/deepseek-reasoner"), ask("hi", { thinking: "high" }))
    expect(textOf(events, "thinking")).toBe("let me see…")
    expect(textOf(events)).toBe("done")
  })
})

describe("thinking levels on OpenAI's wire", () => {
  const bodyOf = async (id: string, more: Parameters<typeof ask>[1]) => {
    server.reset()
    await hear(models.get(id), ask("hi", more))
    return sent().body
  }

  test("are told in the vendor's own way", async () => {
    expect(await bodyOf("openai/gpt-5-mini", { thinking: "high" })).toMatchObject({ reasoning_effort: "high" })
    expect(await bodyOf("openrouter/x/y", { thinking: "low" })).toMatchObject({ reasoning: { effort: "low" } })
    expect(await bodyOf("deepseek/deepseek-v4-pro", { thinking: "medium" })).toMatchObject({
      thinking: { type: "enabled" },
    })
    expect(await bodyOf("vllm/qwen3-8b", { thinking: "low" })).toMatchObject({
      chat_template_kwargs: { enable_thinking: true },
    })
    expect(await bodyOf("xai/grok-4.3", { thinking: "low" })).toMatchObject({ reasoning_effort: "low" })
  })

  test("off is the least that the model knows", async () => {
    expect(await bodyOf("openai/gpt-5-mini", { thinking: "off" })).toMatchObject({ reasoning_effort: "minimal" })
    expect(await bodyOf("openai/gpt-5.1", { thinking: "off" })).toMatchObject({ reasoning_effort: "none" })
    expect(await bodyOf("openai/o3", { thinking: "off" })).toMatchObject({ reasoning_effort: "low" })
    expect(await bodyOf("openrouter/x/y", { thinking: "off" })).toMatchObject({ reasoning: { enabled: false } })
    expect(await bodyOf("deepseek/deepseek-v4-pro", { thinking: "off" })).toMatchObject({
      thinking: { type: "disabled" },
    })
  })

  test("are not mentioned to a model that does not think", async () => {
    const body = await bodyOf("openai/gpt-4o", { thinking: "high" })
    expect(body["reasoning_effort"]).toBeUndefined()
  })

  test("gpt-5.4 with tools is told none, since the vendor refuses both together", async () => {
    expect(await bodyOf("openai/gpt-5.4", { thinking: "high", tools: [lookUp] })).toMatchObject({
      reasoning_effort: "none",
    })
    expect(await bodyOf("openai/gpt-5.4", { thinking: "high" })).toMatchObject({ reasoning_effort: "high" })
  })

  test("reasoning models get no temperature", async () => {
    const body = await bodyOf("openai/gpt-5-mini", { temperature: 0.2, topP: 0.5, stop: ["x"] })
    expect([body["temperature"], body["top_p"], body["stop"]]).toEqual([undefined, undefined, undefined])
  })
})

describe("Anthropic's wire", () => {
  test("carries history, image, tools and the two cache marks: behind the stable prefix, behind the newest message", async () => {
    const system = [
      { text: "Stable.", cache: true },
      { text: "Stable too.", cache: true },
      { text: "Today.", cache: false },
    ]
    await hear(
      models.get("anthropic/claude-sonnet-4-5"),
      ask("", { system, messages: history, tools: [lookUp], toolChoice: "auto" }),
    )
    const { body, path, headers } = sent()
    expect(path).toBe("/v1/messages")
    expect(headers["x-api-key"]).toBe(TEST_KEY)
    expect(headers["anthropic-version"]).toBe("2023-06-01")
    expect(body["system"]).toEqual([
      { type: "text", text: "Stable." },
      { type: "text", text: "Stable too.", cache_control: { type: "ephemeral" } },
      { type: "text", text: "Today." },
    ])
    expect(body["messages"]).toEqual([
      { role: "user", content: [{ type: "text", text: "look tree up" }] },
      {
        role: "assistant",
        content: [
          { type: "text", text: "Looking." },
          { type: "tool_use", id: "call_one", name: "look_up", input: { word: "tree" } },
        ],
      },
      {
        role: "user",
        content: [
          { type: "tool_result", tool_use_id: "call_one", content: "a plant" },
          { type: "text", text: "and what is this?" },
          {
            type: "image",
            source: { type: "base64", media_type: "image/png", data: "iVBORw0KGgo=" },
            cache_control: { type: "ephemeral" },
          },
        ],
      },
    ])
    expect(body["tools"]).toMatchObject([
      { name: "look_up", description: "Looks a word up", input_schema: lookUp.parameters },
    ])
    expect(body["max_tokens"]).toBe(64_000)
    expect(body["stream"]).toBe(true)
  })

  test("without a stable part nothing is marked", async () => {
    await hear(models.get("anthropic/claude-sonnet-4-5"), ask("hi", { system: [{ text: "Once.", cache: false }] }))
    expect(JSON.stringify(sent().body)).not.toContain("cache_control")
  })

  test("usage counts what was read from and written to the cache, at their prices", async () => {
    server.script({
      text: "hi",
      usage: { inputTokens: 10_000, cachedInputTokens: 6_000, cacheWriteTokens: 3_000, outputTokens: 100 },
    })
    // Sonnet 4.5: 1,000 × 3 + 6,000 × 0.3 + 3,000 × 3.75 + 100 × 15 dollars per million
    expect(endOf(await hear(models.get("anthropic/claude-sonnet-4-5"), ask("hi"))).usage).toEqual({
      inputTokens: 10_000,
      cachedInputTokens: 6_000,
      outputTokens: 100,
      costUsdMicros: 17_550,
    })
  })

  test("thinks as much as it is told, off included", async () => {
    await hear(models.get("anthropic/claude-sonnet-4-5"), ask("hi", { thinking: "low", maxOutputTokens: 1_000 }))
    expect(sent(0).body["thinking"]).toMatchObject({ type: "enabled" })
    await hear(models.get("anthropic/claude-sonnet-4-5"), ask("hi", { thinking: "off" }))
    expect(sent(1).body["thinking"]).toEqual({ type: "disabled" })
    await hear(models.get("anthropic/claude-sonnet-5"), ask("hi", { thinking: "medium" }))
    expect(sent(2).body["thinking"]).toMatchObject({ type: "adaptive" })
  })

  test("signed thinking goes back with its call, even when the row reordered its arguments and gave it another id", async () => {
    server.script({
      thinking: "I should look",
      text: "One moment.",
      toolCalls: [{ name: "look_up", arguments: { word: "tree", in: "book" } }],
    })
    const model = models.get("anthropic/claude-sonnet-4-5")
    const [event] = callsOf(await hear(model, ask("look", { thinking: "low", tools: [lookUp] })))
    expect(event?.call.arguments).toEqual({ word: "tree", in: "book" })
    const toolCalls = [{ id: "call_other", name: "look_up", arguments: { in: "book", word: "tree" } }]
    const messages: ModelMessage[] = [
      { role: "user", content: [{ type: "text", text: "look" }] },
      { role: "assistant", text: "One moment.", toolCalls },
      { role: "tool", toolCallId: "call_other", toolName: "look_up", text: "a plant", isError: false },
    ]
    await hear(model, ask("", { thinking: "low", tools: [lookUp], messages }))
    const assistant = (sent(1).body["messages"] as { role: string; content: unknown[] }[]).find(
      ({ role }) => role === "assistant",
    )
    expect(assistant?.content[0]).toEqual({ type: "thinking", thinking: "I should look", signature: "c2lnbmF0dXJl" })
  })

  test("a result that is an error says so", async () => {
    const messages = history.map((message) => (message.role === "tool" ? { ...message, isError: true } : message))
    await hear(models.get("anthropic/claude-sonnet-4-5"), ask("", { messages }))
    expect(JSON.stringify(sent().body)).toContain('"is_error":true')
  })
})

describe("Google's wire", () => {
  test("carries system, history, image, tools and choice", async () => {
    await hear(
      models.get("gemini/gemini-2.5-flash"),
      ask("", { messages: history, tools: [lookUp], toolChoice: "required" }),
    )
    const { body, path, headers } = sent()
    expect(path).toBe("/v1beta/models/gemini-2.5-flash:streamGenerateContent?alt=sse")
    expect(headers["x-goog-api-key"]).toBe(TEST_KEY)
    expect(headers["authorization"]).toBeUndefined()
    expect(body["systemInstruction"]).toEqual({ parts: [{ text: "You are a test." }] })
    const contents = body["contents"] as { role: string; parts: Record<string, unknown>[] }[]
    expect(contents.map(({ role }) => role)).toEqual(["user", "model", "user", "user"])
    expect(contents[1]?.parts[1]).toMatchObject({ functionCall: { name: "look_up", args: { word: "tree" } } })
    expect(contents[3]?.parts[1]).toMatchObject({ inlineData: { mimeType: "image/png", data: "iVBORw0KGgo=" } })
    expect(body["toolConfig"]).toMatchObject({ functionCallingConfig: { mode: "ANY" } })
  })

  test("thinks as much as it is told and shows its thoughts", async () => {
    server.script({ thinking: "hm", text: "ok", usage: { inputTokens: 10, cachedInputTokens: 4, outputTokens: 3 } })
    const events = await hear(models.get("gemini/gemini-2.5-flash"), ask("hi", { thinking: "low" }))
    expect(textOf(events, "thinking")).toBe("hm")
    expect(endOf(events).usage).toMatchObject({ inputTokens: 10, cachedInputTokens: 4, outputTokens: 3 })
    expect(sent().body["generationConfig"]).toMatchObject({ thinkingConfig: { includeThoughts: true } })
  })

  test("a call's thought signature goes back with it", async () => {
    server.script({ toolCalls: [{ name: "look_up", arguments: { word: "oak" } }] })
    const model = models.get("gemini/gemini-3.5-flash")
    expect(callsOf(await hear(model, ask("look", { tools: [lookUp] })))).toHaveLength(1)
    const messages: ModelMessage[] = [
      { role: "user", content: [{ type: "text", text: "look" }] },
      { role: "assistant", text: "", toolCalls: [{ id: "call_new", name: "look_up", arguments: { word: "oak" } }] },
      { role: "tool", toolCallId: "call_new", toolName: "look_up", text: "a tree", isError: false },
    ]
    await hear(model, ask("", { tools: [lookUp], messages }))
    expect(JSON.stringify(sent(1).body)).toContain('"thoughtSignature":"c2lnbmF0dXJl"')
  })
})

describe("history that a vendor would refuse", () => {
  test("a call without a result gets one that says so; a result without its call becomes text", async () => {
    const messages: ModelMessage[] = [
      { role: "tool", toolCallId: "call_lost", toolName: "look_up", text: "orphan", isError: false },
      {
        role: "assistant",
        text: "",
        toolCalls: [
          { id: "call_a", name: "look_up", arguments: {} },
          { id: "call_b", name: "look_up", arguments: {} },
        ],
      },
      { role: "tool", toolCallId: "call_b", toolName: "look_up", text: "found b", isError: false },
      { role: "assistant", text: "", toolCalls: [] },
      { role: "user", content: [{ type: "text", text: "go on" }] },
    ]
    await hear(models.get("openai/gpt-4o"), ask("", { system: [], messages }))
    expect(sent().body["messages"]).toMatchObject([
      { role: "user", content: "[Result of look_up]\norphan" },
      { role: "assistant", tool_calls: [{ id: "call_a" }, { id: "call_b" }] },
      { role: "tool", tool_call_id: "call_a", content: "No result is known: the call did not finish." },
      { role: "tool", tool_call_id: "call_b", content: "found b" },
      { role: "user", content: "go on" },
    ])
  })
})

test("the true key is asked for with every request, and never handed to the provider package", async () => {
  let value = "first-key-0000000000"
  const { models: rotating } = modelsAt(server.url, {
    keyFor: () => ({ name: "OPENAI_API_KEY", value }),
    fetchFor: fetchTo(server.url),
  })
  await hear(rotating.get("openai/gpt-4o"), ask("hi"))
  value = "second-key-000000000"
  await hear(rotating.get("openai/gpt-4o"), ask("hi"))
  expect(server.requests.map(({ headers }) => headers["authorization"])).toEqual([
    "Bearer first-key-0000000000",
    "Bearer second-key-000000000",
  ])
})
