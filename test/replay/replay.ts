/** Plays a trace: the owner says its lines and says yes where asked, the model answers as recorded, the tools are real. */
import type { SessionId } from "#core/id.ts"
import { t } from "#core/schema.ts"
import { defineTool, type Tool } from "#core/tools/tool.ts"
import type { ModelScript, RecordedRequest } from "#test/fakes/model-server.ts"
import type { Stage } from "#test/flow/stage.ts"
import { ourNames, type Expectation, type Trace } from "./trace.ts"

export type Played = { problems: string[]; asks: number; calls: number }

/** Stand-ins for the tools that recordings were made with and no user has. */
export const TRACE_TOOLS: Tool[] = [
  defineTool({
    name: "echo",
    description: "Says it again",
    input: t.Object({ message: t.String() }, { additionalProperties: false }),
    effect: () => "read",
    needs: () => [],
    timeoutMs: 1_000,
    run: async ({ message }, { labels, source }) => ({ data: message, labels: [...labels], source }),
  }),
  defineTool({
    name: "approval_probe",
    description: "Does something that has to be asked about",
    input: t.Object({ value: t.Optional(t.String()) }, { additionalProperties: false }),
    effect: () => "send",
    needs: () => [],
    timeoutMs: 1_000,
    run: async () => ({ data: "it ran", labels: [], source: "test" }),
  }),
]

type Script = { next(request: RecordedRequest): ModelScript }
/** What the model answers now; set before each turn. */
export type Cue = { script: Script }

export function noScript(): Script {
  return { next: () => ({ text: "Nothing was recorded here." }) }
}

function scriptOf(steps: Trace["turns"][number]["steps"]): Script {
  let at = 0
  return {
    next({ body }) {
      const step = steps[at++]
      if (step === undefined) return { text: "That was all." }
      if (typeof step === "string") return { text: step }
      const seen = lastResult(body)
      return {
        toolCalls: step.map((call, which) => {
          const { tool, arguments: args } = call(seen)
          return { id: `call_${at}_${which}`, name: tool, arguments: JSON.stringify(args) }
        }),
      }
    },
  }
}

function lastResult(body: Record<string, unknown>): string {
  const messages = Array.isArray(body["messages"]) ? body["messages"] : []
  const last: unknown = messages.findLast((message: { role?: unknown }) => message.role === "tool")
  return typeof last === "object" && last !== null && "content" in last && typeof last.content === "string"
    ? last.content
    : ""
}

export async function replay(stage: Stage, cue: Cue, trace: Trace): Promise<Played> {
  const problems: string[] = []
  const all = { calls: [] as CallRow[], replies: [] as string[] }
  let asks = 0
  for (const { path, content } of trace.memory)
    await stage.memory.write({ agentId: "main", path, content, labels: [], source: "owner", mode: "replace" })
  for (const { path, status, contentType, body } of trace.exchanges)
    stage.pages.set(`https://api.example.com${path}`, (_request, answer) => {
      answer.statusCode = status
      answer.setHeader("content-type", contentType)
      answer.end(body)
    })
  let sessionId: SessionId | null = null
  for (const { say, steps, expects } of trace.turns) {
    cue.script = scriptOf(steps)
    const sent = await stage.send(say, sessionId ? { sessionId } : {})
    sessionId = sent.sessionId
    const replies: string[] = []
    for (;;) {
      const outcome = await stage.house.agent.wait(sent.turnId, AbortSignal.timeout(60_000))
      if (outcome.state === "suspended" && outcome.approval) {
        asks += 1
        await stage.house.approvals.answer(outcome.approval.id, { answer: "allow", how: "once" })
        continue
      }
      if (outcome.state !== "finished") problems.push(`a turn ${outcome.state}: ${outcome.error?.message ?? ""}`)
      replies.push(outcome.text)
      break
    }
    const calls = await callsOf(stage, sent.turnId)
    problems.push(...unmet(expects, { calls, replies }))
    all.calls.push(...calls)
    all.replies.push(...replies)
  }
  problems.push(...unmet(trace.expects, all))
  cue.script = noScript()
  await stage.clean()
  return { problems, asks, calls: all.calls.length }
}

type CallRow = { tool: string; state: string; text: string }

async function callsOf({ house }: Stage, turnId: string): Promise<CallRow[]> {
  const rows = await house.db.query({
    sql: `select c.tool, c.state, m.text from calls c left join messages m on m.call_id = c.id and m.role = 'tool'
      where c.turn_id = $1 order by c.id`,
    params: [turnId],
  })
  return rows.map((row) => ({ tool: String(row["tool"]), state: String(row["state"]), text: String(row["text"]) }))
}

const KNOWN: Record<keyof Expectation, true> = {
  tools_used: true,
  tools_not_used: true,
  tools_order: true,
  all_tools_succeeded: true,
  response_contains: true,
  tool_results_contain: true,
  max_tool_calls: true,
  min_responses: true,
}

export function unmet(
  expects: Expectation,
  { calls, replies }: { calls: readonly CallRow[]; replies: readonly string[] },
): string[] {
  const used = (name: string) => calls.some(({ tool }) => ourNames(name).includes(tool))
  const said = replies.join("\n").toLowerCase()
  const order = (expects.tools_order ?? []).map((name) => calls.findIndex(({ tool }) => ourNames(name).includes(tool)))
  const bad = calls.filter(({ state }) => state !== "done")
  return [
    ...Object.keys(expects)
      .filter((name) => !(name in KNOWN))
      .map((name) => `"${name}" is no expectation that is known here`),
    ...(expects.tools_used ?? []).filter((name) => !used(name)).map((name) => `${name} was not used`),
    ...(expects.tools_not_used ?? []).filter(used).map((name) => `${name} was used`),
    ...(order.some((at, index) => at === -1 || at < (order[index - 1] ?? 0))
      ? ["the order of the tools is another"]
      : []),
    ...(expects.all_tools_succeeded
      ? bad.map(({ tool, state, text }) => `${tool} ${state}: ${text.slice(0, 200)}`)
      : []),
    ...(expects.response_contains ?? [])
      .filter((words) => !said.includes(words.toLowerCase()))
      .map((words) => `no reply says "${words}"`),
    ...Object.entries(expects.tool_results_contain ?? {}).flatMap(([name, words]) =>
      calls.some(({ tool, text }) => ourNames(name).includes(tool) && text.includes(words))
        ? []
        : [`no result of ${name} holds "${words}"`],
    ),
    ...(expects.max_tool_calls !== undefined && calls.length > expects.max_tool_calls
      ? [`there were ${calls.length} calls`]
      : []),
    ...(replies.filter((reply) => reply !== "").length < (expects.min_responses ?? 0)
      ? ["there were too few replies"]
      : []),
  ]
}
