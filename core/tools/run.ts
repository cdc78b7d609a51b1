/**
 * THE pipeline: the only code that runs a Tool, for whoever asks.
 * find → owner's hooks → shape → authorize → execute → cleanse → record. A refusal is an outcome that the model can read.
 */
import { eq } from "drizzle-orm"
import type { Clock } from "../clock.ts"
import type { Db, Writer } from "../db/db.ts"
import { calls, messages, type CallState, type NewAudit } from "../db/schema.ts"
import { AppError } from "../errors.ts"
import { preview, type LabelName, type NewEvent, type ToolEnd } from "../event.ts"
import type { Hooks } from "../hooks.ts"
import { newId, type CallId, type MessageId, type PersonId, type SessionId, type TurnId } from "../id.ts"
import type { Log } from "../log.ts"
import type { ApprovalLevel, Authorized, AuthorizeInput } from "../safety/authorize.ts"
import { hasEffect, type Effect } from "../safety/capability.ts"
import { fingerprint } from "../safety/fingerprint.ts"
import { joinLabels, joinSources } from "../safety/labels.ts"
import { describeProblems, judgeShape } from "../schema.ts"
import type { Registry, ToolBody, ToolCard } from "./registry.ts"
import type { ToolContext, ToolResult } from "./tool.ts"

/** A result is stored whole up to here; the model sees its head and tail, and can read the rest by handle. */
const MAX_RESULT_CHARACTERS = 4 * 1024 * 1024

export type CallRequest = {
  callId: CallId
  tool: string
  arguments: unknown
  /** Set where the model's arguments were not JSON. */
  problem?: string
  /** Who acts: `agent:main`, `plugin:github@<sha256>`, … */
  principal: string
  agentId: string
  sessionId: SessionId
  turnId: TurnId
  personId: PersonId | null
  allowedTools: readonly string[] | null
  /** The join of the text that was sent in the model call which asked for this. */
  labels: readonly LabelName[]
  source: string
  signal: AbortSignal
}

export type CallOutcome = {
  callId: CallId
  tool: string
  state: ToolEnd
  /** What the model is told, before fencing and shortening. */
  text: string
  labels: LabelName[]
  source: string
  messageId: MessageId
}

export type Cleansed = { text: string; labels: LabelName[]; verdicts: Record<string, string> }

export type PipelineDeps = {
  db: Db
  writer: Writer
  clock: Clock
  log: Log
  hooks: Hooks
  registry: Registry
  authorize: (input: AuthorizeInput) => Authorized<ToolBody>
  level: () => ApprovalLevel
  /** The egress gate's fetch, bound to this call: its principal, what it needs, and GET and HEAD alone where it only reads. */
  fetchFor: (call: {
    request: CallRequest
    card: ToolCard
    effect: Effect
    needs: ReturnType<ToolCard["needs"]>
  }) => ToolContext["fetch"]
  /** Redacts secrets and marks what looks like instructions. */
  cleanse: (text: string, labels: readonly LabelName[]) => Cleansed
  /** Redacts secrets from what is shown or logged. */
  redact: (text: string) => string
}

export type Pipeline = {
  run(request: CallRequest): Promise<CallOutcome>
  /** Whether this call can run beside others: it is well formed and declares no effect. */
  onlyReads(request: CallRequest): boolean
  /** Records a call that a crash left `started`: nobody knows whether it happened, and it is not run again. */
  recordUnknown(request: CallRequest): Promise<CallOutcome>
}

type Judged = {
  state: ToolEnd
  text: string
  labels: readonly LabelName[]
  source: string
  verdicts: Record<string, string>
  effect: Effect
  durationMs: number
  started: boolean
}

export function createPipeline(deps: PipelineDeps): Pipeline {
  const { db, writer, clock, log, hooks, registry, authorize, cleanse, redact } = deps

  const refusal = (text: string, verdicts: Record<string, string>, effect: Effect): Judged => ({
    state: "refused",
    text,
    labels: [],
    source: "host",
    verdicts,
    effect,
    durationMs: 0,
    started: false,
  })

  async function judgeAndExecute(request: CallRequest): Promise<Judged> {
    const verdicts: Record<string, string> = {}
    // What is unknown or malformed is treated as the worst it could have been.
    const worst: Effect = "exec"

    const card = registry.find(request.tool)
    if (!card)
      return refusal(`There is no tool called "${request.tool}". Use one of those offered.`, { find: "deny" }, worst)
    if (request.problem)
      return refusal(
        `The arguments were not valid JSON: ${request.problem}. Send the call again with a JSON object.`,
        { shape: "deny" },
        worst,
      )

    const hooked = await hooks.toolCall({ tool: request.tool, arguments: request.arguments }, request.signal)
    if (hooked.verdict === "refuse")
      return refusal(`The owner's hook refused this call: ${hooked.why}`, { hooks: "deny" }, worst)
    verdicts["hooks"] = "pass"

    const shape = judgeShape(card.input, hooked.value)
    if (!shape.ok) {
      return refusal(
        `The arguments do not fit ${request.tool}: ${describeProblems(shape.problems)}. Correct them and call again.`,
        { ...verdicts, shape: "deny" },
        worst,
      )
    }
    verdicts["shape"] = "allow"

    const input: unknown = shape.value
    const effect = card.effect(input)
    const needs = card.needs(input)
    const authorized = authorize({
      principal: request.principal,
      tool: request.tool,
      effect,
      needs,
      labels: request.labels,
      allowedTools: request.allowedTools,
      level: deps.level(),
    })
    if (authorized.verdict !== "allow") {
      verdicts[authorized.gate] = `${authorized.verdict}: ${authorized.why}`
      const next =
        authorized.verdict === "ask"
          ? "Only the owner can allow it; tell them what you wanted to do and why."
          : "Do not try it again; find another way, or say that it cannot be done."
      return refusal(`Refused: ${authorized.why}. ${next}`, verdicts, effect)
    }
    verdicts["authority"] = "allow"
    verdicts["flow"] = "allow"

    const insert = db.orm.insert(calls).values({ ...callRow(request), effect, state: "started" })
    const startedCommit = writer.commit({
      // Whoever comes second with an effect fails here, before it happens twice; a read may be done again.
      statements: [(hasEffect(effect) ? insert : insert.onConflictDoNothing()).toSQL()],
      events: [started(request)],
    })
    // A call with an effect is on record before it runs; one that only reads need not wait for the disk.
    if (hasEffect(effect)) await startedCommit
    const begin = clock.monotonicMs()
    const [result] = await Promise.all([
      execute({ request, card, effect, needs, input, body: authorized.open() }),
      startedCommit,
    ])
    const durationMs = Math.round(clock.monotonicMs() - begin)
    return {
      ...cleanseResult({
        request,
        result,
        effect,
        outside: needs.some(({ kind }) => kind === "http" || kind === "tool"),
        verdicts,
      }),
      durationMs,
      started: true,
    }
  }

  async function execute(call: {
    request: CallRequest
    card: ToolCard
    effect: Effect
    needs: ReturnType<ToolCard["needs"]>
    input: unknown
    body: ToolBody
  }): Promise<ToolResult> {
    const { request, card, body, input } = call
    const deadline = AbortSignal.timeout(card.timeoutMs)
    const signal = AbortSignal.any([request.signal, deadline])
    const context: ToolContext = {
      signal,
      fetch: deps.fetchFor(call),
      agentId: request.agentId,
      sessionId: request.sessionId,
      turnId: request.turnId,
      callId: request.callId,
      personId: request.personId,
      labels: request.labels,
      source: request.source,
    }
    try {
      // A tool that does not listen to its signal is left behind: a stop takes effect at once.
      return await Promise.race([body(input, context), rejectOn(signal)])
    } catch (error) {
      if (request.signal.aborted) return { failed: "Stopped before it was done" }
      if (deadline.aborted) return { failed: `It took longer than ${card.timeoutMs} ms and was stopped` }
      if (error instanceof AppError) return { failed: `${error.message}. ${error.hint}` }
      log.error("A tool threw", { tool: request.tool, callId: request.callId, error })
      return { failed: "The tool failed inside; the log holds the details" }
    }
  }

  function cleanseResult({
    request,
    result,
    effect,
    outside,
    verdicts,
  }: {
    request: CallRequest
    result: ToolResult
    effect: Effect
    outside: boolean
    verdicts: Record<string, string>
  }) {
    const failed = "failed" in result
    const whole = failed
      ? result.failed
      : typeof result.data === "string"
        ? result.data
        : (JSON.stringify(result.data) ?? "null")
    const fitting =
      whole.length <= MAX_RESULT_CHARACTERS
        ? whole
        : `${whole.slice(0, MAX_RESULT_CHARACTERS)}\n[cut: the result had ${whole.length} characters]`
    // A result that says nothing of its labels is as untrusted as the outside, and so is the failure of a call that reached there.
    const own = (failed ? undefined : result.labels) ?? (failed && !outside ? [] : ["untrusted" as const])
    const clean = cleanse(fitting, joinLabels([own, request.labels]))
    return {
      state: failed ? ("failed" as const) : ("done" as const),
      text: clean.text,
      labels: clean.labels,
      source: joinSources([(failed ? undefined : result.source) ?? `tool:${request.tool}`, request.source]),
      verdicts: { ...verdicts, ...clean.verdicts },
      effect,
    }
  }

  async function record(request: CallRequest, judged: Judged): Promise<CallOutcome> {
    const messageId = newId("msg")
    const labels = [...judged.labels]
    const state: CallState = judged.state
    const finished = { state, labels, source: judged.source, finishedAt: clock.iso() }
    const callStatement = judged.started
      ? db.orm.update(calls).set(finished).where(eq(calls.id, request.callId)).toSQL()
      : db.orm
          .insert(calls)
          .values({ ...callRow(request), ...finished, effect: judged.effect })
          .onConflictDoUpdate({ target: calls.id, set: finished })
          .toSQL()
    const message = db.orm
      .insert(messages)
      .values({
        id: messageId,
        sessionId: request.sessionId,
        turnId: request.turnId,
        agentId: request.agentId,
        role: "tool",
        text: judged.text.toWellFormed().replaceAll("\0", "\uFFFD"), // Postgres text holds neither
        callId: request.callId,
        labels,
        source: judged.source,
      })
      .toSQL()
    await writer.commit({
      statements: [callStatement, message],
      events: [
        {
          type: "tool.finished",
          sessionId: request.sessionId,
          turnId: request.turnId,
          callId: request.callId,
          tool: request.tool,
          outcome: judged.state,
          preview: preview(redact(judged.text)),
          durationMs: judged.durationMs,
          agentId: request.agentId,
          labels,
          source: judged.source,
        },
      ],
      audit: [auditRow(request, judged)],
    })
    return {
      callId: request.callId,
      tool: request.tool,
      state: judged.state,
      text: judged.text,
      labels,
      source: judged.source,
      messageId,
    }
  }

  function callRow(request: CallRequest) {
    return {
      id: request.callId,
      turnId: request.turnId,
      sessionId: request.sessionId,
      agentId: request.agentId,
      principal: request.principal,
      tool: request.tool,
      arguments: request.arguments ?? null,
      fingerprint: fingerprint(request),
      labels: [...request.labels],
      source: request.source,
    }
  }

  function started(request: CallRequest): NewEvent {
    return {
      type: "tool.started",
      sessionId: request.sessionId,
      turnId: request.turnId,
      callId: request.callId,
      tool: request.tool,
      preview: preview(redact(JSON.stringify(request.arguments) ?? "")),
      agentId: request.agentId,
      labels: [...request.labels],
      source: request.source,
    }
  }

  function auditRow(request: CallRequest, judged: Judged): NewAudit {
    return {
      agentId: request.agentId,
      act: "tool.run",
      principal: request.principal,
      subject: request.tool,
      outcome: judged.state,
      sessionId: request.sessionId,
      turnId: request.turnId,
      argumentsHash: fingerprint(request),
      preview: preview(redact(JSON.stringify(request.arguments) ?? "")),
      verdicts: judged.verdicts,
      durationMs: judged.durationMs,
      bytesIn: Buffer.byteLength(judged.text),
      labels: [...request.labels],
      source: request.source,
    }
  }

  return {
    async run(request) {
      let judged: Judged
      try {
        judged = await judgeAndExecute(request)
      } catch (error) {
        // A gate that breaks is a refusal; a database that is away is not ours to swallow.
        if (error instanceof AppError) throw error
        log.error("A gate threw", { tool: request.tool, callId: request.callId, error })
        judged = refusal(
          "Refused: a check failed inside, so the call was not run. The log holds the details.",
          { pipeline: "deny: a gate threw" },
          "exec",
        )
      }
      return record(request, judged)
    },
    onlyReads(request) {
      const card = registry.find(request.tool)
      const shape = card && judgeShape(card.input, request.arguments)
      return card !== undefined && shape?.ok === true && !hasEffect(card.effect(shape.value))
    },
    recordUnknown: (request) =>
      record(request, {
        state: "unknown",
        text: "The program ended while this call was running. Nobody knows whether it took effect, and it was not run again. Check what happened before you repeat it, and tell the owner.",
        labels: [],
        source: "host",
        verdicts: { restart: "unknown" },
        effect: registry.find(request.tool)?.effect(request.arguments) ?? "exec",
        durationMs: 0,
        started: true,
      }),
  }
}

function rejectOn(signal: AbortSignal): Promise<never> {
  return new Promise((_, reject) => {
    if (signal.aborted) reject(signal.reason)
    else signal.addEventListener("abort", () => reject(signal.reason), { once: true })
  })
}
