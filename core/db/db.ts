/** What the rest of the program knows of the database: one dialect, whichever engine stands behind it. */
import type { PgRemoteDatabase } from "drizzle-orm/pg-proxy"
import type { NewEvent, StoredEvent } from "../event.ts"
import type { NewAudit } from "./schema.ts"

/** SQL with $1-style parameters. Drizzle's builders make them: `db.orm.insert(…).values(…).toSQL()`. */
export type Statement = { sql: string; params: unknown[] }
export type Row = Record<string, unknown>

/** Drizzle over our own driver; for reading. Writes go through {@link Writer} or {@link Db.batch}. */
export type Orm = PgRemoteDatabase<Record<string, never>>

export type Db = {
  readonly kind: "embedded" | "postgres"
  /** The server has pgvector, so the conditional migrations ran. */
  readonly hasVector: boolean
  readonly orm: Orm
  query(statement: Statement): Promise<Row[]>
  /** Runs the statements in one transaction and one round trip: all or none. */
  batch(statements: readonly Statement[]): Promise<Row[][]>
  /** An interactive transaction, for the few that must look before they write. Await nothing but `tx` inside. */
  transaction<T>(work: (tx: Tx) => Promise<T>, options?: { maxMs?: number }): Promise<T>
  /** Calls back for every NOTIFY on `channel`, until the returned function is called. */
  listen(channel: string, onNotify: (payload: string) => void): Promise<() => Promise<void>>
  /** What was used since the start: how many times we waited for the database, and how many transactions that wrote were committed. */
  counters(): { roundTrips: number; commits: number }
  close(): Promise<void>
}

export type Tx = { readonly orm: Orm; query(statement: Statement): Promise<Row[]> }

/** One all-or-nothing change: rows, the events that tell of it, and its audit rows. */
export type Unit = {
  statements: readonly Statement[]
  events?: readonly NewEvent[]
  audit?: readonly NewAudit[]
}
export type Committed = { rows: Row[][]; events: StoredEvent[] }

/**
 * The one writer of a process. Units that arrive while a commit is under way go together in the next one (group commit), in the order
 * in which they came. Events get their `seq` under an advisory lock, are stored, and only then published. A unit that fails takes no
 * other with it. Throws AppError; nothing of a failed unit is stored or published.
 */
export type Writer = {
  commit(unit: Unit): Promise<Committed>
  /** Waits until everything handed over so far is committed. */
  drain(): Promise<void>
}
