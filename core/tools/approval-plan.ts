/** approval_plan: one question to the owner about a list of exact calls, which then run without asking, each once, in the same turn. */
import type { Statement, Writer } from "../db/db.ts"
import type { Approvals } from "../safety/approvals.ts"
import { PLAN_TOOL } from "../safety/approvals.ts"
import { type Effect, hasEffect } from "../safety/capability.ts"
import { canonicalJson, fingerprint } from "../safety/fingerprint.ts"
import { destinationOf } from "../safety/grants.ts"
import { describeProblems, judgeShape, t, type Static } from "../schema.ts"
import type { Registry, ToolCard } from "./registry.ts"
import { actsAs, type CallFacts, defineTool, type Tool } from "./tool.ts"

const MAX_CALLS = 20 // more is no list that a person reads to its end
/** All calls as the owner reads them: two screens. What is longer is asked in parts, and never shown cut. */
const MAX_SHOWN = 8_000

const Input = t.Object(
  {
    why: t.String({ minLength: 1, maxLength: 500, description: "What it is for" }),
    calls: t.Array(
      t.Object(
        {
          tool: t.String({ minLength: 1, maxLength: 100 }),
          arguments: t.Record(t.String(), t.Unknown(), { description: "Exactly as you will send them" }),
        },
        { additionalProperties: false },
      ),
      { minItems: 1, maxItems: MAX_CALLS, description: "In order" },
    ),
  },
  { additionalProperties: false },
)
type Input = Static<typeof Input>
type Planned = Input["calls"][number]

export type ApprovalPlanDeps = {
  /** The plan is itself one of these tools, so they are there only once all are. */
  registry: () => Pick<Registry, "find">
  approvals: () => Pick<Approvals, "allowAhead">
  writer: Pick<Writer, "commit">
}

/** Nothing in a plan is taken for the owner's word: it was written by the model. */
const facts: CallFacts = { ownerUrls: () => false, readsApart: false }
const worstFirst: readonly Effect[] = ["spend", "exec", "send"]

export function approvalPlanTools({ registry, approvals, writer }: ApprovalPlanDeps): Tool[] {
  const cardOf = ({ tool }: Planned): ToolCard | undefined => (tool === PLAN_TOOL ? undefined : registry().find(tool))
  const needsOf = (call: Planned) => cardOf(call)?.needs(call.arguments) ?? []

  /** Why a call of the plan could never run; null: it may. */
  function problemOf(call: Planned): string | null {
    const card = cardOf(call)
    if (!card) return call.tool === PLAN_TOOL ? "a plan cannot hold a plan" : `there is no tool called "${call.tool}"`
    const shape = judgeShape(card.input, call.arguments)
    if (!shape.ok) return `the arguments do not fit ${call.tool}: ${describeProblems(shape.problems)}`
    return card.problem?.(shape.value) ?? null
  }

  const listed = ({ why, calls }: Input) =>
    [
      `a plan of ${calls.length} exact ${calls.length === 1 ? "call" : "calls"}, each to run once in this turn.`,
      ...calls.map((call, at) => {
        const reach = destinationOf(needsOf(call))
        return ` ${at + 1}. ${call.tool} ${canonicalJson(call.arguments)}${reach ? `  → ${reach}` : ""}`
      }),
      `The assistant says it is for: ${JSON.stringify(why)}`,
    ].join("\n")

  const plan = defineTool({
    name: PLAN_TOOL,
    description:
      "Ask the owner once about several exact calls, when you need to change or send several things. Then call each exactly as listed.",
    input: Input,
    problem(input) {
      for (const [at, call] of input.calls.entries()) {
        const problem = problemOf(call)
        if (problem !== null) return `call ${at + 1}: ${problem}`
      }
      const { length } = listed(input)
      return length <= MAX_SHOWN
        ? null
        : `the list has ${length} characters, and the owner is shown at most ${MAX_SHOWN}; make it shorter, or ask in parts`
    },
    // What reaches out is asked about at every level, so a plan always is; it counts as the worst of its calls.
    effect({ calls }) {
      const effects = calls.map((call) => cardOf(call)?.effect(call.arguments, facts) ?? "exec")
      return worstFirst.find((effect) => effects.includes(effect)) ?? "send"
    },
    // The fingerprint of the list keeps a grant for one plan from covering any other.
    needs: ({ calls }) => [
      ...calls.flatMap(needsOf),
      { kind: "tool", name: `plan ${fingerprint({ principal: "", tool: PLAN_TOOL, arguments: calls }).slice(0, 16)}` },
    ],
    question: listed,
    timeoutMs: 10_000, // one commit
    async run({ why, calls }, { agentId, sessionId, turnId, callId, principal, labels, source }) {
      const statements: Statement[] = []
      for (const call of calls) {
        const card = cardOf(call)
        if (!card) return { failed: `There is no tool called "${call.tool}" any more` }
        if (!hasEffect(card.effect(call.arguments, facts))) continue // what only reads is asked about by itself, where it is at all
        const asked = { principal: actsAs(principal, card), tool: call.tool, arguments: call.arguments }
        statements.push(
          approvals().allowAhead({
            ...asked,
            agentId,
            sessionId,
            turnId,
            callId,
            destination: destinationOf(needsOf(call)),
            fingerprint: fingerprint(asked),
            why: `Part of a plan: ${why}`,
            labels,
            source,
          }),
        )
      }
      if (statements.length > 0) await writer.commit({ statements })
      return {
        data: `The owner approved this plan. Run its ${calls.length === 1 ? "call" : `${calls.length} calls`} now, each once and with exactly these arguments.`,
        labels: [],
        source: "host",
      }
    },
  })
  return [plan]
}
