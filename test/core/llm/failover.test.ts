import { afterAll, afterEach, describe, expect, test } from "bun:test"
import { FAILURES_TO_OPEN } from "#core/llm/breaker.ts"
import { createFakeClock } from "#test/fakes/clock.ts"
import { startModelServer } from "#test/fakes/model-server.ts"
import { ask, endOf, failureOf, hastyClock, hear, modelsAt, textOf } from "./rig.ts"

const server = startModelServer()
afterAll(() => server.stop())
afterEach(() => server.reset())

const FIRST = "openai/gpt-4o"
const SECOND = "anthropic/claude-sonnet-4-5"
const THIRD = "gemini/gemini-2.5-flash"
const chain = (fallbacks: string[] = [SECOND, THIRD]) =>
  modelsAt(server.url, { clock: hastyClock, settings: { fallbacks } })
/** Fails the first vendor with `script`; the others answer. */
const failFirst = (script: Parameters<typeof server.script>[0]) =>
  server.decide(({ format }) => (format === "openai" ? script : { text: `from ${format}` }))

describe("a failure before the first delta passes to the next vendor", () => {
  for (const [what, script] of [
    ["401", { status: 401 }],
    ["404", { status: 404 }],
    ["429 for ever", { status: 429 }],
    ["500 for ever", { status: 500 }],
    ["garbage", { fault: "html" }],
  ] as const) {
    test(what, async () => {
      failFirst(script)
      const { models, failures } = chain()
      const events = await hear(models.get(FIRST), ask("hi"))
      expect(textOf(events)).toBe("from anthropic")
      expect(endOf(events)).toMatchObject({ type: "finished", model: SECOND })
      expect(events[0]).toMatchObject({ type: "fallback", from: FIRST, to: SECOND })
      expect(failures.at(-1)).toMatchObject({ model: FIRST, next: SECOND })
    })
  }

  test("and on to the third", async () => {
    server.decide(({ format }) => (format === "google" ? { text: "third" } : { status: 401 }))
    const events = await hear(chain().models.get(FIRST), ask("hi"))
    expect(textOf(events)).toBe("third")
    expect(events.filter(({ type }) => type === "fallback")).toHaveLength(2)
  })

  test("where all fail, the last failure is told", async () => {
    server.decide(() => ({ status: 401 }))
    const events = await hear(chain().models.get(FIRST), ask("hi"))
    expect(endOf(events)).toMatchObject({ type: "failed", model: THIRD, failure: { kind: "auth" } })
  })
})

describe("no other vendor is asked", () => {
  for (const [what, script] of [
    ["after a delta was shown", { text: "a long enough answer to have a middle", fault: "cut" }],
    ["after a thought was shown", { thinking: "a long enough thought to have a middle", fault: "cut" }],
    ["for a request that is wrong", { status: 400 }],
    ["for a prompt that is too long, where the next window is no larger", { fault: "context_overflow" }],
  ] as const) {
    test(what, async () => {
      failFirst(script)
      const events = await hear(
        chain(
          ["deepseek/deepseek-reasoner", "mistral/codestral-latest"].slice(0, 0).concat("groq/llama-3.1-8b-instant"),
        ).models.get(FIRST),
        ask("hi"),
      )
      expect(endOf(events)).toMatchObject({ type: "failed", model: FIRST })
      expect(events.some(({ type }) => type === "fallback")).toBe(false)
      expect(server.requests).toHaveLength(1)
    })
  }

  test("when the person stopped it", async () => {
    failFirst({ fault: "hang" })
    const events = await hear(chain().models.get(FIRST), ask("hi"), AbortSignal.timeout(40))
    expect(failureOf(events).kind).toBe("aborted")
    expect(server.requests.every(({ format }) => format === "openai")).toBe(true)
  })
})

test("a prompt that is too long passes to a model with a larger window", async () => {
  failFirst({ fault: "context_overflow" })
  const events = await hear(chain([THIRD]).models.get(FIRST), ask("hi"))
  expect(textOf(events)).toBe("from google")
})

test("the demo is never a fallback, nor is the model itself, nor one without a key", async () => {
  failFirst({ status: 401 })
  const { models } = modelsAt(server.url, {
    clock: hastyClock,
    settings: { fallbacks: ["demo/demo", FIRST, "xai/grok-4.3", "nonsense/x"] },
    keyFor: (vendor) => (vendor.name === "openai" ? { name: "OPENAI_API_KEY", value: "k".repeat(20) } : null),
  })
  const events = await hear(models.get(FIRST), ask("hi"))
  expect(endOf(events)).toMatchObject({ type: "failed", model: FIRST })
  expect(server.requests).toHaveLength(1)
})

test("what failed tries cost is in the sum", async () => {
  server.script({ fault: "hang_after_head" }, { text: "ok", usage: { inputTokens: 100, outputTokens: 10 } })
  const { models } = modelsAt(server.url, { clock: hastyClock, waits: { firstByteMs: 40, idleMs: 40 } })
  const { usage } = endOf(await hear(models.get(FIRST), ask("hi")))
  expect(usage.inputTokens).toBeGreaterThan(100)
})

describe("Retry-After", () => {
  test("is kept: the second try comes no earlier", async () => {
    const clock = createFakeClock()
    server.script({ status: 429, retryAfter: "7" }, { text: "now" })
    const { models } = modelsAt(server.url, { clock })
    const done = hear(models.get(FIRST), ask("hi"))
    while (server.requests.length < 1 || clock.waiting() < 1) await Bun.sleep(2)
    await Bun.sleep(10)
    await clock.advance(6_900)
    await Bun.sleep(10)
    expect(server.requests).toHaveLength(1)
    await clock.advance(200)
    expect(textOf(await done)).toBe("now")
  })

  test("of more than a minute is not waited for", async () => {
    server.script({ status: 429, retryAfter: "61" })
    const failure = failureOf(await hear(modelsAt(server.url).models.get(FIRST), ask("hi")))
    expect(failure).toMatchObject({ kind: "rate_limit", retryAfterMs: 61_000 })
    expect(server.requests).toHaveLength(1)
  })

  test("of ten seconds is not waited for where another model can answer now", async () => {
    failFirst({ status: 429, retryAfter: "10" })
    expect(
      textOf(await hear(modelsAt(server.url, { settings: { fallbacks: [SECOND] } }).models.get(FIRST), ask("hi"))),
    ).toBe("from anthropic")
    expect(server.requests).toHaveLength(2)
  })
})

describe("health", () => {
  test("a model that was refused is left alone while it cools, and status says so", async () => {
    failFirst({ status: 429, retryAfter: "30" })
    const { models } = chain([SECOND])
    await hear(models.get(FIRST), ask("hi"))
    const asked = server.requests.length
    const events = await hear(models.get(FIRST), ask("hi"))
    expect(textOf(events)).toBe("from anthropic")
    expect(events.some(({ type }) => type === "fallback")).toBe(false)
    expect(server.requests.slice(asked).map(({ format }) => format)).toEqual(["anthropic"])
    expect(models.status().find(({ id }) => id === FIRST)).toMatchObject({ state: "cooling" })
    expect(models.status().find(({ id }) => id === FIRST)?.coolingUntil).toMatch(/^20\d\d-/)
  })

  test("a cooling model without a spare is asked all the same", async () => {
    const { models } = chain([])
    server.script({ status: 401 })
    await hear(models.get(FIRST), ask("hi"))
    expect(models.status()[0]?.state).toBe("cooling")
    expect(textOf(await hear(models.get(FIRST), ask("hi")))).toBe("echo: hi")
    expect(models.status()[0]).toMatchObject({ state: "ok", coolingUntil: null })
  })

  test("a vendor that is down is not asked for a while, then by one call alone", async () => {
    const clock = createFakeClock()
    const { models } = modelsAt(server.url, { clock: { ...clock, sleep: () => Promise.resolve() } })
    server.decide(() => ({ status: 500 }))
    for (let call = 0; call < FAILURES_TO_OPEN; call++) await hear(models.get(FIRST), ask("hi"))
    expect(models.status()[0]).toMatchObject({ state: "open", failuresInARow: FAILURES_TO_OPEN })
    server.reset()

    const refused = failureOf(await hear(models.get(FIRST), ask("hi")))
    expect(refused).toMatchObject({ kind: "overloaded", retryable: false, retryAfterMs: 30_000 })
    expect(server.requests).toEqual([])

    await clock.advance(30_001)
    server.script({ text: "back", delayMs: 30 })
    const [one, two] = await Promise.all([hear(models.get(FIRST), ask("hi")), hear(models.get(FIRST), ask("hi"))])
    expect([endOf(one).type, endOf(two).type].toSorted()).toEqual(["failed", "finished"])
    expect(server.requests).toHaveLength(1)
    expect(models.status()[0]).toMatchObject({ state: "ok", failuresInARow: 0 })
  })

  test("a probe whose reader left gives its place back", async () => {
    const clock = createFakeClock()
    const { models } = modelsAt(server.url, { clock: { ...clock, sleep: () => Promise.resolve() } })
    server.decide(() => ({ status: 500 }))
    for (let call = 0; call < FAILURES_TO_OPEN; call++) await hear(models.get(FIRST), ask("hi"))
    await clock.advance(30_001)
    server.reset()
    for await (const event of models.get(FIRST).stream(ask("hi"), { signal: new AbortController().signal })) {
      expect(event.type).toBe("text")
      break
    }
    expect(textOf(await hear(models.get(FIRST), ask("hi")))).toBe("echo: hi")
  })
})
