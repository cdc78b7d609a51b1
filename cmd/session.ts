/** `ironclaw session`: the conversations, through the API. */
import { writeFileSync } from "node:fs"
import { AppError } from "#core/errors.ts"
import { reasonOf } from "#core/home.ts"
import type { SessionHit, SessionMessage, SessionSummary } from "#core/session/session.ts"
import { findSession } from "./lib/find-session.ts"
import { type Ui, visible } from "./lib/ui.ts"
import { defineVerbGroup } from "./lib/verb.ts"
import { askVerb, joinWords, listVerb, parseLimit, timeText } from "./lib/verbs.ts"

const id = { type: "positional", description: 'The session\'s id, or "last" for the latest' } as const
const agent = { type: "string", description: "Only this agent's", valueHint: "name" } as const

const list = listVerb({
  meta: {
    description: "Lists conversations, the latest first",
    examples: ["ironclaw session list", "ironclaw session list --limit 5 --json"],
  },
  args: { agent, channel: { type: "string", description: "Only those of this channel", valueHint: "name" } },
  page: ({ client, args }, page) =>
    client.api.sessions.get({
      query: {
        ...page,
        ...(args.agent ? { agent: args.agent } : {}),
        ...(args.channel ? { channel: args.channel } : {}),
      },
    }),
  columns: [
    { title: "id", value: (row: SessionSummary) => row.id },
    { title: "title", value: (row: SessionSummary) => row.title || "(untitled)", shrinks: true },
    { title: "channel", value: (row: SessionSummary) => row.channel },
    { title: "updated", value: (row: SessionSummary) => timeText(row.updatedAt) },
    { title: "state", value: (row: SessionSummary) => row.activeTurn?.state ?? "" },
  ],
  whenEmpty: "No conversations yet: `ironclaw` starts one.",
})

const show = askVerb({
  meta: {
    live: { id: "sessions" },
    description: "Shows a conversation",
    examples: ["ironclaw session show last", "ironclaw session show ses_… --limit 10"],
  },
  args: { id, limit: { type: "string", valueHint: "n", description: "How many messages at most", default: "200" } },
  async ask({ client, args }) {
    const limit = parseLimit(args.limit)
    const session = await findSession(client, args.id)
    const messages: SessionMessage[] = []
    let next: string | null = null
    do {
      const query: { limit: number; cursor?: string } = {
        limit: Math.min(200, limit - messages.length),
        ...(next === null ? {} : { cursor: next }),
      }
      const page = await client.api.sessions({ id: session.id }).messages.get({ query })
      messages.push(...page.items)
      next = page.next
    } while (next !== null && messages.length < limit)
    return { session, messages, next }
  },
  show({ session, messages, next }, { ui }) {
    ui.print(ui.style.bold(visible(session.title || session.id)))
    for (const message of messages) showMessage(ui, message)
    if (next !== null) ui.note("There are more messages: --limit shows them")
  },
})

const search = askVerb({
  meta: {
    description: "Finds messages by their words",
    examples: ["ironclaw session search train to Vienna"],
    rest: "WORDS",
  },
  args: {
    text: { type: "positional", description: "The words" },
    agent,
    limit: { type: "string", valueHint: "n", description: "How many at most", default: "20" },
  },
  ask: async ({ client, args, rest }) =>
    client.api.sessions.search.get({
      query: {
        text: joinWords(args.text, rest),
        limit: parseLimit(args.limit),
        ...(args.agent ? { agent: args.agent } : {}),
      },
    }),
  show: ({ items }, { ui }) =>
    ui.table(
      items,
      [
        { title: "session", value: (hit: SessionHit) => hit.sessionId },
        { title: "when", value: (hit: SessionHit) => timeText(hit.at) },
        { title: "who", value: (hit: SessionHit) => hit.role },
        { title: "text", value: (hit: SessionHit) => hit.snippet, shrinks: true },
      ],
      "No message holds these words.",
    ),
})

const rename = askVerb({
  meta: {
    live: { id: "sessions" },
    description: "Gives a conversation another title",
    examples: ["ironclaw session rename last Summer plans"],
    rest: "WORDS",
  },
  args: { id, title: { type: "positional", description: "The new title" } },
  async ask({ client, args, rest }) {
    const session = await findSession(client, args.id)
    return client.api.sessions({ id: session.id }).patch({ body: { title: joinWords(args.title, rest) } })
  },
  show: (session, { ui }) => ui.print(`${session.id} is now called ${visible(session.title)}`),
})

const exportSession = askVerb({
  meta: {
    live: { id: "sessions" },
    description: "Prints a conversation as one document, or writes it to a file",
    examples: [
      "ironclaw session export last > chat.md",
      "ironclaw session export last --format json --output chat.json",
    ],
  },
  args: {
    id,
    format: {
      type: "enum",
      options: ["markdown", "json"],
      default: "markdown",
      description: "For people or for programs",
    },
    output: { type: "string", alias: "o", valueHint: "file", description: "Write here (0600) instead of printing" },
  },
  async ask({ client, args }) {
    const session = await findSession(client, args.id)
    const format = args.format === "json" ? "json" : "markdown"
    const { text } = await client.api.sessions({ id: session.id }).export.get({ query: { format } })
    if (args.output === undefined) return { id: session.id, format, text, file: null }
    try {
      writeFileSync(args.output, text, { mode: 0o600, flag: "wx" })
    } catch (cause) {
      throw new AppError("input.invalid", `${args.output} could not be written: ${reasonOf(cause)}`, {
        cause,
        hint: "Name another file; one that is there is never overwritten.",
      })
    }
    return { id: session.id, format, text, file: args.output }
  },
  show: ({ text, file }, { ui }) => (file === null ? ui.content(text) : ui.print(`Written to ${file}`)),
})

const remove = askVerb({
  meta: {
    live: { id: "sessions" },
    description: "Deletes a conversation with all its messages, for good",
    examples: ["ironclaw session delete ses_…"],
  },
  args: { id: { ...id, description: "The session's id" } },
  async ask({ client, args }) {
    await client.api.sessions({ id: args.id }).delete()
    return { id: args.id, deleted: true }
  },
  show: ({ id: deleted }, { ui }) => ui.print(`${deleted} is deleted`),
})

export default defineVerbGroup(
  {
    description: "Conversations: list, show, search, rename, export, delete",
    examples: ["ironclaw session list", "ironclaw session show last"],
  },
  { list, show, search, rename, export: exportSession, delete: remove },
)

const speakers: Readonly<Record<SessionMessage["role"], string>> = {
  person: "You",
  model: "Assistant",
  tool: "Tool",
  summary: "Summary",
}

function showMessage(ui: Ui, message: SessionMessage): void {
  const { bold, dim, cyan } = ui.style
  const marks = [timeText(message.createdAt), ...(message.inSight ? [] : ["out of sight"]), ...message.labels]
  ui.print()
  ui.print(`${bold(cyan(speakers[message.role]))} ${dim(marks.join(" · "))}`)
  if (message.text !== "") ui.print(visible(message.text))
  for (const call of message.toolCalls)
    ui.print(dim(`→ ${visible(call.name)} ${visible(JSON.stringify(call.arguments) ?? "")}`))
}
