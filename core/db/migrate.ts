/** Brings a database to this build's schema, in one transaction, once, however many processes start at the same moment. */
import { AppError } from "../errors.ts"
import type { Row } from "./db.ts"
import type { Driver, DriverTransaction } from "./driver.ts"
import { faultOf } from "./faults.ts"
import type { Migration } from "./migrations.ts"
import { decodeRows, encodeStatement } from "./values.ts"

export type Migrated = {
  /** pgvector is there and its tables are. */
  hasVector: boolean
  /** What the owner may want to know; nothing here stops the work. */
  warnings: AppError[]
}

/** Any constant number of our own: whoever migrates holds this advisory lock. */
const MIGRATION_LOCK = 7_233_510

const STATE = `select
  exists (select from pg_extension where extname = 'vector') as installed,
  exists (select from pg_available_extensions where name = 'vector') as available,
  exists (select from pg_attribute where attrelid = to_regclass('chunk_embeddings') and attname = 'embedding' and not attisdropped) as built,
  current_database() as database`
const APPLIED = "select name, sha256 from migrations order by position"

type State = { installed: boolean; available: boolean; built: boolean; database: string; applied: Applied[] }
type Applied = { name: string; sha256: string }
type Ask = (sql: string, params?: unknown[]) => Promise<Row[]>

export function sha256(text: string): string {
  return new Bun.CryptoHasher("sha256").update(text).digest("hex")
}

export async function migrate({
  driver,
  migrations,
}: {
  driver: Driver
  migrations: readonly Migration[]
}): Promise<Migrated> {
  const before = await readState(driver)
  if (before) {
    refuseStrange(before.applied, migrations)
    if (missing({ state: before, migrations, vector: before.installed || before.available }).length === 0)
      return outcome(before)
  }
  const transaction = await driver.begin()
  try {
    const warning = await migrateInside({ transaction, migrations })
    await transaction.commit()
    const after = await readState(driver)
    if (!after) throw new AppError("internal", "The migrations left no record of themselves")
    return outcome(after, warning)
  } catch (error) {
    await transaction.rollback()
    throw faultOf(error)?.sqlState === "42501" ? await noRight(driver, error) : error
  }
}

type MigrationRun = { transaction: DriverTransaction; migrations: readonly Migration[] }

async function migrateInside({ transaction, migrations }: MigrationRun): Promise<AppError | undefined> {
  const ask: Ask = async (sql, params = []) => decodeRows(await transaction.run(encodeStatement({ sql, params })))
  await ask("set local lock_timeout = 0") // who waits for another process's migration waits as long as it takes
  await ask("select pg_advisory_xact_lock($1::bigint)", [MIGRATION_LOCK])
  await ask(`create table if not exists migrations (
    position integer generated always as identity primary key, name text not null unique, sha256 text not null,
    applied_at timestamp (3) with time zone not null default now())`)
  let state = stateOf(await ask(APPLIED), await ask(STATE))
  refuseStrange(state.applied, migrations)
  const warning = await createExtension({ ask, state })
  state = stateOf(await ask(APPLIED), await ask(STATE))
  if (state.installed && !state.built) {
    // The extension was dropped and came back: what was built on it went with it, and is built again.
    await ask("drop table if exists chunk_embeddings")
    await ask("delete from migrations where name like 'vector\\_%'")
    state = stateOf(await ask(APPLIED), await ask(STATE))
  }
  for (const { name, sql } of missing({ state, migrations, vector: state.installed })) {
    for (const statement of sql.split("--> statement-breakpoint")) await ask(statement)
    await ask("insert into migrations (name, sha256) values ($1, $2)", [name, sha256(sql)])
  }
  return warning
}

/** Null where nothing was ever migrated. One round trip: this is all that most starts do. */
async function readState(driver: Driver): Promise<State | null> {
  try {
    const [applied, state] = await driver.run([APPLIED, STATE].map((sql) => encodeStatement({ sql, params: [] })))
    return applied && state ? stateOf(decodeRows(applied), decodeRows(state)) : null
  } catch (error) {
    if (faultOf(error)?.sqlState === "42P01") return null // undefined_table
    throw error
  }
}

function stateOf(applied: readonly Row[], [row = {}]: readonly Row[]): State {
  return {
    installed: row["installed"] === true,
    available: row["available"] === true,
    built: row["built"] === true,
    database: String(row["database"]),
    applied: applied.map((each) => ({ name: String(each["name"]), sha256: String(each["sha256"]) })),
  }
}

type MissingOf = { state: State; migrations: readonly Migration[]; vector: boolean }

/** What this database lacks and, with or without pgvector, could have. */
function missing({ state, migrations, vector }: MissingOf): Migration[] {
  const names = new Set(
    state.built || !state.installed ? state.applied.map(({ name }) => name) : alwaysOf(state.applied),
  )
  return migrations.filter(({ name, needs }) => !names.has(name) && (needs === "nothing" || vector))
}

function alwaysOf(applied: readonly Applied[]): string[] {
  return applied.map(({ name }) => name).filter((name) => !name.startsWith("vector_"))
}

function refuseStrange(applied: readonly Applied[], migrations: readonly Migration[]): void {
  const known = new Map(migrations.map((each) => [each.name, each]))
  const done = new Set<string>()
  for (const { name, sha256: hash } of applied) {
    const migration = known.get(name)
    if (!migration)
      throw new AppError("db.newer", `The database has the migration "${name}", which this version does not know`)
    if (sha256(migration.sql) !== hash) {
      throw new AppError(
        "db.migration_changed",
        `The database ran another text of the migration "${name}" than this version has`,
      )
    }
    done.add(name)
  }
  for (const needs of ["nothing", "vector"] as const) {
    const names = migrations.filter((each) => each.needs === needs).map(({ name }) => name)
    const gap = names.findIndex((name) => !done.has(name))
    const later = gap === -1 ? undefined : names.slice(gap).find((name) => done.has(name))
    if (later)
      throw new AppError(
        "db.migration_changed",
        `The database ran the migration "${later}" without "${names[gap]}" before it`,
      )
  }
}

/** Creates pgvector where that is possible; where it is there but not for us, says what the administrator has to do. */
async function createExtension({ ask, state }: { ask: Ask; state: State }): Promise<AppError | undefined> {
  if (state.installed || !state.available) return undefined
  await ask("savepoint before_extension")
  try {
    await ask("create extension vector")
  } catch (error) {
    await ask("rollback to savepoint before_extension")
    if (faultOf(error)?.sqlState !== "42501") throw error
    return extensionDenied(state.database)
  }
  return undefined
}

function extensionDenied(database: string): AppError {
  return new AppError(
    "db.extension_denied",
    `pgvector is on the server, but creating it takes an administrator: psql -U postgres -d ${shellWord(database)} -c 'CREATE EXTENSION vector'`,
  )
}

function outcome(state: State, warning?: AppError): Migrated {
  const hasVector = state.installed && state.built
  if (hasVector) return { hasVector, warnings: [] }
  return { hasVector, warnings: [warning ?? new AppError("db.no_vector", "The server has no pgvector")] }
}

async function noRight(driver: Driver, cause: unknown): Promise<AppError> {
  const [result] = await driver.run([
    { sql: "select current_database() as database, current_user as role", params: [] },
  ])
  const [row = {}] = result ? decodeRows(result) : []
  const grant = `GRANT CREATE, USAGE ON SCHEMA public TO "${String(row["role"]).replaceAll('"', '""')}"`
  const command = `psql -U postgres -d ${shellWord(String(row["database"]))} -c ${shellWord(grant)}`
  return new AppError(
    "db.permission_denied",
    `The database user may not create tables. Its administrator allows it so: ${command}`,
    { cause },
  )
}

function shellWord(text: string): string {
  return /^[\w.-]+$/.test(text) ? text : `'${text.replaceAll("'", "'\\''")}'`
}
