/** What a turn puts on record: its start, each step before its calls run, a wait for the owner, its end, and what it cost. */
import type { Db, Statement, Unit, Writer } from "../db/db.ts"
import type { NewAudit } from "../db/schema.ts"
import { preview } from "../event.ts"
import type { MessageId, TurnId } from "../id.ts"
import { endStatement, holdStatement } from "../jobs/job.ts"
import type { JobRun } from "../jobs/runner.ts"
import type { ModelId } from "../llm/model.ts"
import type { Usage } from "../llm/usage.ts"
import type { Log } from "../log.ts"
import { deliveryStatements } from "../session/deliveries.ts"
import { placeTurnStatement } from "../session/statements.ts"
import type { TurnOutcome } from "./agent.ts"
import type { Heard } from "./listen.ts"
import type { LiveTurn } from "./live.ts"
import type { AskedCall, Taint } from "./turn-calls.ts"
import { addUsage, type Ending, failedNote, waitsNote } from "./turn-ending.ts"
import * as rows from "./turn-rows.ts"
import type { TurnRun } from "./turn.ts"

export type TurnCommitsDeps = {
  db: Db
  writer: Writer
  log: Log
  usage: Pick<Usage, "row">
  /** Audit rows of what this turn sent out, handed over once. */
  takeEgress: (turnId: TurnId) => NewAudit[]
  /** Takes them back, where they could not be stored. */
  keepEgress: (rows: readonly NewAudit[]) => void
  /** There may be a job to claim. */
  wake: () => void
  redact: (text: string) => string
}

export function createTurnCommits(deps: TurnCommitsDeps) {
  const { db, writer, log } = deps

  async function announce({ job, claim }: JobRun, { turnId, sessionId, agentId }: LiveTurn): Promise<void> {
    const at = { sessionId, turnId, agentId, labels: [], source: "host" }
    const before = job.fence === 1 ? null : await rows.loadTurn(db, turnId)
    // A process may have died between claiming it and this commit: then it begins only now, and still has to move.
    const isNew = before === null || (before.state === "queued" && before.iterations === 0)
    // Answered approvals are what queued it again; a turn that a crash cut off is still `running` in its row.
    const why = before?.state === "queued" ? "approval" : "restart"
    await writer.commit({
      statements: [
        holdStatement(claim),
        ...(isNew ? [placeTurnStatement(sessionId, turnId)] : []),
        rows.runningStatement(db.orm, turnId),
      ],
      events: [
        isNew
          ? { type: "turn.started", model: String(job.payload["model"]), ...at }
          : { type: "turn.resumed", why, ...at },
      ],
    })
  }

  /** A commit of this turn, with the record of what it sent out; that record is kept where the commit fails. */
  async function commit(run: TurnRun, unit: Unit): Promise<void> {
    const egress = deps.takeEgress(run.turn.id)
    try {
      await writer.commit({ ...unit, audit: [...egress, ...(unit.audit ?? [])] })
    } catch (error) {
      deps.keepEgress(egress)
      throw error
    }
  }

  /** The model's words and calls become a row before any of the calls runs. */
  async function storeStep(run: TurnRun, text: string, calls: readonly AskedCall[], taint: Taint): Promise<void> {
    const row = rows.modelRow(run, {
      text,
      // What could not be read stays unreadable: after a crash it must not pass for an empty object.
      toolCalls: calls.map(({ callId, name, arguments: args, problem }) => ({
        callId,
        name,
        arguments: problem === undefined ? (args ?? {}) : null,
      })),
      ...taint,
    })
    await commit(run, {
      statements: [
        holdStatement(run.claim),
        rows.insertMessage(row),
        rows.progressStatement(db.orm, run),
        ...run.unstored.splice(0),
      ],
    })
    run.rows.push(row)
    run.live.stepFrom = run.live.text.length
  }

  /** Lets go of the turn until the owner has answered. Where they were quicker than this commit, it goes on at once. */
  async function suspend(run: TurnRun, ending: Ending): Promise<TurnOutcome> {
    run.live.closing = true
    const outcome: TurnOutcome = { ...outcomeOf(run, ending), messageId: null }
    const { approval } = outcome
    if (!approval) throw new Error("A turn waits without a question")
    await commit(run, {
      statements: [
        rows.suspendStatement(run.claim, { turnId: run.turn.id, partial: run.live.text }),
        rows.progressStatement(db.orm, run),
        ...deliver(run, { note: waitsNote(approval) }),
        ...run.unstored.splice(0),
      ],
      events: [
        {
          type: "turn.suspended",
          sessionId: run.session.id,
          turnId: run.turn.id,
          approvalId: approval.id,
          question: preview(approval.question),
          agentId: run.turn.agentId,
          ...rows.contextTaint(run),
        },
      ],
    })
    deps.wake()
    return outcome
  }

  function outcomeOf(run: TurnRun, ending: Ending): Omit<TurnOutcome, "messageId"> {
    return { turnId: run.turn.id, sessionId: run.session.id, model: run.answered, usage: run.usage, ...ending }
  }

  async function finish(run: TurnRun, ending: Ending): Promise<TurnOutcome> {
    run.live.closing = true
    const taint = rows.contextTaint(run)
    // A turn that ends with the client's calls has its words in the row of that step already.
    const row =
      ending.text !== "" && ending.finishReason !== "tool_calls"
        ? rows.modelRow(run, { text: ending.text, toolCalls: [], ...taint })
        : null
    const outcome: TurnOutcome = { ...outcomeOf(run, ending), messageId: row?.id ?? null }
    await commit(run, {
      statements: [
        endStatement(run.claim, "done"),
        ...(row ? [rows.insertMessage(row), ...deliver(run, { messageId: row.id })] : []),
        ...(outcome.error ? deliver(run, { note: failedNote(outcome.error, run.turn.ceiling !== null) }) : []),
        rows.endTurnStatement(run, outcome),
        ...run.unstored.splice(0),
      ],
      events: [rows.finishedEvent(run, outcome, deps.redact)],
      audit: [rows.replyAudit(run, outcome, taint, deps.redact)],
    })
    return outcome
  }

  /** Where a channel's plugin carries what is said, it is put on its way with what says it. */
  function deliver(run: TurnRun, what: { messageId: MessageId } | { note: string }): Statement[] {
    const { id: turnId, agentId } = run.turn
    const taint = rows.contextTaint(run)
    return deliveryStatements({
      place: run.session,
      sessionId: run.session.id,
      turnId,
      agentId,
      ...taint,
      ...what,
    })
  }

  function noteUsage(run: TurnRun, heard: Heard): void {
    run.answered = heard.model
    run.usage = addUsage(run.usage, heard.usage)
    if (heard.usage.inputTokens + heard.usage.outputTokens === 0) return
    const { id: turnId, agentId } = run.turn
    run.unstored.push(
      deps.usage.row({
        agentId,
        sessionId: run.session.id,
        turnId,
        jobId: run.turn.ceiling?.budgetJobId ?? run.job.id,
        purpose: "turn",
        model: heard.model,
        usage: heard.usage,
      }),
    )
  }

  async function tellFallback(run: TurnRun, from: ModelId, to: ModelId, error: string): Promise<void> {
    const at = {
      sessionId: run.session.id,
      turnId: run.turn.id,
      agentId: run.turn.agentId,
      labels: ["untrusted" as const],
      source: "model",
    }
    try {
      await writer.commit({
        statements: [],
        events: [{ type: "model.failed", model: from, next: to, error: preview(deps.redact(error)), ...at }],
      })
    } catch (problem) {
      log.debug("A fallback was not recorded", { problem }) // the answer matters more than the note about it
    }
  }

  return { announce, storeStep, suspend, finish, noteUsage, tellFallback }
}
