/** agent_spawn: a sub-turn with fewer rights. A reader reads text from outside apart; a helper does a piece of work by itself. */
import { eq } from "drizzle-orm"
import type { Db } from "../db/db.ts"
import { messages, sessions, turns } from "../db/schema.ts"
import { AppError, hintOf } from "../errors.ts"
import type { TurnId } from "../id.ts"
import type { JobRunner } from "../jobs/runner.ts"
import { type Ceiling, mayFetch, narrowTools, type SubTurnKind } from "../safety/ceiling.ts"
import { Fields, judgeFields, readValues } from "../safety/endorse.ts"
import { t } from "../schema.ts"
import { headAndTail } from "../session/shown.ts"
import { findSubTurn, type SubTurnAt } from "../session/sub-turns.ts"
import { urlsIn } from "../tools/owner-urls.ts"
import { createTurnCounts } from "../tools/turn-counts.ts"
import type { Registry } from "../tools/registry.ts"
import { defineTool, type Tool, type ToolContext, type ToolResult } from "../tools/tool.ts"
import type { Agent, TurnOptions, TurnOutcome } from "./agent.ts"
import type { SubTurn } from "./inbox.ts"
import { isGone } from "./turn-ending.ts"

const TIMEOUT_MS = 600_000 // a sub-turn is one errand; what takes longer than ten minutes is lost
const MAX_TASK_CHARACTERS = 16_000 // what a model sees of one text; longer material is named by URL or path, not pasted
const MAX_EXCERPT_CHARACTERS = 4_000 // about 1,000 tokens; the whole is read by its handle
/** Addresses of a task that are looked up in what the owner wrote: each costs a search through all of it. */
const MAX_URLS = 50
/** Sub-turns of one turn. Each may take as many steps as a turn, so without a bound one message could start a crowd. */
const MAX_PER_TURN = 16

const Input = t.Object(
  {
    task: t.String({
      minLength: 1,
      maxLength: MAX_TASK_CHARACTERS,
      description: "It sees nothing else",
    }),
    kind: t.Optional(t.Union([t.Literal("reader"), t.Literal("helper")], { description: "Default reader" })),
    tools: t.Optional(
      t.Array(t.String({ maxLength: 100 }), { minItems: 1, maxItems: 100, description: "A helper's (default all)" }),
    ),
    returns: t.Optional(Fields),
  },
  { additionalProperties: false },
)

export type AgentSpawnDeps = {
  db: Db
  /** These need the tools, and are there only once the registry is. */
  registry: () => Pick<Registry, "list">
  spawn: (sub: SubTurn) => Promise<SubTurnAt>
  agent: () => Pick<Agent, "wait" | "stop">
  jobs: () => Pick<JobRunner, "aside">
}

export function agentSpawnTools({ db, registry, spawn, agent, jobs }: AgentSpawnDeps): Tool[] {
  const countOf = createTurnCounts<TurnId>()

  function parentTools({ allowedTools }: ToolContext): string[] {
    const all = registry()
      .list()
      .map(({ name }) => name)
    return allowedTools ? all.filter((name) => allowedTools.includes(name)) : all
  }

  /** Of the turn that asks: its job, its place, and the model that the owner chose for it, which its sub-turns do not leave. */
  async function parentOf(turnId: TurnId) {
    const [row] = await db.orm
      .select({
        jobId: turns.jobId,
        options: turns.options,
        channel: sessions.channel,
        model: sessions.model,
        thinking: sessions.thinking,
      })
      .from(turns)
      .innerJoin(sessions, eq(sessions.id, turns.sessionId))
      .where(eq(turns.id, turnId))
    if (!row) throw new AppError("not_found", `There is no turn ${turnId}`)
    const asked = row.options as TurnOptions // the inbox wrote it as one
    const model = asked.model ?? row.model
    const thinking = asked.thinking ?? row.thinking
    const options: TurnOptions = { ...(model ? { model } : {}), ...(thinking ? { thinking } : {}) }
    return { budgetJobId: row.jobId, channel: row.channel, options }
  }

  /** Starts the sub-turn of this call, or finds the one that it started before a crash. */
  async function start(
    task: string,
    { kind, tools, returns, context }: Pick<Ceiling, "tools" | "returns"> & { kind: SubTurnKind; context: ToolContext },
  ): Promise<SubTurnAt> {
    const { agentId, turnId, callId, labels, source } = context
    const before = await findSubTurn(db, { turnId, callId })
    if (before) return before
    const { budgetJobId, channel, options } = await parentOf(turnId)
    context.signal.throwIfAborted() // nothing is started for a turn that was stopped meanwhile
    const ownerUrls = urlsIn(task)
      .slice(0, MAX_URLS)
      .filter((url) => context.ownerUrls(url))
    const ceiling: Ceiling = { kind, tools, ownerUrls, fetches: mayFetch(kind, labels), returns, channel, budgetJobId }
    try {
      return await spawn({ agentId, turnId, callId, text: task, labels, source, options, ceiling })
    } catch (error) {
      // Another process has the turn now, and was quicker.
      const theirs =
        error instanceof AppError && error.code === "conflict" && (await findSubTurn(db, { turnId, callId }))
      if (theirs) return theirs
      throw error
    }
  }

  async function wait(child: SubTurnAt, { sessionId, signal }: ToolContext): Promise<TurnOutcome> {
    try {
      return await jobs().aside(sessionId, () => agent().wait(child.turnId, signal))
    } catch (error) {
      // Whoever takes the turn up again finds its sub-turn; otherwise nobody waits for it any more.
      if (signal.aborted && !isGone(signal)) await agent().stop(child.sessionId)
      throw error
    }
  }

  async function resultOf(outcome: TurnOutcome, { kind, returns }: { kind: string; returns: Fields | null }) {
    const failed = (why: string): ToolResult => ({ failed: `The ${kind} ${why}` })
    if (outcome.state === "stopped") return failed("was stopped")
    // Its code alone: what a model's vendor says may quote what was read.
    if (outcome.error) return failed(`failed (${outcome.error.code}). ${hintOf(outcome.error.code)}`)
    const [answer] = outcome.messageId
      ? await db.orm
          .select({ id: messages.id, text: messages.text, labels: messages.labels, source: messages.source })
          .from(messages)
          .where(eq(messages.id, outcome.messageId))
      : []
    if (outcome.state !== "finished" || !answer) return failed("gave no answer")
    const { id, text, labels, source } = answer
    if (!returns) {
      const head = `Answer of the ${kind}, ${text.length} characters, handle ${id}:`
      return { data: `${head}\n\n${headAndTail(text, MAX_EXCERPT_CHARACTERS, id)}`, labels, source }
    }
    const read = readValues(text, returns)
    // Always the same words: what was read has no say in what comes back.
    if (!read.ok) return failed("gave no values of the form that was asked for, though it was told twice")
    return {
      data: { handle: id, values: read.values },
      // Eight numbers hold a file: where something private was read beside it, what a page chose is no clean value.
      labels: labels.includes("private") ? labels : labels.filter((label) => label !== "untrusted"),
      source: `values:${kind}`,
    }
  }

  const tool = defineTool({
    name: "agent_spawn",
    description:
      "Do a task apart, in a turn of its own. reader: reads pages without memory or effects, so that they cannot steer you. helper: uses your tools, asks nobody. With returns only those checked values come back; you may act on them.",
    input: Input,
    problem: ({ kind = "reader", tools, returns }) =>
      tools && kind === "reader" ? "a reader has tools of its own" : returns ? judgeFields(returns) : null,
    // It changes nothing itself: each call of the sub-turn is judged and recorded for what it is. Run again, it finds what it started.
    effect: () => "read",
    needs: () => [],
    timeoutMs: TIMEOUT_MS,
    async run(input, context) {
      const { kind: asked, tools: wanted = null, returns = null } = input
      const kind = asked === "helper" ? "helper" : "reader"
      const tools = narrowTools({ kind, parent: parentTools(context), asked: wanted })
      const missing = wanted?.filter((name) => !tools.includes(name)) ?? []
      if (missing.length > 0)
        return { failed: `A helper cannot have ${missing.map((name) => JSON.stringify(name)).join(", ")}` }
      // A place for plugins is held by whoever waits in one: what a sub-turn calls would wait for that place.
      if (context.isNested) return { failed: "Only the conversation starts sub-turns, no code in the middle of a call" }
      if (countOf(context.turnId) > MAX_PER_TURN)
        return { failed: `This turn has started ${MAX_PER_TURN} sub-turns already. Go on with what they found` }
      const child = await start(input.task, { kind, tools, returns, context })
      return resultOf(await wait(child, context), { kind, returns })
    },
  })
  return [tool]
}
