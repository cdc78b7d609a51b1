/** One pipeline of statements through PGlite: all go in as one buffer of protocol messages, all answers come back as one. */
import { type PGlite, protocol } from "@electric-sql/pglite"
import type { EngineFault } from "./embedded-protocol.ts"
import type { WireColumn, WireResult, WireStatement } from "./values.ts"

const { serialize, Parser, messages } = protocol

export type SessionOutcome = { results: WireResult[] } | { failed: EngineFault }
export type Session = { run(statements: readonly WireStatement[]): SessionOutcome }

// A prepared statement saves parsing and planning: 56 µs instead of 145 µs for a small insert (measured 2026-11-22). Each keeps some
// 20 KB, so there are at most this many, and long texts (inserts of many rows, seldom the same twice) are not kept.
const MAX_PREPARED = 150
const MAX_PREPARED_CHARACTERS = 6000
// Search by words or by vectors is never prepared: its plan must fit the values (a general one was 17 times slower, measured 2026-11-22).
const SEARCHES = /@@|<=>|<->|<#>/
// A plan made while a table was small is wrong when it has grown, and no autovacuum runs in here to tell: plans are made anew this often.
const RUNS_PER_PLAN = 500

/** Thrown by Postgres' error path on its way to the main loop: PGlite's own, harmless. Anything else that reaches the loop is a crash. */
const LONGJMP_STATUS = 100

export function createSession({
  pg,
  onNotification,
}: {
  pg: PGlite
  onNotification: (channel: string, payload: string) => void
}): Session {
  const prepared = new Map<string, { name: string; columns: WireColumn[] }>()
  let names = 0
  let runs = 0
  const crash = watchForCrash(pg)

  function compose(statements: readonly WireStatement[]) {
    const parts: Uint8Array[] = []
    /** Statements that this pipeline prepares, in order: those before an error are kept. */
    const parsing: { sql: string; name: string }[] = []
    const ready = new Map<string, string>()
    for (const { sql, params } of statements) {
      let statement = prepared.get(sql)?.name ?? ready.get(sql)
      if (statement === undefined) {
        const keep = sql.length <= MAX_PREPARED_CHARACTERS && !SEARCHES.test(sql)
        statement = keep ? `s${(names += 1)}` : ""
        if (keep) ready.set(sql, statement)
        parsing.push({ sql, name: statement })
        parts.push(serialize.parse({ name: statement, text: sql }))
      } else refresh(sql)
      parts.push(serialize.bind({ statement, values: params }))
      if (!prepared.has(sql)) parts.push(serialize.describe({ type: "P" }))
      parts.push(serialize.execute())
    }
    parts.push(serialize.sync())
    return { message: Buffer.concat(parts), parsing }
  }

  /** Keeps the map in order of use. */
  function refresh(sql: string): void {
    const known = prepared.get(sql)
    if (!known) return
    prepared.delete(sql)
    prepared.set(sql, known)
  }

  function send(message: Uint8Array): Uint8Array[] {
    const chunks: Uint8Array[] = []
    // Synchronous in fact; what it returns only waits for a sync of file systems that ours does not need.
    void pg
      .execProtocolRawStream(message, { syncToFs: false, onRawData: (bytes) => void chunks.push(bytes.slice()) })
      .catch(crash.note)
    return chunks
  }

  function forgetOldest(): void {
    const closing: Uint8Array[] = []
    for (const [sql, { name }] of prepared) {
      if (prepared.size <= MAX_PREPARED) break
      prepared.delete(sql)
      closing.push(serialize.close({ type: "S", name }))
    }
    if (closing.length > 0) send(Buffer.concat([...closing, serialize.sync()]))
  }

  function attempt(statements: readonly WireStatement[]): SessionOutcome {
    const { message, parsing } = compose(statements)
    const chunks = send(message)
    const broken = crash.seen()
    if (broken !== undefined) return { failed: { kind: "broken", message: broken } }

    const results: WireResult[] = []
    let failed: EngineFault | undefined
    let columns: WireColumn[] | undefined
    let rows: (string | null)[][] = []
    let parsed = 0
    const finish = (tag: string) => {
      const sql = statements[results.length]?.sql ?? ""
      const known = prepared.get(sql)
      results.push({ columns: columns ?? known?.columns ?? [], rows, tag })
      const name = parsing.find((each) => each.sql === sql)?.name
      if (!known && name) prepared.set(sql, { name, columns: columns ?? [] })
      columns = undefined
      rows = []
    }
    const parser = new Parser()
    for (const chunk of chunks) {
      parser.parse(chunk, (each) => {
        if (each instanceof messages.DataRowMessage) rows.push(each.fields)
        else if (each instanceof messages.RowDescriptionMessage) {
          columns = each.fields.map(({ name, dataTypeID }) => ({ name, type: dataTypeID }))
        } else if (each instanceof messages.CommandCompleteMessage) finish(each.text)
        else if (each instanceof messages.NotificationResponseMessage) onNotification(each.channel, each.payload)
        else if (each instanceof messages.DatabaseError) {
          failed ??= {
            kind: "sql",
            fault: {
              sqlState: each.code ?? "XX000",
              message: each.message,
              constraint: each.constraint,
              statement: results.length < statements.length ? results.length : undefined,
            },
          }
        } else if (each.name === "parseComplete") parsed += 1
        else if (each.name === "emptyQuery") finish("")
      })
    }
    // What was parsed before the error but never finished has a name at the server that nobody here knows: free it.
    const lost = parsing.slice(0, parsed).filter(({ sql, name }) => name !== "" && prepared.get(sql)?.name !== name)
    if (lost.length > 0)
      send(Buffer.concat([...lost.map(({ name }) => serialize.close({ type: "S", name })), serialize.sync()]))
    forgetOldest()
    const late = crash.seen()
    if (late !== undefined) return { failed: { kind: "broken", message: late } }
    if (failed) return { failed }
    if (results.length !== statements.length)
      return { failed: { kind: "broken", message: "PGlite left statements unanswered" } }
    return { results }
  }

  return {
    run(statements) {
      runs += 1
      if (runs % RUNS_PER_PLAN === 0) send(serialize.query("discard plans"))
      const outcome = attempt(statements)
      // A definition changed under a prepared statement. Whatever is not inside a longer transaction can simply go again, parsed anew.
      const stale =
        "failed" in outcome &&
        outcome.failed.kind === "sql" &&
        ["0A000", "26000"].includes(outcome.failed.fault.sqlState)
      if (!stale || prepared.size === 0 || pg.Module._IsTransactionBlock() !== 0) return outcome
      const names = [...prepared.values()].map(({ name }) => serialize.close({ type: "S", name }))
      prepared.clear()
      send(Buffer.concat([...names, serialize.sync()]))
      return attempt(statements)
    },
  }
}

/**
 * PGlite goes on after any exception in its main loop, also after a trap or a panic, with memory in any state, and may spin for ever.
 * Here such an exception ends the loop: it is noted, and the next thing that PGlite does after catching it throws.
 */
function watchForCrash(pg: PGlite): { seen(): string | undefined; note(error: unknown): void } {
  let crash: string | undefined
  const note = (error: unknown) => {
    crash ??= error instanceof Error ? `${error.name}: ${error.message}` : String(error)
  }
  const engine = pg.Module
  const loopOnce = engine._PostgresMainLoopOnce
  engine._PostgresMainLoopOnce = () => {
    try {
      loopOnce()
    } catch (error) {
      const status = typeof error === "object" && error !== null && "status" in error ? error.status : undefined
      if (status !== LONGJMP_STATUS) note(error)
      throw error
    }
  }
  const stackRestore = engine.stackRestore
  engine.stackRestore = (pointer) => {
    if (crash !== undefined) throw new Error(crash)
    return stackRestore(pointer)
  }
  return { seen: () => crash, note }
}
