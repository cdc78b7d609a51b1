/** The tool calls of one step: side by side where they only read, and what becomes of those that a crash left open. */
import type { Db } from "../db/db.ts"
import type { LabelName } from "../event.ts"
import type { CallId } from "../id.ts"
import { holdStatement } from "../jobs/job.ts"
import { ownerUrlsOf } from "../tools/owner-urls.ts"
import type { AskedOutcome, CallOutcome, CallRequest, Pipeline } from "../tools/run.ts"
import { askedCalls, lostCalls, type LostCall } from "./left-calls.ts"
import { isGone } from "./turn-ending.ts"
import type { TurnRun } from "./turn.ts"

export type AskedCall = { callId: CallId; name: string; arguments: unknown; problem: string | undefined }
export type Taint = { labels: readonly LabelName[]; source: string }

/** What became of the calls of one step; `asked`: the turn has to wait for the owner. */
export type Ran = { outcomes: CallOutcome[]; asked: AskedOutcome | null }

export function createTurnCalls({ db, pipeline }: { db: Db; pipeline: Pipeline }) {
  /** What a step before a crash left open: reads are done again, what may have had an effect is reported as unknown. */
  async function finishOpenCalls(run: TurnRun): Promise<Ran> {
    if (run.job.fence === 1) return sorted([]) // nobody ran it before
    const said = run.rows.filter((row) => row.turnId === run.turn.id && row.role === "model")
    const lost = await lostCalls(db, run.turn.id, askedCalls(said))
    for (const call of lost.filter(({ nested }) => nested))
      await pipeline.recordUnknown({ ...callRequest(run, asAsked(call), call), within: [] }, call)
    const last = said.at(-1)
    const answered = new Set(run.rows.filter((row) => row.role === "tool").map((row) => row.callId))
    const clientNames = clientToolNames(run)
    const outcomes: (CallOutcome | AskedOutcome)[] = []
    for (const { callId, name, arguments: args } of last?.toolCalls ?? []) {
      if (!last || answered.has(callId) || clientNames.has(name)) continue
      const request = callRequest(run, { callId, name, arguments: args, problem: undefined }, last)
      const before = lost.find((one) => one.callId === callId)
      const outcome = before ? await pipeline.recordUnknown(request, before) : await pipeline.run(request)
      outcomes.push(outcome)
      if (outcome.state === "asked") break // what comes after it was meant to come after it
    }
    return sorted(outcomes)
  }

  function callRequest(run: TurnRun, call: AskedCall, { labels, source }: Taint): CallRequest {
    return {
      callId: call.callId,
      tool: call.name,
      arguments: call.arguments,
      ...(call.problem === undefined ? {} : { problem: call.problem }),
      principal: `agent:${run.turn.agentId}`,
      agentId: run.turn.agentId,
      sessionId: run.session.id,
      turnId: run.turn.id,
      channel: run.turn.ceiling?.channel ?? run.session.channel,
      personId: run.turn.personId,
      allowedTools: run.turn.allowedTools,
      ceiling: run.turn.ceiling,
      attended: run.turn.ceiling === null,
      labels,
      source,
      ownerText: run.turn.ceiling ? run.turn.ceiling.ownerUrls : ownerText(run),
      hold: holdStatement(run.claim),
      signal: run.signal,
      isGone: () => isGone(run.signal),
    }
  }

  /** Calls of one step side by side when all of them only read, else one after the other in the order asked. */
  async function runCalls(run: TurnRun, asked: readonly AskedCall[], taint: Taint): Promise<Ran> {
    const requests = asked.map((call) => callRequest(run, call, taint))
    if (requests.every((request) => pipeline.onlyReads(request)))
      return sorted(await Promise.all(requests.map((request) => pipeline.run(request))))
    const outcomes: (CallOutcome | AskedOutcome)[] = []
    for (const request of requests) {
      if (run.signal.aborted) break
      const outcome = await pipeline.run(request)
      outcomes.push(outcome)
      if (outcome.state === "asked") break // what comes after it was meant to come after it
    }
    return sorted(outcomes)
  }

  return { runCalls, finishOpenCalls }
}

function asAsked({ callId, tool, arguments: args }: LostCall): AskedCall {
  return { callId, name: tool, arguments: args, problem: undefined }
}

function sorted(all: readonly (CallOutcome | AskedOutcome)[]): Ran {
  return {
    outcomes: all.filter((one): one is CallOutcome => one.state !== "asked"),
    asked: all.find((one): one is AskedOutcome => one.state === "asked") ?? null,
  }
}

/** Messages without labels that a person wrote: only the owner's have none, and never what a client says went before. */
function ownerText({ rows }: TurnRun): string[] {
  return rows
    .filter(({ role, personId, labels }) => role === "person" && personId !== null && labels.length === 0)
    .map(({ text }) => text)
}

/** Addresses that may be links in a reply made from untrusted text: the owner's own, and pages that results of this turn came from. */
export function linkableUrls(run: TurnRun): (url: string) => boolean {
  const fetched = run.rows.flatMap(({ role, turnId, source }) => {
    // The first of a result's sources is its own; the others are of the text that steered the call.
    const [own = ""] = role === "tool" && turnId === run.turn.id ? source.split(", ") : []
    return own.startsWith("https://") ? [own] : []
  })
  return ownerUrlsOf([...ownerText(run), ...fetched])
}

/** Names of the tools that the client runs itself. */
export function clientToolNames(run: TurnRun): Set<string> {
  return new Set((run.turn.options.clientTools ?? []).map(({ name }) => name))
}
