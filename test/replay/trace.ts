/** A recorded conversation: what the model answered step by step, and what had to hold at the end. Read from JSON, names mapped to ours. */
import type { Call } from "#test/flow/obeying-model.ts"

export type Expectation = {
  tools_used?: string[]
  tools_not_used?: string[]
  tools_order?: string[]
  all_tools_succeeded?: boolean
  response_contains?: string[]
  tool_results_contain?: Record<string, string>
  max_tool_calls?: number
  min_responses?: number
}
/** `seen`: the last tool result as the model is shown it, for a call that names an earlier one. */
export type TraceCall = (seen: string) => Call
export type TraceTurn = { say: string; steps: (TraceCall[] | string)[]; expects: Expectation }
export type Exchange = { method: string; path: string; status: number; contentType: string; body: string }
export type Trace = {
  turns: TraceTurn[]
  expects: Expectation
  memory: { path: string; content: string }[]
  exchanges: Exchange[]
}

/** Where every recorded host is served. */
const SITE = "https://api.example.com"

type Arguments = Record<string, unknown>
const text = (value: unknown) => (typeof value === "string" ? value : "")
const filePath = (value: unknown) => text(value).replace(/^\/(?:tmp|workspace)\/?/, "") || "."
const memoryPath = ({ path, target }: Arguments) => {
  const name = text(target) || text(path)
  if (name === "memory") return "MEMORY.md"
  return name.endsWith(".md") ? name : `${name}.md`
}

/** Ours for theirs. null: these arguments mean what none of our tools does. */
const CALLS: Record<string, (given: Arguments) => TraceCall | null> = {
  echo: ({ message }) => fixed("echo", { message }),
  needs_approval_probe: ({ value }) => fixed("approval_probe", { value }),
  always_approval_probe: ({ value }) => fixed("approval_probe", { value }),
  time: ({ operation = "now" }) => (operation === "now" ? fixed("time_now", {}) : null),
  read_file: ({ path }) => fixed("file_read", path === undefined ? {} : { path: filePath(path) }),
  write_file: ({ path, content }) => fixed("file_write", { path: filePath(path), content }),
  list_dir: ({ path, max_depth: depth }) =>
    fixed("file_list", { path: filePath(path), ...(depth === undefined ? {} : { depth }) }),
  glob: ({ pattern, path }) => fixed("file_glob", { pattern, ...(path === undefined ? {} : { path: filePath(path) }) }),
  grep: ({ pattern, path, case_insensitive: ignoreCase }) =>
    fixed("file_grep", {
      pattern,
      ...(path === undefined ? {} : { path: filePath(path) }),
      ...(ignoreCase === undefined ? {} : { ignoreCase }),
    }),
  memory_read: (given) => fixed("memory_read", { path: memoryPath(given) }),
  memory_write: ({ content, append, old_string: old, ...at }) =>
    old === undefined
      ? fixed(append === true ? "memory_append" : "memory_write", { path: memoryPath(at), content })
      : null,
  memory_search: ({ query, limit }) => fixed("memory_search", { query, ...(limit === undefined ? {} : { limit }) }),
  memory_tree: ({ path }) =>
    fixed("memory_list", path === undefined || path === "" ? {} : { prefix: `${text(path)}/` }),
  http: ({ url, method = "GET" }) => {
    const target = URL.parse(text(url))
    return target && fixed("http_request", { url: `${SITE}${target.pathname}${target.search}`, method })
  },
  json: ({ operation, data, path, source_tool_call_id: source }) => {
    if (operation === "parse" && source === undefined) return fixed("json_query", { json: text(data), query: "$" })
    if (operation !== "query" || source === undefined) return null
    // Theirs reads the whole answer of an HTTP call; ours is given the body.
    return (seen) => ({
      tool: "json_query",
      arguments: { json: bodyIn(seen), query: `$.${text(path).replace(/^body\./, "")}` },
    })
  },
}

const fixed =
  (tool: string, args: Arguments): TraceCall =>
  () => ({ tool, arguments: args })

/** The body of an answer that is shown whole; what is shown in part is passed on as it is, and is no JSON. */
function bodyIn(seen: string): string {
  const inner = /^<untrusted [^\n]*>\n([^]*)\n<\/untrusted/.exec(seen)?.[1] ?? seen
  try {
    const parsed: unknown = JSON.parse(inner)
    return typeof parsed === "object" && parsed !== null && "body" in parsed ? text(parsed.body) : inner
  } catch {
    return inner
  }
}

/** Their names come with a prefix in some recordings. */
export function plainName(name: string): string {
  return name.replace(/^builtin(?:__|\.)/, "")
}

/** Our names for a tool of theirs, as expectations mention it. */
export function ourNames(name: string): string[] {
  const makers: Record<string, string[]> = {
    memory_write: ["memory_write", "memory_append"],
    read_file: ["file_read"],
    write_file: ["file_write"],
    list_dir: ["file_list"],
    glob: ["file_glob"],
    grep: ["file_grep"],
    memory_tree: ["memory_list"],
    http: ["http_request"],
    json: ["json_query"],
    time: ["time_now"],
    needs_approval_probe: ["approval_probe"],
    always_approval_probe: ["approval_probe"],
  }
  return makers[plainName(name)] ?? [plainName(name)]
}

type RawStep = { request_hint?: { last_user_message_contains?: string }; response?: RawResponse }
type RawResponse = { type?: string; content?: string; tool_calls?: { name: string; arguments: unknown }[] }
type Raw = {
  steps?: RawStep[]
  turns?: { user_input?: string; steps?: RawStep[]; expects?: Expectation }[]
  expects?: Expectation
  memory_snapshot?: { path: string; content: string }[]
  http_exchanges?: {
    request: { method: string; url: string }
    response: { status: number; headers?: [string, string][]; body: string }
  }[]
}

/** Why it cannot be replayed here, or the trace. */
export function readTrace(json: string): { trace: Trace } | { skip: string } {
  const raw = JSON.parse(json) as Raw // a file of ours or of whoever measures; what is missing is looked for below
  if (!raw.steps && !raw.turns) return { skip: "it is no conversation" }
  const missing = new Set<string>()
  const stepOf = ({ response }: RawStep): TraceCall[] | string => {
    if (response?.type !== "tool_calls") return response?.content ?? ""
    return (response.tool_calls ?? []).flatMap(({ name, arguments: args }) => {
      const given = typeof args === "object" && args !== null ? { ...args } : {}
      const call = CALLS[plainName(name)]?.(given) ?? null
      if (!call)
        missing.add(plainName(name) in CALLS ? `${plainName(name)}(${Object.keys(given).join(", ")})` : plainName(name))
      return call ? [call] : []
    })
  }
  const turns = (raw.turns ?? turnsOf(raw.steps ?? [])).map(
    ({ user_input: say, steps = [], expects = {} }): TraceTurn => ({
      say: say ?? steps[0]?.request_hint?.last_user_message_contains ?? "Go on",
      steps: steps.map(stepOf),
      expects,
    }),
  )
  if (missing.size > 0) return { skip: `there is no ${[...missing].toSorted().join(", ")}` }
  return {
    trace: {
      turns,
      expects: raw.expects ?? {},
      memory: raw.memory_snapshot ?? [],
      exchanges: (raw.http_exchanges ?? []).map(({ request, response }) => {
        const { pathname, search } = new URL(request.url)
        const contentType =
          response.headers?.find(([name]) => name.toLowerCase() === "content-type")?.[1] ?? "text/plain"
        return {
          method: request.method,
          path: `${pathname}${search}`,
          status: response.status,
          contentType,
          body: response.body,
        }
      }),
    },
  }
}

/** A list of steps with the owner's words among them. Some recorders put results of tools there as if a person had said them. */
function turnsOf(steps: readonly RawStep[]): NonNullable<Raw["turns"]> {
  const turns: { user_input?: string; steps: RawStep[] }[] = []
  for (const step of steps) {
    const { type, content } = step.response ?? {}
    if (type !== "user_input") {
      if (turns.length === 0) turns.push({ steps: [] })
      turns.at(-1)?.steps.push(step)
    } else if (!content?.startsWith("[Tool `"))
      turns.push({ ...(content === undefined ? {} : { user_input: content }), steps: [] })
  }
  return turns
}
