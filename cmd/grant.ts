/** `ironclaw grant`: what may run without asking. */
import { systemClock } from "#core/clock.ts"
import type { Grant } from "#core/safety/grants.ts"
import { expiryTime } from "./lib/expiry.ts"
import { withPresence } from "./lib/presence.ts"
import { defineVerbGroup } from "./lib/verb.ts"
import { askVerb, timeText } from "./lib/verbs.ts"

const list = askVerb({
  meta: {
    description: "Lists what may run without asking; with --all what was revoked or has ended too",
    examples: ["ironclaw grant list", "ironclaw grant list --all"],
  },
  args: { all: { type: "boolean", description: "Revoked and ended ones too" } },
  async ask({ client, args }) {
    const { items } = await client.api.grants.get()
    const now = systemClock.iso()
    return { items: items.filter((grant) => args.all || stateOf(grant, now) === "in force") }
  },
  show({ items }, { ui }) {
    const now = systemClock.iso()
    ui.table(
      items,
      [
        { title: "id", value: (grant: Grant) => grant.id },
        { title: "who", value: (grant: Grant) => grant.principal, shrinks: true },
        { title: "tool", value: (grant: Grant) => grant.tool },
        { title: "reaches", value: (grant: Grant) => grant.destination, shrinks: true },
        { title: "where", value: (grant: Grant) => grant.sessionId ?? "everywhere", shrinks: true },
        { title: "untrusted", value: (grant: Grant) => (grant.evenUntrusted ? "also" : "asks") },
        {
          title: "until",
          value: (grant: Grant) => (grant.expiresAt === null ? "you revoke it" : timeText(grant.expiresAt)),
        },
        { title: "state", value: (grant: Grant) => stateOf(grant, now) },
      ],
      "Nothing was granted: whatever has an effect asks.",
    )
  },
})

const add = askVerb({
  meta: {
    live: { tool: "tools" },
    description:
      "Lets a tool reach a destination without asking, at this terminal: the code that appears here is typed back",
    examples: [
      'ironclaw grant add http_request "http api.example.com GET /" --expires 30d',
      'ironclaw grant add message_send "send owner"',
    ],
  },
  args: {
    tool: { type: "positional", description: "Name of the tool" },
    destination: {
      type: "positional",
      description:
        "Where it may reach, word for word as a question says it behind `It reaches:`; without it: nowhere outside itself",
      required: false,
    },
    agent: { type: "string", description: "For this agent", valueHint: "name", default: "main" },
    principal: { type: "string", description: "Who may act (default: the agent itself)", valueHint: "name" },
    session: { type: "string", description: "Only in this session", valueHint: "id" },
    "even-untrusted": { type: "boolean", description: "Also where text from outside had a hand in the call" },
    expires: {
      type: "string",
      valueHint: "time",
      description: "Until when, such as 12h, 7d or 2030-01-31 (default: until revoked)",
    },
  },
  async ask({ client, args, signal }) {
    const body = {
      tool: args.tool,
      destination: args.destination ?? "",
      agent: args.agent,
      ...(args.principal === undefined ? {} : { principal: args.principal }),
      ...(args.session === undefined ? {} : { session: args.session }),
      ...(args["even-untrusted"] ? { evenUntrusted: true } : {}),
      ...(args.expires === undefined ? {} : { expiresAt: expiryTime(args.expires, systemClock.nowMs()) }),
    }
    return (await withPresence((presence) => client.api.grants.post({ body: { ...body, presence } }), signal)).grant
  },
  show: (grant, { ui }) => ui.print(`${grant.id}: ${grant.principal} may run ${grant.tool} without asking`),
})

const revoke = askVerb({
  meta: {
    live: { id: "grants" },
    description: "Takes a grant back: its calls ask again",
    examples: ["ironclaw grant revoke grt_0199…"],
  },
  args: { id: { type: "positional", description: "The grant's id" } },
  async ask({ client, args }) {
    await client.api.grants({ id: args.id }).delete()
    return { id: args.id, revoked: true }
  },
  show: ({ id }, { ui }) => ui.print(`${id} is revoked`),
})

function stateOf({ revokedAt, expiresAt }: Grant, now: string): "revoked" | "ended" | "in force" {
  if (revokedAt !== null) return "revoked"
  return expiresAt !== null && expiresAt <= now ? "ended" : "in force"
}

export default defineVerbGroup(
  {
    description: "What may run without asking: list, add, revoke",
    examples: ["ironclaw grant list", "ironclaw grant revoke grt_0199…"],
  },
  { list, add, revoke },
)
