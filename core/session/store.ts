/** The store of sessions: reads by one statement each, changes by one commit each, with the event that tells of it. */
import { and, desc, eq, gt, lt, ne, or, sql } from "drizzle-orm"
import type { Clock } from "../clock.ts"
import type { Db, Statement, Writer } from "../db/db.ts"
import { messages, sessions, turns, type SessionRow, type TurnState } from "../db/schema.ts"
import { AppError } from "../errors.ts"
import { preview, type EventBody, type NewEvent } from "../event.ts"
import { isId, type SessionId, type TurnId } from "../id.ts"
import { exportSession } from "./export.ts"
import { historyOf, type History } from "./history.ts"
import { badCursor, cursorPlace, cursorText, page, pageSize } from "./page.ts"
import { searchMessages } from "./search.ts"
import type { SessionMessage, SessionStore, SessionSummary } from "./session.ts"
import { noSuchSession, sightOf } from "./sight.ts"
import { SUB_TURN_CHANNEL } from "./sub-turns.ts"
import { forgetStatements, idleFence, lockSessionStatement, newSessionStatement, unchangedFence } from "./statements.ts"
import { tidyTitle } from "./title.ts"

export type SessionStoreDeps = { db: Db; writer: Writer; clock: Clock }

export function createSessionStore({ db, writer, clock }: SessionStoreDeps): SessionStore {
  const summaries = () => db.orm.select(summaryColumns).from(sessions).$dynamic()

  async function get(id: SessionId): Promise<SessionSummary> {
    const [row] = await summaries().where(eq(sessions.id, id))
    if (!row) throw noSuchSession(id)
    return summary(row)
  }

  /** One change of one session. The fences judge again, inside the commit, what was read before it. */
  async function commitChange(
    session: { id: SessionId; agentId: string },
    { statements, change, detail }: { statements: readonly Statement[] } & Pick<Changed, "change" | "detail">,
  ): Promise<void> {
    const event: NewEvent = { type: "session.changed", sessionId: session.id, change, detail, ...ours(session.agentId) }
    await fenced(() => writer.commit({ statements, events: [event] }))
  }

  /** Hides or shows one turn, where no turn is active and no message has come since `history` was read. */
  async function hideTurn(
    history: History,
    { turnId, hidden }: { turnId: TurnId; hidden: "undone" | null },
  ): Promise<void> {
    await commitChange(history, {
      statements: [
        lockSessionStatement(history.id),
        idleFence(history.id),
        unchangedFence(history.id, history.lastPosition),
        {
          sql: `with changed as (update turns set hidden = $2 where id = $1 and hidden is not distinct from $3 returning 1)
            select expect_rows((select count(*) from changed), 1, 'turn to hide')`,
          params: [turnId, hidden, hidden === null ? "undone" : null],
        },
      ],
      change: hidden === null ? "redone" : "undone",
      detail: turnId,
    })
  }

  return {
    async create(input) {
      const { row, statement, event } = newSessionStatement({ ...input, at: clock.iso() })
      await writer.commit({ statements: [statement], events: [event] })
      return summary({ ...row, active: null })
    },

    get,

    async atPlace(agentId, { channel, peer, topic }) {
      const [row] = await summaries()
        .where(
          and(
            eq(sessions.channel, channel),
            eq(sessions.peer, peer),
            eq(sessions.topic, topic),
            eq(sessions.agentId, agentId),
          ),
        )
        .orderBy(desc(sessions.updatedAt), desc(sessions.id))
        .limit(1)
      return row ? summary(row) : null
    },

    async list({ agentId, channel, limit, cursor }) {
      const max = pageSize(limit)
      const from = cursor === undefined ? null : readListCursor(cursor)
      const rows = await summaries()
        .where(
          and(
            agentId === undefined ? undefined : eq(sessions.agentId, agentId),
            channel === undefined ? ne(sessions.channel, SUB_TURN_CHANNEL) : eq(sessions.channel, channel),
            from
              ? or(lt(sessions.updatedAt, from.at), and(eq(sessions.updatedAt, from.at), gt(sessions.id, from.id)))
              : undefined,
          ),
        )
        .orderBy(desc(sessions.updatedAt), sessions.id)
        .limit(max + 1)
      return page(rows.map(summary), { max, cursorOf: ({ updatedAt, id }) => cursorText(`${updatedAt} ${id}`) })
    },

    async messages(id, { limit, cursor, newestFirst = false }) {
      const max = pageSize(limit)
      const from = cursor === undefined ? null : readPositionCursor(cursor)
      const rows = await db.orm
        .select({ ...messageColumns, session: sessions.id })
        .from(sessions)
        .leftJoin(
          messages,
          and(
            eq(messages.sessionId, sessions.id),
            from === null ? undefined : newestFirst ? lt(messages.position, from) : gt(messages.position, from),
          ),
        )
        .leftJoin(turns, eq(turns.id, messages.turnId))
        .where(eq(sessions.id, id))
        .orderBy(newestFirst ? desc(messages.position) : messages.position)
        .limit(max + 1)
      if (rows.length === 0) throw noSuchSession(id)
      const found = rows.flatMap(({ message, images, inSight }) =>
        message
          ? [{ position: message.position, item: shownMessage({ ...message, images, inSight: inSight ?? false }) }]
          : [],
      )
      const { items, next } = page(found, { max, cursorOf: ({ position }) => cursorText(String(position)) })
      return { items: items.map(({ item }) => item), next }
    },

    search: (query) => searchMessages(db, query),

    async change(id, change) {
      const before = await get(id)
      const title = change.title === undefined ? undefined : tidyTitle(change.title)
      const set = {
        ...(title === undefined ? {} : { title, labels: [], source: "owner" }),
        ...(change.model === undefined ? {} : { model: change.model }),
        ...(change.thinking === undefined ? {} : { thinking: change.thinking }),
      }
      const said: Pick<Changed, "change" | "detail">[] = [
        ...(title === undefined ? [] : [{ change: "renamed" as const, detail: preview(title) }]),
        ...(change.model === undefined ? [] : [{ change: "model" as const, detail: change.model ?? "default" }]),
        ...(change.thinking === undefined
          ? []
          : [{ change: "model" as const, detail: `thinking ${change.thinking ?? "default"}` }]),
      ]
      if (said.length === 0) return before
      const update = db.orm.update(sessions).set(set).where(eq(sessions.id, id)).returning({ id: sessions.id }).toSQL()
      await fenced(() =>
        writer.commit({
          statements: [expectOne(update, "session")],
          events: said.map((what) => ({ type: "session.changed", sessionId: id, ...what, ...ours(before.agentId) })),
        }),
      )
      return {
        ...before,
        title: title ?? before.title,
        model: change.model === undefined ? before.model : change.model,
        thinking: change.thinking === undefined ? before.thinking : change.thinking,
      }
    },

    async delete(id) {
      const { activeTurn, agentId } = await get(id)
      if (activeTurn) throw busy()
      await fenced(() =>
        writer.commit({
          statements: [lockSessionStatement(id), idleFence(id), ...forgetStatements(id)],
          events: [{ type: "session.deleted", sessionId: id, ...ours(agentId) }],
          audit: [
            {
              ...ours(agentId),
              act: "owner.change",
              principal: "owner",
              subject: "session",
              outcome: "done",
              preview: `deleted ${id}`,
            },
          ],
        }),
      )
    },

    export: (id, format) => exportSession(db, { id, format }),

    async undo(id) {
      const history = await historyOf(db, id)
      if (history.active) throw busy()
      const target = history.visible.at(-1)
      if (!target) throw new AppError("conflict", "There is nothing to undo", { hint: "Send a message first." })
      await hideTurn(history, { turnId: target, hidden: "undone" })
      return { turnId: target, left: history.visible.length - 1 }
    },

    async redo(id) {
      const history = await historyOf(db, id)
      if (history.active) throw busy()
      const target = history.undone[0]
      if (!target)
        throw new AppError("conflict", "There is nothing to redo", {
          hint: "Redo brings back what undo took away, until a new message is sent.",
        })
      await hideTurn(history, { turnId: target, hidden: null })
      return { turnId: target, left: history.undone.length - 1 }
    },

    async clear(id) {
      const session = await get(id)
      if (session.activeTurn) throw busy()
      await commitChange(session, {
        statements: [
          lockSessionStatement(id),
          idleFence(id),
          {
            sql: `update sessions set cleared_to = greatest(cleared_to,
                coalesce((select max(position) from messages where session_id = $1), 0)) where id = $1`,
            params: [id],
          },
        ],
        change: "cleared",
        detail: "",
      })
    },

    inSight: (id) => sightOf(db, id),
  }
}

type Changed = Extract<EventBody, { type: "session.changed" }>

const ours = (agentId: string) => ({ agentId, labels: [], source: "owner" })

function busy(): AppError {
  return new AppError("conflict", "A turn is at work in this session", { hint: "Wait for its end, or stop it first." })
}

/** Fails the commit unless the statement, which returns what it changed, changed exactly one row. */
function expectOne({ sql: change, params }: Statement, what: string): Statement {
  return {
    sql: `with changed as (${change}) select expect_rows((select count(*) from changed), 1, '${what}')`,
    params,
  }
}

/** A fence that fails inside the commit says the same to the caller as the look before it: the session moved on. */
async function fenced<T>(commit: () => Promise<T>): Promise<T> {
  try {
    return await commit()
  } catch (error) {
    if (error instanceof AppError && error.code === "conflict")
      throw new AppError("conflict", "The session changed in the meantime", { cause: error })
    throw error
  }
}

// --- summaries

const summaryColumns = {
  id: sessions.id,
  agentId: sessions.agentId,
  title: sessions.title,
  channel: sessions.channel,
  model: sessions.model,
  thinking: sessions.thinking,
  createdAt: sessions.createdAt,
  updatedAt: sessions.updatedAt,
  // Named in full: in a select from one table drizzle writes columns without it, and here that would be the turn's own.
  active: sql<string | null>`(select t.id || ' ' || t.state from turns t where t.session_id = sessions.id
    and t.state in ('queued', 'running', 'suspended') order by t.state = 'queued', t.created_at, t.id limit 1)`.as(
    "active",
  ),
}

type SummaryRow = Pick<
  SessionRow,
  "id" | "agentId" | "title" | "channel" | "model" | "thinking" | "createdAt" | "updatedAt"
> & { active: string | null }

function summary({
  id,
  agentId,
  title,
  channel,
  model,
  thinking,
  createdAt,
  updatedAt,
  active,
}: SummaryRow): SessionSummary {
  const [turnId, state] = active?.split(" ") ?? []
  return {
    id,
    agentId,
    title,
    channel,
    model,
    thinking,
    createdAt,
    updatedAt,
    // The column is made of these two values of the turn's row.
    activeTurn: turnId ? { id: turnId as TurnId, state: state as TurnState } : null,
  }
}

// --- messages

const messageColumns = {
  message: {
    id: messages.id,
    position: messages.position,
    role: messages.role,
    text: messages.text,
    turnId: messages.turnId,
    toolCalls: messages.toolCalls,
    callId: messages.callId,
    labels: messages.labels,
    source: messages.source,
    createdAt: messages.createdAt,
  },
  // Counted where they are: pictures are too long to fetch for a number.
  images: sql<
    number | null
  >`case when jsonb_typeof(${messages.parts}) = 'array' then jsonb_array_length(${messages.parts}) end`,
  inSight: sql<boolean | null>`${messages.position} > greatest(${sessions.clearedTo}, ${sessions.compactedTo})
    and ${turns.hidden} is null and (${messages.role} <> 'summary' or ${messages.coversTo} = ${sessions.compactedTo})`,
}

type ShownRow = Omit<SessionMessage, "toolCalls" | "images"> & {
  position: number
  toolCalls: SessionMessage["toolCalls"] | null
  images: number | null
}

function shownMessage({ position: _position, toolCalls, images, ...message }: ShownRow): SessionMessage {
  return { ...message, toolCalls: toolCalls ?? [], images: images ?? 0 }
}

function readListCursor(cursor: string): { at: string; id: SessionId } {
  const [at = "", id = ""] = cursorPlace(cursor).split(" ")
  if (!/^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z$/.test(at) || !isId("ses", id)) throw badCursor()
  return { at, id }
}

function readPositionCursor(cursor: string): number {
  const position = cursorPlace(cursor)
  if (!/^\d{1,15}$/.test(position)) throw badCursor()
  return Number(position)
}
