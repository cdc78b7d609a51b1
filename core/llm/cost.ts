/** What a call costs, in whole micros of a US dollar: the exact sum over all its tokens, rounded once, half up. */
import type { ModelPrice } from "./catalogue-models.ts"

/** Tokens as the vendor counted them. `input` is everything sent, cached and cache-written parts included. */
export type TokenCounts = { input: number; cachedInput: number; cacheWrite: number; output: number }

const PER_MILLION = 1_000_000

/** 0 where the price is not known: what is not known cannot be billed, and `model list` shows that it is not. */
export function costUsdMicros(price: ModelPrice | null, tokens: TokenCounts): number {
  if (price === null) return 0
  // Vendors' numbers are taken as they come, but never so that a cost is negative or not a number.
  const input = whole(tokens.input)
  const cached = Math.min(whole(tokens.cachedInput), input)
  const written = Math.min(whole(tokens.cacheWrite), input - cached)
  const fresh = input - cached - written
  const isLong = price.long !== null && input > price.long.aboveTokens
  const inputFactor = isLong && price.long ? price.long.inputFactor : 1
  const outputFactor = isLong && price.long ? price.long.outputFactor : 1
  const inputSum =
    fresh * price.inputUsdMicros + cached * price.cachedInputUsdMicros + written * price.cacheWriteUsdMicros
  // Both products stay below 2^53 for a million tokens at 1,000 dollars per million.
  const sum = inputSum * inputFactor + whole(tokens.output) * price.outputUsdMicros * outputFactor
  return Math.floor((sum + PER_MILLION / 2) / PER_MILLION)
}

function whole(count: number): number {
  return Number.isFinite(count) && count > 0 ? Math.floor(count) : 0
}
