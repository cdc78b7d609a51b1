/** Reading the record: acts by page, and what left this machine, to whom and why. */
import { and, asc, desc, eq, gt, gte, inArray, lt, ne, or } from "drizzle-orm"
import type { AuditAct } from "./audit.ts"
import type { Db } from "./db/db.ts"
import { audit, type AuditRow } from "./db/schema.ts"
import { AppError } from "./errors.ts"
import type { SessionId } from "./id.ts"

/**
 * Whether a message ever came in or a tool ever ran here. The record is never shortened, so it is never forgotten. Who was turned away at
 * the door began nothing: else anybody who knocks at a new house would shut its owner's scripts out.
 */
export async function hasActed(db: Db): Promise<boolean> {
  const found = await db.orm
    .select({ seq: audit.seq })
    .from(audit)
    .where(
      or(inArray(audit.act, ["tool.run", "reply.out"]), and(eq(audit.act, "message.in"), ne(audit.outcome, "refused"))),
    )
    .limit(1)
  return found.length > 0
}

export type AuditQuery = {
  act?: AuditAct
  /** ISO time, included. */
  since?: string
  sessionId?: SessionId
  /** As rows were appended; else the latest first. */
  oldestFirst?: boolean
  limit: number
  cursor?: string
}
export type AuditPage = { items: AuditRow[]; next: string | null }

/** One row for each destination, purpose and principal. */
export type EgressGroup = {
  destination: string
  /** Why, as the gate recorded it: "model", "tool:http_request". */
  purpose: string
  principal: string
  requests: number
  refused: number
  failed: number
  bytesOut: number
  bytesIn: number
  /** Names of the secrets that went along, never values. */
  secretNames: string[]
  firstAt: string
  lastAt: string
}

export async function listAudit(
  db: Db,
  { act, since, sessionId, oldestFirst = false, limit, cursor }: AuditQuery,
): Promise<AuditPage> {
  const from = cursor === undefined ? undefined : seqOf(cursor)
  const rows = await db.orm
    .select()
    .from(audit)
    .where(
      and(
        act === undefined ? undefined : eq(audit.act, act),
        since === undefined ? undefined : gte(audit.at, since),
        sessionId === undefined ? undefined : eq(audit.sessionId, sessionId),
        from === undefined ? undefined : oldestFirst ? gt(audit.seq, from) : lt(audit.seq, from),
      ),
    )
    .orderBy(oldestFirst ? asc(audit.seq) : desc(audit.seq))
    .limit(limit + 1)
  const items = rows.slice(0, limit)
  return { items, next: rows.length > limit ? String(items.at(-1)?.seq) : null }
}

function seqOf(cursor: string): number {
  const seq = Number(cursor)
  if (Number.isSafeInteger(seq) && seq > 0) return seq
  throw new AppError("input.invalid", `/cursor: "${cursor.slice(0, 40)}" is no cursor of this list`)
}

// A day is the owner's, from one local midnight to the next; without one, everything.
const EGRESS = `with sent as (
    select * from audit where act = 'egress'
      and ($1::text is null or (at >= ($1::date)::timestamp at time zone $2 and at < ($1::date + 1)::timestamp at time zone $2))
  ), named as (
    select destination, source, principal, array_agg(distinct name order by name) as names
    from sent, unnest(secret_names) as name group by 1, 2, 3
  ), grouped as (
    select destination, source, principal, count(*) as requests,
      count(*) filter (where outcome = 'refused') as refused, count(*) filter (where outcome = 'failed') as failed,
      sum(bytes_out)::bigint as bytes_out, sum(bytes_in)::bigint as bytes_in, min(at) as first_at, max(at) as last_at
    from sent group by 1, 2, 3
  )
  select grouped.*, coalesce(named.names, '{}') as names
  from grouped left join named using (destination, source, principal)
  order by bytes_out desc, requests desc, destination, source, principal`

/** `day` is YYYY-MM-DD in the owner's time zone; null: all there is. Throws `input.invalid`. */
export async function egressOf(
  db: Db,
  { day, timeZone }: { day: string | null; timeZone: string },
): Promise<EgressGroup[]> {
  if (day !== null && !isDay(day))
    throw new AppError("input.invalid", `/day: "${day.slice(0, 40)}" is no day such as 2026-11-22`)
  const rows = await db.query({ sql: EGRESS, params: [day, timeZone] })
  return rows.map((row) => ({
    destination: String(row["destination"]),
    purpose: String(row["source"]),
    principal: String(row["principal"]),
    requests: Number(row["requests"]),
    refused: Number(row["refused"]),
    failed: Number(row["failed"]),
    bytesOut: Number(row["bytes_out"]),
    bytesIn: Number(row["bytes_in"]),
    secretNames: Array.isArray(row["names"]) ? row["names"].map(String) : [],
    firstAt: String(row["first_at"]),
    lastAt: String(row["last_at"]),
  }))
}

/** A day of the calendar: 2026-02-30 is none. */
function isDay(text: string): boolean {
  if (!/^\d{4}-\d\d-\d\d$/.test(text)) return false
  const at = Date.parse(`${text}T00:00:00Z`)
  return !Number.isNaN(at) && new Date(at).toISOString().startsWith(text)
}
