/**
 * Backups that the service makes by itself: when one is due, that it can be read back, and which old ones go. Deletes only what stands in
 * its own record and still is the file that it made; a failure is told once and tried again with back-off, however often it fails.
 */
import { lstatSync, rmSync } from "node:fs"
import { hostname } from "node:os"
import { basename, join } from "node:path"
import type { Clock } from "#core/clock.ts"
import type { Config } from "#core/config.ts"
import type { BackupResult } from "#core/db/backup.ts"
import { readBackupHeader } from "#core/db/backup-file.ts"
import type { Db, Statement, Writer } from "#core/db/db.ts"
import { AppError } from "#core/errors.ts"
import { preview } from "#core/event.ts"
import type { Home } from "#core/home.ts"
import type { Log } from "#core/log.ts"
import { sha256Hex } from "#core/safety/fingerprint.ts"
import { int, judgeShape, type Static, t } from "#core/schema.ts"
import type { BackupSchedule } from "#gateway/deps.ts"

/** How often the service looks whether one is due: a laptop that is open for an hour a day gets its backup all the same. */
export const BACKUP_LOOK_MS = 600_000

const DAY_MS = 24 * 3_600_000
const intervals: Readonly<Record<BackupSchedule["every"], number>> = {
  never: Infinity,
  daily: DAY_MS,
  weekly: 7 * DAY_MS,
  monthly: 30 * DAY_MS,
}
/** A fault that goes away by itself is over in ten minutes; one that stays is tried a few times a day. */
const FIRST_RETRY_MS = 600_000
const LAST_RETRY_MS = 6 * 3_600_000

const Made = t.Object({ name: t.String(), at: t.String(), bytes: int({ minimum: 0 }) })
const State = t.Object({
  made: t.Array(Made),
  failing: t.Union([
    t.Null(),
    t.Object({ since: t.String(), tries: int({ minimum: 1 }), why: t.String(), lastAt: t.String() }),
  ]),
})
type State = Static<typeof State>

export type BackupScheduleDeps = {
  db: Db
  writer: Writer
  clock: Clock
  log: Log
  home: Home
  settings: () => Config["backup"]
  /** The passphrase; null where the owner has not set one. */
  passphrase: () => string | null
  /** Makes a backup in the home's backups folder, and reads it back whole. */
  make: (request: { passphrase: string; signal: AbortSignal }) => Promise<BackupResult>
}

export type BackupScheduler = {
  /** Makes one if it is due. Never throws. */
  runDue(): Promise<void>
  describe(): Promise<BackupSchedule>
  /** The one that is being made is given up. */
  stop(): void
}

export function createBackupSchedule(deps: BackupScheduleDeps): BackupScheduler {
  const { db, writer, clock, log, home, settings, passphrase, make } = deps
  // Homes that share a server have backups each.
  const row = `backups:${sha256Hex(`${hostname()}\n${home.root}`).slice(0, 16)}`
  const stopped = new AbortController()

  async function read(): Promise<State> {
    const [found] = await db.query({ sql: "select value from meta where key = $1", params: [row] })
    const parsed = judgeShape(State, found ? jsonOf(String(found["value"])) : null)
    return parsed.ok ? parsed.value : { made: [], failing: null }
  }
  const write = (state: State): Statement => ({
    sql: "insert into meta (key, value) values ($1, $2) on conflict (key) do update set value = excluded.value",
    params: [row, JSON.stringify(state)],
  })

  async function makeOne(state: State, words: string): Promise<void> {
    const { path, bytes, createdAt } = await make({ passphrase: words, signal: stopped.signal })
    const made = [...state.made, { name: basename(path), at: createdAt, bytes }]
    const gone = made.slice(0, Math.max(0, made.length - settings().keep))
    try {
      await writer.commit({ statements: [write({ made: made.slice(gone.length), failing: null })] })
    } catch (error) {
      rmSync(path, { force: true }) // nobody would ever take it away: each try would leave one more
      throw error
    }
    // Only now that a newer one is proved good, and on record, may older ones go.
    for (const one of gone) await removeOwn(one)
    log.info("A backup was made", { path, bytes, removed: gone.map(({ name }) => name) })
  }

  /** A file that is no longer what we made is somebody's: it stays, and is only forgotten. */
  async function removeOwn({ name, at, bytes }: State["made"][number]): Promise<void> {
    const path = join(home.paths.backups, basename(name))
    try {
      const stat = lstatSync(path)
      if (!stat.isFile() || stat.size !== bytes || (await readBackupHeader(path)).createdAt !== at) return
      rmSync(path)
    } catch (error) {
      log.debug("An old backup was not removed", { path, error }) // gone already, or unreadable: not ours to decide
    }
  }

  async function fail(state: State, error: unknown): Promise<void> {
    const why = preview(error instanceof AppError ? error.message : "Something went wrong inside; the log has it")
    const { since = clock.iso(), tries = 0 } = state.failing ?? {}
    const next: State = { ...state, failing: { since, tries: tries + 1, why, lastAt: clock.iso() } }
    if (tries === 0) log.error("The backup failed; it is tried again", { error })
    else log.debug("The backup failed again", { error, tries: tries + 1 })
    const event = { type: "backup.failed", error: why, agentId: "main", labels: [], source: "host" } as const
    await writer.commit({ statements: [write(next)], events: tries === 0 ? [{ ...event, labels: [] }] : [] })
  }

  return {
    async runDue() {
      const words = passphrase()
      const { every } = settings()
      if (words === null || every === "never") return
      const state = await read()
      if (!isDue(state, { every, nowMs: clock.nowMs() })) return
      try {
        await makeOne(state, words)
      } catch (error) {
        if (stopped.signal.aborted) return
        await fail(state, error).catch((cause: unknown) =>
          log.warn("That a backup failed was not written down", { error: cause }),
        )
      }
    },
    async describe() {
      const { made, failing } = await read()
      const { every, keep } = settings()
      return {
        every,
        keep,
        hasPassphrase: passphrase() !== null,
        made,
        failing: failing === null ? null : { since: failing.since, tries: failing.tries, why: failing.why },
      }
    },
    stop: () => stopped.abort(new Error("The service is stopping")),
  }
}

/** A time in the future was written by a clock that has jumped back since: it tells nothing, so one is due. */
function isDue({ made, failing }: State, { every, nowMs }: { every: BackupSchedule["every"]; nowMs: number }): boolean {
  const since = (iso: string | undefined) => {
    const ms = iso === undefined ? Infinity : nowMs - Date.parse(iso)
    return Number.isNaN(ms) || ms < 0 ? Infinity : ms
  }
  if (failing && since(failing.lastAt) < Math.min(LAST_RETRY_MS, FIRST_RETRY_MS * 2 ** (failing.tries - 1)))
    return false
  return since(made.at(-1)?.at) >= intervals[every]
}

function jsonOf(text: string): unknown {
  try {
    return JSON.parse(text)
  } catch {
    return null // whatever it was, it is not ours
  }
}
