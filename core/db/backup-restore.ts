/**
 * `ironclaw restore`, as far as the database goes: one transaction that empties every table and fills it from a backup, or changes
 * nothing. What was proved row by row on the way in is given to it again from the file, so memory holds one block of rows.
 *
 * The audit log is the one table that refuses to be emptied. Where it holds rows, its triggers are put aside for that one statement,
 * inside the same transaction; the rows come back with the numbers and hashes that they had, their chain is verified, and the restore
 * itself is the next link, so that the log says what became of it.
 */
import type { Clock } from "../clock.ts"
import { AppError } from "../errors.ts"
import { type BackupAbout, sequenceNames } from "./backup.ts"
import { type ReadRequest, readBackup } from "./backup-read.ts"
import { type BackupTable, backupTables, emptiedTables, quoted } from "./backup-tables.ts"
import type { Db, Statement, Tx } from "./db.ts"

export type LoadRequest = ReadRequest & {
  db: Db
  clock: Clock
  onProgress: (progress: { table: string; rows: number }) => void
  /** More to change in the same transaction, after the rows are there: what is sealed under another key now. */
  finish: (tx: Tx, about: BackupAbout) => Promise<void>
}

export type Loaded = {
  rows: number
  /** Every link of the audit log fits, as it did in the database that was backed up. */
  auditIntact: boolean
  /** Embeddings were left out, because this server has no pgvector; they are made again where it gets it. */
  withoutEmbeddings: boolean
  /** What was under way in the backup and was ended. */
  ended: { turns: number; jobs: number; approvals: number }
  /** What the owner once allowed for good is allowed again; worth a look. */
  grants: number
}

/** A hundred thousand rows take seconds; a slow line to a far server may take hours. */
const MAX_MS = 6 * 3_600_000

/** Rows that only a person's use makes: none of them, and there is nothing to lose. */
const CONTENT_TABLES = ["sessions", "documents", "secrets", "grants", "hooks", "plugins", "approvals", "tokens"]

/** True where nothing was ever done with this database. */
export async function isEmptyDatabase(db: Db): Promise<boolean> {
  const exists = CONTENT_TABLES.map((name) => `exists (select from ${quoted(name)})`).join(" or ")
  const [row] = await db.query({ sql: `select ${exists} as used`, params: [] })
  return row?.["used"] !== true
}

/** Throws `backup.…` and what the database throws; then nothing is changed. */
export async function loadBackup({ db, clock, onProgress, finish, ...file }: LoadRequest): Promise<Loaded> {
  // The file is read in here, against the rule for transactions: all or nothing is one transaction, and the rows do not fit into memory.
  return db.transaction(
    async (tx) => {
      const run = (sql: string, ...params: unknown[]) => tx.query({ sql, params })
      await empty(run)
      let about: BackupAbout | null = null
      let into: ReturnType<typeof inserter> | null = null
      let table = ""
      let tableRows = 0
      let rows = 0
      let withoutEmbeddings = false
      for await (const part of readBackup(file)) {
        if (part.kind === "about") about = part.about
        if (part.kind === "table") {
          into = inserter(part, db)
          withoutEmbeddings ||= into === null
          table = part.name
          tableRows = 0
        }
        if (part.kind === "rows" && into) {
          await tx.query(into(part.lines))
          rows += part.lines.length
          onProgress({ table, rows: (tableRows += part.lines.length) })
        }
      }
      if (!about) throw new AppError("backup.damaged", "The backup says nothing of itself")
      await setSequences(run, about)
      const auditIntact = await isChainIntact(run)
      const ended = await endWhatWasUnderWay(run, clock.iso())
      await finish(tx, about)
      await recordRestore(run, { clock, about, rows })
      const [grants] = await run(
        "select count(*)::int as n from grants where revoked_at is null and (expires_at is null or expires_at > $1::timestamptz)",
        clock.iso(),
      )
      return { rows, auditIntact, withoutEmbeddings, ended, grants: Number(grants?.["n"]) }
    },
    { maxMs: MAX_MS },
  )
}

type Run = (sql: string, ...params: unknown[]) => ReturnType<Tx["query"]>

async function empty(run: Run): Promise<void> {
  const [row] = await run("select exists (select from audit) as used")
  const keepsAudit = row?.["used"] !== true
  const names = emptiedTables.filter((name) => !(keepsAudit && name === "audit")).map(quoted)
  if (!keepsAudit) await run("alter table audit disable trigger user")
  await run(`truncate ${names.join(", ")} cascade`) // cascade: embeddings, where there are any
  if (!keepsAudit) await run("alter table audit enable trigger user")
}

/** The statement that inserts a block of rows; null for a table that this server cannot have. */
function inserter(
  { name, columns }: { name: string; columns: readonly string[] },
  db: Db,
): ((lines: readonly string[]) => Statement) | null {
  const table = backupTables.find((each) => each.name === name)
  if (!table) throw new AppError("backup.newer", `The backup has the table "${name}", which this version does not know`)
  if (table.needs === "vector" && !db.hasVector) return null
  const into = columns.map(quoted).join(", ")
  const values = columns.map((column) => `r.${quoted(column)}::${typeOf(table, column)}`).join(", ")
  const texts = columns.map((column) => `${quoted(column)} text`).join(", ")
  const sql = `insert into ${quoted(name)} (${into}) overriding system value select ${values} from json_to_recordset($1::json) as r(${texts})`
  return (lines) => ({ sql, params: [`[${lines.join(",")}]`] })
}

function typeOf(table: BackupTable, column: string): string {
  const found = table.columns.find(({ name }) => name === column)
  if (!found)
    throw new AppError("backup.newer", `The backup has "${table.name}.${column}", which this version does not know`)
  return found.type
}

/** Numbers go on after the last one given, also where its row is deleted: a client that saw it must not meet it again. */
async function setSequences(run: Run, { sequences }: BackupAbout): Promise<void> {
  const highest = {
    event_seq: "select max(seq) from events",
    messages_position_seq: "select max(position) from messages",
  }
  for (const name of sequenceNames) {
    const { last, called } = sequences[name] ?? { last: "1", called: false }
    await run(
      `select setval('${name}', greatest($1::bigint, top), $2::boolean or top is not null) from (select (${highest[name]}) as top) as t`,
      last,
      called,
    )
  }
}

async function isChainIntact(run: Run): Promise<boolean> {
  const [row] = await run(`select not exists (
    select from (select a.hash, a.prev_hash, lag(a.hash, 1, '') over (order by a.seq) as before, audit_hash(a) as right_hash from audit a) as links
    where hash is distinct from right_hash or prev_hash is distinct from before) as intact`)
  return row?.["intact"] === true
}

/** Nothing that was running then goes on now: its leases, its questions and its moment are gone. What it had said stays. */
async function endWhatWasUnderWay(run: Run, at: string): Promise<Loaded["ended"]> {
  const error = JSON.stringify({ code: "turn.given_up", message: "It was under way when the backup was made" })
  const count = async (sql: string, ...params: unknown[]) =>
    (await run(`with changed as (${sql} returning 1) select count(*)::int as n from changed`, ...params))[0]?.["n"]
  const approvals = await count(
    "update approvals set state = 'expired', answered_at = $1::timestamptz where state = 'open'",
    at,
  )
  const turns = await count(
    "update turns set state = 'stopped', error = $2::jsonb, finished_at = $1::timestamptz where state in ('queued', 'running', 'suspended')",
    at,
    error,
  )
  const jobs = await count(
    `update jobs set state = 'cancelled', lease_owner = null, lease_until = null, finished_at = $1::timestamptz
      where state in ('running', 'suspended') or (state = 'queued' and kind = 'turn')`,
    at,
  )
  // As after a crash: whether it happened, nobody knows.
  await run("update calls set state = 'unknown', finished_at = $1::timestamptz where state = 'started'", at)
  return { approvals: Number(approvals), turns: Number(turns), jobs: Number(jobs) }
}

async function recordRestore(
  run: Run,
  { clock, about, rows }: { clock: Clock; about: BackupAbout; rows: number },
): Promise<void> {
  const entry = {
    at: clock.iso(),
    agent_id: "main",
    act: "owner.change",
    principal: "owner",
    subject: "restore",
    outcome: "done",
    session_id: null,
    turn_id: null,
    arguments_hash: "",
    preview: `Restored ${rows} rows of the backup of ${about.createdAt}`,
    verdicts: {},
    destination: "",
    secret_names: [],
    bytes_out: 0,
    bytes_in: 0,
    duration_ms: 0,
    labels: [],
    source: "host",
  }
  await run("insert into audit select * from audit_chain($1::jsonb)", JSON.stringify([entry]))
}
