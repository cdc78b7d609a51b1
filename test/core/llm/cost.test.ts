import { expect, test } from "bun:test"
import { modelRow, vendorNamed } from "#core/llm/catalogue.ts"
import { costUsdMicros } from "#core/llm/cost.ts"

const price = {
  inputUsdMicros: 1_000_000,
  cachedInputUsdMicros: 100_000,
  cacheWriteUsdMicros: 1_250_000,
  outputUsdMicros: 4_000_000,
  long: null,
  source: "test",
  asOf: "2026-01-01",
}
const tokens = (input: number, output = 0, more: { cachedInput?: number; cacheWrite?: number } = {}) => ({
  input,
  output,
  cachedInput: 0,
  cacheWrite: 0,
  ...more,
})

test("every kind of token has its price", () => {
  expect(costUsdMicros(price, tokens(1_000, 100, { cachedInput: 300, cacheWrite: 200 }))).toBe(500 + 30 + 250 + 400)
})

test("the sum is rounded once, half up", () => {
  const tiny = { ...price, inputUsdMicros: 500_000 } // half a micro a token
  expect(costUsdMicros(tiny, tokens(1))).toBe(1)
  expect(costUsdMicros(tiny, tokens(3))).toBe(2)
  expect(costUsdMicros({ ...price, inputUsdMicros: 499_999 }, tokens(1))).toBe(0)
})

test("an unknown price costs nothing", () => {
  expect(costUsdMicros(null, tokens(1_000_000, 1_000_000))).toBe(0)
})

test("a call longer than the threshold costs more as a whole", () => {
  const long = { ...price, long: { aboveTokens: 1_000, inputFactor: 2, outputFactor: 1.5 } }
  expect(costUsdMicros(long, tokens(1_000, 100))).toBe(1_400)
  expect(costUsdMicros(long, tokens(1_001, 100))).toBe(2_002 + 600)
})

test("odd counts of a vendor never make a cost negative or not a number", () => {
  expect(costUsdMicros(price, tokens(10, 0, { cachedInput: 1_000 }))).toBe(1)
  for (const odd of [Number.NaN, -5, Number.POSITIVE_INFINITY]) expect(costUsdMicros(price, tokens(odd, odd))).toBe(0)
})

test("a million tokens each way of a dear model stay exact", () => {
  const { price: opus } = modelRow(vendorNamed("anthropic"), "claude-opus-4-1")
  expect(costUsdMicros(opus, tokens(1_000_000, 1_000_000))).toBe(90_000_000)
})
