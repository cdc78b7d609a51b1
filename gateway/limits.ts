/** Token buckets by key: so many at once, so many a second after that. Bounded in memory whatever the number of keys. */
import type { Clock } from "#core/clock.ts"

export type Limiter = {
  /** Takes one. 0: granted; else the whole seconds after which one is there again. */
  take(key: string): number
  /** Like `take`, but takes nothing. */
  wait(key: string): number
}

/** Keys remembered; beyond that the one that was quiet longest is forgotten, which can only be in its favour. */
const MAX_KEYS = 10_000

export function createLimiter({
  clock,
  burst,
  perSecond,
}: {
  clock: Clock
  burst: number
  perSecond: number
}): Limiter {
  const buckets = new Map<string, { left: number; atMs: number }>()

  function refilled(key: string, nowMs: number): number {
    const bucket = buckets.get(key)
    return bucket ? Math.min(burst, bucket.left + ((nowMs - bucket.atMs) / 1_000) * perSecond) : burst
  }
  const secondsTo = (left: number) => (left >= 1 ? 0 : Math.max(1, Math.ceil((1 - left) / perSecond)))

  return {
    take(key) {
      const nowMs = clock.monotonicMs()
      const left = refilled(key, nowMs)
      const seconds = secondsTo(left)
      buckets.delete(key) // set again at the end: the map's order is the order of last use
      buckets.set(key, { left: seconds === 0 ? left - 1 : left, atMs: nowMs })
      if (buckets.size > MAX_KEYS) {
        const [oldest] = buckets.keys()
        if (oldest !== undefined) buckets.delete(oldest)
      }
      return seconds
    },
    wait: (key) => secondsTo(refilled(key, clock.monotonicMs())),
  }
}
