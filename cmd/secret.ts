/**
 * `ironclaw secret`: keys and passwords, through the API. A value comes from a prompt or from stdin and is never shown again. Once somebody
 * has talked with the assistant, each change is confirmed at the terminal.
 */
import { AppError } from "#core/errors.ts"
import type { SecretInfo } from "#core/secrets/vault.ts"
import { readHidden } from "./lib/hidden-text.ts"
import { withPresence } from "./lib/presence.ts"
import { defineVerb, defineVerbGroup } from "./lib/verb.ts"
import { askVerb, timeText, withClient } from "./lib/verbs.ts"

const name = { type: "positional", description: "The secret's name, such as OPENAI_API_KEY" } as const

const set = defineVerb({
  meta: {
    live: { name: "secrets" },
    description: "Sets a secret; the value is asked for, or read from stdin, and the change confirmed at this terminal",
    examples: ["ironclaw secret set OPENAI_API_KEY", "ironclaw secret set OPENAI_API_KEY < key.txt"],
  },
  args: { name },
  async run(context) {
    const value = await readHidden({ what: `Value of ${context.args.name}`, judge: () => {}, signal: context.signal })
    const done = await withClient(context, "secret set", (client) =>
      withPresence(
        (presence) => client.api.secrets({ name: context.args.name }).put({ body: { value, presence } }),
        context.signal,
      ),
    )
    return {
      data: done,
      show: () => context.ui.print(`${done.name} is set${done.version === 1 ? "" : `, version ${done.version}`}`),
    }
  },
})

const list = askVerb({
  meta: { description: "Lists names, never values", examples: ["ironclaw secret list"] },
  args: {},
  ask: ({ client }) => client.api.secrets.get(),
  show({ items }, { ui }) {
    ui.table(
      items,
      [
        { title: "name", value: (row: SecretInfo) => row.name, shrinks: true },
        { title: "version", value: (row: SecretInfo) => String(row.version), align: "right" },
        { title: "set", value: (row: SecretInfo) => timeText(row.createdAt) },
        { title: "used", value: (row: SecretInfo) => (row.usedAt === null ? "never" : timeText(row.usedAt)) },
      ],
      "No secrets.",
    )
    for (const { name: broken } of items.filter(({ readable }) => !readable)) {
      ui.warn(`${broken} does not open: its row was changed from outside. Set it anew, or delete it.`)
    }
  },
})

const remove = askVerb({
  meta: {
    live: { name: "secrets" },
    description: "Deletes a secret, for good",
    examples: ["ironclaw secret delete OPENAI_API_KEY"],
  },
  args: { name },
  async ask({ client, args, signal }) {
    const at = client.api.secrets({ name: args.name })
    return withPresence((presence) => at.delete({ body: { presence } }), signal)
  },
  show: ({ name: deleted }, { ui }) => ui.print(`${deleted} is deleted`),
})

const rotate = defineVerb({
  meta: {
    description: "Gives a secret another value, or with --master seals all of them under a new master key",
    examples: [
      "ironclaw secret rotate OPENAI_API_KEY",
      "ironclaw secret rotate --master",
      "openssl rand -hex 32 | ironclaw secret rotate --master --key-stdin",
    ],
  },
  args: {
    name: { ...name, required: false },
    master: { type: "boolean", description: "The master key instead of one secret" },
    "key-stdin": {
      type: "boolean",
      description: "With --master, where the key is in SECRETS_MASTER_KEY: the new one, from stdin",
    },
  },
  async run(context) {
    const { args, ui, signal } = context
    if ((args.name === undefined) === !args.master) {
      throw new AppError("usage.wrong", "`ironclaw secret rotate` takes the name of a secret, or --master")
    }
    if (args.name === undefined) {
      const given = args["key-stdin"]
        ? { key: await readHidden({ what: "The new master key", judge: () => {}, signal }) }
        : {}
      const done = await withClient(context, "secret rotate --master", (client) =>
        withPresence(
          (presence) => client.api.secrets["rotate-master-key"].post({ body: { ...given, presence } }),
          signal,
        ),
      )
      const show = () => {
        ui.print(
          `The master key is now ${done.keyId}, in ${done.source === "passphrase" ? "master.key, sealed by the same passphrase" : `the ${done.source}`}; ${done.secrets === 1 ? "one secret was" : `${done.secrets} secrets were`} sealed anew`,
        )
        if (done.source === "environment")
          ui.warn("Set SECRETS_MASTER_KEY to the new key before the next start: the old one is refused.")
      }
      return { data: done, show }
    }
    const secret = args.name
    const value = await readHidden({ what: `New value of ${secret}`, judge: () => {}, signal })
    const done = await withClient(context, "secret rotate", (client) =>
      withPresence(
        (presence) => client.api.secrets({ name: secret }).put({ body: { value, mustExist: true, presence } }),
        signal,
      ),
    )
    return { data: done, show: () => ui.print(`${done.name} is at version ${done.version}`) }
  },
})

export default defineVerbGroup(
  {
    description: "Keys and passwords: encrypted, given to the hosts they belong to, never shown",
    examples: ["ironclaw secret set ANTHROPIC_API_KEY", "ironclaw secret list", "ironclaw secret rotate --master"],
  },
  { set, list, delete: remove, rotate },
)
