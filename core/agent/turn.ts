/**
 * One turn: the trip round the loop. A message is in the rows already; model and tool calls follow until the model stops, then the
 * reply is a row. Whatever is needed to go on after a crash is in the rows before it is acted upon.
 */
import type { Clock } from "../clock.ts"
import type { Statement } from "../db/db.ts"
import type { MessageRow, SessionRow } from "../db/schema.ts"
import { AppError } from "../errors.ts"
import type { LabelName } from "../event.ts"
import { newId, type TurnId } from "../id.ts"
import type { Hooks } from "../hooks.ts"
import type { JobKind, JobRun } from "../jobs/runner.ts"
import type { Model, ModelId, ModelRequest, Models, ModelUsage } from "../llm/model.ts"
import type { Usage } from "../llm/usage.ts"
import { fingerprint } from "../safety/fingerprint.ts"
import { isUntrusted, joinLabels, joinSources } from "../safety/labels.ts"
import type { ReplyGate } from "../safety/reply.ts"
import { cancelSubTurnsStatement } from "../session/sub-turns.ts"
import type { Pipeline } from "../tools/run.ts"
import type { Registry } from "../tools/registry.ts"
import type { TurnOutcome } from "./agent.ts"
import { buildContext } from "./context.ts"
import { listen } from "./listen.ts"
import type { Live, LiveTurn } from "./live.ts"
import { createOffered } from "./offered.ts"
import { buildSystemPrompt, type PromptDocument, type PromptSkills } from "./prompt.ts"
import { createReplyHooks } from "./reply-hooks.ts"
import { createRepetitionWatch } from "./repetition.ts"
import { clientToolNames, createTurnCalls, linkableUrls } from "./turn-calls.ts"
import { createTurnCommits, type TurnCommitsDeps } from "./turn-commits.ts"
import {
  failed,
  historyBudget,
  hostNote,
  isGone,
  limitError,
  modelError,
  sampling,
  stepText,
  stopped,
  timeoutError,
  waiting,
  type Ending,
} from "./turn-ending.ts"
import { correctionOf, guestPrompt, helperPrompt, readerPrompt } from "./sub-turn.ts"
import { todayText } from "./today.ts"
import * as rows from "./turn-rows.ts"

/** From this share of the budget on, a summary is made in the background, before anything has to be left out. */
const COMPACT_SHARE = 0.8

export type TurnDeps = TurnCommitsDeps & {
  clock: Clock
  live: Live
  inSight: (id: SessionRow["id"]) => Promise<{ session: SessionRow; messages: MessageRow[] }>
  documents: (agentId: string) => Promise<readonly PromptDocument[]>
  skills: PromptSkills
  models: Models
  usage: Usage
  registry: Registry
  pipeline: Pipeline
  /** Judges what the model says before anyone is told. */
  reply: ReplyGate
  hooks: Hooks
  settings: () => { agentName: string; timeZone: string; maxIterations: number; turnTimeoutMs: number }
  /** Runs `work` in the name of this turn: what it sends out is recorded as the turn's. */
  acting: <T>(
    actor: { agentId: string; sessionId: SessionRow["id"]; turnId: TurnId },
    work: () => Promise<T>,
  ) => Promise<T>
  /** Questions of this turn that are still open are closed with it. */
  closeApprovals: (turnId: TurnId) => Promise<Statement[]>
  /** Makes room now; false where nothing could be summarised. */
  compactNow: (session: SessionRow, model: Model, signal: AbortSignal) => Promise<boolean>
  /** Makes room soon, in a job of its own. */
  compactSoon: (session: SessionRow) => void
}

/** What a turn knows of itself while it runs. */
export type TurnRun = JobRun & {
  turn: rows.LoadedTurn
  session: SessionRow
  live: LiveTurn
  /** Rows in sight, and those this run added. */
  rows: MessageRow[]
  usage: ModelUsage
  /** Usage rows that go with the next commit. */
  unstored: Statement[]
  iterations: number
  /** The model that answered last: a fallback may have. */
  answered: ModelId | null
  /** Of the prompt's documents and skills: what the model writes is made of them too. */
  systemLabels: LabelName[]
  /** What the owner's hooks made of its words, and what they said of the last; null until there are any. */
  hooked: { labels: LabelName[]; source: string; record: string } | null
}

export function createTurnKind(deps: TurnDeps): JobKind {
  const { db, clock, live, pipeline } = deps
  const offered = createOffered(deps)
  const { runCalls, finishOpenCalls } = createTurnCalls({ db, pipeline })
  const replyHooks = createReplyHooks(deps)
  const { announce, storeStep, suspend, finish, noteUsage, tellFallback } = createTurnCommits(deps)

  async function run(jobRun: JobRun) {
    const { turnId, sessionId } = rows.turnPayload(jobRun.job)
    const liveTurn = live.open({ turnId, sessionId, agentId: jobRun.job.agentId })
    let outcome: TurnOutcome | null = null
    try {
      outcome = await runInTime(jobRun, liveTurn)
      return "committed" as const
    } finally {
      live.close(turnId, outcome)
    }
  }

  /** Ends the turn when it has worked too long. The timer goes with the turn: thousands that had ended would wait for theirs. */
  async function runInTime(given: JobRun, liveTurn: LiveTurn): Promise<TurnOutcome | null> {
    const deadline = new AbortController()
    const cancel = clock.after(deps.settings().turnTimeoutMs, () => deadline.abort(new Error("The turn's time is up")))
    try {
      return await runLoaded(given, liveTurn, deadline.signal)
    } finally {
      cancel()
    }
  }

  async function runLoaded(given: JobRun, liveTurn: LiveTurn, deadline: AbortSignal): Promise<TurnOutcome | null> {
    const jobRun: JobRun = { ...given, signal: AbortSignal.any([given.signal, deadline]) }
    // A turn that waited, or that a crash cut off, is told to whoever watches, and its messages move behind what came in between.
    if (jobRun.job.fence > 1 || jobRun.job.payload["queued"] === true) await announce(jobRun, liveTurn)
    const [loaded, inSight] = await Promise.all([rows.loadTurn(db, liveTurn.turnId), deps.inSight(liveTurn.sessionId)])
    const turn: rows.LoadedTurn = { ...loaded, personId: await rows.starterOf(db, liveTurn, inSight.messages) }
    liveTurn.personId = turn.personId
    const run: TurnRun = {
      ...jobRun,
      turn,
      session: inSight.session,
      live: liveTurn,
      rows: inSight.messages,
      usage: {
        inputTokens: turn.inputTokens,
        cachedInputTokens: 0,
        outputTokens: turn.outputTokens,
        costUsdMicros: turn.costUsdMicros,
      },
      unstored: [],
      iterations: turn.iterations,
      answered: null,
      systemLabels: [],
      hooked: null,
    }
    let ending: Ending
    try {
      const model = deps.models.get(turn.options.model ?? run.session.model ?? turn.agentModel)
      run.answered = model.id
      ending = await loop(run, model)
    } catch (error) {
      if (isGone(jobRun.signal)) return null
      if (jobRun.signal.aborted) ending = stopped(stepText(liveTurn))
      else if (error instanceof AppError) ending = failed(stepText(liveTurn), error.toBody())
      else throw error
    }
    if (ending.state === "stopped" && deadline.aborted && !given.signal.aborted)
      ending = failed(ending.text, timeoutError(deps.settings().turnTimeoutMs))
    if (isGone(jobRun.signal)) return null
    return ending.state === "suspended" ? suspend(run, ending) : finish(run, ending)
  }

  async function loop(run: TurnRun, model: Model): Promise<Ending> {
    const { maxIterations } = deps.settings()
    const system = await systemPrompt(run.turn)
    // What a client's tools are called and do is not the owner's word either: others may have written it.
    const clientWords = run.turn.options.clientTools?.length ? ["untrusted" as const] : []
    run.systemLabels = joinLabels([system.labels, clientWords])
    const watch = createRepetitionWatch()
    let note = "" // host's words to the model for the next step only
    let mayCallTools = true
    let emptyAnswers = 0
    let corrected = false // an answer of another form than was asked for is told so once
    const task = run.turn.ceiling !== null
    let overflowed = false // room was made once; twice would be a circle

    const left = await finishOpenCalls(run)
    for (const outcome of left.outcomes) run.rows.push(rows.toolRow(run, outcome))
    if (left.asked) return waiting(stepText(run.live), left.asked)

    for (;;) {
      run.iterations += 1
      const jobId = run.turn.ceiling?.budgetJobId ?? run.job.id // what a turn starts counts on its own limit
      const limited = await deps.usage.judge({ agentId: run.turn.agentId, jobId })
      if (limited) return failed("", limitError(limited).toBody())

      const budgetTokens = historyBudget(model)
      let context = buildContext(run.rows, { current: run.turn.id, budgetTokens, redact: deps.redact, task })
      // What would be left out is summarised first, so that nothing the owner asked for is lost on the way.
      if (context.leftOut > 0 && !overflowed) {
        overflowed = true
        if (await makeRoom(run, model))
          context = buildContext(run.rows, { current: run.turn.id, budgetTokens, redact: deps.redact, task })
      } else if (context.tokens > COMPACT_SHARE * budgetTokens) deps.compactSoon(run.session)
      const labels = joinLabels([context.labels, run.systemLabels])
      const source = joinSources([context.source, ...(clientWords.length > 0 ? ["the client's tools"] : [])])
      const lastStep = run.iterations >= maxIterations
      if (lastStep)
        note =
          note || `This is the last of ${maxIterations} steps: answer now with what you have, and say what is missing.`
      const chosen = run.iterations === 1 ? run.turn.options.toolChoice : undefined
      const toolChoice = lastStep || !mayCallTools ? "none" : chosen
      const request: ModelRequest = {
        ...sampling(run.turn.options, run.session),
        system: system.parts,
        messages: note ? [...context.messages, hostNote(note)] : context.messages,
        tools: [
          ...offered({ allowed: run.turn.allowedTools, messages: context.messages }),
          ...(run.turn.options.clientTools ?? []),
        ],
        ...(toolChoice ? { toolChoice } : {}),
        trusted: !isUntrusted(labels),
      }
      note = ""
      const setting = { labels, mayLink: linkableUrls(run) }
      if (run.live.text) run.live.append("text", "\n\n") // steps are paragraphs of one text
      run.live.stepFrom = run.live.text.length
      const held = replyHooks.hold(run)
      const heard = await deps.acting(
        { agentId: run.turn.agentId, sessionId: run.session.id, turnId: run.turn.id },
        () =>
          listen(model, request, {
            signal: run.signal,
            gate: () => deps.reply.stream(setting),
            onDelta: (kind, text) => (held ? undefined : run.live.append(kind, text)),
            onFallback: (from, to, failure) => void tellFallback(run, from, to, failure.message),
          }),
      )
      noteUsage(run, heard)

      if (heard.end.state === "failed") {
        if (run.signal.aborted) return stopped(stepText(run.live))
        if (heard.end.failure.kind === "context_overflow" && !overflowed) {
          overflowed = true
          if (await makeRoom(run, model)) continue
        }
        return failed(stepText(run.live), modelError(heard.end.failure))
      }

      const words = await replyHooks.passWords(run, heard.text, { ...setting, source })
      if (run.signal.aborted) return stopped(stepText(run.live))
      if (!words.ok) return failed("", words.error)
      if (held && words.text !== "") run.live.append("text", words.text)

      const clientNames = clientToolNames(run)
      // Where no call was asked for, none is run: some models call all the same, and would for ever.
      const calls = (toolChoice === "none" ? [] : heard.calls).map(({ call, problem }) => ({
        ...call,
        problem,
        callId: newId("call"),
      }))
      if (calls.length === 0) {
        if (run.live.steered.length > 0) {
          await storeStep(run, words.text, [], words.taint)
          await takeSteered(run)
          continue
        }
        run.live.closing = true // in the same moment as the look above: whoever comes now queues
        if (words.text.trim() === "" && emptyAnswers === 0) {
          run.live.closing = false
          emptyAnswers += 1
          note = "Your last answer was empty. Answer the owner in words."
          continue
        }
        if (words.text.trim() === "")
          return failed(
            "",
            new AppError(
              "model.empty",
              heard.calls.length > 0
                ? `${heard.model} went on calling tools in place of an answer`
                : `${heard.model} gave an empty answer twice`,
            ).toBody(),
          )
        const correction = corrected ? null : correctionOf(run.turn.ceiling, heard.text)
        if (correction !== null) {
          corrected = true
          run.live.closing = false
          await storeStep(run, heard.text, [], { labels, source: context.source })
          note = correction
          continue
        }
        return {
          state: "finished",
          text: words.text,
          finishReason: heard.end.reason,
          clientToolCalls: [],
          error: null,
          approval: null,
        }
      }

      const own = calls.filter(({ name }) => !clientNames.has(name))
      const forClient = calls.filter(({ name }) => clientNames.has(name))
      await storeStep(run, words.text, calls, words.taint)
      const { outcomes, asked } = await runCalls(run, own, { labels, source })
      if (run.signal.aborted) return stopped(stepText(run.live))
      for (const outcome of outcomes) run.rows.push(rows.toolRow(run, outcome))
      if (asked) return waiting(stepText(run.live), asked)
      if (forClient.length > 0) {
        return {
          state: "finished",
          text: words.text,
          finishReason: "tool_calls",
          clientToolCalls: forClient.map(({ callId, name, arguments: args }) => ({
            id: callId,
            name,
            arguments: args,
          })),
          error: null,
          approval: null,
        }
      }
      for (const outcome of outcomes) {
        const call = own.find(({ callId }) => callId === outcome.callId)
        const advice = watch.note({
          tool: outcome.tool,
          text: outcome.text,
          fingerprint: fingerprint({ principal: "", tool: outcome.tool, arguments: call?.arguments }),
        })
        if (advice.advice === "go on") continue
        note = `You called ${advice.tool} ${advice.times} times with the same arguments and got the same result. Do something else, or answer with what you have.`
        if (advice.advice === "stop") mayCallTools = false
      }
      await takeSteered(run)
    }
  }

  async function makeRoom(run: TurnRun, model: Model): Promise<boolean> {
    const actor = { agentId: run.turn.agentId, sessionId: run.session.id, turnId: run.turn.id }
    if (!(await deps.acting(actor, () => deps.compactNow(run.session, model, run.signal)))) return false
    run.rows = (await deps.inSight(run.session.id)).messages
    return true
  }

  async function takeSteered(run: TurnRun): Promise<void> {
    // One that could not be stored was refused to its sender; the others join.
    const joined = await Promise.allSettled(run.live.steered.splice(0))
    const known = new Set(run.rows.map(({ id }) => id)) // rows that were read again may hold it already
    run.rows.push(
      ...joined.flatMap((one) => (one.status === "fulfilled" && !known.has(one.value.id) ? [one.value] : [])),
    )
  }

  async function systemPrompt({ agentId, ceiling }: rows.LoadedTurn) {
    const { agentName, timeZone } = deps.settings()
    const today = todayText(clock.nowMs(), timeZone)
    if (ceiling?.kind === "guest") return guestPrompt({ agentName, today })
    if (ceiling?.kind === "reader") return readerPrompt({ agentName, today, returns: ceiling.returns })
    const [documents, skills] = await Promise.all([deps.documents(agentId), deps.skills(agentId)])
    const main = buildSystemPrompt({ agentName, documents, skills, today })
    return ceiling ? helperPrompt(main, ceiling.returns) : main
  }

  return {
    run,
    async dropped(job, why) {
      const { turnId, sessionId } = rows.turnPayload(job)
      return {
        statements: [
          ...(why === "stopped" ? [] : await rows.givenUpStatements(db, { turnId, sessionId, why })),
          rows.dropStatement(db.orm, turnId, why),
          cancelSubTurnsStatement(turnId),
          ...(await deps.closeApprovals(turnId)),
        ],
        events: [rows.droppedEvent({ turnId, sessionId, agentId: job.agentId, why })],
      }
    },
  }
}
