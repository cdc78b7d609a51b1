/** Sessions of sub-turns: one for each call that started one, at a place that only the host writes to. */
import { and, eq, sql, type SQL } from "drizzle-orm"
import type { Db, Statement } from "../db/db.ts"
import { sessions, turns } from "../db/schema.ts"
import type { CallId, SessionId, TurnId } from "../id.ts"
import type { Place } from "./session.ts"

/** Nobody speaks there but the turn that started it, and lists of conversations leave it out. */
export const SUB_TURN_CHANNEL = "agent"

export type SubTurnAt = { sessionId: SessionId; turnId: TurnId }

/** A call that is run again after a crash finds what it started there. */
export function subTurnPlace({ turnId, callId }: { turnId: TurnId; callId: CallId }): Place {
  return { channel: SUB_TURN_CHANNEL, peer: turnId, topic: callId }
}

/** What this call has started already, or null. */
export async function findSubTurn(db: Db, call: { turnId: TurnId; callId: CallId }): Promise<SubTurnAt | null> {
  const { channel, peer, topic } = subTurnPlace(call)
  const [found] = await db.orm
    .select({ sessionId: sessions.id, turnId: turns.id })
    .from(sessions)
    .innerJoin(turns, eq(turns.sessionId, sessions.id))
    .where(and(eq(sessions.channel, channel), eq(sessions.peer, peer), eq(sessions.topic, topic)))
    .limit(1)
  return found ?? null
}

/** Sessions of the sub-turns of `sessionId`, without those of calls that the owner cleared or undid. */
export function subTurnsInSight(sessionId: SessionId): SQL {
  return sql`(select child.id from sessions child join turns parent on parent.id = child.peer
    where child.channel = ${SUB_TURN_CHANNEL} and parent.session_id = ${sessionId} and parent.hidden is null
      and exists (select 1 from messages asked join sessions home on home.id = asked.session_id
        where asked.session_id = ${sessionId} and asked.turn_id = parent.id and asked.position > home.cleared_to))`
}

/** Asks for the end of what a turn has started: for a turn that ends without a run, whose process is gone. */
export function cancelSubTurnsStatement(turnId: TurnId): Statement {
  return {
    sql: `update jobs set cancel_requested = true where state in ('queued', 'running', 'suspended')
      and session_id in (select id from sessions where channel = $1 and peer = $2)`,
    params: [SUB_TURN_CHANNEL, turnId],
  }
}
