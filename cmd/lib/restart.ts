/** Ends a running service and has the program that now stands in its place started: by whoever watches over it, else as it was started. */
import { systemClock } from "#core/clock.ts"
import { processEnvironment } from "#core/config.ts"
import { readLock } from "#core/home-lock.ts"
import type { Home } from "#core/home.ts"
import { findService } from "./connect.ts"
import { findInitSystem } from "./init-system.ts"
import { restartKept, type StartedAs, startAgain, startedAs } from "./new-version.ts"

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
  /** Who starts it again, as far as `ironclaw service` knows: the system, our own supervisor, or nobody. */
  keeper: "system" | "supervisor" | null
  /** Parts that could work: those that could not are no fault of an update. */
  working: readonly string[]
}

type Where = { home: Home; signal: AbortSignal }

/** The service of this home, where one runs and answers. */
export async function runningService({ home, signal }: Where): Promise<RunningService | null> {
  const holder = readLock(home)
  if (holder === null || holder.as !== "service" || holder.pid === null) return null
  const working = await workingParts({ home, signal })
  if (working === null) return null
  return { pid: holder.pid, what: holder.what, how: startedAs(holder.pid), keeper: await keeperOf(home), working }
}

async function keeperOf(home: Home): Promise<RunningService["keeper"]> {
  const init = await findInitSystem({ home, env: processEnvironment() }, { system: false, account: undefined })
  if (init && (await init.state()).running) return "system"
  return readLock(home, "supervisor") === null ? null : "supervisor"
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
  const isNew = () => {
    const holder = readLock(home)
    return holder?.as === "service" && holder.pid !== null && holder.pid !== before.pid
  }
  const hasEnded = before.keeper === null ? await startUnkept(isNew) : await startKept()
  let isReady = false
  await within(READY_MS, signal, async () => {
    const working = isNew() ? await workingParts({ home, signal }) : null
    isReady = working !== null && before.working.every((part) => working.includes(part))
    return isReady || hasEnded()
  })
  return isReady

  async function startKept(): Promise<() => boolean> {
    // The system's tools want our environment; under our supervisor the service keeps its own.
    const own = Object.entries(processEnvironment()).flatMap(([name, value]): [string, string][] =>
      value === undefined ? [] : [[name, value]],
    )
    const env = before.keeper === "supervisor" && before.how ? before.how.env : Object.fromEntries(own)
    const couldStart = await restartKept(program, home.root, env)
    return () => !couldStart
  }

  /** A system unit or another supervisor may keep it without our knowing: who does is given the time to. */
  async function startUnkept(isThere: () => boolean): Promise<() => boolean> {
    await stopService({ home, signal }, before.pid)
    const patienceMs = before.how?.byShell ? SHELL_SUCCESSOR_MS : SUCCESSOR_MS
    const isKept = await within(patienceMs, signal, isThere)
    return isKept || before.how === null ? () => false : startAgain(program, before.how)
  }
}

/** The new service, where it started but is not what it should be. */
export async function stopSuccessor({ home, signal }: Where, before: RunningService): Promise<void> {
  const holder = readLock(home)
  if (before.keeper !== null) return // who keeps it stops it, too
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
