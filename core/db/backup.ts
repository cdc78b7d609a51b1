/**
 * `ironclaw backup`: every row, as of one moment, into one file that only its passphrase opens.
 *
 * The form is logical, so that it fits either kind of database and every version of Postgres: per table the rows as JSON lines, every
 * value in Postgres' own text form, in blocks that zstd compressed (joined, they are a .jsonl.zst file). Order of frames: about, then for
 * each table its head, its blocks and its end with count and hash, then the end. What is around them: backup-cipher.ts, backup-file.ts.
 * In memory are one block and what one FETCH brings. On the embedded engine nobody else is served while the snapshot is read.
 */
import type { Clock } from "../clock.ts"
import { int, type Static, t } from "../schema.ts"
import { createBackupFile, type BackupWriter, frameKinds } from "./backup-file.ts"
import { type BackupTable, backupTables, quoted } from "./backup-tables.ts"
import type { Db, Tx } from "./db.ts"

/** What a backup says of itself, sealed like the rows. */
export const BackupAbout = t.Object({
  createdAt: t.String(),
  version: t.String(),
  database: t.Union([t.Literal("embedded"), t.Literal("postgres")]),
  /** Every migration that the database had. */
  migrations: t.Array(t.String()),
  /** Where numbering goes on: the last value given, and whether it was given. */
  sequences: t.Record(t.String(), t.Object({ last: t.String({ pattern: "^\\d{1,19}$" }), called: t.Boolean() })),
  /** In hex. */
  masterKey: t.String(),
  /** The text of config.toml; null where there was none. */
  config: t.Union([t.String(), t.Null()]),
  /** Names of what was installed: their folders are not in here. */
  plugins: t.Array(t.String()),
  skills: t.Array(t.String()),
})
export type BackupAbout = Static<typeof BackupAbout>
/** The part of it that the database does not know. */
export type BackupContents = Pick<BackupAbout, "masterKey" | "config" | "plugins" | "skills">

export const TableHead = t.Object({ name: t.String(), columns: t.Array(t.String()) })
export const TableEnd = t.Object({ rows: int({ minimum: 0 }), sha256: t.String() })
export const BackupEnd = t.Object({ tables: int({ minimum: 0 }), rows: int({ minimum: 0 }) })

export type BackupProgress = { table: string; rows: number }
export type BackupRequest = {
  db: Db
  clock: Clock
  path: string
  passphrase: string
  version: string
  contents: BackupContents
  onProgress: (progress: BackupProgress) => void
  signal: AbortSignal
}
export type BackupResult = { path: string; bytes: number; tables: number; rows: number; createdAt: string }

export const sequenceNames = ["event_seq", "messages_position_seq"] as const

/** What one FETCH brings: large enough that trips cost little, small enough that rows of many MB can be held. */
const FETCH_ROWS = 100
/** zstd finds little more in larger blocks of rows, and one is held at a time. */
const BLOCK_BYTES = 1024 * 1024
/** Reading takes seconds; a million rows over a slow line may take this long. */
const MAX_MS = 6 * 3_600_000

/** Throws `backup.exists`, `home.not_writable`, and what the database throws. Leaves no file where it fails. */
export async function writeBackup({
  db,
  clock,
  path,
  passphrase,
  version,
  contents,
  onProgress,
  signal,
}: BackupRequest): Promise<BackupResult> {
  const createdAt = clock.iso()
  const file = await createBackupFile({ path, passphrase, version, createdAt })
  try {
    // The file is awaited in here, against the rule for transactions: the snapshot must stay open while it is written, and must not be
    // held in memory. It is a local file; nothing in the database waits for it but, on the embedded engine, the next request.
    const counts = await db.transaction(
      async (tx) => {
        await tx.query({ sql: "set transaction isolation level repeatable read, read only", params: [] })
        const about: BackupAbout = { createdAt, version, database: db.kind, ...(await readState(tx)), ...contents }
        await writeJson(file, frameKinds.about, about)
        let rows = 0
        const tables = backupTables.filter(({ needs }) => needs === "nothing" || db.hasVector)
        for (const table of tables) rows += await writeTable({ tx, table, file, onProgress, signal })
        await writeJson(file, frameKinds.end, { tables: tables.length, rows })
        return { tables: tables.length, rows }
      },
      { maxMs: MAX_MS },
    )
    const bytes = await file.finish()
    return { path, bytes, ...counts, createdAt }
  } finally {
    await file.discard()
  }
}

async function readState(tx: Tx): Promise<Pick<BackupAbout, "migrations" | "sequences">> {
  const applied = await tx.query({ sql: "select name from migrations order by position", params: [] })
  const sequences: BackupAbout["sequences"] = {}
  for (const name of sequenceNames) {
    const [row = {}] = await tx.query({
      sql: `select last_value::text as last, is_called as called from ${name}`,
      params: [],
    })
    sequences[name] = { last: String(row["last"]), called: row["called"] === true }
  }
  return { migrations: applied.map(({ name }) => String(name)), sequences }
}

type TableRequest = { tx: Tx; table: BackupTable; file: BackupWriter } & Pick<BackupRequest, "onProgress" | "signal">

async function writeTable({ tx, table: { name, columns }, file, onProgress, signal }: TableRequest): Promise<number> {
  await writeJson(file, frameKinds.table, { name, columns: columns.map((column) => column.name) })
  const cursor = quoted(`backup_${name}`)
  const values = columns.map((column) => `${quoted(column.name)}::text as ${quoted(column.name)}`).join(", ")
  await tx.query({
    sql: `declare ${cursor} no scroll cursor for select row_to_json(r)::text as line from (select ${values} from ${quoted(name)}) r`,
    params: [],
  })
  const hash = new Bun.CryptoHasher("sha256")
  let rows = 0
  let block: Buffer[] = []
  let size = 0
  const flush = async () => {
    if (size === 0) return
    const text = Buffer.concat(block)
    hash.update(text)
    await file.write(frameKinds.rows, await Bun.zstdCompress(text))
    block = []
    size = 0
  }
  for (;;) {
    signal.throwIfAborted()
    const fetched = await tx.query({ sql: `fetch ${FETCH_ROWS} from ${cursor}`, params: [] })
    for (const { line } of fetched) {
      const bytes = Buffer.from(`${String(line)}\n`)
      block.push(bytes)
      size += bytes.length
      if (size >= BLOCK_BYTES) await flush()
    }
    rows += fetched.length
    onProgress({ table: name, rows })
    if (fetched.length < FETCH_ROWS) break
  }
  await flush()
  await tx.query({ sql: `close ${cursor}`, params: [] })
  await writeJson(file, frameKinds.tableEnd, { rows, sha256: hash.digest("hex") })
  return rows
}

function writeJson(
  file: BackupWriter,
  kind: (typeof frameKinds)[keyof typeof frameKinds],
  value: unknown,
): Promise<void> {
  return file.write(kind, Buffer.from(JSON.stringify(value)))
}
