/**
 * Keeps the service running where the system has nobody who would: starts it, starts it again with back-off when it fails, and gives up
 * where only a person can help. Light on purpose: it opens neither configuration nor database, so what breaks the service leaves it be.
 */
import type { Clock } from "#core/clock.ts"
import { NEEDS_A_PERSON } from "./service-unit.ts"
import type { OwnChild } from "./system-tool.ts"

/** Waits before the next start, doubled each time: a fault that goes away by itself is over soon, one that stays costs one start in five minutes. */
const FIRST_WAIT_MS = 1_000
const MAX_WAIT_MS = 300_000
/** Who ran for so long was not broken when it started: the next wait is the first again. */
const STEADY_MS = 300_000
/** More than the 20 s that `serve` gives itself. */
const STOP_WITHIN_MS = 30_000

export type SupervisorDeps = {
  clock: Clock
  /** Starts the service. */
  start: () => OwnChild
  /** Aborts when the supervisor is told to stop. */
  signal: AbortSignal
  say: (line: string) => void
}

/** Resolves with the exit status for the supervisor: 0 where the service ended in order, or its own where a person is needed. */
export async function supervise({ clock, start, signal, say }: SupervisorDeps): Promise<number> {
  let waitMs = FIRST_WAIT_MS
  while (!signal.aborted) {
    const startedMs = clock.monotonicMs()
    const status = await runOnce({ clock, start, signal })
    if (signal.aborted || status === 0) return 0
    if (status === NEEDS_A_PERSON) {
      say("The service cannot start as it is set up; the line above says what to do. It is not tried again.")
      return status
    }
    if (clock.monotonicMs() - startedMs >= STEADY_MS) waitMs = FIRST_WAIT_MS
    say(`The service ended with ${statusText(status)}; it is started again in ${waitMs / 1_000} s`)
    await clock.sleep(waitMs, signal).catch(() => {}) // told to stop meanwhile: the loop sees it
    waitMs = Math.min(MAX_WAIT_MS, waitMs * 2)
  }
  return 0
}

async function runOnce({ clock, start, signal }: Omit<SupervisorDeps, "say">): Promise<number> {
  const child = start()
  let cancelKill = () => {}
  const stop = () => {
    child.kill("SIGTERM")
    cancelKill = clock.after(STOP_WITHIN_MS, () => child.kill("SIGKILL"))
  }
  signal.addEventListener("abort", stop, { once: true })
  try {
    return await child.exited
  } finally {
    signal.removeEventListener("abort", stop)
    cancelKill()
  }
}

/** A status above 128 is a signal's number and 128, as shells say it. */
function statusText(status: number): string {
  return status > 128 ? `signal ${status - 128}` : `exit status ${status}`
}
