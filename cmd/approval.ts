/** `ironclaw approval`: what the assistant asks the owner, and the answer. */
import { systemClock } from "#core/clock.ts"
import { AppError } from "#core/errors.ts"
import type { Approval } from "#core/safety/approvals.ts"
import { expiryTime } from "./lib/expiry.ts"
import { withPresence } from "./lib/presence.ts"
import { visible } from "./lib/ui.ts"
import { defineVerbGroup } from "./lib/verb.ts"
import { askVerb, parseLimit, timeText } from "./lib/verbs.ts"

const id = { type: "positional", description: "The approval's id, as `approval list` shows it" } as const

const list = askVerb({
  meta: {
    description: "Lists what waits for your answer; with --all what was answered too",
    examples: ["ironclaw approval list", "ironclaw approval list --all"],
  },
  args: {
    all: { type: "boolean", description: "Answered and expired ones too" },
    limit: { type: "string", valueHint: "n", description: "How many at most", default: "50" },
  },
  ask: ({ client, args }) =>
    client.api.approvals.get({
      query: { limit: Math.min(200, parseLimit(args.limit)), ...(args.all ? {} : { state: "open" as const }) },
    }),
  show({ items }, { ui, args }) {
    if (items.length === 0)
      return ui.print(ui.style.dim(args.all ? "Nothing was asked yet." : "Nothing waits for your answer."))
    for (const one of items) {
      ui.print(`${ui.style.bold(one.id)}  ${one.state}  ${timeText(one.createdAt)}  ${one.sessionId}`)
      for (const line of visible(one.question).split("\n")) ui.print(`  ${line}`)
      if (one.reason) ui.print(ui.style.dim(`  ${visible(one.reason)}`))
    }
    const [first] = items
    if (first?.state === "open")
      ui.note(`\`ironclaw approval allow ${first.id}\` or \`… deny ${first.id} --reason "…"\``)
  },
})

const allow = askVerb({
  meta: {
    live: { id: "approvals" },
    description: "Says yes to one question, at this terminal: the code that appears here is typed back",
    examples: ["ironclaw approval allow apr_0199…", "ironclaw approval allow apr_0199… --always --expires 7d"],
  },
  args: {
    id,
    session: { type: "boolean", description: "Also every later call of the same tool and destination in its session" },
    always: { type: "boolean", description: "Also every later call of the same tool and destination, in any session" },
    "even-untrusted": {
      type: "boolean",
      description: "With --session or --always: also where text from outside had a hand in it",
    },
    expires: {
      type: "string",
      valueHint: "time",
      description: "With --session or --always: until when, such as 12h, 7d or 2030-01-31",
    },
  },
  async ask({ client, args, signal }) {
    if (args.session && args.always)
      throw new AppError("usage.wrong", "--session and --always are two different answers")
    const lasting = args.session || args.always
    if (!lasting && (args["even-untrusted"] || args.expires !== undefined))
      throw new AppError("usage.wrong", "--even-untrusted and --expires go with --session or --always")
    const body = {
      how: args.always ? ("always" as const) : args.session ? ("session" as const) : ("once" as const),
      ...(args["even-untrusted"] ? { evenUntrusted: true } : {}),
      ...(args.expires === undefined ? {} : { expiresAt: expiryTime(args.expires, systemClock.nowMs()) }),
    }
    const at = client.api.approvals({ id: args.id }).allow
    return (await withPresence((presence) => at.post({ body: { ...body, presence } }), signal)).approval
  },
  show: (approval, { ui, args }) => {
    ui.print(
      `${approval.id} is allowed${args.always ? ", from now on always" : args.session ? ", in this session from now on" : ", once"}`,
    )
    ui.note("Its turn goes on where ironclaw runs; else when it runs again.")
  },
})

const deny = askVerb({
  meta: {
    live: { id: "approvals" },
    description: "Says no to one question; the assistant is told, with the reason",
    examples: ['ironclaw approval deny apr_0199… --reason "not on a Sunday"'],
  },
  args: { id, reason: { type: "string", valueHint: "text", description: "Why, for the assistant" } },
  ask: async ({ client, args }): Promise<Approval> =>
    (
      await client.api
        .approvals({ id: args.id })
        .deny.post({ body: args.reason === undefined ? {} : { reason: args.reason } })
    ).approval,
  show: (approval, { ui }) => ui.print(`${approval.id} is denied`),
})

export default defineVerbGroup(
  {
    description: "What the assistant asks before it acts: list, allow, deny",
    examples: ["ironclaw approval list", "ironclaw approval allow apr_0199…"],
  },
  { list, allow, deny },
)
