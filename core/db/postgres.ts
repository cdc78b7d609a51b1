/** A Postgres server as a driver: a pool of connections, each of which is used by one caller at a time. */
import type { Clock } from "../clock.ts"
import { AppError } from "../errors.ts"
import type { Driver, DriverTransaction } from "./driver.ts"
import { connectPostgres, type PostgresConnection } from "./postgres-connection.ts"
import { readPostgresUrl } from "./postgres-url.ts"
import type { WireStatement } from "./values.ts"

export type PostgresDeps = { config: { url: string; poolSize: number; caFile?: string }; clock: Clock }

// A listener that lost its server tries again after these delays, the last one for ever. Its first notice after that tells of the gap.
const RELISTEN_DELAYS_MS = [100, 300, 1000, 3000, 5000]

export async function openPostgres({ config, clock }: PostgresDeps): Promise<Driver> {
  const target = readPostgresUrl(config)
  const idle: PostgresConnection[] = []
  const all = new Set<PostgresConnection>()
  const waiting: { resolve: (connection: PostgresConnection) => void; reject: (error: unknown) => void }[] = []
  const stops = new Set<() => Promise<void>>()
  let opening = 0
  let roundTrips = 0
  let closed = false
  const countTrip = () => (roundTrips += 1)

  async function open(): Promise<PostgresConnection> {
    opening += 1
    try {
      const connection = await connectPostgres({ target, clock, countTrip, onNotification: () => {}, onLost: forget })
      all.add(connection)
      return connection
    } finally {
      opening -= 1
    }
  }

  /** A lost connection leaves room for a new one, which whoever waits first gets. */
  function forget(connection: PostgresConnection): void {
    all.delete(connection)
    const at = idle.indexOf(connection)
    if (at !== -1) idle.splice(at, 1)
    serveNext()
  }

  function serveNext(): void {
    if (waiting.length === 0 || closed || all.size + opening >= config.poolSize) return
    const next = waiting.shift()
    if (next) open().then(next.resolve, next.reject)
  }

  async function take(): Promise<PostgresConnection> {
    if (closed) throw new AppError("db.connection_lost", "The database is closed")
    // The one used last: few callers keep few connections warm.
    const connection = idle.pop()
    if (connection) return connection
    if (all.size + opening < config.poolSize) return open()
    return new Promise((resolve, reject) => waiting.push({ resolve, reject }))
  }

  function release(connection: PostgresConnection): void {
    if (!connection.alive()) return
    if (closed || connection.wornOut()) {
      connection.close()
      forget(connection)
      return
    }
    const next = waiting.shift()
    if (next) next.resolve(connection)
    else idle.push(connection)
  }

  idle.push(await open())

  return {
    kind: "postgres",
    async run(statements) {
      const connection = await take()
      try {
        return await connection.run(statements)
      } finally {
        release(connection)
      }
    },
    async begin(): Promise<DriverTransaction> {
      const connection = await take()
      let begun = false
      const finish = async (sql: string) => {
        try {
          if (begun && connection.alive()) await connection.step([{ sql, params: [] }])
          else if (begun && sql === "commit")
            throw new AppError("db.connection_lost", "The server went away before the commit")
        } finally {
          begun = false
          release(connection)
        }
      }
      return {
        async run(statement) {
          const steps: WireStatement[] = begun ? [statement] : [{ sql: "begin", params: [] }, statement]
          begun = true
          const result = (await connection.step(steps)).at(-1)
          if (!result) throw new AppError("internal", "The database gave no answer to a statement")
          return result
        },
        commit: () => finish("commit"),
        async rollback() {
          try {
            await finish("rollback")
          } catch {
            // The connection is lost, which rolls back by itself; the error that led here is the one to tell.
          }
        },
      }
    },
    async listen(channel, onNotify) {
      let stopped = false
      let connection: PostgresConnection | undefined
      let cancelRetry = () => {}
      const tell = (payload: string) => {
        if (!stopped) onNotify(payload) // what was on its way when it was stopped is for nobody
      }
      const start = async (): Promise<void> => {
        connection = await connectPostgres({
          target,
          clock,
          countTrip,
          onNotification: tell,
          onLost: () => retry(0),
        })
        await connection.run([{ sql: `listen "${channel.replaceAll('"', '""')}"`, params: [] }])
        if (stopped) connection.close()
      }
      const retry = (attempt: number): void => {
        if (stopped || closed) return
        const delayMs = RELISTEN_DELAYS_MS[Math.min(attempt, RELISTEN_DELAYS_MS.length - 1)] ?? 0
        cancelRetry = clock.after(delayMs, () => {
          start().then(
            () => tell(""),
            () => retry(attempt + 1),
          )
        })
      }
      const stop = async () => {
        stopped = true
        cancelRetry()
        stops.delete(stop)
        connection?.close()
      }
      await start()
      stops.add(stop)
      return stop
    },
    roundTrips: () => roundTrips,
    async close() {
      closed = true
      for (const { reject } of waiting.splice(0)) reject(new AppError("db.connection_lost", "The database is closed"))
      for (const stop of stops) await stop()
      for (const connection of idle.splice(0)) connection.close()
    },
  }
}
