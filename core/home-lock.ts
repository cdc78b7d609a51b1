/**
 * The home's lock: one process at a time holds a home. SQLite's exclusive lock is the portable one that the kernel drops when its
 * holder dies, however it dies, so a stale lock cannot exist; who holds it stands in a file beside, for others to read.
 * The lock file must be opened by nothing else in this process: POSIX drops a process's locks when it closes any handle to the file.
 */
import { Database } from "bun:sqlite"
import { readFileSync, rmSync } from "node:fs"
import { join } from "node:path"
import type { Clock } from "./clock.ts"
import { AppError } from "./errors.ts"
import { writePrivateFile } from "./home-file.ts"
import type { Home } from "./home.ts"
import { reasonOf, systemCodeOf } from "./home.ts"
import { int, judgeShape, t, type Static } from "./schema.ts"

const HolderSchema = t.Object({
  pid: int({ minimum: 1 }),
  /** Where the holder serves the API over TCP; null where it does not. */
  address: t.Union([t.String(), t.Null()]),
  /** ISO time. */
  startedAt: t.String(),
  /** The command that holds it: `serve`, `run`, `config set` … */
  what: t.String(),
  /** A verb holds the home for as long as a command takes; a service until it is stopped. */
  as: t.Union([t.Literal("service"), t.Literal("verb")]),
})
export type LockHolder = Static<typeof HolderSchema>

export type HomeLock = {
  readonly holder: LockHolder
  /** The service that held it last, where it ended without letting it go: killed, or with the machine. A command that was is no news. */
  readonly died: LockHolder | null
  /** Tells others where the API is, once that is known. */
  announce(address: string): void
  /** Idempotent. */
  release(): void
}

/** A reader's look takes microseconds; more patience would only delay the one who finds the home taken. */
const BUSY_TIMEOUT_MS = 100

/** `home`: who works with the home's data. `supervisor`: who keeps a service running, and starts it again. `update`: who changes the program. */
type LockName = "home" | "supervisor" | "update"
const stems: Readonly<Record<LockName, string>> = { home: "lock", supervisor: "supervisor", update: "update" }
const lockFileOf = (run: string, name: LockName) => join(run, `${stems[name]}.sqlite`)
const holderFileOf = (run: string, name: LockName) => join(run, `${stems[name]}.json`)

export type LockRequest = { home: Home; clock: Clock; name?: LockName } & Pick<LockHolder, "what" | "as">

/** Takes the lock, or gives null where another process holds it. Throws `home.not_writable`. */
export function takeLock({ home, clock, name = "home", what, as }: LockRequest): HomeLock | null {
  const run = home.folder("run")
  const database = begin(lockFileOf(run, name), "BEGIN EXCLUSIVE")
  if (database === null) return null
  const died = diedIn(run, name)
  let holder: LockHolder = { pid: process.pid, address: null, startedAt: clock.iso(), what, as }
  let held = true
  const release = () => {
    if (!held) return
    held = false
    process.off("exit", release)
    // A command between a service's end and its next start must not make the owner believe that it ended in order.
    if (as !== "verb" || died === null || !keep(died)) rmSync(holderFileOf(run, name), { force: true })
    database.close()
  }
  const tell = () => writePrivateFile(holderFileOf(run, name), JSON.stringify(holder))
  const keep = (earlier: LockHolder): boolean => {
    try {
      writePrivateFile(holderFileOf(run, name), JSON.stringify(earlier))
      return true
    } catch {
      return false // a full disk: what is lost is a remark
    }
  }
  try {
    tell()
  } catch (error) {
    release()
    throw error
  }
  process.on("exit", release)
  return {
    died,
    get holder() {
      return holder
    },
    announce(address) {
      if (!held) return
      holder = { ...holder, address }
      tell()
    },
    release,
  }
}

/** A verb is done sooner than this, the first start of a database on a slow machine included. */
const VERB_PATIENCE_MS = 30_000
const RETRY_MS = 50

/** Like {@link takeLock}, for services: waits until a verb is done, and throws `home.locked` with pid and address of another service. */
export async function requireLock(request: LockRequest): Promise<HomeLock> {
  const { home, clock } = request
  const startedMs = clock.monotonicMs()
  for (;;) {
    const lock = takeLock(request)
    if (lock) return lock
    const holder = readLock(home)
    const isBrief = holder === null || holder.as !== "service"
    if (!isBrief || clock.monotonicMs() - startedMs > VERB_PATIENCE_MS) throw homeLocked(home, holder)
    await clock.sleep(RETRY_MS)
  }
}

/** The error for a home that cannot be had. */
export function homeLocked(home: Home, holder: SeenHolder | null, detail = ""): AppError {
  const who =
    holder === null || holder.pid === null
      ? "another process"
      : `\`ironclaw ${holder.what}\` with pid ${holder.pid}${holder.address ? ` at ${holder.address}` : ""}`
  return new AppError("home.locked", `The home ${home.root} is in use by ${who}${detail}`)
}

/** What can be said of who holds the lock: `pid` and `as` are null in the moment in which a holder starts or stops. */
export type SeenHolder = Omit<LockHolder, "pid" | "as"> & { pid: number | null; as: LockHolder["as"] | null }

/** Who holds the lock; null when nobody does. Makes nothing and disturbs nobody. */
export function readLock(home: Home, name: LockName = "home"): SeenHolder | null {
  const run = home.paths.run
  let probe: Database | null
  try {
    probe = new Database(lockFileOf(run, name), { readonly: true })
  } catch (error) {
    if (systemCodeOf(error) === "SQLITE_CANTOPEN") return null // never locked yet
    throw error
  }
  try {
    probe.exec("PRAGMA busy_timeout=0")
    probe.query("SELECT 1 FROM sqlite_master").get()
    return null
  } catch (error) {
    if (!isBusy(error)) throw error
  } finally {
    probe.close()
  }
  // A holder that is just starting or stopping is not to be read: the lock is held, and that is all that can be said.
  return readHolder(run, name) ?? { pid: null, address: null, startedAt: "", what: "unknown", as: null }
}

/** The service that ended without letting the home go, where nobody has been the service since. Null while somebody holds the lock. */
export function readDied(home: Home): LockHolder | null {
  return readLock(home) === null ? diedIn(home.paths.run, "home") : null
}

/** Of a lock that nobody holds. */
function diedIn(run: string, name: LockName): LockHolder | null {
  const holder = readHolder(run, name)
  return holder?.as === "service" ? holder : null
}

/** What stands beside the lock, whoever wrote it; null where there is nothing that can be read. */
function readHolder(run: string, name: LockName): LockHolder | null {
  try {
    const parsed = judgeShape(HolderSchema, JSON.parse(readFileSync(holderFileOf(run, name), "utf8")))
    return parsed.ok ? parsed.value : null
  } catch {
    return null // gone, half-written, or not ours: it is a remark for people, and the lock itself does not depend on it
  }
}

function begin(path: string, statement: string): Database | null {
  let database: Database | undefined
  try {
    database = new Database(path, { create: true })
    database.exec(`PRAGMA busy_timeout=${BUSY_TIMEOUT_MS}`)
    database.exec(statement)
    return database
  } catch (error) {
    database?.close()
    if (isBusy(error)) return null
    throw new AppError("home.not_writable", `The lock ${path} could not be taken: ${reasonOf(error)}`, { cause: error })
  }
}

function isBusy(error: unknown): boolean {
  return systemCodeOf(error).startsWith("SQLITE_BUSY") || systemCodeOf(error).startsWith("SQLITE_LOCKED")
}
