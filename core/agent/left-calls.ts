/**
 * What a crash left in the middle of its calls: which of them are done again, and which nobody knows the end of. The calls that a tool
 * made inside its own are among them, though no message of the conversation holds one, and so are those of turns that are over.
 */
import { and, eq, inArray, lt, ne, notInArray, sql } from "drizzle-orm"
import type { Db } from "../db/db.ts"
import { calls, type MessageRow, messages, sessions, turns } from "../db/schema.ts"
import type { CallId, TurnId } from "../id.ts"
import type { Log } from "../log.ts"
import { type Effect, hasEffect } from "../safety/capability.ts"
import type { Pipeline, StartedCall } from "../tools/run.ts"

const READS: string[] = ["read", "read-private"] satisfies Effect[]
/** At a time. After a crash there are a few. */
const MAX_SWEPT = 100

/** A call whose end nobody knows. */
export type LostCall = StartedCall & {
  callId: CallId
  tool: string
  /** A tool asked for it in the middle of its own call. */
  nested: boolean
  /** Tools that were run inside it, and that have an effect. */
  inside: string[]
}

/** `asked`: calls that the model, or the owner's hand, asked for. Of what was started, the rest was asked for by tools. */
export async function lostCalls(db: Db, turnId: TurnId, asked: ReadonlySet<CallId>): Promise<LostCall[]> {
  const started = await db.orm
    .select({
      callId: calls.id,
      tool: calls.tool,
      effect: calls.effect,
      principal: calls.principal,
      arguments: calls.arguments,
      labels: calls.labels,
      source: calls.source,
      startedAt: calls.startedAt,
    })
    .from(calls)
    .where(and(eq(calls.turnId, turnId), eq(calls.state, "started")))
  if (started.length === 0) return []
  const withEffect = await db.orm
    .select({ callId: calls.id, tool: calls.tool, startedAt: calls.startedAt })
    .from(calls)
    .where(and(eq(calls.turnId, turnId), notInArray(calls.effect, READS), ne(calls.state, "refused")))
  const nested = withEffect.filter(({ callId }) => !asked.has(callId))
  return started.flatMap(({ effect, startedAt, ...row }): LostCall[] => {
    const isNested = !asked.has(row.callId)
    // Rows do not say which call a tool made another one in: every call that was open by then may be it.
    const inside = isNested ? [] : nested.filter((one) => one.startedAt >= startedAt).map(({ tool }) => tool)
    const call = { ...row, effect: effect as Effect, nested: isNested, inside: [...new Set(inside)] } // written by the pipeline as one
    return hasEffect(call.effect) || inside.length > 0 ? [call] : []
  })
}

/** Ids of the calls that stand in what the model said in a turn. */
export function askedCalls(rows: readonly Pick<MessageRow, "toolCalls">[]): Set<CallId> {
  return new Set(rows.flatMap(({ toolCalls }) => (toolCalls ?? []).map(({ callId }) => callId)))
}

export type LeftCalls = {
  /** Records what was left by turns that are over, or never were one: calls by the owner's hand. Resolves to how many there were. */
  sweep(): Promise<number>
}

/**
 * `olderThan`: when a call must have begun so that whoever ran it is dead: before this process, where no other one uses the database;
 * else longer ago than any tool may take.
 */
export function createLeftCalls({
  db,
  pipeline,
  log,
  olderThan,
}: {
  db: Db
  pipeline: Pick<Pipeline, "recordUnknown">
  log: Log
  olderThan: () => Date
}): LeftCalls {
  async function sweepTurn(
    turnId: TurnId,
    place: { sessionId: typeof turns.$inferSelect.sessionId; agentId: string; channel: string },
  ) {
    const said = await db.orm
      .select({ toolCalls: messages.toolCalls })
      .from(messages)
      .where(and(eq(messages.sessionId, place.sessionId), eq(messages.turnId, turnId), eq(messages.role, "model")))
    const asked = askedCalls(said)
    const lost = await lostCalls(db, turnId, asked)
    for (const { callId, tool, nested, ...call } of lost) {
      const { labels, source, principal, arguments: args } = call
      // By hand nobody but the owner asks, and no message holds the call: its session says what became of it.
      const isByHand = asked.size === 0
      await pipeline.recordUnknown(
        {
          ...place,
          callId,
          tool,
          turnId,
          arguments: args,
          principal,
          labels,
          source,
          ...(nested && !isByHand ? { within: [] } : {}),
          personId: null,
          allowedTools: null,
          ceiling: null,
          attended: false,
          ownerText: [],
          // Another process may have been quicker.
          hold: {
            sql: "select expect_rows((select count(*) from calls where id = $1 and state = 'started'), 1, 'call')",
            params: [callId],
          },
          signal: AbortSignal.abort(),
          isGone: () => false,
        },
        call,
      )
      log.warn("A call was cut off when the program ended; nobody knows whether it took effect", {
        tool,
        callId,
        turnId,
      })
    }
    return lost.length
  }

  return {
    async sweep() {
      const left = await db.orm
        .selectDistinct({
          turnId: turns.id,
          sessionId: turns.sessionId,
          agentId: turns.agentId,
          channel: sessions.channel,
        })
        .from(calls)
        .innerJoin(turns, eq(turns.id, calls.turnId))
        .innerJoin(sessions, eq(sessions.id, turns.sessionId))
        .where(
          and(
            eq(calls.state, "started"),
            notInArray(calls.effect, READS),
            inArray(turns.state, ["finished", "failed", "stopped"]),
            lt(calls.startedAt, sql`${olderThan().toISOString()}::timestamptz`),
          ),
        )
        .limit(MAX_SWEPT)
      let swept = 0
      for (const { turnId, ...place } of left) swept += await sweepTurn(turnId, place)
      return swept
    },
  }
}
