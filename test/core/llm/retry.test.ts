import { expect, test } from "bun:test"
import type { ModelFailure } from "#core/llm/model.ts"
import { MAX_RETRY_AFTER_MS, MAX_TRIES, retryDelayMs } from "#core/llm/retry.ts"

const failure = (more: Partial<ModelFailure> = {}): ModelFailure => ({
  message: "m",
  kind: "overloaded",
  status: 503,
  retryable: true,
  retryAfterMs: null,
  ...more,
})

test("the wait doubles, and lies between half and the whole of it", () => {
  expect([1, 2].map((tries) => retryDelayMs(failure(), { tries, jitter: () => 0 }))).toEqual([250, 500])
  expect([1, 2].map((tries) => retryDelayMs(failure(), { tries, jitter: () => 0.999 }))).toEqual([500, 1_000])
})

test("what cannot be retried is not, and the last try is the last", () => {
  expect(retryDelayMs(failure({ retryable: false }), { tries: 1, jitter: () => 0 })).toBeNull()
  expect(retryDelayMs(failure(), { tries: MAX_TRIES, jitter: () => 0 })).toBeNull()
})

test("a time that the vendor names is kept, a little more and never less, up to the cap", () => {
  const asked = (retryAfterMs: number, jitter = 0) =>
    retryDelayMs(failure({ retryAfterMs }), { tries: 1, jitter: () => jitter })
  expect(asked(2_000)).toBe(2_000)
  expect(asked(2_000, 0.5)).toBe(2_100)
  expect(asked(0)).toBe(0)
  expect(asked(MAX_RETRY_AFTER_MS)).toBe(MAX_RETRY_AFTER_MS)
  expect(asked(MAX_RETRY_AFTER_MS + 1)).toBeNull()
})

test("a vendor that was silent for the whole wait is asked once more, not twice", () => {
  expect(retryDelayMs(failure({ kind: "timeout" }), { tries: 1, jitter: () => 0 })).toBe(250)
  expect(retryDelayMs(failure({ kind: "timeout" }), { tries: 2, jitter: () => 0 })).toBeNull()
})
