/** Whether a failed call is tried again at the same vendor, and after how long. */
import type { ModelFailure } from "./model.ts"

/** Three tries in all: a passing fault is over by then, and a person is waiting. */
export const MAX_TRIES = 3
/** A vendor that asks for more patience than this is left for the next one in the chain, or for the person to decide. */
export const MAX_RETRY_AFTER_MS = 60_000
const FIRST_DELAY_MS = 500
const MAX_DELAY_MS = 8_000

/**
 * Milliseconds to wait before the next try, or null: no further try. `tries` counts those made. `jitter` gives 0 ≤ x < 1, so that many
 * clients of one vendor do not come back in step; the wait lies between half and the whole of the doubled delay.
 */
export function retryDelayMs(
  failure: ModelFailure,
  { tries, jitter }: { tries: number; jitter: () => number },
): number | null {
  if (!failure.retryable || tries >= MAX_TRIES) return null
  if (failure.retryAfterMs !== null) {
    if (failure.retryAfterMs > MAX_RETRY_AFTER_MS) return null
    // At least what was asked, and a little more: "1 second" is measured by two clocks.
    return Math.ceil(failure.retryAfterMs * (1 + jitter() / 10))
  }
  // What took so long once is not asked for a third time at once.
  if (failure.kind === "timeout" && tries >= 2) return null
  const delayMs = Math.min(FIRST_DELAY_MS * 2 ** (tries - 1), MAX_DELAY_MS)
  return Math.round(delayMs / 2 + (delayMs / 2) * jitter())
}
