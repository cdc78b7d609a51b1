/** `ironclaw token`: for programs that chat through the OpenAI API, and may do nothing else. */
import { systemClock } from "#core/clock.ts"
import { AppError } from "#core/errors.ts"
import type { Token } from "#core/safety/tokens.ts"
import { expiryTime } from "./lib/expiry.ts"
import { withPresence } from "./lib/presence.ts"
import { defineVerbGroup } from "./lib/verb.ts"
import { askVerb, timeText } from "./lib/verbs.ts"

const list = askVerb({
  meta: {
    description: "Lists the tokens in force; with --all what was revoked or has ended too",
    examples: ["ironclaw token list", "ironclaw token list --all"],
  },
  args: { all: { type: "boolean", description: "Revoked and ended ones too" } },
  async ask({ client, args }) {
    const { items } = await client.api.tokens.get()
    return { items: items.filter((token) => args.all || stateOf(token) === "in force") }
  },
  show({ items }, { ui }) {
    ui.table(
      items,
      [
        { title: "name", value: (token: Token) => token.name },
        { title: "id", value: (token: Token) => token.id },
        { title: "made", value: (token: Token) => timeText(token.createdAt) },
        {
          title: "until",
          value: (token: Token) => (token.expiresAt === null ? "you revoke it" : timeText(token.expiresAt)),
        },
        { title: "state", value: stateOf },
      ],
      "No program has a token. `ironclaw token add NAME` makes one.",
    )
  },
})

const add = askVerb({
  meta: {
    description: "Makes a token that may chat through /v1 and nothing else, and prints it this once",
    examples: ["ironclaw token add phone", "ironclaw token add editor --expires 90d"],
  },
  args: {
    name: { type: "positional", description: "Which program it is for" },
    expires: {
      type: "string",
      valueHint: "time",
      description: "Until when, such as 12h, 90d or 2030-01-31 (default: until revoked)",
    },
  },
  async ask({ client, args, signal }) {
    const expiresAt = args.expires === undefined ? {} : { expiresAt: expiryTime(args.expires, systemClock.nowMs()) }
    const body = { name: args.name, ...expiresAt }
    return withPresence((presence) => client.api.tokens.post({ body: { ...body, presence } }), signal)
  },
  show({ text }, { ui }) {
    ui.print(text)
    ui.note("It is shown this once. Programs send it as their OpenAI API key, to this gateway's address with /v1.")
  },
})

const revoke = askVerb({
  meta: {
    live: { token: "tokens" },
    description: "Revokes a token; what it keeps open ends at once",
    examples: ["ironclaw token revoke phone", "ironclaw token revoke tok_0199…"],
  },
  args: { token: { type: "positional", description: "Its name or id" } },
  async ask({ client, args }) {
    const { items } = await client.api.tokens.get()
    const named = items.find(({ id }) => id === args.token) ?? items.find((one) => isNamed(one, args.token))
    if (!named) throw new AppError("not_found", `No token in force is called "${args.token}"`)
    await client.api.tokens({ id: named.id }).delete()
    return { id: named.id, name: named.name, revoked: true }
  },
  show: ({ name, id }, { ui }) => ui.print(`The token of ${name} (${id}) is revoked`),
})

function isNamed(token: Token, name: string): boolean {
  return token.name === name && token.revokedAt === null
}

function stateOf({ revokedAt, expiresAt }: Token): "revoked" | "ended" | "in force" {
  if (revokedAt !== null) return "revoked"
  return expiresAt !== null && expiresAt <= systemClock.iso() ? "ended" : "in force"
}

export default defineVerbGroup(
  {
    description: "Tokens for programs that chat through the OpenAI API: list, add, revoke",
    examples: ["ironclaw token add phone", "ironclaw token list", "ironclaw token revoke phone"],
  },
  { list, add, revoke },
)
