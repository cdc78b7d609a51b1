/** The memory tools: read, write, append, list, search, delete. What they write carries the labels of the call; what they read, its own. */
import type { LabelName } from "../event.ts"
import { isUntrusted, joinLabels, joinSources } from "../safety/labels.ts"
import { int, t } from "../schema.ts"
import { defineTool, type Tool, type ToolContext } from "../tools/tool.ts"
import type { Memory } from "./memory.ts"
import { isAlwaysOn, isPromptFile, judgeMemoryPath, PROMPT_FILES } from "./path.ts"

const TIMEOUT_MS = 10_000 // a database that takes longer is gone
const MAX_CONTENT_CHARACTERS = 256 * 1024 // more than a model writes in one call

const path = t.String({ minLength: 1, maxLength: 200, description: 'e.g. "notes/travel.md"' })
const content = (description: string) => t.String({ maxLength: MAX_CONTENT_CHARACTERS, description })
const closed = { additionalProperties: false }

export function memoryTools({ memory }: { memory: Memory }): Tool[] {
  const read = defineTool({
    name: "memory_read",
    description: "Read a document of your memory, whole or some of its lines.",
    input: t.Object(
      {
        path,
        fromLine: t.Optional(int({ minimum: 1, description: "Default 1" })),
        lines: t.Optional(int({ minimum: 1, maximum: 10_000, description: "How many (default all)" })),
      },
      closed,
    ),
    effect: () => "read-private",
    needs: (input) => [memoryNeed(input.path, false)],
    timeoutMs: TIMEOUT_MS,
    async run(input, { agentId }) {
      const document = await memory.read(agentId, input.path)
      const { version, labels, source, updatedAt } = document
      const all = document.content.split("\n")
      const first = (input.fromLine ?? 1) - 1
      const text = all.slice(first, input.lines === undefined ? undefined : first + input.lines).join("\n")
      return {
        data: { path: document.path, version, updatedAt, totalLines: all.length, content: text },
        labels,
        source,
      }
    },
  })

  const write = defineTool({
    name: "memory_write",
    description: "Write a whole document of your memory. To add to one, use memory_append.",
    input: t.Object(
      {
        path,
        content: content("Markdown"),
        expectedVersion: t.Optional(
          int({ minimum: 0, description: "Refuse unless it is at this version; 0: unless it is new" }),
        ),
      },
      closed,
    ),
    effect: () => "write-local",
    needs: (input) => [memoryNeed(input.path, true)],
    reversible: () => true, // former versions are kept
    timeoutMs: TIMEOUT_MS,
    run: ({ path, content, expectedVersion }, context) => {
      const expected = expectedVersion === undefined ? {} : { expectedVersion }
      return change({ path, context, replaces: true }, (by) =>
        memory.write({ ...by, path, content, mode: "replace", ...expected }),
      )
    },
  })

  const append = defineTool({
    name: "memory_append",
    description: "Add to the end of a document of your memory, which may be new. Use it to remember a fact or log.",
    input: t.Object({ path, content: content("Markdown") }, closed),
    effect: () => "write-local",
    needs: (input) => [memoryNeed(input.path, true)],
    reversible: () => true,
    timeoutMs: TIMEOUT_MS,
    run: ({ path, content }, context) =>
      change({ path, context }, (by) => memory.write({ ...by, path, content, mode: "append" })),
  })

  const list = defineTool({
    name: "memory_list",
    description: "List the documents of your memory.",
    input: t.Object(
      {
        prefix: t.Optional(t.String({ maxLength: 200, description: 'e.g. "notes/"' })),
        cursor: t.Optional(t.String({ maxLength: 200, description: "`next` of the page before" })),
      },
      closed,
    ),
    effect: () => "read-private",
    needs: (input) => [memoryNeed(input.prefix ?? "", false)],
    timeoutMs: TIMEOUT_MS,
    async run(input, { agentId }) {
      const { items, next } = await memory.list({ agentId, ...input })
      const documents = items.map(({ path, bytes, version, updatedAt }) => ({ path, bytes, version, updatedAt }))
      return { data: { documents, next }, ...joined(items) }
    },
  })

  const search = defineTool({
    name: "memory_search",
    description: "Search your memory in plain words.",
    input: t.Object(
      {
        query: t.String({ minLength: 1, maxLength: 2_000 }),
        limit: t.Optional(int({ minimum: 1, maximum: 50, description: "Default 10, at most 50" })),
      },
      closed,
    ),
    effect: () => "read-private",
    needs: () => [memoryNeed("", false)],
    timeoutMs: TIMEOUT_MS,
    async run({ query, limit = 10 }, { agentId }) {
      const hits = await memory.search({ agentId, text: query, limit })
      const results = hits.map(({ path, line, snippet, labels, source }) => ({ path, line, snippet, labels, source }))
      return { data: { results }, ...joined(hits) }
    },
  })

  const remove = defineTool({
    name: "memory_delete",
    description: "Delete a document of your memory with all its versions, for good.",
    input: t.Object({ path }, closed),
    effect: () => "write-local",
    needs: (input) => [memoryNeed(input.path, true)],
    timeoutMs: TIMEOUT_MS,
    run: ({ path }, context) =>
      change({ path, context }, async ({ agentId }) => {
        await memory.delete({ agentId, path })
        return { deleted: path }
      }),
  })

  return [read, write, append, list, search, remove]
}

type Author = { agentId: string; labels: readonly LabelName[]; source: string }

/**
 * The one rule of persistence: text that an untrusted hand steered does not become instructions of later turns, nor does it take away
 * what every turn is told. What it adds to MEMORY.md stays out of the prompt; what it put in its place would empty the prompt of it.
 */
async function change<T>(
  { path, context, replaces = false }: { path: string; context: ToolContext; replaces?: boolean },
  work: (by: Author) => Promise<T>,
) {
  const { agentId, labels, source } = context
  const judged = judgeMemoryPath(path)
  if (judged.ok && replaces && isAlwaysOn(judged.path) && !isPromptFile(judged.path) && isUntrusted(labels)) {
    return {
      failed: `Every conversation is told what ${judged.path} holds, and this turn has read untrusted text, so it cannot put other words in its place. Add to it with memory_append, or write another document.`,
    }
  }
  if (judged.ok && isPromptFile(judged.path) && isUntrusted(labels)) {
    return {
      failed: `${judged.path} shapes every later conversation, and this turn has read untrusted text, so it cannot change it. Tell the owner what you wanted to write; they can ask again in a new session, or change it themselves with \`ironclaw memory write\`. Plain notes can be written (not ${PROMPT_FILES.join(", ")}).`,
    }
  }
  return { data: await work({ agentId, labels, source }), labels: [...labels], source }
}

function memoryNeed(path: string, write: boolean) {
  const judged = judgeMemoryPath(path)
  return { kind: "memory" as const, path: judged.ok ? judged.path : path, write }
}

function joined(items: readonly { labels: LabelName[]; source: string }[]): { labels: LabelName[]; source: string } {
  const source = joinSources(items.map((item) => item.source))
  return { labels: joinLabels(items.map((item) => item.labels)), source: source === "" ? "memory" : source }
}
