/** Which tables a backup holds, in an order in which rows find what they refer to, and which it leaves out on purpose. */
import { getTableColumns, getTableName, is } from "drizzle-orm"
import { PgTable } from "drizzle-orm/pg-core"
import * as schema from "./schema.ts"

export type BackupColumn = { name: string; type: string }
export type BackupTable = { name: string; columns: readonly BackupColumn[]; needs: "nothing" | "vector" }

/** Tokens open this house from outside, and a copy of it must not be opened by them. */
const leftOut: readonly PgTable[] = [schema.tokens]

/** What others refer to comes first. */
const first: readonly PgTable[] = [schema.people, schema.sessions, schema.turns, schema.documents]

/** Derived from chunks, and dear to make again. Its table is in a migration of its own (vector_0000_embeddings.sql). */
const embeddings: BackupTable = {
  name: "chunk_embeddings",
  needs: "vector",
  columns: [
    { name: "chunk_id", type: "text" },
    { name: "model", type: "text" },
    { name: "agent_id", type: "text" },
    { name: "dims", type: "integer" },
    { name: "embedding", type: "vector" },
    { name: "created_at", type: "timestamp (3) with time zone" },
  ],
}

const all = Object.values(schema).filter((value) => is(value, PgTable))
const later = all.filter((table) => !first.includes(table) && !leftOut.includes(table))

export const backupTables: readonly BackupTable[] = [...[...first, ...later].map(describe), embeddings]
/** Emptied before a restore: everything that a backup holds, and what it leaves out. */
export const emptiedTables: readonly string[] = all.map(getTableName)

function describe(table: PgTable): BackupTable {
  const columns = Object.values(getTableColumns(table))
    .filter(({ generated }) => generated === undefined) // the database makes them again
    .map((column) => ({ name: column.name, type: column.getSQLType() }))
  return { name: getTableName(table), columns, needs: "nothing" }
}

/** A name of our own schema, as SQL writes it. */
export function quoted(name: string): string {
  return `"${name.replaceAll('"', '""')}"`
}
