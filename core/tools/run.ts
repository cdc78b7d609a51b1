/**
 * THE pipeline: the only code that runs a Tool, for whoever asks.
 * find → owner's hooks → shape → authorize → execute → cleanse → record. A refusal is an outcome that the model can read.
 */
import type { Clock } from "../clock.ts"
import type { Db, Statement, Writer } from "../db/db.ts"
import { AppError } from "../errors.ts"
import type { LabelName, NewEvent, ToolEnd } from "../event.ts"
import { hookRecord, type Hooks } from "../hooks.ts"
import {
  type ApprovalId,
  type CallId,
  type MessageId,
  newId,
  type PersonId,
  type SessionId,
  type TurnId,
} from "../id.ts"
import type { Log } from "../log.ts"
import type { Approval } from "../safety/approvals.ts"
import type { ApprovalLevel, Authorized, CallToAuthorize } from "../safety/authorize.ts"
import { hasEffect, readsPrivate, type Effect } from "../safety/capability.ts"
import type { Ceiling } from "../safety/ceiling.ts"
import { fingerprint } from "../safety/fingerprint.ts"
import { destinationOf } from "../safety/grants.ts"
import { joinLabels, joinSources } from "../safety/labels.ts"
import { describeProblems, judgeShape } from "../schema.ts"
import { startCall } from "./call-start.ts"
import { createGetLimit } from "./get-limit.ts"
import { ownerUrlsOf } from "./owner-urls.ts"
import type { Registry, ToolBody, ToolCard } from "./registry.ts"
import { type Cleansed, type CutOff, judgeResult } from "./cleanse-result.ts"
import { type CallToConsent, type ConsentDeps, createConsent } from "./consent.ts"
import { createRecorder, type Judged, refusalOf } from "./run-record.ts"
import { secretCarried } from "./secret-written.ts"
import { unknownTool } from "./tool-search.ts"
import { actsAs, type CallFacts, type ToolContext, type ToolResult } from "./tool.ts"

/** A tool that calls a tool that calls a tool. */
const MAX_DEPTH = 3

export type CallRequest = {
  callId: CallId
  tool: string
  arguments: unknown
  /** The tools, outermost first, whose run asked for this one: their results take it up, and no message of its own holds it. */
  within?: readonly string[]
  /** Set where the model's arguments were not JSON. */
  problem?: string
  /** Who acts: `agent:main`, `plugin:github@<sha256>`, … */
  principal: string
  agentId: string
  sessionId: SessionId
  turnId: TurnId
  /** Where the conversation happens: the owner's hooks may be for some channels alone. */
  channel: string
  personId: PersonId | null
  allowedTools: readonly string[] | null
  /** What a sub-turn may do at most; null: the call is of no sub-turn. */
  ceiling: Ceiling | null
  /** Somebody can be asked. Where nobody can, what would be asked about and is not granted is refused. */
  attended: boolean
  /** The join of the text that was sent in the model call which asked for this. */
  labels: readonly LabelName[]
  source: string
  /** What the owner wrote in this session, as far as that model call saw it: a whole URL in there is the owner's choice. */
  ownerText: readonly string[]
  /** Part of every commit of this call: it fails where whoever runs the turn has lost it to another process. */
  hold: Statement
  signal: AbortSignal
  /** Whether the signal was aborted because another process has the turn, or will have it: what only reads is done again there. */
  isGone: () => boolean
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

/** The row of a call, as it was when the call began. `inside`: tools with an effect that were run in the middle of it. */
export type StartedCall = Pick<CallRequest, "principal" | "arguments" | "labels" | "source"> & {
  effect: Effect
  inside: readonly string[]
}

/** Nothing was run, and nothing is in the rows but the question. */
export type AskedOutcome = {
  state: "asked"
  callId: CallId
  tool: string
  approval: { id: ApprovalId; question: string }
}

export type PipelineDeps = ConsentDeps & {
  db: Db
  writer: Writer
  clock: Clock
  log: Log
  hooks: Hooks
  registry: Registry
  authorize: (input: CallToAuthorize) => Authorized<ToolBody>
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
  /** `asked`: the owner has to answer first; run the same call again once they have. */
  run(request: CallRequest): Promise<CallOutcome | AskedOutcome>
  /** Whether this call can run beside others: it is well formed and declares no effect. */
  onlyReads(request: CallRequest): boolean
  /**
   * Records a call that a crash left `started`: nobody knows whether it happened, and it is not run again. `started`: what its row says
   * ran, which is not always what the model asked for, and which no tool is there to judge any more.
   */
  recordUnknown(request: CallRequest, started: StartedCall): Promise<CallOutcome>
}

export function createPipeline(deps: PipelineDeps): Pipeline {
  const { db, writer, clock, log, hooks, registry, authorize, cleanse, redact } = deps

  const consentTo = createConsent(deps)
  const getLimit = createGetLimit()
  const recorder = createRecorder({ db, writer, clock, redact })

  async function judgeAndExecute(
    given: CallRequest,
  ): Promise<{ request: CallRequest; judged: Judged } | { request: CallRequest; asked: Asked }> {
    let request = given
    const refused = (text: string, by: Record<string, string>, effect: Effect, destination = "") => ({
      request,
      judged: refusalOf(request, { text, verdicts: by, effect, destination }),
    })
    const verdicts: Record<string, string> = {}
    // What is unknown or malformed is treated as the worst it could have been.
    const worst: Effect = "exec"

    const card = registry.find(request.tool)
    if (!card) return refused(unknownTool(request.tool, registry), { find: "deny" }, worst)
    if (request.within && (request.within.length >= MAX_DEPTH || request.within.includes(request.tool)))
      return refused(
        `Refused: tools call each other at most ${MAX_DEPTH} deep and never in a circle.`,
        { authority: "deny: depth" },
        worst,
      )
    // Code that nobody here wrote acts as itself: what the owner allowed is for this version of it.
    request = { ...request, principal: actsAs(request.principal, card, request.within) }
    if (request.problem) {
      return refused(
        `The arguments were not valid JSON: ${request.problem}. Send the call again with a JSON object.`,
        { shape: "deny" },
        worst,
      )
    }

    const value = { tool: request.tool, arguments: request.arguments }
    const hooked = await hooks.judge("tool.call", { ...request, value })
    const record = hooked.verdict === "pass" ? hookRecord(hooked.ran) : hooked.record
    if (record !== null) verdicts["hooks"] = record
    request = { ...request, labels: hooked.labels, source: hooked.source }
    if (hooked.verdict === "refuse")
      return refused(`The owner's hooks refused this call. ${hooked.why}`, verdicts, worst)
    // While they were asked, another version may have come in its place: that one is judged from the beginning.
    if (registry.find(given.tool)?.provider !== card.provider) return judgeAndExecute(given)
    // From here on the call is what the hooks made of it: judged, asked about, run and recorded as the same bytes.
    request = { ...request, arguments: hooked.value.arguments }

    const shape = judgeShape(card.input, request.arguments)
    if (!shape.ok) {
      return refused(
        `The arguments do not fit ${request.tool}: ${describeProblems(shape.problems)}. Correct them and call again.`,
        { ...verdicts, shape: "deny" },
        worst,
      )
    }
    verdicts["shape"] = "allow"

    const input: unknown = shape.value
    const problem = card.problem?.(input) ?? null
    if (problem !== null)
      return refused(`${request.tool} cannot do that: ${problem}.`, { ...verdicts, shape: `deny: ${problem}` }, worst)
    const effect = card.effect(input, factsOf(request))
    const needs = card.needs(input)
    const destination = destinationOf(needs)
    // What the call takes in is as much a part of it as what steered it: judged, recorded and answered with that label too.
    if (readsPrivate(effect, needs)) request = { ...request, labels: joinLabels([request.labels, ["private"]]) }
    const question = {
      principal: request.principal,
      tool: request.tool,
      provider: card.provider,
      effect,
      needs,
      reversible: card.reversible?.(input) ?? false,
      labels: request.labels,
      allowedTools: request.allowedTools,
      level: deps.level(),
      ceiling: request.ceiling,
    }
    let authorized = authorize({ ...question, consented: false })
    const { provider } = card
    const secret = authorized.verdict === "deny" ? null : secretCarried({ input, effect, provider }, redact)
    const doubts: { gate: string; why: string }[] = authorized.verdict === "ask" ? [authorized] : []
    if (secret !== null) doubts.push({ gate: "leak", why: secret })
    let use: Statement[] = []
    if (doubts.length > 0) {
      const shown = card.provider === "builtin" ? card.question?.(input) : undefined
      const asked: CallToConsent = {
        ...request,
        destination,
        fingerprint: fingerprint(request),
        why: doubts.map(({ why }) => why).join(". "),
        grantable: secret === null,
        ...(shown === undefined ? {} : { shown }),
      }
      const consent = await consentTo(asked)
      for (const { gate, why } of doubts) verdicts[gate] = `ask: ${why}`
      verdicts["consent"] = consent.state === "refused" && consent.unattended ? "deny: unattended" : consent.state
      if (consent.state === "asked") return { request, asked: { ...consent, verdicts } }
      if (consent.state === "refused") return refused(consent.text, verdicts, effect, destination)
      use = consent.use
      authorized = authorize({ ...question, consented: true })
    } else verdicts["flow"] = "allow"
    if (authorized.verdict !== "allow") {
      verdicts[authorized.gate] = `deny: ${authorized.why}`
      return refused(
        `Refused: ${authorized.why}. Do not try it again; find another way, or say that it cannot be done.`,
        verdicts,
        effect,
        destination,
      )
    }
    verdicts["authority"] ??= "allow"
    const by = request.ceiling?.budgetJobId ?? request.turnId
    const limited = getLimit.judge({ ...request, by, needs })
    if (limited !== null) {
      const next = "Answer with what you have, and tell the owner what is missing."
      return refused(`Refused: ${limited}. ${next}`, { ...verdicts, flow: `deny: ${limited}` }, effect, destination)
    }

    const begun = () => recorder.started(request, { effect, with: use })
    const start = startCall(begun, { clock, waits: !hasEffect(effect) && use.length === 0 })
    // A call with an effect is on record before it runs; one that only reads need not wait for the disk.
    if (hasEffect(effect)) await start.now()
    const begin = clock.monotonicMs()
    const running = execute({ request, card, effect, needs, input, body: authorized.open(), onRecord: start.now })
    const result = await Promise.race([running, start.failed])
    const durationMs = Math.round(clock.monotonicMs() - begin)
    const onFault = (error: unknown) =>
      log.error("The result of a tool could not be judged", { tool: request.tool, callId: request.callId, error })
    const clean = judgeResult({ request, result, effect, needs, verdicts, cleanse }, onFault)
    return { request, judged: { ...clean, destination, durationMs, started: await start.end() } }
  }

  type Asked = {
    approval: Approval
    ask: { statement: Statement; event: NewEvent } | null
    verdicts: Record<string, string>
  }
  async function execute(call: {
    request: CallRequest
    card: ToolCard
    effect: Effect
    needs: ReturnType<ToolCard["needs"]>
    input: unknown
    body: ToolBody
    onRecord: () => Promise<void>
  }): Promise<ToolResult | CutOff> {
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
      principal: request.principal,
      allowedTools: request.allowedTools,
      ownerUrls: factsOf(request).ownerUrls,
      effect: call.effect,
      isNested: request.within !== undefined,
      async invoke(asked) {
        await call.onRecord() // what may have an effect inside it is not done again by doing it again
        return run({
          ...request,
          callId: newId("call"),
          tool: asked.tool,
          arguments: asked.arguments,
          principal: request.principal,
          within: [...(request.within ?? []), request.tool],
          // What code wants is nobody's word: it was steered by all that its caller was, and by itself.
          labels: joinLabels([request.labels, ["untrusted"]]),
          source: joinSources([card.provider, request.source]),
          ownerText: [],
          attended: false,
          signal,
        })
      },
    }
    const aborted = Promise.withResolvers<never>()
    const onAbort = () => aborted.reject(signal.reason)
    signal.addEventListener("abort", onAbort, { once: true })
    if (signal.aborted) onAbort()
    try {
      // A tool that does not listen to its signal is left behind: a stop takes effect at once.
      return await Promise.race([body(input, context), aborted.promise])
    } catch (error) {
      if (request.signal.aborted) return { cutOff: "It was stopped before it was done" }
      if (deadline.aborted) return { cutOff: `It took longer than ${card.timeoutMs} ms and was stopped` }
      if (error instanceof AppError) {
        const failed = `${error.message}. ${error.hint}`
        return error.code === "egress.refused" ? { failed, gate: "egress" } : { failed }
      }
      log.error("A tool threw", { tool: request.tool, callId: request.callId, error })
      return { failed: "The tool failed inside; the log holds the details" }
    } finally {
      signal.removeEventListener("abort", onAbort)
    }
  }

  async function run(given: CallRequest): Promise<CallOutcome | AskedOutcome> {
    let step: Awaited<ReturnType<typeof judgeAndExecute>>
    try {
      step = await judgeAndExecute(given)
    } catch (error) {
      // A gate that breaks is a refusal; a database that is away is not ours to swallow.
      if (error instanceof AppError) throw error
      log.error("A gate threw", { tool: given.tool, callId: given.callId, error })
      const text = "Refused: a check failed inside, so the call was not run. The log holds the details."
      const verdicts = { pipeline: "deny: a gate threw" }
      step = { request: given, judged: refusalOf(given, { text, verdicts, effect: "exec", destination: "" }) }
    }
    // A result that says it was cut off would stand in the way of whoever does it again.
    if ("judged" in step && step.judged.started !== "no" && !hasEffect(step.judged.effect) && given.isGone())
      throw given.signal.reason
    if ("judged" in step) return recorder.finished(step.request, step.judged)
    const { approval, ask, verdicts } = step.asked
    if (ask) await recorder.asked(step.request, { approval, ...ask, verdicts })
    return {
      state: "asked",
      callId: given.callId,
      tool: given.tool,
      approval: { id: approval.id, question: approval.question },
    }
  }

  return {
    run,
    onlyReads(request) {
      // What a hook makes of it may be another call.
      if (hooks.covers("tool.call", request)) return false
      try {
        const card = registry.find(request.tool)
        const shape = card && judgeShape(card.input, request.arguments)
        return card !== undefined && shape?.ok === true && !hasEffect(card.effect(shape.value, factsOf(request)))
      } catch {
        return false // `run` says what is wrong with it
      }
    },
    recordUnknown: (request, { principal, arguments: given, labels, source, ...call }) =>
      recorder.unknown({ ...request, principal, arguments: given, labels, source }, call),
  }
}

function factsOf({ ownerText, ceiling, labels }: CallRequest): CallFacts {
  return { ownerUrls: ownerUrlsOf(ownerText), readsApart: ceiling?.fetches === true && !labels.includes("private") }
}
