import { expect, test } from "bun:test"
import { createHealthBook, FAILURES_TO_OPEN, OPEN_MS } from "#core/llm/breaker.ts"
import type { ModelFailure } from "#core/llm/model.ts"
import { createFakeClock } from "#test/fakes/clock.ts"

const failure = (kind: ModelFailure["kind"], retryAfterMs: number | null = null): ModelFailure => ({
  message: `it was ${kind}`,
  kind,
  status: null,
  retryable: true,
  retryAfterMs,
})

function opened() {
  const clock = createFakeClock()
  const health = createHealthBook({ clock })
  for (let count = 0; count < FAILURES_TO_OPEN; count++) health.failed("m", failure("network"))
  return { clock, health }
}

test("one failure less than the limit leaves it closed, and a success begins anew", () => {
  const health = createHealthBook({ clock: createFakeClock() })
  for (let count = 1; count < FAILURES_TO_OPEN; count++) health.failed("m", failure("timeout"))
  expect(health.ask("m")).toBe("go")
  health.succeeded("m")
  for (let count = 1; count < FAILURES_TO_OPEN; count++) health.failed("m", failure("timeout"))
  expect(health.ask("m")).toBe("go")
})

test("opens, lets one probe through after its time, closes when that succeeds", async () => {
  const { clock, health } = opened()
  expect(health.ask("m")).toMatchObject({ why: "open", refusedForMs: OPEN_MS })
  expect(health.isUsable("m")).toBe(false)
  await clock.advance(OPEN_MS)
  expect(health.isUsable("m")).toBe(true)
  expect(health.ask("m")).toBe("probe")
  expect(health.ask("m")).toMatchObject({ why: "open" })
  health.succeeded("m")
  expect(health.ask("m")).toBe("go")
})

test("a probe that fails opens it for twice as long, up to five minutes", async () => {
  const { clock, health } = opened()
  let waitedMs = OPEN_MS
  for (const expectedMs of [60_000, 120_000, 240_000, 300_000, 300_000]) {
    await clock.advance(waitedMs)
    expect(health.ask("m")).toBe("probe")
    health.failed("m", failure("network"))
    expect(health.ask("m")).toMatchObject({ refusedForMs: expectedMs })
    waitedMs = expectedMs
  }
})

test("a probe that was stopped gives its place back", async () => {
  const { clock, health } = opened()
  await clock.advance(OPEN_MS)
  expect(health.ask("m")).toBe("probe")
  health.released("m")
  expect(health.ask("m")).toBe("probe")
})

test("wrong requests do not open it", () => {
  const health = createHealthBook({ clock: createFakeClock() })
  for (const kind of [
    "bad_request",
    "context_overflow",
    "too_large",
    "bad_request",
    "bad_request",
    "bad_request",
    "bad_request",
  ] as const)
    health.failed("m", failure(kind))
  expect(health.ask("m")).toBe("go")
})

test("a refused key cools for five minutes, a rate limit as long as the vendor says", async () => {
  const clock = createFakeClock()
  const health = createHealthBook({ clock })
  health.failed("key", failure("auth"))
  health.failed("rate", failure("rate_limit", 5_000))
  expect(health.ask("key")).toMatchObject({ why: "cooling", refusedForMs: 300_000 })
  await clock.advance(5_000)
  expect(health.ask("rate")).toBe("go")
  expect(health.status().map(({ id, state, lastFailure }) => [id, state, lastFailure])).toEqual([
    ["key", "cooling", "it was auth"],
    ["rate", "ok", "it was rate_limit"],
  ])
})

test("a wall clock that jumps changes nothing", () => {
  const { clock, health } = opened()
  clock.jump(86_400_000)
  expect(health.ask("m")).toMatchObject({ why: "open", refusedForMs: OPEN_MS })
  clock.jump(-172_800_000)
  expect(health.ask("m")).toMatchObject({ why: "open", refusedForMs: OPEN_MS })
})
