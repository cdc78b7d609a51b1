/** Ends a running service and has the program that now stands in its place started: by whoever watches over it, else as it was started. */
import { systemClock } from "#core/clock.ts"
import { readLock } from "#core/home-lock.ts"
import type { Home } from "#core/home.ts"
import { findService } from "./connect.ts"
import { type StartedAs, startAgain, startedAs } from "./new-version.ts"

/** A turn that runs is saved, a database closed: `serve` gives itself 20 s and then ends anyway. */
const STOP_MS = 30_000
/** systemd waits 5 s at most by our unit, our own supervisor less: who has not started it by then does not watch over it. */
const SUCCESSOR_MS = 8_000
/** A loop in a shell script starts it anew at once. */
const SHELL_SUCCESSOR_MS = 1_000
/** The database's recovery, and migrations of a large one on a slow disk. */
const READY_MS = 120_000
const LOOK_EVERY_MS = 200

export type RunningService = {
  pid: number
  /** The command: `serve`, or `run` for a chat on a terminal. */
  what: string
  how: StartedAs | null
  /** Parts that could work: those that could not are no fault of an update. */
  working: readonly string[]
}

type Where = { home: Home; signal: AbortSignal }

/** The service of this home, where one runs and answers. */
export async function runningService({ home, signal }: Where): Promise<RunningService | null> {
  const holder = readLock(home)
  if (holder === null || holder.as !== "service" || holder.pid === null) return null
  const parts = await workingParts({ home, signal })
  return parts === null ? null : { pid: holder.pid, what: holder.what, how: startedAs(holder.pid), working: parts }
}

async function workingParts(where: Where): Promise<string[] | null> {
  const service = await findService(where)
  if (service === null) return null
  try {
    const { parts } = await service.client.ready.get({ signal: where.signal })
    return parts.filter(({ ok }) => ok).map(({ name }) => name)
  } catch {
    where.signal.throwIfAborted()
    return null // it ended while it was asked: as good as none
  } finally {
    await service.close()
  }
}

export type Restart = Where & {
  /** The program to start where nobody else does. */
  program: string
  before: RunningService
}

/** Whether a new process of the service can do all that the one before could. */
export async function restartService({ home, program, before, signal }: Restart): Promise<boolean> {
  await stopService({ home, signal }, before.pid)
  const isNew = () => {
    const holder = readLock(home)
    return holder?.as === "service" && holder.pid !== null && holder.pid !== before.pid
  }
  const patienceMs = before.how?.byShell ? SHELL_SUCCESSOR_MS : SUCCESSOR_MS
  const isWatched = await within(patienceMs, signal, isNew)
  const hasEnded = isWatched || before.how === null ? () => false : startAgain(program, before.how)
  let isReady = false
  await within(READY_MS, signal, async () => {
    const working = isNew() ? await workingParts({ home, signal }) : null
    isReady = working !== null && before.working.every((part) => working.includes(part))
    return isReady || hasEnded()
  })
  return isReady
}

/** The new service, where it started but is not what it should be. */
export async function stopSuccessor({ home, signal }: Where, before: RunningService): Promise<void> {
  const holder = readLock(home)
  if (holder?.pid && holder.as === "service" && holder.pid !== before.pid)
    await stopService({ home, signal }, holder.pid)
}

async function stopService({ home, signal }: Where, pid: number): Promise<void> {
  const isGone = () => readLock(home)?.pid !== pid
  send(pid, "SIGTERM")
  if (await within(STOP_MS, signal, isGone)) return
  send(pid, "SIGKILL") // nothing is lost by it: what was acknowledged is on the disk
  await within(STOP_MS, signal, isGone)
}

function send(pid: number, name: NodeJS.Signals): void {
  try {
    process.kill(pid, name)
  } catch {
    // It has ended, which is what was wanted.
  }
}

async function within(ms: number, signal: AbortSignal, look: () => boolean | Promise<boolean>): Promise<boolean> {
  const startedMs = systemClock.monotonicMs()
  for (;;) {
    if (await look()) return true
    if (systemClock.monotonicMs() - startedMs > ms) return false
    await systemClock.sleep(LOOK_EVERY_MS, signal)
  }
}
