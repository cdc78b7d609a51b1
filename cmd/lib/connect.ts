/**
 * The way of a verb to the API: the running service over its socket if it answers; else this process takes the home's lock and is the
 * service for as long as the verb takes, on that same socket, so that two verbs at once never fight over the database.
 */
import { systemClock } from "#core/clock.ts"
import type { LoadedConfig } from "#core/config.ts"
import { AppError } from "#core/errors.ts"
import { homeLocked, type HomeLock, readLock, takeLock } from "#core/home-lock.ts"
import { findSocket, prepareSocket, removeSocket } from "#core/home-socket.ts"
import type { Home } from "#core/home.ts"
import type { KeyLock } from "#core/secrets/key-lock.ts"
import { type Client, createClient } from "#gateway/client.ts"
import type { App } from "../app.ts"
import { openLog, type Setting } from "./setting.ts"
import type { Ui } from "./ui.ts"

export type Connection = {
  client: Client
  /** `service`: another process answers; `process`: this one does. */
  mode: "service" | "process"
  close(): Promise<void>
}

export type ConnectDeps = {
  setting: Setting
  loaded: LoadedConfig
  /** What others are told holds the lock, such as `session list`. */
  what: string
  /** `service` where the verb starts turns: then what an earlier process left behind is taken up first. */
  as?: "service" | "verb"
  verbose: boolean
  ui: Ui
  signal: AbortSignal
  /** What opens the master key, called where no service runs; looks for its passphrase, and asks for it, unless said. */
  unlock?: () => Promise<KeyLock | null>
}

/** A service that is there answers this in a millisecond; one that hangs is as good as none, and holds the lock besides. */
const HEALTH_TIMEOUT_MS = 2_000
/** A holder that is starting needs this long at most before it listens: a first start on a slow, busy machine. */
const STARTING_MS = 20_000
const RETRY_MS = 50
/** How long a command waits for turns that others began through it; what runs longer comes back at the next start. */
const GUESTS_MS = 60_000
/** Another verb that found the socket just before it went is in the queue of connections; this lets it be seen, and so be served. */
const LINGER_MS = 20

/** Throws `home.locked` where another process holds the home and does not answer, and what opening the database throws. */
export async function connect(deps: ConnectDeps): Promise<Connection> {
  const { setting, loaded, what, signal } = deps
  const { home } = setting
  const startedMs = systemClock.monotonicMs()
  // Loaded where there is a vault to open: a command that a running service serves need not wait for it.
  const unlock = deps.unlock ?? (async () => (await import("./key-passphrase.ts")).findKeyLock({ ...deps, home }))
  let keyLock: KeyLock | null | undefined
  for (;;) {
    const service = await findService({ home, signal })
    if (service) return service
    // Asked for before the home is locked, and not where somebody else is about to serve it.
    if (keyLock === undefined && readLock(home) === null) keyLock = await unlock()
    // Postgres lets any number of processes in: a verb needs no lock, and does not stand in for the service.
    if (loaded.config.database.kind === "postgres")
      return openInProcess(deps, { lock: null, keyLock: keyLock === undefined ? await unlock() : keyLock })
    const lock = keyLock === undefined ? null : takeLock({ home, clock: systemClock, what, as: "verb" })
    if (lock && keyLock !== undefined) return openInProcess(deps, { lock, keyLock })
    if (systemClock.monotonicMs() - startedMs > STARTING_MS)
      throw homeLocked(home, readLock(home), ", which does not answer on its socket")
    await systemClock.sleep(RETRY_MS, signal) // the holder starts, or has just ended
  }
}

/** The process that serves this home's API, where there is one and it answers. */
export async function findService({ home, signal }: { home: Home; signal: AbortSignal }): Promise<Connection | null> {
  const socket = findSocket(home)
  if (socket === null) return null
  const client = createClient({ via: { socket }, clock: systemClock })
  try {
    await client.health.get({ signal: AbortSignal.any([signal, AbortSignal.timeout(HEALTH_TIMEOUT_MS)]) })
    return { client, mode: "service", close: async () => {} }
  } catch {
    // Nobody listens behind the file: its maker was killed, or is just ending.
  }
  signal.throwIfAborted()
  return null
}

/** Whether a request failed because nobody listened: then nothing of it arrived anywhere. */
export function isNobodyThere(error: unknown): boolean {
  if (!(error instanceof AppError) || error.code !== "service.unreachable") return false
  const cause = error.cause
  return cause instanceof Error && "code" in cause && noListenerCodes.has(String(cause.code))
}
const noListenerCodes: ReadonlySet<string> = new Set([
  "ENOENT",
  "ECONNREFUSED",
  "ConnectionRefused",
  "FailedToOpenSocket",
])

/** Other commands may have sent messages through us: their turns end before we do, so that nobody's answer is cut off. */
async function guestsServed(app: Pick<App, "turnsRunning">): Promise<void> {
  const until = systemClock.monotonicMs() + GUESTS_MS
  while (app.turnsRunning() > 0 && systemClock.monotonicMs() < until) await systemClock.sleep(RETRY_MS)
}

async function openInProcess(
  { setting, loaded, as = "verb", verbose, ui }: ConnectDeps,
  { lock, keyLock }: { lock: HomeLock | null; keyLock: KeyLock | null },
): Promise<Connection> {
  const progress = ui.progress("Starting")
  const log = openLog({ home: setting.home, config: loaded.config, verbose, ui })
  let undo = async () => {
    await log.close()
    lock?.release()
  }
  try {
    const { createApp } = await import("../app.ts")
    const app = await createApp({
      setting,
      loaded,
      clock: systemClock,
      log,
      as,
      holdsHome: lock !== null,
      died: lock?.died ?? null,
      keyLock,
    })
    const closeLog = undo
    undo = async () => {
      await app.close()
      await closeLog()
    }
    if (lock) {
      const socket = prepareSocket(setting.home)
      const closeApp = undo
      undo = async () => {
        removeSocket(setting.home, socket) // first: whoever comes now waits for the lock instead
        await systemClock.sleep(LINGER_MS)
        await guestsServed(app)
        await closeApp()
      }
      await app.listen({ socket })
    }
    return { client: createClient({ via: { handle: app.handle }, clock: systemClock }), mode: "process", close: undo }
  } catch (error) {
    await undo()
    throw error
  } finally {
    progress.stop()
  }
}
