/** The service without a keeper of the system's: started detached under our own supervisor, and stopped by who holds the locks. */
import { readFileSync } from "node:fs"
import { join } from "node:path"
import type { Clock } from "#core/clock.ts"
import { AppError } from "#core/errors.ts"
import { readLock } from "#core/home-lock.ts"
import type { Home } from "#core/home.ts"
import { findService } from "./connect.ts"
import { startDetached } from "./system-tool.ts"

const POLL_MS = 100
/** A first start with migrations on a slow, busy machine. */
const READY_WITHIN_MS = 90_000
/** The supervisor's 30 s, and a moment for itself. */
const STOP_WITHIN_MS = 35_000
/** Lines of what a service said before it failed to start. */
const SHOWN_LINES = 5

type Reaching = { home: Home; clock: Clock; signal: AbortSignal }

/** Where a detached service says what it has no log for yet. */
export function wordsFileOf(home: Home): string {
  return join(home.folder("logs"), "service.out")
}

/** Resolves with the address once the service is ready. `env`: what it is told besides ours. Throws `home.locked`, `service.failed`. */
export async function startUnderSupervisor({
  home,
  clock,
  env,
  signal,
}: Reaching & { env: Readonly<Record<string, string>> }): Promise<string | null> {
  const wordsFile = wordsFileOf(home)
  const before = linesOf(wordsFile).length
  const child = startDetached(["service", "supervise", "--home", home.root], { wordsFile, env })
  const ended: number[] = []
  void child.exited.then((status) => ended.push(status))
  const untilMs = clock.monotonicMs() + READY_WITHIN_MS
  for (;;) {
    const lock = readLock(home)
    if (lock?.address && (await findService({ home, signal }))) return lock.address
    const why = linesOf(wordsFile).slice(before).slice(-SHOWN_LINES).join("\n")
    if (ended.length > 0)
      throw new AppError("service.failed", `The service did not start (exit status ${ended.join()}):\n${why}`)
    if (clock.monotonicMs() > untilMs)
      throw new AppError("service.failed", `The service was not ready within ${READY_WITHIN_MS / 1_000} s:\n${why}`)
    await clock.sleep(POLL_MS, signal)
  }
}

/**
 * Stops whoever keeps the service running here, or the service itself where nobody does; false where there was none. A process id is
 * used only while its process holds the lock that names it, so no stranger is ever ended.
 */
export async function stopHolders({ home, clock, signal }: Reaching): Promise<boolean> {
  const supervisor = readLock(home, "supervisor")
  const service = readLock(home)
  const pid = supervisor ? supervisor.pid : service?.as === "service" ? service.pid : null
  if (pid === null) return false
  process.kill(pid, "SIGTERM")
  const untilMs = clock.monotonicMs() + STOP_WITHIN_MS
  while (readLock(home, "supervisor") !== null || readLock(home)?.as === "service") {
    if (clock.monotonicMs() > untilMs)
      throw new AppError("service.failed", `The process ${pid} did not end within ${STOP_WITHIN_MS / 1_000} s`)
    await clock.sleep(POLL_MS, signal)
  }
  return true
}

function linesOf(path: string): string[] {
  try {
    return readFileSync(path, "utf8")
      .split("\n")
      .filter((line) => line !== "")
  } catch {
    return [] // nothing was said yet
  }
}
