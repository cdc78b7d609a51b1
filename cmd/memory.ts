/** `ironclaw memory`: the documents that the assistant remembers, through the API. */
import type { DocumentSummary } from "#core/memory/memory.ts"
import type { MemoryHit } from "#core/memory/search.ts"
import { AppError } from "#core/errors.ts"
import { readStdin } from "./lib/ui.ts"
import { defineVerbGroup, type Verb } from "./lib/verb.ts"
import { askVerb, joinWords, listVerb, parseLimit, timeText } from "./lib/verbs.ts"

const path = { type: "positional", description: "The document's path, such as notes/travel.md" } as const
const agent = { type: "string", description: "Whose memory", valueHint: "name", default: "main" } as const

const read = askVerb({
  meta: { live: { path: "documents" }, description: "Prints a document", examples: ["ironclaw memory read MEMORY.md"] },
  args: { path, agent },
  ask: async ({ client, args }) => client.api.memory.document.get({ query: { path: args.path, agent: args.agent } }),
  show: ({ content }, { ui }) => ui.content(content),
})

function writeVerb(mode: "replace" | "append", meta: { description: string; examples: readonly string[] }): Verb {
  return askVerb({
    meta: { ...meta, rest: "WORDS" },
    args: { path, content: { type: "positional", description: "The text; without it, stdin", required: false }, agent },
    async ask({ client, args, rest }) {
      const content = args.content === undefined ? await readStdin() : joinWords(args.content, rest)
      if (content === null)
        throw new AppError("usage.wrong", "There is nothing to write", {
          hint: `Give the text behind the path, or pipe it in: \`echo hello | ${meta.examples[0] ?? ""}\``,
        })
      return client.api.memory.document.put({ body: { path: args.path, content, mode, agent: args.agent } })
    },
    show: (written, { ui }) =>
      ui.print(`${written.path} is at version ${written.version}${written.created ? ", new" : ""}`),
  })
}

const list = listVerb({
  meta: { description: "Lists documents by path", examples: ["ironclaw memory list", "ironclaw memory list notes/"] },
  args: { prefix: { type: "positional", description: "Only paths that begin so", required: false }, agent },
  page: ({ client, args }, page) =>
    client.api.memory.get({ query: { ...page, agent: args.agent, ...(args.prefix ? { prefix: args.prefix } : {}) } }),
  columns: [
    { title: "path", value: (row: DocumentSummary) => row.path, shrinks: true },
    { title: "version", value: (row: DocumentSummary) => String(row.version), align: "right" },
    { title: "bytes", value: (row: DocumentSummary) => String(row.bytes), align: "right" },
    { title: "updated", value: (row: DocumentSummary) => timeText(row.updatedAt) },
    { title: "labels", value: (row: DocumentSummary) => row.labels.join(",") },
  ],
  whenEmpty: "No documents.",
})

const search = askVerb({
  meta: { description: "Finds documents by their words", examples: ["ironclaw memory search allergy"], rest: "WORDS" },
  args: {
    text: { type: "positional", description: "The words" },
    agent,
    limit: { type: "string", valueHint: "n", description: "How many at most", default: "10" },
  },
  ask: async ({ client, args, rest }) =>
    client.api.memory.search.get({
      query: { text: joinWords(args.text, rest), limit: parseLimit(args.limit), agent: args.agent },
    }),
  show: ({ items }, { ui }) =>
    ui.table(
      items,
      [
        { title: "document", value: (hit: MemoryHit) => `${hit.path}:${hit.line}` },
        { title: "text", value: (hit: MemoryHit) => hit.snippet, shrinks: true },
        { title: "labels", value: (hit: MemoryHit) => hit.labels.join(",") },
      ],
      "No document holds these words.",
    ),
})

const remove = askVerb({
  meta: {
    live: { path: "documents" },
    description: "Deletes a document with its versions, for good",
    examples: ["ironclaw memory delete notes/old.md"],
  },
  args: { path, agent },
  async ask({ client, args }) {
    await client.api.memory.document.delete({ query: { path: args.path, agent: args.agent } })
    return { path: args.path, deleted: true }
  },
  show: ({ path: deleted }, { ui }) => ui.print(`${deleted} is deleted`),
})

export default defineVerbGroup(
  {
    description: "What the assistant remembers: read, write, append, list, search, delete",
    examples: [
      "ironclaw memory list",
      'ironclaw memory append USER.md "I live in Vienna"',
      "ironclaw memory search allergy",
    ],
  },
  {
    read,
    write: writeVerb("replace", {
      description: "Writes a document whole; the version before is kept",
      examples: ["ironclaw memory write notes/a.md hello", "ironclaw memory write notes/a.md < a.md"],
    }),
    append: writeVerb("append", {
      description: "Adds a line to a document",
      examples: ["ironclaw memory append notes/a.md one more thing"],
    }),
    list,
    search,
    delete: remove,
  },
)
