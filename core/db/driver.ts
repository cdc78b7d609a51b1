/** Makes the {@link Db} that everybody sees out of an engine that can only run statements. */
import { DrizzleQueryError } from "drizzle-orm/errors"
import { drizzle } from "drizzle-orm/pg-proxy"
import type { Clock } from "../clock.ts"
import { AppError } from "../errors.ts"
import type { Db, Orm, Tx } from "./db.ts"
import { insideTransaction, refuseInsideTransaction } from "./nesting.ts"
import { decodeArrays, decodeRows, encodeStatement, type WireResult, type WireStatement } from "./values.ts"

/** Implementations throw AppErrors alone. */
export type Driver = {
  readonly kind: Db["kind"]
  /** One transaction, one round trip, all or none. */
  run(statements: readonly WireStatement[]): Promise<WireResult[]>
  /** Takes the connection for itself alone until commit or rollback. */
  begin(): Promise<DriverTransaction>
  /** Calls with an empty payload after a gap in which notifications may have been missed. */
  listen(channel: string, onNotify: (payload: string) => void): Promise<() => Promise<void>>
  roundTrips(): number
  close(): Promise<void>
}

export type DriverTransaction = {
  run(statement: WireStatement): Promise<WireResult>
  commit(): Promise<void>
  rollback(): Promise<void>
}

/** A transaction looks and writes, which takes milliseconds; one that is open for half a minute awaits something it must not. */
const MAX_TRANSACTION_MS = 30_000

type Run = (statement: WireStatement) => Promise<WireResult>

export function createDb({ driver, hasVector, clock }: { driver: Driver; hasVector: boolean; clock: Clock }): Db {
  let commits = 0
  const countWrites = (results: readonly WireResult[]) => {
    if (results.some(({ tag }) => wrote(tag))) commits += 1
  }
  const runOne: Run = async (statement) => {
    refuseInsideTransaction("The database")
    const results = await driver.run([statement])
    countWrites(results)
    return only(results)
  }

  return {
    kind: driver.kind,
    hasVector,
    orm: createOrm(runOne),
    query: async (statement) => decodeRows(await runOne(encodeStatement(statement))),
    async batch(statements) {
      refuseInsideTransaction("The database")
      if (statements.length === 0) return []
      const results = await driver.run(statements.map(encodeStatement))
      countWrites(results)
      return results.map(decodeRows)
    },
    async transaction<T>(work: (tx: Tx) => Promise<T>, { maxMs = MAX_TRANSACTION_MS } = {}): Promise<T> {
      refuseInsideTransaction("A second transaction")
      const transaction = await driver.begin()
      let open = true
      let writes = false
      let timedOut: (error: AppError) => void = () => {}
      const timeout = new Promise<never>((_, reject) => (timedOut = reject))
      const cancel = clock.after(maxMs, () =>
        timedOut(new AppError("db.timeout", `A transaction was open for more than ${maxMs / 1000} s`)),
      )
      const run: Run = async (statement) => {
        if (!open) throw new Error("This transaction is over")
        const result = await transaction.run(statement)
        writes ||= wrote(result.tag)
        return result
      }
      const tx: Tx = {
        orm: createOrm(run),
        query: async (statement) => decodeRows(await run(encodeStatement(statement))),
      }
      try {
        const value = await Promise.race([insideTransaction(() => work(tx)), timeout])
        open = false
        await transaction.commit()
        if (writes) commits += 1
        return value
      } catch (error) {
        open = false
        await transaction.rollback()
        throw error
      } finally {
        cancel()
      }
    },
    listen: (channel, onNotify) => driver.listen(channel, onNotify),
    counters: () => ({ roundTrips: driver.roundTrips(), commits }),
    close: () => driver.close(),
  }
}

function only(results: readonly WireResult[]): WireResult {
  const [result] = results
  if (!result) throw new AppError("internal", "The database gave no answer to a statement")
  return result
}

/** "INSERT 0 2", "UPDATE 1": rows were written. "UPDATE 0" and "SELECT 3" write nothing; definitions ("CREATE TABLE") do. */
function wrote(tag: string): boolean {
  if (/^(?:INSERT|UPDATE|DELETE|MERGE|COPY)\b/.test(tag)) return !tag.endsWith(" 0")
  return /^(?:CREATE|ALTER|DROP|TRUNCATE|COMMENT|GRANT|REVOKE)\b/.test(tag)
}

function createOrm(run: Run): Orm {
  const orm = drizzle(async (sql, params: unknown[], method) => {
    const result = await run(encodeStatement({ sql, params }))
    return { rows: method === "all" ? decodeArrays(result) : decodeRows(result) }
  })
  // Drizzle wraps what we throw in an error whose message holds the bound parameters; our own error goes on instead.
  const { session } = orm._
  const prepareQuery = session.prepareQuery.bind(session)
  session.prepareQuery = (...given) => {
    const prepared = prepareQuery(...given)
    const execute = prepared.execute.bind(prepared)
    prepared.execute = async (...values) => {
      try {
        return await execute(...values)
      } catch (error) {
        throw error instanceof DrizzleQueryError ? (error.cause ?? new Error("A query failed")) : error
      }
    }
    return prepared
  }
  return orm
}
