/** Waits for a vendor, but not for ever: stops at an abort, at a first byte that does not come, at a silence in between. */
import type { Clock } from "../clock.ts"
import type { Interruption } from "./failures.ts"

export type Waits = { firstByteMs: number; idleMs: number }

/** Silence in the middle of an answer; thinking models and busy servers pause for tens of seconds, not longer. */
const IDLE_MS = 90_000
/** Before the first word: queues and long prompts. */
const FIRST_BYTE_MS = 120_000
/** Silent thinking at high effort, or a model that is loaded from disk first. */
const SLOW_FIRST_BYTE_MS = 300_000

export function waitsFor({ slowFirstByte }: { slowFirstByte: boolean }): Waits {
  return { firstByteMs: slowFirstByte ? SLOW_FIRST_BYTE_MS : FIRST_BYTE_MS, idleMs: IDLE_MS }
}

export type Waiting = {
  /** Aborted when waiting ends for any reason, so that the connection is closed. */
  readonly signal: AbortSignal
  readonly ended: boolean
  /** Resolves or rejects like `promise`, or rejects with an {@link Interruption}. One at a time. */
  for<T>(promise: PromiseLike<T>): Promise<T>
  /** The answer has begun: from now on the shorter limit holds. */
  begun(): void
  end(): void
}

export function startWaiting({ clock, waits, signal }: { clock: Clock; waits: Waits; signal: AbortSignal }): Waiting {
  const controller = new AbortController()
  let interruption: Interruption | null = null
  let interrupt: ((reason: Interruption) => void) | null = null
  let limitMs = waits.firstByteMs
  let hasBegun = false
  /** Only our own waiting counts: a reader that is slow to take what is there is no silence of the vendor. */
  let waitingSinceMs: number | null = null
  let ended = false

  const stop = (reason: Interruption) => {
    interruption ??= reason
    interrupt?.(interruption)
    controller.abort(interruption)
  }
  const onAbort = () => stop({ interrupted: "aborted", afterMs: 0 })
  if (signal.aborted) onAbort()
  else signal.addEventListener("abort", onAbort, { once: true })

  const check = () => {
    if (ended) return
    const silentMs = waitingSinceMs === null ? 0 : clock.monotonicMs() - waitingSinceMs
    if (silentMs >= limitMs) stop({ interrupted: hasBegun ? "idle" : "first_byte", afterMs: limitMs })
    else cancelTimer = clock.after(limitMs - silentMs, check)
  }
  let cancelTimer = clock.after(limitMs, check)

  return {
    signal: controller.signal,
    get ended() {
      return ended
    },
    for(promise) {
      return new Promise((resolve, reject) => {
        waitingSinceMs = clock.monotonicMs()
        interrupt = reject
        promise.then(
          (value) => {
            waitingSinceMs = null
            resolve(value)
          },
          (error: unknown) => reject(interruption ?? error), // an abort makes libraries throw errors of their own
        )
        if (interruption) reject(interruption)
      })
    },
    begun() {
      if (hasBegun) return
      hasBegun = true
      limitMs = waits.idleMs
      cancelTimer()
      cancelTimer = clock.after(limitMs, check)
    },
    end() {
      if (ended) return
      ended = true
      cancelTimer()
      signal.removeEventListener("abort", onAbort)
      interrupt = null
      controller.abort({ interrupted: "aborted", afterMs: 0 } satisfies Interruption)
    },
  }
}
