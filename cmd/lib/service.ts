/** The full service in this process: the home's lock, the log, the app, its socket and its port. For `serve` and `run`. */
import { systemClock } from "#core/clock.ts"
import type { LoadedConfig } from "#core/config.ts"
import { AppError } from "#core/errors.ts"
import { type HomeLock, requireLock } from "#core/home-lock.ts"
import { prepareSocket, removeSocket } from "#core/home-socket.ts"
import type { RootLog } from "#core/log.ts"
import { type App, createApp } from "../app.ts"
import { findKeyLock } from "./key-passphrase.ts"
import { openLog, type Setting } from "./setting.ts"
import type { Ui } from "./ui.ts"
import { version } from "./version.ts"

export type Service = {
  app: App
  log: RootLog
  /** `http://127.0.0.1:3000`. */
  address: string
  /** The process answers, and its embedded database with it; a server of the owner's may be away for a while. */
  isAlive(): Promise<boolean>
  /** Stops taking work, ends what runs so that it comes back at the next start, and lets the home go. */
  close(): Promise<void>
}

export type ServiceDeps = { setting: Setting; loaded: LoadedConfig; what: "serve" | "run"; verbose: boolean; ui: Ui }

/** Throws `home.locked` where another process has the home, and what opening the database or the port throws. */
export async function startService({ setting, loaded, what, verbose, ui }: ServiceDeps): Promise<Service> {
  const { home } = setting
  const log = openLog({ home, config: loaded.config, verbose, ui })
  const undo: (() => Promise<void> | void)[] = [() => log.close()]
  const close = async () => {
    for (const step of undo.splice(0).reverse()) await step()
  }
  try {
    // Before the lock: others wait for who holds it, and a person may take their time.
    const keyLock = await findKeyLock({ home, loaded, ui, signal: new AbortController().signal })
    const lock: HomeLock = await requireLock({ home, clock: systemClock, what, as: "service" })
    undo.push(() => lock.release())
    for (const warning of loaded.warnings) log.warn(warning)
    if (lock.died) log.warn("The service before this one ended without a stop", { ...lock.died })
    const app = await createApp({
      setting,
      loaded,
      clock: systemClock,
      log,
      as: "service",
      holdsHome: true,
      died: lock.died,
      keyLock,
    })
    undo.push(() => app.close())
    const socket = prepareSocket(home)
    undo.push(() => removeSocket(home, socket))
    await app.listen({ socket })
    const { host, port, tls_cert_file: cert, tls_key_file: key } = loaded.config.gateway
    const address = await app.listen({ host, port, ...(cert !== null && key !== null ? { tls: { cert, key } } : {}) })
    lock.announce(address)
    log.info("The service is ready", { version, address, database: loaded.config.database.kind })
    const isAlive = async () => {
      const { database } = await app.status()
      return database.ok || database.kind === "postgres"
    }
    return { app, log, address, isAlive, close }
  } catch (error) {
    // Who is refused because another one runs has no business in that one's log.
    if (!(error instanceof AppError) || error.code !== "home.locked")
      log.error("The service could not start", { error })
    await close()
    throw error
  }
}
