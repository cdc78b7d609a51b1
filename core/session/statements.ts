/** Changes of sessions as statements, for whoever has to make them in one commit with rows of its own (the inbox, compaction). */
import type { Statement } from "../db/db.ts"
import { insertRow } from "../db/insert.ts"
import { sessions, type SessionRow, type ThinkingLevel } from "../db/schema.ts"
import { QUOTING_FIELDS, type LabelName, type NewEvent } from "../event.ts"
import { newId, type SessionId, type TurnId } from "../id.ts"
import type { Place } from "./session.ts"
import { SUB_TURN_CHANNEL } from "./sub-turns.ts"
import { titleFrom, tidyTitle } from "./title.ts"

export type NewSession = {
  agentId: string
  place: Place
  at: string
  title?: string
  model?: string | null
  thinking?: ThinkingLevel | null
  /** The message that opens it: names the session where no title is given, and then its labels are the title's. */
  firstMessage?: { text: string; labels: readonly LabelName[]; source: string }
}

/** A session to be: its row, the statement that inserts it, and the event that tells of it. Asks the database nothing. */
export function newSessionStatement({
  agentId,
  place,
  at,
  title = "",
  model = null,
  thinking = null,
  firstMessage,
}: NewSession): { row: SessionRow; statement: Statement; event: NewEvent } {
  const given = tidyTitle(title)
  const named = given === "" && firstMessage ? titleFrom(firstMessage.text) : given
  const { labels, source } =
    given === "" && named !== "" && firstMessage
      ? { labels: [...firstMessage.labels], source: firstMessage.source }
      : { labels: [], source: place.channel }
  const row: SessionRow = {
    id: newId("ses"),
    agentId,
    ...place,
    title: named,
    model,
    thinking,
    clearedTo: 0,
    compactedTo: 0,
    labels,
    source,
    createdAt: at,
    updatedAt: at,
  }
  return {
    row,
    statement: insertRow(sessions, row),
    event: {
      type: "session.created",
      sessionId: row.id,
      channel: place.channel,
      title: named,
      agentId,
      labels,
      source,
    },
  }
}

/** A new message after an undo: what was undone cannot be redone any more. */
export function discardUndoneStatement(id: SessionId): Statement {
  return { sql: "update turns set hidden = 'discarded' where session_id = $1 and hidden = 'undone'", params: [id] }
}

/** For every message that arrives: moves the session to the front of the list, and names it after this message where it has no name. */
export function touchSessionStatement(
  id: SessionId,
  { at, message }: { at: string; message?: { text: string; labels: readonly LabelName[]; source: string } },
): Statement {
  const title = message ? titleFrom(message.text) : ""
  if (!message || title === "") return { sql: "update sessions set updated_at = $2 where id = $1", params: [id, at] }
  return {
    sql: `update sessions set updated_at = $2,
        labels = case when title = '' then string_to_array($4, ' ') else labels end,
        source = case when title = '' then $5 else source end,
        title = case when title = '' then $3 else title end
      where id = $1`,
    params: [id, at, title, message.labels.join(" "), message.source],
  }
}

/**
 * For the start of a turn that waited behind another one: its messages get positions after that turn's, so that positions are the
 * order of the conversation. Changes nothing where nothing was written in between.
 */
export function placeTurnStatement(sessionId: SessionId, turnId: TurnId): Statement {
  return {
    sql: `update messages set position = default where session_id = $1 and turn_id = $2
      and exists (select 1 from messages later where later.session_id = $1 and later.position > messages.position
        and later.turn_id is distinct from $2)`,
    params: [sessionId, turnId],
  }
}

/** First in a commit that depends on the session's state: from here on nobody else changes it, so the fences behind it judge the truth. */
export function lockSessionStatement(id: SessionId): Statement {
  return { sql: "select 1 from sessions where id = $1 for update", params: [id] }
}

/** Fails the commit while a turn runs, waits or is queued. */
export function idleFence(id: SessionId): Statement {
  return {
    sql: `select expect_rows((select count(*) from turns where session_id = $1 and state in ('queued', 'running', 'suspended')), 0, 'idle session')`,
    params: [id],
  }
}

/** Fails the commit where messages of a turn came after `position`: what was decided by the rows up to there no longer fits. */
export function unchangedFence(id: SessionId, position: number): Statement {
  return {
    sql: "select expect_rows((select count(*) from messages where session_id = $1 and position > $2 and turn_id is not null), 0, 'unchanged session')",
    params: [id, position],
  }
}

/**
 * The session with all that hangs on it, those of its sub-turns, its jobs, and the snippets in events; an event's other fields are ids
 * and stay.
 */
export function forgetStatements(id: SessionId): Statement[] {
  const family = `(select $1::text union all select child.id from sessions child join turns parent on parent.id = child.peer
    where child.channel = '${SUB_TURN_CHANNEL}' and parent.session_id = $1)`
  return [
    {
      sql: `update events set labels = '{}', source = '', body = body || (
          select jsonb_object_agg(field, '') from unnest($2::text[]) field where jsonb_typeof(body -> field) = 'string')
        where session_id in ${family} and exists (select 1 from unnest($2::text[]) field where jsonb_typeof(body -> field) = 'string')`,
      params: [id, [...QUOTING_FIELDS]],
    },
    { sql: `delete from jobs where session_id in ${family}`, params: [id] },
    { sql: `delete from sessions where id <> $1 and id in ${family}`, params: [id] },
    {
      sql: "with gone as (delete from sessions where id = $1 returning 1) select expect_rows((select count(*) from gone), 1, 'session')",
      params: [id],
    },
  ]
}
