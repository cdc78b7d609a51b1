/**
 * One call of a tool by the owner's own hand, to try it: the same pipeline and the same record, in a session that lives as long as the
 * call. What the pipeline would ask, the owner has answered before, at a terminal.
 */
import type { Db, Writer } from "../db/db.ts"
import { turns } from "../db/schema.ts"
import { AppError } from "../errors.ts"
import type { LabelName, ToolEnd } from "../event.ts"
import { newId, type PersonId } from "../id.ts"
import { type Approvals, PLAN_TOOL } from "../safety/approvals.ts"
import { hasEffect } from "../safety/capability.ts"
import { fingerprint } from "../safety/fingerprint.ts"
import { destinationOf } from "../safety/grants.ts"
import { describeProblems, judgeShape } from "../schema.ts"
import type { SessionStore } from "../session/session.ts"
import type { Registry } from "./registry.ts"
import type { CallRequest, Pipeline } from "./run.ts"
import { actsAs } from "./tool.ts"

export type OwnerCall = { tool: string; arguments: Record<string, unknown> }
export type OwnerCallResult = { state: ToolEnd; text: string; labels: LabelName[] }

export type OwnerCalls = {
  /** What it would reach, and whether it does more than read. Throws `not_found`, `input.invalid`. */
  prepare(call: OwnerCall): { principal: string; destination: string; asks: boolean }
  /** `agreed`: the owner said yes to exactly this. */
  run(call: OwnerCall, how: { agreed: boolean; signal: AbortSignal }): Promise<OwnerCallResult>
}

const AGENT = "main"
/** They speak of the turn that they run in, and this one has nothing before or after it. */
const OF_A_TURN: readonly string[] = [PLAN_TOOL, "agent_spawn"]

export function createOwnerCalls({
  db,
  writer,
  sessions,
  registry,
  pipeline,
  approvals,
  ownerId,
}: {
  db: Db
  writer: Writer
  sessions: Pick<SessionStore, "create" | "delete">
  registry: Pick<Registry, "find">
  pipeline: Pick<Pipeline, "run">
  approvals: Pick<Approvals, "allowAhead">
  ownerId: PersonId
}): OwnerCalls {
  function prepare({ tool, arguments: given }: OwnerCall) {
    const card = registry.find(tool)
    if (!card || OF_A_TURN.includes(tool))
      throw new AppError("not_found", `There is no tool called "${tool.slice(0, 100)}" that could be called by hand`)
    const shape = judgeShape(card.input, given)
    if (!shape.ok) throw new AppError("input.invalid", `/arguments: ${describeProblems(shape.problems)}`)
    const effect = card.effect(shape.value, { ownerUrls: () => true, readsApart: false })
    return {
      principal: actsAs(`agent:${AGENT}`, card),
      destination: destinationOf(card.needs(shape.value)),
      asks: hasEffect(effect),
    }
  }

  return {
    prepare,
    async run(call, { agreed, signal }) {
      const { principal, destination } = prepare(call)
      const place = { channel: "tool", peer: "owner", topic: newId("call") }
      const { id: sessionId } = await sessions.create({ agentId: AGENT, place, title: `Call of ${call.tool}` })
      try {
        const turnId = newId("trn")
        const turn = { id: turnId, sessionId, agentId: AGENT, jobId: newId("job"), state: "finished" as const }
        const request: CallRequest = {
          ...call,
          callId: newId("call"),
          principal: `agent:${AGENT}`,
          agentId: AGENT,
          sessionId,
          turnId,
          channel: "tool",
          personId: ownerId,
          allowedTools: null,
          ceiling: null,
          attended: agreed,
          labels: [],
          source: "owner",
          ownerText: [JSON.stringify(call.arguments)],
          hold: { sql: "select 1", params: [] },
          signal,
          isGone: () => false,
        }
        const yes = approvals.allowAhead({
          ...request,
          principal,
          destination,
          fingerprint: fingerprint({ ...call, principal }),
          why: "Called by hand",
        })
        await writer.commit({ statements: [db.orm.insert(turns).values(turn).toSQL(), ...(agreed ? [yes] : [])] })
        const outcome = await pipeline.run(request)
        if (outcome.state === "asked")
          throw new AppError("approval.required", `${call.tool} needs more than was agreed to`)
        const { state, text, labels } = outcome
        return { state, text, labels }
      } finally {
        await sessions.delete(sessionId)
      }
    },
  }
}
