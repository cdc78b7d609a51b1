/**
 * Question: has the owner stopped everything?
 * Fails closed by: the row that says so is sealed, and one whose seal is broken counts as stopped; this process stops before the row is
 * written; what cannot be read at the start ends the start.
 * Known limits: who can delete rows of the database can take the row away, and the next start is open (the audit row stays). A request
 * that is on the wire when the lockdown comes has left.
 * Source: INTERFACES "lockdown"; the OpenClaw incident of 2026-01 (a stolen token went on acting while the owner looked for the switch).
 */
import type { Clock } from "../clock.ts"
import type { Db, Statement, Writer } from "../db/db.ts"
import { AppError } from "../errors.ts"
import { preview } from "../event.ts"
import { int, judgeShape, t } from "../schema.ts"
import type { AuthoritySeal } from "./authority.ts"

export const LOCKDOWN_KEY = "lockdown"
const CHANNEL = "ironclaw_lockdown"

export type LockdownState = { active: boolean; since: string | null; reason: string }

export type Lockdown = {
  readonly active: boolean
  state(): LockdownState
  /** Throws `lockdown.active`. */
  assertOpen(): void
  /** Stops everything, here and in every process on this database, and refuses what comes until it is lifted. */
  lock(reason: string): Promise<LockdownState>
  /** Throws `conflict` where nothing is locked. */
  lift(): Promise<LockdownState>
  /** Follows other processes on the same database. */
  watch(): Promise<void>
  close(): Promise<void>
}

export type LockdownDeps = {
  db: Pick<Db, "query" | "listen">
  writer: Pick<Writer, "commit">
  clock: Clock
  seal: AuthoritySeal
  onBadSeal: (what: string) => void
  /** Ends what runs and waits: turns, jobs, requests out, streams. Must not throw for what can be foreseen. */
  stop: () => Promise<void>
  /** Takes up work again. */
  goOn: () => Promise<void>
  onFault: (error: unknown) => void
}

const StoredRow = t.Object({ since: t.String(), reason: t.String(), mac: t.String(), version: int() })

/** What the seal covers. */
export function sealedLockdown({ since, reason }: { since: string; reason: string }): readonly unknown[] {
  return [since, reason]
}

/** The stored row as it stands; null: none. What cannot be read is a row that someone else wrote. */
export function readLockdownRow(text: string): { since: string; reason: string; mac: string } | null {
  try {
    const parsed = judgeShape(StoredRow, JSON.parse(text))
    return parsed.ok ? parsed.value : null
  } catch {
    return null
  }
}

export function lockdownText({ since, reason, mac }: { since: string; reason: string; mac: string }): string {
  return JSON.stringify({ since, reason, mac, version: 1 })
}

const OPEN: LockdownState = { active: false, since: null, reason: "" }

/** Reads the row before anything starts. */
export async function createLockdown(deps: LockdownDeps): Promise<Lockdown> {
  const { db, writer, clock, seal } = deps
  let state = await read()
  let stopListening = async () => {}
  let watched = false
  let changing = 0 // changes that this process is making: until they are committed the row is behind what it knows
  let unwritten = false // stopped here, and the row that would say so did not come to be
  let following: Promise<void> = Promise.resolve()

  /** Takes over what the row says. One reading after the other: an older one that comes late would undo what a newer one saw. */
  function follow(): Promise<void> {
    following = following
      .then(async () => {
        const now = await read()
        if (changing > 0 || (unwritten && !now.active)) return
        const before = state.active
        state = now
        if (now.active && !before) await deps.stop()
        if (!now.active && before) await deps.goOn()
      })
      .catch(deps.onFault)
    return following
  }

  /** What another process changed meanwhile was passed over, so it is looked at afterwards. */
  async function changeHere(change: () => Promise<LockdownState>): Promise<LockdownState> {
    changing += 1
    try {
      return await change()
    } finally {
      changing -= 1
      if (watched) void follow()
    }
  }

  async function read(): Promise<LockdownState> {
    const [row] = await db.query({ sql: "select value from meta where key = $1", params: [LOCKDOWN_KEY] })
    if (!row) return OPEN
    const stored = readLockdownRow(String(row["value"]))
    if (stored && seal.holds("lockdown", sealedLockdown(stored), stored.mac))
      return { active: true, since: stored.since, reason: stored.reason }
    deps.onBadSeal("the row of the lockdown")
    return { active: true, since: null, reason: "The record of the lockdown is damaged" }
  }

  const notify: Statement = { sql: `select pg_notify('${CHANNEL}', '')`, params: [] }
  const record = (active: boolean, reason: string) => ({
    events: [{ type: "lockdown.changed" as const, active, agentId: "main", labels: [], source: "owner" }],
    audit: [
      {
        agentId: "main",
        act: "owner.change" as const,
        principal: "owner",
        subject: "lockdown",
        outcome: active ? "locked" : "lifted",
        preview: preview(reason),
        labels: [],
        source: "owner",
      },
    ],
  })

  async function lock(reason: string): Promise<LockdownState> {
    const wasActive = state.active
    const since = wasActive ? (state.since ?? clock.iso()) : clock.iso()
    const next: LockdownState = { active: true, since, reason }
    state = next // first: nothing new begins from here on, whatever becomes of the row
    const mac = seal.mac("lockdown", sealedLockdown({ since, reason }))
    unwritten = true
    try {
      await writer.commit({
        statements: [
          {
            sql: "insert into meta (key, value) values ($1, $2) on conflict (key) do update set value = excluded.value",
            params: [LOCKDOWN_KEY, lockdownText({ since, reason, mac })],
          },
          { sql: "update tokens set revoked_at = now(), mac = '' where revoked_at is null", params: [] },
          notify,
        ],
        ...record(true, reason),
      })
      unwritten = false
    } finally {
      await deps.stop()
    }
    return next
  }

  async function lift(): Promise<LockdownState> {
    const lifted = state
    if (!lifted.active) throw new AppError("conflict", "There is no lockdown to lift")
    await writer.commit({
      statements: [{ sql: "delete from meta where key = $1", params: [LOCKDOWN_KEY] }, notify],
      ...record(false, ""),
    })
    if (state !== lifted) return state // the owner has stopped everything again meanwhile
    unwritten = false
    state = OPEN
    await deps.goOn()
    return OPEN
  }

  return {
    get active() {
      return state.active
    },
    state: () => state,
    assertOpen() {
      if (state.active)
        throw new AppError("lockdown.active", `Everything is stopped${state.since ? ` since ${state.since}` : ""}`)
    },
    lock: (reason) => changeHere(() => lock(reason)),
    lift: () => changeHere(lift),
    async watch() {
      watched = true
      stopListening = await db.listen(CHANNEL, () => void follow())
    },
    close() {
      watched = false
      return stopListening()
    },
  }
}
