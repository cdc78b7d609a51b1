/**
 * Rows of the audit chain as the text that their hash was made of, put together outside the database from what the columns hold. One
 * text for a whole page, because a value for each column of each row costs more than all the hashing.
 */
import type { Statement } from "./db/db.ts"

/** A row's place and stored hash, and the text that must hash to it; `text` is null where a column holds what nobody ever wrote there. */
export type ChainRow = { seq: number; hash: string; prevHash: string; text: string | null }

/**
 * The columns of audit_hash in the migrations, in its order, and the stored hash. They are joined as they are: to have Postgres quote them,
 * as it does a whole row, took it more than twice as long as everything else together (2026-11-27).
 */
const COLUMNS = `seq, at at time zone 'UTC', agent_id, act, principal, subject, outcome, coalesce(session_id, $5), coalesce(turn_id, $5),
  arguments_hash, preview, verdicts, destination, secret_names, bytes_out, bytes_in, duration_ms, labels, source, prev_hash, hash`
const COLUMN_COUNT = 21
/** Those that the hash has in quotes: all but numbers, the time and verdicts. */
const TEXTS: readonly number[] = [2, 3, 4, 5, 6, 7, 8, 9, 10, 12, 13, 17, 18, 19]
/** secret_names and labels. */
const LISTS: readonly number[] = [13, 17]

/** Rows after $1, at most $2, as one text; null where there are none. $3 stands between fields, $4 between rows, $5 for nothing. */
const CHAIN_PAGE = `select string_agg(item, $4) as rows, max(seq) as last
  from (select seq, concat_ws($3, ${COLUMNS}) as item from audit where seq > $1 order by seq limit $2) as page`

/** Control characters that text may hold, and hardly ever does: 27 of them, six a mark, so that chance hits one once in 400 million. */
const MARK_LETTERS = Array.from({ length: 0x20 }, (_, code) => String.fromCharCode(code)).filter(
  (letter) => !"\0\t\n\r\f".includes(letter),
)
const MARK_LENGTH = 6

/**
 * Asks for pages of the chain and takes them apart. The marks between fields are drawn anew each time: nobody can have put them into a
 * row, so none can be made to read as another one. A row with other than its columns reads as changed.
 */
export function createChainReader() {
  const [field, row, nothing] = [randomMark(), randomMark(), randomMark()]
  const last: (string | undefined)[] = []
  const lastWritten: (string | undefined)[] = []
  return {
    page: ({ after, limit }: { after: number; limit: number }): Statement => ({
      sql: CHAIN_PAGE,
      params: [after, limit, field, row, nothing],
    }),
    *rows(page: string): Generator<ChainRow> {
      for (const item of page.split(row)) {
        const fields = item.split(field)
        yield fields.length === COLUMN_COUNT ? rowOf(fields) : brokenRow(fields)
      }
    },
  }

  /** Writes over the fields: they become what their row's hash was made of. */
  function rowOf(fields: string[]): ChainRow {
    const [seq = "", at = ""] = fields
    const hash = fields.pop() ?? ""
    const prevHash = fields.at(-1) ?? ""
    const time = isoOf(at)
    if (time === null) return { seq: Number(seq), hash, prevHash, text: null }
    fields[1] = `"${time}"`
    for (const column of TEXTS) fields[column] = written(column, fields[column] ?? "")
    return { seq: Number(seq), hash, prevHash, text: `[${fields.join(", ")}]` }
  }

  /**
   * A column's value as the hash has it: JSON.stringify escapes what Postgres' jsonb escapes, in the same letters. Neighbours are much
   * alike: what the row before had there is not written anew.
   */
  function written(column: number, value: string): string {
    if (value === last[column]) return lastWritten[column] ?? ""
    const text = value === nothing ? "null" : LISTS.includes(column) ? listOf(value) : JSON.stringify(value)
    last[column] = value
    lastWritten[column] = text
    return text
  }
}

function randomMark(): string {
  const draws = crypto.getRandomValues(new Uint32Array(MARK_LENGTH))
  return [...draws].map((draw) => MARK_LETTERS[draw % MARK_LETTERS.length]).join("")
}

/** A column that is never empty was emptied. */
function brokenRow(fields: readonly string[]): ChainRow {
  return { seq: Number(fields[0]), hash: fields.at(-1) ?? "", prevHash: fields.at(-2) ?? "", text: null }
}

/** "2026-11-22 16:00:00.12" as the hash has it. Times are written in whole milliseconds; a finer one was put there by someone else. */
function isoOf(text: string): string | null {
  if (text.length === 23 && text[10] === " " && text[19] === ".") return `${text.slice(0, 10)}T${text.slice(11)}Z`
  const parts = /^(\d{4,}-\d\d-\d\d) (\d\d:\d\d:\d\d)(?:\.(\d{1,3}))?$/.exec(text)
  return parts ? `${parts[1]}T${parts[2]}.${(parts[3] ?? "").padEnd(3, "0")}Z` : null
}

/** An array of text, as Postgres writes it, as jsonb prints it. */
function listOf(literal: string): string {
  const items = literal.slice(1, -1).match(/"(?:[^"\\]|\\.)*"|[^,]+/gs) ?? []
  const texts = items.map((item) => {
    if (item === "NULL") return "null"
    return JSON.stringify(item.startsWith('"') ? item.slice(1, -1).replace(/\\(.)/gs, "$1") : item)
  })
  return `[${texts.join(", ")}]`
}
