/** A real, migrated database for a test: PGlite in memory, or the server that TEST_DATABASE_URL names, where a database of its own is made. */
import { systemClock } from "#core/clock.ts"
import type { Db } from "#core/db/db.ts"
import { openDb } from "#core/db/open.ts"
import { loadSnapshot } from "#core/db/snapshot.ts"
import { connectPostgres } from "#core/db/postgres-connection.ts"
import { readPostgresUrl } from "#core/db/postgres-url.ts"
import { AppError } from "#core/errors.ts"
import { randomToken } from "#core/id.ts"

/** Read once, while the test process starts; setup.ts removes what looks like a token, and this is none. */
export const testServerUrl = process.env["TEST_DATABASE_URL"]

export async function openMemoryDb(): Promise<Db> {
  return openDb({ config: { kind: "embedded", dir: "memory" }, clock: systemClock, onWarning: () => {}, loadSnapshot })
}

/** The error that a promise rejects with; fails the test where it rejects with none. */
export async function failureOf(work: Promise<unknown>): Promise<Error> {
  const reason = await work.then(
    () => undefined,
    (error: unknown) => error,
  )
  if (reason instanceof Error) return reason
  throw new Error("It did not fail")
}

/** The same for errors that may be shown. */
export async function appErrorOf(work: Promise<unknown>): Promise<AppError> {
  const error = await failureOf(work)
  if (error instanceof AppError) return error
  throw error
}

/** Runs one statement at the server as who the URL names. */
export async function atServer(url: string, sql: string): Promise<void> {
  const connection = await connectPostgres({
    target: readPostgresUrl({ url }),
    clock: systemClock,
    countTrip: () => {},
    onNotification: () => {},
    onLost: () => {},
  })
  try {
    await connection.step([{ sql, params: [] }])
  } finally {
    connection.close()
  }
}

export type ServerDatabase = { name: string; url: string; drop(): Promise<void> }

/** A new, empty database on the test server. */
export async function createServerDatabase(serverUrl: string): Promise<ServerDatabase> {
  const name = `test_${randomToken(9)
    .replaceAll(/[^a-z0-9]/gi, "")
    .toLowerCase()}_${process.pid}`
  await atServer(serverUrl, `create database ${name}`)
  const url = new URL(serverUrl)
  url.pathname = `/${name}`
  return { name, url: url.href, drop: () => atServer(serverUrl, `drop database if exists ${name} with (force)`) }
}

export type Engine = { name: string; open(): Promise<Db> }

/** Every engine that this run has: tests of shared behaviour run once for each. Close what was opened; databases go with it. */
export function engines(): Engine[] {
  const all: Engine[] = [{ name: "embedded", open: openMemoryDb }]
  const serverUrl = testServerUrl
  if (serverUrl !== undefined) {
    all.push({
      name: "postgres",
      async open() {
        const { url, drop } = await createServerDatabase(serverUrl)
        const db = await openDb({
          config: { kind: "postgres", url, poolSize: 5 },
          clock: systemClock,
          onWarning: () => {},
          loadSnapshot,
        })
        return {
          ...db,
          async close() {
            await db.close()
            await drop()
          },
        }
      },
    })
  }
  return all
}
