/** The agent as others see it: hand over a message, watch or stop the turn it starts. */
import { eq } from "drizzle-orm"
import type { Db } from "../db/db.ts"
import { turns } from "../db/schema.ts"
import { AppError } from "../errors.ts"
import type { EventBus } from "../event.ts"
import type { ApprovalId, MessageId, PersonId, SessionId, TurnId } from "../id.ts"
import type { MessagePart, ThinkingLevel, TurnState } from "../db/schema.ts"
import type { ModelMessage, ModelToolCall, ToolChoice, ToolOffer } from "../llm/model.ts"
import type { JobRunner } from "../jobs/runner.ts"
import type { Place } from "../session/session.ts"
import type { Live } from "./live.ts"
import { readOutcome } from "./turn-rows.ts"

/** What a client asks of one turn alone. Stored with the turn, so that a turn that comes back after a crash keeps them. */
export type TurnOptions = {
  model?: string
  thinking?: ThinkingLevel
  temperature?: number
  topP?: number
  maxOutputTokens?: number
  stop?: string[]
  toolChoice?: ToolChoice
  /** Tools that the client runs itself. They never enter the pipeline: a call of one ends the turn. */
  clientTools?: ToolOffer[]
}

export type Incoming = {
  agentId: string
  /** null: the session at `place`, or a new one where `fresh` says so or none is there. */
  sessionId: SessionId | null
  place: Place
  fresh?: boolean
  /** The verified sender; null is a stranger. */
  personId: PersonId | null
  text: string
  /** The plugin that carried it here, and its id there; a second one of the same is refused with `conflict`. */
  carried?: { channel: string; externalId: string }
  parts?: MessagePart[]
  /** `queue` waits for the running turn; `steer` joins it at its next step (same verified sender only), and queues where none runs. */
  mode: "queue" | "steer"
  options?: TurnOptions
  /** What the client says went before. Not the owner's word: stored as untrusted. */
  history?: ModelMessage[]
  /** What the client says came after the text: its calls and their results. As untrusted as the history. */
  after?: ModelMessage[]
}

/** The message is a committed row; so is its turn. */
export type Received = { sessionId: SessionId; messageId: MessageId; turnId: TurnId; state: TurnState }

export type TurnOutcome = {
  turnId: TurnId
  sessionId: SessionId
  state: TurnState
  /** The reply, or what there was of it when it was stopped or failed. */
  text: string
  messageId: MessageId | null
  model: string | null
  finishReason: "stop" | "length" | "tool_calls" | "filter"
  /** Calls of the client's own tools, where the turn ended with them. */
  clientToolCalls: ModelToolCall[]
  usage: { inputTokens: number; cachedInputTokens: number; outputTokens: number; costUsdMicros: number }
  approval: { id: ApprovalId; question: string } | null
  error: { code: string; message: string; hint: string } | null
}

export type Agent = {
  /** Throws `input.too_large` above 4 MiB, `not_found` for an unknown session or agent. Resolves once the rows are committed. */
  receive(message: Incoming): Promise<Received>
  /** Resolves when the turn finished, failed, was stopped or suspended. Rejects only when the signal aborts. */
  wait(turnId: TurnId, signal: AbortSignal): Promise<TurnOutcome>
  outcome(turnId: TurnId): Promise<TurnOutcome>
  /** Text of a turn so far, for one who joins late; deltas with a higher offset follow on the bus. */
  partial(turnId: TurnId): Promise<{ text: string; state: TurnState }>
  /** Stops the running turn and drops the queued ones; true when there was something to stop. Keeps the partial text. */
  stop(sessionId: SessionId): Promise<boolean>
  /** Summarises what is in sight, prunes tool results first. Throws `conflict` while a turn runs. */
  compact(sessionId: SessionId): Promise<{ messagesBefore: number; messagesAfter: number }>
  /** Runs a slash command where `text` is one exactly; null: it is ordinary text. The same table everywhere. */
  command(
    text: string,
    /** `personId`: the verified sender, in whose name the command acts. */
    at: { sessionId: SessionId | null; place: Place; agentId: string; personId: PersonId },
  ): Promise<CommandReply | null>
}

/** `sessionId` differs from the one given where the command opened another session (`/new`). */
export type CommandReply = { text: string; sessionId: SessionId | null }

export type AgentDeps = {
  db: Db
  bus: EventBus
  live: Live
  jobs: JobRunner
  receive: Agent["receive"]
  compact: Agent["compact"]
  command: Agent["command"]
}

export function createAgent({ db, bus, live, jobs, receive, compact, command }: AgentDeps): Agent {
  const outcome = (turnId: TurnId) => readOutcome(db, turnId)

  return {
    receive,
    compact,
    command,
    outcome: async (turnId) => live.remembered(turnId) ?? outcome(turnId),
    async wait(turnId, signal) {
      const known = live.remembered(turnId) ?? (await aborting(live.end(turnId), signal))
      if (known) return known
      // Not here: queued, in another process, or over. Listen before looking, so that nothing falls between.
      const heard = Promise.withResolvers<void>()
      const unsubscribe = bus.subscribe((event) => {
        if ((event.type === "turn.finished" || event.type === "turn.suspended") && event.turnId === turnId)
          heard.resolve()
      })
      try {
        const now = await outcome(turnId)
        if (now.state !== "queued" && now.state !== "running") return now
        await aborting(heard.promise, signal)
        return live.remembered(turnId) ?? (await outcome(turnId))
      } finally {
        unsubscribe()
      }
    },
    async partial(turnId) {
      const turn = live.get(turnId)
      if (turn) return { text: turn.text, state: "running" }
      const [row] = await db.orm
        .select({ text: turns.partial, state: turns.state })
        .from(turns)
        .where(eq(turns.id, turnId))
      if (!row) throw new AppError("not_found", `There is no turn ${turnId}`)
      return row
    },
    stop: async (sessionId) => (await jobs.cancel({ sessionId, kind: "turn" }, new Error("stopped"))) > 0,
  }
}

async function aborting<T>(promise: Promise<T> | undefined, signal: AbortSignal): Promise<T | undefined> {
  if (!promise) return undefined
  signal.throwIfAborted()
  const aborted = Promise.withResolvers<never>()
  const onAbort = () => aborted.reject(signal.reason)
  signal.addEventListener("abort", onAbort, { once: true })
  try {
    return await Promise.race([promise, aborted.promise])
  } finally {
    signal.removeEventListener("abort", onAbort)
  }
}
