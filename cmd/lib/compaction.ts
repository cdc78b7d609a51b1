/** When and for whom sessions are summarised: on the owner's word, before a turn would not fit, and in the background. */
import type { Agent } from "#core/agent/agent.ts"
import { limitError } from "#core/agent/turn-ending.ts"
import type { Db, Writer } from "#core/db/db.ts"
import type { SessionRow } from "#core/db/schema.ts"
import { AppError } from "#core/errors.ts"
import type { SessionId } from "#core/id.ts"
import { insertJob } from "#core/jobs/job.ts"
import type { JobKind, JobRunner } from "#core/jobs/runner.ts"
import type { Model, Models } from "#core/llm/model.ts"
import type { Usage } from "#core/llm/usage.ts"
import type { Log } from "#core/log.ts"
import { ASKED_BUDGET, compactSession, ROOM_BUDGET, type CompactDeps } from "#core/session/compact.ts"
import type { SessionStore } from "#core/session/session.ts"

/** A model that summarises a long conversation takes its time; one that hangs must not hold a job for ever. */
const TIMEOUT_MS = 300_000

export type CompactionParts = CompactDeps & {
  db: Db
  writer: Writer
  sessions: SessionStore
  models: Models
  usage: Usage
  log: Log
  jobs: () => JobRunner
}

export function createCompaction({ sessions, models, usage, log, jobs, ...deps }: CompactionParts) {
  const underWay = new Set<SessionId>()

  const asked: Agent["compact"] = async (sessionId) => {
    const session = await sessions.get(sessionId)
    if (session.activeTurn)
      throw new AppError("conflict", "A turn is at work in this session; stop it or wait for its end")
    const limited = await usage.judge({ agentId: session.agentId })
    if (limited) throw limitError(limited)
    const outcome = await compactSession(deps, {
      sessionId,
      model: models.get(session.model),
      signal: AbortSignal.timeout(TIMEOUT_MS),
      budget: ASKED_BUDGET,
      onModelFailure: "leave",
    })
    if (outcome.state === "failed") throw new AppError("model.failed", `Nothing was changed: ${outcome.why}`)
    if (outcome.state === "stopped")
      throw new AppError("model.failed", `Nothing was changed: the model took longer than ${TIMEOUT_MS / 1_000} s`)
    return { messagesBefore: outcome.messagesBefore, messagesAfter: outcome.messagesAfter }
  }

  async function now(session: SessionRow, model: Model, signal: AbortSignal): Promise<boolean> {
    const outcome = await compactSession(deps, {
      sessionId: session.id,
      model,
      signal,
      budget: ROOM_BUDGET,
      onModelFailure: "first lines",
    })
    return outcome.state === "compacted"
  }

  function soon(session: SessionRow): void {
    if (underWay.has(session.id)) return
    underWay.add(session.id)
    const { statement } = insertJob(
      {
        kind: "compact",
        agentId: session.agentId,
        sessionId: null,
        payload: { sessionId: session.id },
        maxAttempts: 2,
      },
      "queued",
    )
    deps.writer.commit({ statements: [statement] }).then(
      () => jobs().wake(),
      (error: unknown) => {
        underWay.delete(session.id)
        log.debug("A compaction was not queued", { sessionId: session.id, error }) // the next turn asks again
      },
    )
  }

  const kind: JobKind = {
    async run({ job, signal }) {
      const sessionId = job.payload["sessionId"] as SessionId // written above as one
      try {
        const { model, agentId } = await sessions.get(sessionId)
        if (await usage.judge({ agentId, jobId: job.id })) return { state: "done" } // the next turn asks again
        const outcome = await compactSession(deps, {
          sessionId,
          model: models.get(model),
          signal: AbortSignal.any([signal, AbortSignal.timeout(TIMEOUT_MS)]),
          budget: ROOM_BUDGET,
          onModelFailure: "leave",
        })
        if (outcome.state === "failed") log.info("A session was not summarised", { sessionId, why: outcome.why })
        return { state: "done" }
      } catch (error) {
        if (error instanceof AppError && error.code === "not_found") return { state: "done" } // deleted in between
        throw error
      } finally {
        underWay.delete(sessionId)
      }
    },
    async dropped(job) {
      underWay.delete(job.payload["sessionId"] as SessionId)
      return { statements: [] }
    },
  }

  return { asked, now, soon, kind }
}
