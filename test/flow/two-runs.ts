/**
 * Runs a graph through the real pipeline, gate, labels, context, prompt and tools, with a database that keeps nothing and an owner who
 * answers every question with no. What comes back are the bytes that got out or stay for later turns without the owner's yes.
 */
import { buildContext } from "#core/agent/context.ts"
import { buildSystemPrompt, type PromptDocument } from "#core/agent/prompt.ts"
import { systemClock } from "#core/clock.ts"
import type { Db, Statement, Writer } from "#core/db/db.ts"
import type { MessageRow } from "#core/db/schema.ts"
import { AppError } from "#core/errors.ts"
import type { LabelName } from "#core/event.ts"
import { noHooks } from "#core/hooks.ts"
import { newId, type PersonId, type SessionId } from "#core/id.ts"
import { silentLog } from "#core/log.ts"
import type { Document, Memory, WriteDocument } from "#core/memory/memory.ts"
import { memoryTools } from "#core/memory/tools.ts"
import { createAuthorize } from "#core/safety/authorize.ts"
import { hasEffect } from "#core/safety/capability.ts"
import { joinLabels, joinSources } from "#core/safety/labels.ts"
import { t } from "#core/schema.ts"
import { httpTools } from "#core/tools/http-request.ts"
import { jsonTools } from "#core/tools/json-query.ts"
import { createRegistry } from "#core/tools/registry.ts"
import { createPipeline, type PipelineDeps } from "#core/tools/run.ts"
import { defineTool, type Tool } from "#core/tools/tool.ts"
import { webTools } from "#core/tools/web-fetch.ts"
import { readPage } from "#test/fakes/read-page.ts"
import {
  GRANTED_URL,
  OWNER_URLS,
  PATHS,
  type Address,
  type Graph,
  type Node,
  type OddTool,
  type Text,
} from "./graphs.ts"

/** What a text from outside says in this run, at this place of the graph. */
export type Untrusted = (place: string) => string

/** Parts of the house that a mutant breaks; each stands for one line of the product. */
export type Broken = {
  authorize?: (authorize: PipelineDeps["authorize"]) => PipelineDeps["authorize"]
  tools?: (tool: Tool) => Tool
  memory?: (memory: Memory) => Memory
  cleanse?: PipelineDeps["cleanse"]
  /** As the grants are asked, so that a mutant can lie to them. */
  untrusted?: (untrusted: boolean) => boolean
  context?: typeof buildContext
  prompt?: typeof buildSystemPrompt
}

const OWNER: PersonId = "per_owner"
const STATEMENT: Statement = { sql: "", params: [] }

/** Stands for drizzle's builders: whatever is built is thrown away. */
const building: unknown = new Proxy(() => building, {
  get: (_, name) => (name === "toSQL" ? () => STATEMENT : building),
  apply: () => building,
})
const db = { orm: building } as Db // the pipeline only builds statements with it
const writer: Writer = { commit: async () => ({ rows: [], events: [] }), drain: async () => {} }

export async function runGraph(graph: Graph, says: Untrusted, broken: Broken = {}): Promise<string[]> {
  const sink: string[] = []
  let place = "" // of the call that runs now
  const plain = memoryOf(says, sink)
  const memory = broken.memory?.(plain) ?? plain
  const tools = [
    ...httpTools(),
    ...webTools({ readPage }),
    ...memoryTools({ memory }),
    ...jsonTools(),
    ...graph.odd.map((odd, which) => oddTool(odd, { which, sink, says: () => says(place) })),
  ].map((tool) => broken.tools?.(tool) ?? tool)
  const { registry, take } = createRegistry(tools)
  const authorize = createAuthorize({ take })
  const pipeline = createPipeline({
    db,
    writer,
    clock: systemClock,
    log: silentLog,
    hooks: noHooks,
    registry,
    authorize: broken.authorize?.(authorize) ?? authorize,
    level: () => graph.level,
    grants: {
      covers: async ({ tool, destination, untrusted }) =>
        !(broken.untrusted?.(untrusted) ?? untrusted) &&
        graph.granted.some((one) => one.tool === tool && (one.destination === "*" || one.destination === destination)),
    },
    approvals: {
      standingOf: async () => ({ state: "denied", approval: { reason: "" } as never }), // the reason is all that is read of it
      ask: () => {
        throw new Error("What is denied already is not asked")
      },
    },
    fetchFor: () => async (url, init) => {
      const headers = [...new Headers(init?.headers)].map(([name, value]) => `${name}: ${value}`).join(", ")
      sink.push(`${init?.method ?? "GET"} ${url} [${headers}] ${typeof init?.body === "string" ? init.body : ""}`)
      const answer = new Response(says(place), { headers: { "content-type": "text/plain" } })
      return Object.defineProperty(answer, "url", { value: url })
    },
    cleanse: broken.cleanse ?? ((text, labels) => ({ text, labels: [...labels], verdicts: {} })),
    redact: (text) => text,
  })

  const sessionIds: SessionId[] = []
  let rows: MessageRow[] = []
  const results: string[] = [] // call ids by node
  for (const [number, turn] of graph.turns.entries()) {
    if (turn.anew || sessionIds.length === 0) {
      sessionIds.push(newId("ses"))
      rows = []
    }
    const sessionId = sessionIds.at(-1) ?? newId("ses")
    const turnId = newId("trn")
    const said = `Turn ${number}: see ${OWNER_URLS.join(" and ")} please`
    const row = (given: Partial<MessageRow> & Pick<MessageRow, "role" | "text">): MessageRow => ({
      ...EMPTY_ROW,
      id: newId("msg"),
      sessionId,
      turnId,
      ...given,
    })
    rows.push(row({ role: "person", text: said, personId: OWNER, source: OWNER }))

    const look = async () => {
      const documents = await memory.promptDocuments("main")
      const make = broken.prompt ?? buildSystemPrompt
      const system = make({ agentName: "Test", documents, skills: [], today: "today" })
      const context = (broken.context ?? buildContext)(rows, {
        current: turnId,
        budgetTokens: 1_000_000,
        redact: String,
      })
      const shown = new Map(
        context.messages.flatMap((message) => (message.role === "tool" ? [[message.toolCallId, message.text]] : [])),
      )
      const labels = joinLabels([context.labels, system.labels])
      const read = (text: Text) =>
        dressed(
          text.pieces
            .map((piece) => {
              if (piece.kind === "words") return piece.text
              if (piece.kind === "owner") return said
              if (piece.kind === "said") return saidBefore(context.messages).replace(IDS, "id")
              return unfenced(shown.get(results[piece.of] ?? "") ?? "not in sight").replace(IDS, "id")
            })
            .join(" "),
          text.dress,
        )
      return { labels, source: joinSources([context.source]), read }
    }

    for (const [at, step] of turn.steps.entries()) {
      const { labels, source, read } = await look()
      const calls = step.map((node, which) => ({
        callId: newId("call"),
        place: `${number}.${at}.${which}`,
        ...callOf(node, read),
      }))
      results.push(...calls.map(({ callId }) => callId))
      rows.push(
        row({
          role: "model",
          text: "",
          toolCalls: calls.map(({ callId, name, arguments: args }) => ({ callId, name, arguments: args })),
          labels,
          source,
        }),
      )
      for (const call of calls) {
        place = call.place
        const outcome = await pipeline.run({
          callId: call.callId,
          tool: call.name,
          arguments: call.arguments,
          principal: "agent:main",
          agentId: "main",
          sessionId,
          turnId,
          personId: OWNER,
          channel: "flow",
          allowedTools: null,
          ceiling: null,
          attended: true,
          isGone: () => false,
          labels,
          source,
          ownerText: rows
            .filter(({ role, labels: of }) => role === "person" && of.length === 0)
            .map(({ text }) => text),
          hold: STATEMENT,
          signal: NEVER,
        })
        if (outcome.state === "asked") throw new Error("The owner was asked, and had said no")
        rows.push(
          row({
            role: "tool",
            text: outcome.text,
            callId: call.callId,
            labels: outcome.labels,
            source: outcome.source,
          }),
        )
      }
    }
    if (turn.reply) {
      const { labels, source, read } = await look()
      rows.push(row({ role: "model", text: read(turn.reply), labels, source }))
    }
  }
  // What every later turn is told.
  const documents = await plain.promptDocuments("main")
  const system = (broken.prompt ?? buildSystemPrompt)({ agentName: "Test", documents, skills: [], today: "today" })
  return [...sink, ...system.parts.map(({ text }) => text)]
}

/** Ids differ from run to run, whatever anybody says. */
const IDS = /(?:msg|ses|trn|call|doc)_[0-9a-f]{32}/g
const NEVER = new AbortController().signal
const EMPTY_ROW = {
  position: 0,
  agentId: "main",
  personId: null,
  parts: null,
  toolCalls: null,
  callId: null,
  coversTo: null,
  labels: [] as LabelName[],
  source: "",
  createdAt: "",
}

/** The model's last answer in words, or else its last call. */
function saidBefore(messages: ReturnType<typeof buildContext>["messages"]): string {
  const own = messages.filter((message) => message.role === "assistant")
  return own.findLast(({ text }) => text !== "")?.text ?? JSON.stringify(own.at(-1)?.toolCalls[0]?.arguments ?? null)
}

function unfenced(text: string): string {
  return /^<untrusted [^\n]*>\n([^]*)\n<\/untrusted [^\n]*>$/.exec(text)?.[1] ?? text
}

function dressed(text: string, dress: Text["dress"]): string {
  if (dress === "base64") return Buffer.from(text).toString("base64url")
  return dress === "backwards" ? text.split("").reverse().join("") : text
}

function callOf(node: Node, read: (text: Text) => string): { name: string; arguments: Record<string, unknown> } {
  switch (node.tool) {
    case "web_fetch":
      return { name: node.tool, arguments: { url: urlOf(node.address, read) } }
    case "http_request":
      return {
        name: node.tool,
        arguments: {
          url: urlOf(node.address, read),
          method: node.method,
          ...(node.header ? { headers: { "user-agent": printable(read(node.header)).slice(0, 900) } } : {}),
          ...(node.body ? { body: read(node.body) } : {}),
        },
      }
    case "memory_write":
    case "memory_append":
      return { name: node.tool, arguments: { path: node.path, content: read(node.content) } }
    case "memory_read":
      return { name: node.tool, arguments: { path: node.path } }
    case "memory_delete":
      return { name: node.tool, arguments: { path: PATHS[read(node.chosenBy).length % PATHS.length] } }
    case "memory_search":
      return { name: node.tool, arguments: { query: read(node.query).slice(0, 1_900) || "x" } }
    case "json_query":
      return { name: node.tool, arguments: { json: JSON.stringify([read(node.json)]), query: "$[0]" } }
    case "odd":
      return { name: `odd_${node.which}`, arguments: { text: read(node.text) } }
  }
}

function urlOf({ of, text, which }: Address, read: (text: Text) => string): string {
  const word = encodeURIComponent(read(text)).slice(0, 2_000)
  const label = Buffer.from(read(text)).toString("hex").slice(0, 50)
  const own = OWNER_URLS[which] ?? "https://owner.example.org/"
  const urls: Record<Address["of"], string> = {
    owner: own,
    "owner with more": `${own}${own.includes("?") ? "&" : "?"}d=${word}`,
    host: `https://x${label}.example.org/`,
    path: `https://other.example.org/${word}`,
    granted: GRANTED_URL,
  }
  return urls[of]
}

function printable(text: string): string {
  return text.replace(/[^\u0020-\u007e]/g, "?")
}

function oddTool(odd: OddTool, { which, sink, says }: { which: number; sink: string[]; says: () => string }): Tool {
  // A tool without the label says nothing that came from outside: what it says is its own, and what it was given is the call's.
  const isOutside = odd.labels === null || odd.labels.includes("untrusted")
  return defineTool({
    name: `odd_${which}`,
    description: "A tool of one graph",
    input: t.Object({ text: t.String() }, { additionalProperties: false }),
    effect: () => odd.effect,
    needs: () => odd.needs,
    reversible: () => odd.reversible,
    timeoutMs: 60_000,
    async run({ text }, { labels, source }) {
      // What it writes and can be taken back stays within the house; the rest has happened.
      if (hasEffect(odd.effect) && !(odd.effect === "write-local" && odd.reversible)) sink.push(`odd_${which} ${text}`)
      const data = `odd ${isOutside ? says() : "own bytes"} ${odd.echoes ? text : ""}`
      if (odd.labels === null) return { data }
      return odd.echoes
        ? { data, labels: joinLabels([odd.labels, labels]), source: joinSources(["odd", source]) }
        : { data, labels: odd.labels, source: "odd" }
    },
  })
}

type Kept = { content: string; labels: LabelName[]; source: string }

/** Memory by its contract, in a map: pieces with their own labels. The real one is proved on its database. */
function memoryOf(says: Untrusted, sink: string[]): Memory {
  const documents = new Map<string, { version: number; parts: Kept[] }>([
    ["AGENTS.md", { version: 1, parts: [{ content: "Be brief.", labels: [], source: "owner" }] }],
    ["MEMORY.md", { version: 1, parts: [{ content: "Likes tea.", labels: [], source: "owner" }] }],
    ["notes/own.md", { version: 1, parts: [{ content: "the owner's diary", labels: ["private"], source: "owner" }] }],
    [
      "notes/mixed.md",
      {
        version: 1,
        parts: [
          { content: "own words", labels: [], source: "owner" },
          { content: says("notes/mixed.md"), labels: ["untrusted"], source: "web:x" },
        ],
      },
    ],
  ])
  const whole = (path: string): Document => {
    const found = documents.get(path)
    if (!found) throw new AppError("not_found", `There is no document "${path}" in memory`)
    return {
      id: "doc_0",
      path,
      version: found.version,
      bytes: 0,
      content: found.parts.map(({ content }) => content).join("\n"),
      labels: joinLabels(found.parts.map(({ labels }) => labels)),
      source: joinSources(found.parts.map(({ source }) => source)),
      createdAt: "",
      updatedAt: "",
    }
  }
  const unused = async (): Promise<never> => {
    throw new Error("No tool asks for this")
  }
  return {
    read: async (_agentId, path) => whole(path),
    async write({ path, content, labels, source, mode }: WriteDocument) {
      const before = documents.get(path)
      const added = { content, labels: [...labels], source }
      const parts = mode === "append" ? [...(before?.parts ?? []), added] : [added]
      const version = (before?.version ?? 0) + 1
      documents.set(path, { version, parts })
      return { id: "doc_0", path, version, created: !before, labels: joinLabels(parts.map((part) => part.labels)) }
    },
    async delete({ path }) {
      whole(path)
      documents.delete(path)
      sink.push(`deleted ${path}`)
    },
    list: unused,
    search: async ({ text }) =>
      [...documents.entries()].flatMap(([path, { parts }]) =>
        parts
          .filter(({ content }) => text.split(" ").some((word) => content.includes(word)))
          .map(({ content, labels, source }) => ({ path, line: 1, snippet: content, score: 1, labels, source })),
      ),
    versions: unused,
    readVersion: unused,
    promptDocuments: async (): Promise<(PromptDocument & { version: number; content: string; parts: Kept[] })[]> =>
      ["AGENTS.md", "SOUL.md", "MEMORY.md"].flatMap((path) => {
        const found = documents.get(path)
        return found ? [{ path, version: found.version, content: whole(path).content, parts: found.parts }] : []
      }),
  }
}
