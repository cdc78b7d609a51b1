/** The one writer of a process: units that arrive while a commit is under way share the next one. */
import { getTableColumns } from "drizzle-orm"
import { type Clock, systemClock } from "../clock.ts"
import type { NewEvent, Publish, StoredEvent } from "../event.ts"
import type { Committed, Db, Row, Statement, Unit, Writer } from "./db.ts"
import { createLocalFeed, createSharedFeed, EVENT_CHANNEL } from "./events.ts"
import { faultOf } from "./faults.ts"
import { refuseInsideTransaction } from "./nesting.ts"
import { audit, type NewAudit } from "./schema.ts"
import { encodeJson, encodeStatement } from "./values.ts"

export type WriterDeps = {
  db: Db
  publish: Publish
  clock?: Clock
  /** Told the last audit row of each commit, to seal the chain's head outside the database. */
  onAudit?: (last: { seq: number; hash: string }) => void
}

// A group is one transaction: large enough that a burst shares its fsync, small enough that one commit stays a matter of milliseconds.
const MAX_GROUP_UNITS = 64
const MAX_GROUP_STATEMENTS = 512

/** Any constant number of our own: whoever gives events their `seq` holds this advisory lock until the commit. */
const EVENT_LOCK: Statement = { sql: "select pg_advisory_xact_lock(7233511)", params: [] }

/** Serialization failure and deadlock: another process was in the way, and alone a unit usually comes through. */
const CROSSED = new Set(["40001", "40P01"])

const INSERT_EVENTS = `insert into events (seq, type, agent_id, session_id, body, labels, source, at)
  select nextval('event_seq'), e.type, e.agent_id, e.session_id, e.body, e.labels, e.source, $2::timestamptz
  from (select * from rows from (jsonb_to_recordset($1::jsonb)
    as (type text, agent_id text, session_id text, body jsonb, labels text[], source text)) with ordinality
    as item(type, agent_id, session_id, body, labels, source, place) order by place) e
  returning seq`
const INSERT_AUDIT = `with added as (insert into audit select * from audit_chain($1::jsonb) returning seq, hash)
  select seq, hash from added order by seq desc limit 1`
const NOTIFY: Statement = { sql: `select pg_notify('${EVENT_CHANNEL}', last_value::text) from event_seq`, params: [] }

/** A unit on its way: everything that could be refused for its form alone was refused when it came in. */
type Queued = {
  statements: readonly Statement[]
  events: readonly NewEvent[]
  eventTexts: readonly string[]
  auditTexts: readonly string[]
  resolve: (committed: Committed) => void
  reject: (error: unknown) => void
}

export function createWriter({ db, publish, clock = systemClock, onAudit = () => {} }: WriterDeps): Writer {
  const shared = db.kind === "postgres"
  const feed = shared ? createSharedFeed({ db, publish }) : createLocalFeed(publish)
  // Others' events are wanted from the start, not from our first commit on. If it fails here, the first commit tries again and tells why.
  feed.ready().catch(() => {})
  let queue: Queued[] = []
  let working: Promise<void> | undefined

  async function work(): Promise<void> {
    while (queue.length > 0) {
      try {
        await feed.ready()
      } catch (error) {
        for (const { reject } of queue.splice(0)) reject(error)
        continue
      }
      await commitGroup(takeGroup())
    }
    working = undefined
  }

  function takeGroup(): Queued[] {
    let statements = 0
    let size = 0
    for (const unit of queue.slice(0, MAX_GROUP_UNITS)) {
      statements += unit.statements.length
      if (size > 0 && statements > MAX_GROUP_STATEMENTS) break
      size += 1
    }
    const group = queue.slice(0, size)
    queue = queue.slice(size)
    return group
  }

  /** Commits the units together. If one is at fault, those before it go together, it alone, and those after it together: order is kept. */
  async function commitGroup(group: readonly Queued[], attempt = 1): Promise<void> {
    const [first] = group
    if (!first) return
    try {
      await commitOnce(group)
    } catch (error) {
      if (group.length === 1 && attempt === 1 && CROSSED.has(faultOf(error)?.sqlState ?? ""))
        return commitGroup(group, 2)
      // Without an answer nobody knows whether the commit happened: doing it again could do it twice.
      if (group.length === 1 || !faultOf(error)) return group.forEach(({ reject }) => reject(error))
      const at = unitAt(group, faultOf(error)?.statement)
      if (at === undefined) {
        for (const unit of group) await commitGroup([unit])
        return
      }
      await commitGroup(group.slice(0, at))
      await commitGroup(group.slice(at, at + 1))
      await commitGroup(group.slice(at + 1))
    }
  }

  /** Which unit the statement of a group belongs to; undefined for those that belong to all. */
  function unitAt(group: readonly Queued[], statement: number | undefined): number | undefined {
    if (statement === undefined) return undefined
    let next = shared ? 1 : 0
    for (const [at, unit] of group.entries()) {
      next += unit.statements.length
      if (statement < next) return statement < next - unit.statements.length ? undefined : at
    }
    return undefined
  }

  async function commitOnce(group: readonly Queued[]): Promise<void> {
    const at = clock.iso()
    const eventTexts = group.flatMap((unit) => unit.eventTexts)
    const auditTexts = group.flatMap((unit) => unit.auditTexts)
    const own = group.flatMap((unit) => unit.statements)
    const batch: Statement[] = shared ? [EVENT_LOCK, ...own] : own
    const eventsAt = batch.length
    if (eventTexts.length > 0) batch.push({ sql: INSERT_EVENTS, params: [`[${eventTexts.join(",")}]`, at] })
    const auditAt = batch.length
    if (auditTexts.length > 0) batch.push({ sql: INSERT_AUDIT, params: [`[${withTime(auditTexts, at).join(",")}]`] })
    if (shared && eventTexts.length > 0) batch.push(NOTIFY)

    const committed = await feed.around(async () => {
      const results = await db.batch(batch)
      const [last] = auditTexts.length > 0 ? (results[auditAt] ?? []) : []
      if (last) onAudit({ seq: Number(last["seq"]), hash: String(last["hash"]) })
      const seqs = eventTexts.length > 0 ? (results[eventsAt] ?? []) : []
      let statement = shared ? 1 : 0
      let event = 0
      return group.map((unit): Committed => {
        const rows: Row[][] = unit.statements.map(() => results[statement++] ?? [])
        const stored = unit.events.map((each): StoredEvent => ({ ...each, seq: Number(seqs[event++]?.["seq"]), at }))
        return { rows, events: stored }
      })
    })
    group.forEach((unit, index) => {
      const result = committed[index]
      if (result) unit.resolve(result)
    })
  }

  return {
    commit(unit: Unit) {
      return new Promise((resolve, reject) => {
        refuseInsideTransaction("The writer")
        const events = unit.events ?? []
        queue.push({
          statements: unit.statements.map(encodeStatement),
          events,
          eventTexts: events.map(encodeEvent),
          auditTexts: (unit.audit ?? []).map(encodeAudit),
          resolve,
          reject,
        })
        working ??= work()
      })
    },
    async drain() {
      while (working) await working
    },
  }
}

function encodeEvent({ agentId, labels, source, ...body }: NewEvent): string {
  const sessionId = "sessionId" in body ? body.sessionId : null
  return encodeJson({ type: body.type, agent_id: agentId, session_id: sessionId, body, labels, source })
}

const auditColumns = Object.entries(getTableColumns(audit))
/** What a caller may leave out; the chain covers these values like given ones. */
const auditDefaults = {
  argumentsHash: "",
  preview: "",
  verdicts: {},
  destination: "",
  secretNames: [],
  bytesOut: 0,
  bytesIn: 0,
  durationMs: 0,
  labels: ["untrusted"],
  source: "",
} satisfies Partial<NewAudit>

function encodeAudit(entry: NewAudit): string {
  const full: Record<string, unknown> = { ...auditDefaults, ...entry }
  return encodeJson(Object.fromEntries(auditColumns.map(([key, column]) => [column.name, full[key]])))
}

/** Audit rows carry the time of their commit. */
function withTime(texts: readonly string[], at: string): string[] {
  return texts.map((text) => `{"at":${JSON.stringify(at)},${text.slice(1)}`)
}
