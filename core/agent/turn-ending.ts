/** Small pure parts of a turn: how it can end, what it may send, what it has used. */
import type { SessionRow } from "../db/schema.ts"
import { AppError, type ErrorBody } from "../errors.ts"
import { LeaseLost, ShuttingDown } from "../jobs/runner.ts"
import type { Model, ModelFailure, ModelMessage, ModelRequest, ModelUsage } from "../llm/model.ts"
import type { Limited } from "../llm/usage.ts"
import type { AskedOutcome } from "../tools/run.ts"
import type { TurnOptions, TurnOutcome } from "./agent.ts"
import type { LiveTurn } from "./live.ts"

/** Tokens of history that a turn sends at most; what is older is summarised. Money and latency grow with it, and answers hardly do. */
const HISTORY_TOKENS = 24_000
/** Part of a model's window that history may fill; the rest is for the prompt, the tools and the answer. */
const HISTORY_SHARE = 0.6
export type Ending = Pick<TurnOutcome, "state" | "text" | "finishReason" | "clientToolCalls" | "error" | "approval">

export function historyBudget(model: Model): number {
  return Math.min(HISTORY_TOKENS, Math.floor(model.contextTokens * HISTORY_SHARE))
}

/** Someone else has the turn now, or will have it after the restart: nothing more may be written. */
export function isGone(signal: AbortSignal): boolean {
  return signal.reason instanceof LeaseLost || signal.reason instanceof ShuttingDown
}

/** What was said since the last row. */
export function stepText(live: LiveTurn): string {
  return live.text.slice(live.stepFrom)
}

export function stopped(text: string): Ending {
  return {
    state: "stopped",
    text: text.trimEnd(),
    finishReason: "stop",
    clientToolCalls: [],
    error: null,
    approval: null,
  }
}

/** The owner was asked: the turn is not over, and comes back with their answer. */
export function waiting(text: string, { approval }: AskedOutcome): Ending {
  return { ...stopped(text), state: "suspended", approval }
}

export function failed(text: string, error: ErrorBody): Ending {
  return { state: "failed", text: text.trimEnd(), finishReason: "stop", clientToolCalls: [], error, approval: null }
}

export function modelError(failure: ModelFailure): ErrorBody {
  return new AppError("model.failed", failure.message).toBody()
}

export function limitError({ scope, window, limitUsdMicros, resetsAt }: Limited): AppError {
  const whose = { all: "The limit", agent: "This agent's limit", job: "The limit of one turn" }[scope]
  const per = window === "job" ? "" : ` a ${window}`
  return new AppError(
    "usage.limited",
    `${whose} of $${(limitUsdMicros / 1e6).toFixed(2)}${per} is used up; it resets at ${resetsAt}`,
  )
}

export function timeoutError(timeoutMs: number): ErrorBody {
  return new AppError("turn.timeout", `The turn worked for ${Math.round(timeoutMs / 1000)} s and was stopped`).toBody()
}

export function sampling(options: TurnOptions, session: SessionRow): Partial<ModelRequest> {
  const { temperature, topP, maxOutputTokens, stop } = options
  const thinking = options.thinking ?? session.thinking ?? undefined
  return {
    ...(temperature === undefined ? {} : { temperature }),
    ...(topP === undefined ? {} : { topP }),
    ...(maxOutputTokens === undefined ? {} : { maxOutputTokens }),
    ...(stop === undefined ? {} : { stop }),
    ...(thinking === undefined ? {} : { thinking }),
  }
}

/** The program's own words to the model: in the request, never in the rows. */
export function hostNote(text: string): ModelMessage {
  return { role: "user", content: [{ type: "text", text: `[Note from the program, not from the owner] ${text}` }] }
}

export function addUsage(a: ModelUsage, b: ModelUsage): ModelUsage {
  return {
    inputTokens: a.inputTokens + b.inputTokens,
    cachedInputTokens: a.cachedInputTokens + b.cachedInputTokens,
    outputTokens: a.outputTokens + b.outputTokens,
    costUsdMicros: a.costUsdMicros + b.costUsdMicros,
  }
}

/** What somebody on a channel is told of a turn without an answer. Why is the owner's to know. */
export function failedNote({ message, hint }: Pick<ErrorBody, "message" | "hint">, forGuest: boolean): string {
  return forGuest ? "I cannot answer this now." : `There is no answer: ${message}. ${hint}`.trim()
}

/** A yes is given where the owner proves to be there, and never on the channel that carried the question. */
export function waitsNote({ id, question }: { id: string; question: string }): string {
  return `${question}\n\nThis waits for you: \`ironclaw approval allow ${id}\` or \`ironclaw approval deny ${id}\`, on the machine itself.`
}
