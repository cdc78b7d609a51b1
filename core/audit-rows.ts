/**
 * Rows of the audit chain as the text that their hash was made of, put together outside the database from what the columns hold. One
 * text for a whole page, because a value for each column of each row costs more than all the hashing.
 */

/** A row's place and stored hash, and the text that must hash to it; `text` is null where a column holds what nobody ever wrote there. */
export type ChainRow = { seq: number; hash: string; prevHash: string; text: string | null }

/** The columns of audit_hash in the migrations, in its order, and the stored hash. */
const COLUMNS = `seq, at at time zone 'UTC', agent_id, act, principal, subject, outcome, session_id, turn_id, arguments_hash, preview,
  verdicts, destination, secret_names, bytes_out, bytes_in, duration_ms, labels, source, prev_hash, hash`
const COLUMN_COUNT = 21

/** Rows after $1, at most $2, as one text of composite literals; null where there are none. */
export const CHAIN_PAGE = `select string_agg(item, '' order by seq) as rows, max(seq) as last
  from (select seq, row(${COLUMNS})::text as item from audit where seq > $1 order by seq limit $2) as page`

/** Throws where the text is no list of such rows, which no change of a row's content can bring about. */
export function* chainRows(page: string): Generator<ChainRow> {
  const fields: (string | null)[] = []
  let at = 0
  while (at < page.length) {
    fields.length = 0
    at += 1 // the opening parenthesis
    for (let column = 0; column < COLUMN_COUNT; column++) {
      let end: number
      if (page.charCodeAt(at) === QUOTE) {
        let closing = page.indexOf('"', at + 1)
        let doubled = false
        while (page.charCodeAt(closing + 1) === QUOTE) {
          doubled = true
          closing = page.indexOf('"', closing + 2)
        }
        end = closing + 1
        const inner = page.slice(at + 1, closing)
        const bare = doubled ? inner.replaceAll('""', '"') : inner
        fields.push(bare.includes("\\") ? bare.replaceAll("\\\\", "\\") : bare)
      } else {
        end = page.indexOf(column === COLUMN_COUNT - 1 ? ")" : ",", at)
        fields.push(end === at ? null : page.slice(at, end))
      }
      if (end < at) throw new Error("A page of the audit log cannot be read")
      at = end + 1
    }
    yield rowOf(fields)
  }
}

const QUOTE = 34

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
