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
  return {
    page: ({ after, limit }: { after: number; limit: number }): Statement => ({
      sql: CHAIN_PAGE,
      params: [after, limit, field, row, nothing],
    }),
    *rows(page: string): Generator<ChainRow> {
      for (const item of page.split(row)) {
        const fields = item.split(field)
        const isWhole = fields.length === COLUMN_COUNT
        yield isWhole ? rowOf(fields.map((text) => (text === nothing ? null : text))) : brokenRow(fields)
      }
    },
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

function rowOf(fields: readonly (string | null)[]): ChainRow {
  const [seq, at, agent, act, principal, subject, outcome, session, turn, args, preview, verdicts] = fields
  const [destination, secrets, bytesOut, bytesIn, duration, labels, source, prev, hash] = fields.slice(12)
  const time = isoOf(at ?? "")
  const text =
    time === null
      ? null
      : `[${seq}, "${time}", ${json(agent)}, ${json(act)}, ${json(principal)}, ${json(subject)}, ${json(outcome)}, ${json(session)}, ${json(turn)}, ` +
        `${json(args)}, ${json(preview)}, ${verdicts}, ${json(destination)}, ${listOf(secrets)}, ${bytesOut}, ${bytesIn}, ${duration}, ` +
        `${listOf(labels)}, ${json(source)}, ${json(prev)}]`
  return { seq: Number(seq), hash: hash ?? "", prevHash: prev ?? "", text }
}

/** JSON.stringify escapes what Postgres' jsonb escapes, in the same letters. */
function json(value: string | null | undefined): string {
  return JSON.stringify(value ?? null)
}

/** "2026-11-22 16:00:00.12" as the hash has it. Times are written in whole milliseconds; a finer one was put there by someone else. */
function isoOf(text: string): string | null {
  if (text.length === 23 && text[10] === " " && text[19] === ".") return `${text.slice(0, 10)}T${text.slice(11)}Z`
  const parts = /^(\d{4,}-\d\d-\d\d) (\d\d:\d\d:\d\d)(?:\.(\d{1,3}))?$/.exec(text)
  return parts ? `${parts[1]}T${parts[2]}.${(parts[3] ?? "").padEnd(3, "0")}Z` : null
}

/** An array of text, as Postgres writes it, as jsonb prints it. */
function listOf(literal: string | null | undefined): string {
  if (literal === null || literal === undefined) return "null"
  const items = literal.slice(1, -1).match(/"(?:[^"\\]|\\.)*"|[^,]+/gs) ?? []
  const texts = items.map((item) => {
    if (item === "NULL") return "null"
    return JSON.stringify(item.startsWith('"') ? item.slice(1, -1).replace(/\\(.)/gs, "$1") : item)
  })
  return `[${texts.join(", ")}]`
}
