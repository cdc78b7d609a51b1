/** Time as an argument: the wall clock for what people read, the monotonic one for durations, so that a clock that jumps breaks nothing. */

export type Cancel = () => void

export type Clock = {
  /** Wall time, ms since 1970. May jump either way; never subtract two of these for a duration. */
  nowMs(): number
  /** Wall time as ISO 8601 in UTC with ms. */
  iso(): string
  /** Ms that only grow, from an arbitrary origin. */
  monotonicMs(): number
  /** Calls `work` once after `delayMs`; does not keep the process alive. */
  after(delayMs: number, work: () => void): Cancel
  /** Resolves after `delayMs`; rejects with the signal's reason when aborted. */
  sleep(delayMs: number, signal?: AbortSignal): Promise<void>
}

export const systemClock: Clock = {
  nowMs: () => Date.now(),
  iso: () => new Date().toISOString(),
  monotonicMs: () => performance.now(),
  after(delayMs, work) {
    const timer = setTimeout(work, delayMs)
    timer.unref()
    return () => clearTimeout(timer)
  },
  sleep(delayMs, signal) {
    return new Promise((resolve, reject) => {
      if (signal?.aborted) return reject(signal.reason)
      const stop = () => {
        clearTimeout(timer)
        reject(signal?.reason)
      }
      const timer = setTimeout(() => {
        signal?.removeEventListener("abort", stop)
        resolve()
      }, delayMs)
      signal?.addEventListener("abort", stop, { once: true })
    })
  },
}

/** Resolves in the next turn of the event loop: what happened meanwhile is heard first, and no time passes. */
export function nextTurn(): Promise<void> {
  return Bun.sleep(0)
}
