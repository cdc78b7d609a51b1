/** A clock that stands still until a test moves it: timers fire in order, at their moment, with their promises settled. */
import type { Cancel, Clock } from "#core/clock.ts"

export type FakeClock = Clock & {
  /** Moves both clocks forward and fires what falls due on the way, in order of time. */
  advance(ms: number): Promise<void>
  /** Lets the wall clock jump, as an administrator or NTP does; the monotonic one and the timers do not notice. */
  jump(ms: number): void
  /** Timers and sleeps still waiting. */
  waiting(): number
}

type Timer = { dueMs: number; order: number; work: () => void }

/** Noon of a working day, so that no test stands near midnight or a change of summer time unless it wants to. */
const START_MS = Date.UTC(2026, 0, 15, 12, 0, 0)

/** How often pending promises get a turn after each timer: chains of awaits in the code under test are shorter than this. */
const SETTLE_ROUNDS = 20

async function settle(): Promise<void> {
  for (let round = 0; round < SETTLE_ROUNDS; round++) await Promise.resolve()
}

export function createFakeClock(startMs: number = START_MS): FakeClock {
  let monotonic = 0
  let wallOffset = startMs
  let order = 0
  const timers = new Set<Timer>()

  function next(untilMs: number): Timer | undefined {
    return [...timers].filter(({ dueMs }) => dueMs <= untilMs).sort((a, b) => a.dueMs - b.dueMs || a.order - b.order)[0]
  }

  const after = (delayMs: number, work: () => void): Cancel => {
    const timer: Timer = { dueMs: monotonic + Math.max(0, delayMs), order: order++, work }
    timers.add(timer)
    return () => void timers.delete(timer)
  }

  return {
    nowMs: () => wallOffset + monotonic,
    iso: () => new Date(wallOffset + monotonic).toISOString(),
    monotonicMs: () => monotonic,
    after,
    sleep(delayMs, signal) {
      return new Promise((resolve, reject) => {
        if (signal?.aborted) return reject(signal.reason)
        const stop = (): void => {
          cancel()
          reject(signal?.reason)
        }
        const cancel = after(delayMs, () => {
          signal?.removeEventListener("abort", stop)
          resolve()
        })
        signal?.addEventListener("abort", stop, { once: true })
      })
    },
    async advance(ms) {
      const untilMs = monotonic + ms
      await settle()
      for (let timer = next(untilMs); timer; timer = next(untilMs)) {
        timers.delete(timer)
        monotonic = Math.max(monotonic, timer.dueMs)
        timer.work()
        await settle()
      }
      monotonic = untilMs
      await settle()
    },
    jump(ms) {
      wallOffset += ms
    },
    waiting: () => timers.size,
  }
}
