/** How a turn reads and writes its rows. */
import { and, desc, eq, inArray, sql } from "drizzle-orm"
import type { Db, Orm, Statement } from "../db/db.ts"
import { storableText } from "../db/storable.ts"
import { insertRow, updateRow } from "../db/insert.ts"
import {
  approvals,
  messages,
  sessions,
  turns,
  type MessageRow,
  type NewAudit,
  type ToolCallPart,
  type TurnState,
} from "../db/schema.ts"
import { AppError, hintOf } from "../errors.ts"
import { preview, type LabelName, type NewEvent } from "../event.ts"
import { newId, type PersonId, type SessionId, type TurnId } from "../id.ts"
import type { Claim, ClaimedJob } from "../jobs/job.ts"
import type { Ceiling } from "../safety/ceiling.ts"
import { joinLabels, joinSources } from "../safety/labels.ts"
import { deliveryStatements } from "../session/deliveries.ts"
import type { CallOutcome } from "../tools/run.ts"
import { withToolSearch } from "../tools/tool-search.ts"
import type { TurnOptions, TurnOutcome } from "./agent.ts"
import { failedNote } from "./turn-ending.ts"
import type { TurnRun } from "./turn.ts"

export type LoadedTurn = {
  id: TurnId
  agentId: string
  state: TurnState
  options: TurnOptions
  iterations: number
  inputTokens: number
  outputTokens: number
  costUsdMicros: number
  agentModel: string | null
  /** What the agent may use, and of that what a sub-turn may. */
  allowedTools: readonly string[] | null
  /** null: it is no sub-turn. */
  ceiling: Ceiling | null
  /** Who sent the message that started it. */
  personId: PersonId | null
}

/** What a job of kind "turn" carries. Our own rows, written by the inbox. */
export function turnPayload(job: Pick<ClaimedJob, "payload" | "sessionId">): { turnId: TurnId; sessionId: SessionId } {
  if (!job.sessionId) throw new Error("A turn's job has no session")
  return { turnId: job.payload["turnId"] as TurnId, sessionId: job.sessionId } // the inbox wrote it as one
}

/** Written out: made by drizzle for every turn, the text alone costs as much as the answer (0.3 ms, measured 2026-11-22). */
const LOAD_SQL = `select t.agent_id, t.state, t.options, t.iterations, t.input_tokens, t.output_tokens, t.cost_usd_micros,
    t.ceiling, a.model, a.allowed_tools
  from turns t join agents a on a.id = t.agent_id where t.id = $1`

export async function loadTurn(db: Db, turnId: TurnId): Promise<Omit<LoadedTurn, "personId">> {
  const [row] = await db.query({ sql: LOAD_SQL, params: [turnId] })
  if (!row) throw new AppError("not_found", `There is no turn ${turnId}`)
  // Columns as the schema types them; the inbox wrote the ceiling as one.
  const allowed = withToolSearch(row["allowed_tools"] as string[] | null)
  const ceiling = row["ceiling"] as Ceiling | null
  return {
    id: turnId,
    agentId: row["agent_id"] as string,
    state: row["state"] as TurnState,
    options: row["options"] as TurnOptions,
    iterations: Number(row["iterations"]),
    inputTokens: Number(row["input_tokens"]),
    outputTokens: Number(row["output_tokens"]),
    costUsdMicros: Number(row["cost_usd_micros"]),
    agentModel: row["model"] as string | null,
    allowedTools: ceiling ? ceiling.tools.filter((name) => allowed?.includes(name) ?? true) : allowed,
    ceiling,
  }
}

/** Who sent the first message of this turn. It is in sight; where it is not (summarised meanwhile), the session's rows tell. */
export async function starterOf(
  db: Db,
  { turnId, sessionId }: { turnId: TurnId; sessionId: SessionId },
  inSight: readonly MessageRow[],
): Promise<PersonId | null> {
  const seen = inSight.find((row) => row.turnId === turnId && row.role === "person")
  if (seen) return seen.personId
  const [found] = await db.orm
    .select({ personId: messages.personId })
    .from(messages)
    .where(and(eq(messages.sessionId, sessionId), eq(messages.turnId, turnId), eq(messages.role, "person")))
    .orderBy(messages.position)
    .limit(1)
  return found?.personId ?? null
}

export function modelRow(
  run: TurnRun,
  said: { text: string; toolCalls: ToolCallPart[]; labels: readonly LabelName[]; source: string },
): MessageRow {
  return {
    ...emptyRow(run),
    id: newId("msg"),
    role: "model",
    text: storableText(said.text),
    toolCalls: said.toolCalls.length > 0 ? said.toolCalls : null,
    labels: [...said.labels],
    source: said.source,
  }
}

/** The row that the pipeline stored for this outcome, as the context needs it. */
export function toolRow(run: TurnRun, outcome: CallOutcome): MessageRow {
  return {
    ...emptyRow(run),
    id: outcome.messageId,
    role: "tool",
    text: outcome.text,
    callId: outcome.callId,
    labels: outcome.labels,
    source: outcome.source,
  }
}

function emptyRow(run: TurnRun) {
  return {
    position: Number.MAX_SAFE_INTEGER, // given by the database; within this run rows are in order already
    sessionId: run.session.id,
    turnId: run.turn.id,
    agentId: run.turn.agentId,
    personId: null,
    parts: null,
    toolCalls: null,
    callId: null,
    coversTo: null,
    createdAt: "",
  }
}

export function insertMessage(row: MessageRow): Statement {
  const { position: _position, createdAt: _createdAt, ...values } = row // both are the database's to give
  return insertRow(messages, values)
}

export function runningStatement(orm: Orm, turnId: TurnId): Statement {
  return orm.update(turns).set({ state: "running", partial: "" }).where(eq(turns.id, turnId)).toSQL()
}

export function progressStatement(orm: Orm, run: TurnRun): Statement {
  const { inputTokens, outputTokens, costUsdMicros } = run.usage
  return orm
    .update(turns)
    .set({ iterations: run.iterations, inputTokens, outputTokens, costUsdMicros })
    .where(eq(turns.id, run.turn.id))
    .toSQL()
}

export function endTurnStatement(run: TurnRun, outcome: TurnOutcome): Statement {
  const { inputTokens, outputTokens, costUsdMicros } = run.usage
  const { labels, source } = contextTaint(run)
  const set = {
    state: outcome.state,
    model: outcome.model,
    partial: "",
    iterations: run.iterations,
    inputTokens,
    outputTokens,
    costUsdMicros,
    error: outcome.error ? { code: outcome.error.code, message: storableText(outcome.error.message) } : null,
    labels: [...labels],
    source,
  }
  return updateRow(turns, run.turn.id, set, { finishedAt: "now()" })
}

/** Suspends turn and job, unless the owner has answered everything already: then both are queued again. A wait is
 * no failed attempt. Fails where the claim is lost. */
export function suspendStatement(claim: Claim, { turnId, partial }: { turnId: TurnId; partial: string }): Statement {
  return {
    sql: `with next as (
        select case when exists (select 1 from approvals where turn_id = $4 and state = 'open')
          and not exists (select 1 from jobs where id = $1 and cancel_requested) then 'suspended' else 'queued' end as state
      ), job as (
        update jobs set state = next.state, lease_owner = null, lease_until = null, attempts = greatest(attempts - 1, 0) from next
        where id = $1 and fence = $2 and lease_owner = $3 and jobs.state = 'running' returning 1
      ), turn as (
        update turns set state = next.state, partial = $5 from next where id = $4 returning 1
      )
      select expect_rows((select count(*) from job), 1, 'job fence')`,
    params: [claim.id, claim.fence, claim.leaseOwner, turnId, storableText(partial)],
  }
}

/** Queues a suspended turn and its job again once none of its questions is open. */
export function resumeStatements(turnId: TurnId): Statement[] {
  const none = "not exists (select 1 from approvals where turn_id = $1 and state = 'open')"
  return [
    {
      sql: `update jobs set state = 'queued', run_at = now() where id = (select job_id from turns where id = $1) and state = 'suspended' and ${none}`,
      params: [turnId],
    },
    { sql: `update turns set state = 'queued' where id = $1 and state = 'suspended' and ${none}`, params: [turnId] },
  ]
}

/** A turn that ends without a run: dropped from the queue, or given up. */
export function dropStatement(orm: Orm, turnId: TurnId, why: string): Statement {
  const stopped = why === "stopped"
  return orm
    .update(turns)
    .set({
      state: stopped ? "stopped" : "failed",
      error: stopped ? null : { code: "turn.given_up", message: why },
      finishedAt: sql`now()`,
    })
    .where(and(eq(turns.id, turnId), inArray(turns.state, ["queued", "running", "suspended"])))
    .toSQL()
}

/** Who waits on a channel for its answer is told that none comes. */
export async function givenUpStatements(
  db: Db,
  { turnId, sessionId, why }: { turnId: TurnId; sessionId: SessionId; why: string },
): Promise<Statement[]> {
  const [row] = await db.orm
    .select({
      place: { channel: sessions.channel, peer: sessions.peer, topic: sessions.topic },
      agentId: turns.agentId,
      ceiling: turns.ceiling,
    })
    .from(turns)
    .innerJoin(sessions, eq(sessions.id, turns.sessionId))
    .where(eq(turns.id, turnId))
  if (!row) return []
  const error = new AppError("turn.given_up", why)
  return deliveryStatements({
    ...row,
    sessionId,
    turnId,
    labels: [],
    source: "host",
    note: failedNote(error, row.ceiling !== null),
  })
}

export function droppedEvent({
  turnId,
  sessionId,
  agentId,
  why,
}: {
  turnId: TurnId
  sessionId: SessionId
  agentId: string
  why: string
}): NewEvent {
  const state = why === "stopped" ? "stopped" : "failed"
  return {
    type: "turn.finished",
    sessionId,
    turnId,
    state,
    messageId: null,
    preview: why,
    costUsdMicros: 0,
    agentId,
    labels: [],
    source: "host",
  }
}

export function finishedEvent(run: TurnRun, outcome: TurnOutcome, redact: (text: string) => string): NewEvent {
  return {
    type: "turn.finished",
    sessionId: run.session.id,
    turnId: run.turn.id,
    state: outcome.state === "stopped" ? "stopped" : outcome.state === "failed" ? "failed" : "finished",
    messageId: outcome.messageId,
    preview: preview(redact(outcome.error ? outcome.error.message : outcome.text)),
    costUsdMicros: run.usage.costUsdMicros,
    agentId: run.turn.agentId,
    ...contextTaint(run),
  }
}

export function replyAudit(
  run: TurnRun,
  outcome: TurnOutcome,
  taint: { labels: LabelName[]; source: string },
  redact: (text: string) => string,
): NewAudit {
  return {
    agentId: run.turn.agentId,
    act: "reply.out",
    principal: `agent:${run.turn.agentId}`,
    subject: outcome.messageId ?? outcome.turnId,
    outcome: outcome.state,
    sessionId: run.session.id,
    turnId: run.turn.id,
    preview: preview(redact(outcome.text)),
    destination: `${run.session.channel}:${run.session.peer}`,
    bytesOut: Buffer.byteLength(outcome.text),
    ...(run.hooked ? { verdicts: { hooks: run.hooked.record } } : {}),
    ...taint,
  }
}

/** The labels of all that this turn may have read: its own rows, and what was in sight. */
export function contextTaint(run: TurnRun): { labels: LabelName[]; source: string } {
  const seen = run.rows.filter((row) => row.role !== "tool" || row.turnId === run.turn.id)
  return {
    labels: joinLabels([
      run.systemLabels,
      ...(run.hooked ? [run.hooked.labels] : []),
      ...seen.map(({ labels }) => labels),
    ]),
    source: joinSources([...seen.map(({ source }) => source), run.hooked?.source ?? ""]),
  }
}

/** A turn's outcome from its rows, for those who did not see it end here. */
export async function readOutcome(db: Db, turnId: TurnId): Promise<TurnOutcome> {
  const [row] = await db.orm.select().from(turns).where(eq(turns.id, turnId))
  if (!row) throw new AppError("not_found", `There is no turn ${turnId}`)
  const [[last], [asked]] = await Promise.all([
    db.orm
      .select({ id: messages.id, text: messages.text, toolCalls: messages.toolCalls })
      .from(messages)
      // By its session too, which has the index.
      .where(and(eq(messages.sessionId, row.sessionId), eq(messages.turnId, turnId), eq(messages.role, "model")))
      .orderBy(desc(messages.position))
      .limit(1),
    db.orm
      .select({ id: approvals.id, question: approvals.question })
      .from(approvals)
      .where(and(eq(approvals.turnId, turnId), eq(approvals.state, "open")))
      .limit(1),
  ])
  const clientNames = new Set(((row.options as TurnOptions).clientTools ?? []).map(({ name }) => name)) // written by the inbox as one
  const clientToolCalls = (last?.toolCalls ?? []).filter(({ name }) => clientNames.has(name))
  const ended = row.finishedAt !== null
  return {
    turnId,
    sessionId: row.sessionId,
    state: row.state,
    text: ended ? (last?.text ?? "") : row.partial,
    messageId: ended ? (last?.id ?? null) : null,
    model: row.model,
    finishReason: clientToolCalls.length > 0 ? "tool_calls" : "stop",
    clientToolCalls: clientToolCalls.map(({ callId, name, arguments: args }) => ({
      id: callId,
      name,
      arguments: args,
    })),
    usage: {
      inputTokens: row.inputTokens,
      cachedInputTokens: 0,
      outputTokens: row.outputTokens,
      costUsdMicros: row.costUsdMicros,
    },
    approval: asked ?? null,
    error: row.error ? { ...row.error, hint: hintOf(row.error.code) } : null,
  }
}

/** How many turns run, wait in a queue, or wait for the owner. */
export async function countActive(db: Db): Promise<{ state: TurnState; count: number }[]> {
  return db.orm
    .select({ state: turns.state, count: sql<number>`count(*)::int` })
    .from(turns)
    .where(inArray(turns.state, ["queued", "running", "suspended"]))
    .groupBy(turns.state)
}
