/**
 * `ironclaw tool auth`: what a plugin needs to be let in at its vendor. A value comes from a prompt or from stdin, is tried where that can
 * be, and never shown again.
 */
import { AppError } from "#core/errors.ts"
import type { PluginAuthStatus } from "#sandbox/auth.ts"
import type { LoginStatus } from "#sandbox/login-desk.ts"
import type { PluginSecret } from "#sandbox/plugin-credentials.ts"
import { readHidden } from "../lib/hidden-text.ts"
import { withPresence } from "../lib/presence.ts"
import { type Ui, visible } from "../lib/ui.ts"
import { defineVerb, type Outcome } from "../lib/verb.ts"
import { withClient } from "../lib/verbs.ts"
import { logIn, logOut, showLogin } from "./login.ts"

export const auth = defineVerb({
  meta: {
    description:
      "Sets what lets a plugin in at its vendor, or logs in there: a value is asked for, or read from stdin, tried there, and the change confirmed at this terminal",
    examples: [
      "ironclaw tool auth github",
      "ironclaw tool auth github < token.txt",
      "ironclaw tool auth github --status",
      "ironclaw tool auth github --forget",
      "ironclaw tool auth gmail",
      "ironclaw tool auth gmail --paste",
    ],
  },
  args: {
    name: { type: "positional", description: "The plugin's name" },
    secret: { type: "string", valueHint: "name", description: "Which of its secrets, where it has several" },
    unchecked: { type: "boolean", description: "Keep the value without trying it" },
    status: { type: "boolean", description: "Only say what is set and what is missing" },
    forget: { type: "boolean", description: "Delete the value here; of a login, the client too" },
    revoke: { type: "boolean", description: "End a login, at its provider too; the client stays" },
    paste: { type: "boolean", description: "The browser is on another machine: the address is copied back by hand" },
    public: { type: "boolean", description: "The answer comes to gateway.public_url" },
    "client-id": { type: "string", valueHint: "id", description: "Another client of a login; its secret from stdin" },
  },
  async run(context) {
    const { args, ui, signal } = context
    const reach = <T>(work: Parameters<typeof withClient<T>>[2]) => withClient(context, "tool auth", work)
    const at = (client: Parameters<Parameters<typeof withClient>[2]>[0]) => client.api.plugins({ name: args.name }).auth
    const chosen = args.secret === undefined ? {} : { secret: args.secret }
    const before = (await reach((client) => at(client).get())).auth
    const { login } = await reach((client) => client.api.plugins({ name: args.name }).login.get())
    if (login && (args.secret === undefined || isMain(before, args.secret))) return ofLogin(login, before)
    for (const flag of ["revoke", "paste", "public", "client-id"] as const)
      if (args[flag] !== undefined)
        throw new AppError("usage.wrong", `${args.name} has no login, so --${flag} says nothing`)
    if (args.status) return { data: before, show: () => showAuth(before, ui), status: isReady(before) ? 0 : 1 }
    if (args.forget) {
      const { auth: after } = await reach((client) =>
        withPresence((presence) => at(client).delete({ body: { ...chosen, presence } }), signal),
      )
      return { data: after, show: () => showForgotten(after, ui) }
    }
    let after = before
    for (const secret of toAsk(before, args.secret)) {
      explain(before, secret, ui)
      const value = await readHidden({ what: `Value of ${secret.name}`, judge: () => {}, signal })
      after = (
        await reach((client) =>
          withPresence(
            (presence) =>
              at(client).put({ body: { secret: secret.name, value, unchecked: args.unchecked === true, presence } }),
            signal,
          ),
        )
      ).auth
    }
    return { data: after, show: () => showAuth(after, ui) }

    async function ofLogin(about: LoginStatus, { instructions, setupUrl }: PluginAuthStatus): Promise<Outcome> {
      if (args.status)
        return {
          data: { login: about },
          show: () => showLogin(about, ui),
          status: about.state === "in" && about.missing.length === 0 ? 0 : 1,
        }
      if (args.forget || args.revoke) {
        const done = await reach((client) =>
          logOut({ name: args.name, forget: args.forget === true }, { client, signal }),
        )
        return {
          data: done,
          show() {
            showLogin(done.login, ui)
            if (!done.toldProvider) ui.note(`${about.provider} was not told: end the login in your account there too`)
          },
        }
      }
      const way = args.paste ? "paste" : args.public ? "public" : "loopback"
      const wish = { name: args.name, way, clientId: args["client-id"], instructions, setupUrl } as const
      // In one connection: without a service, the login lives in this process.
      const done = await reach((client) => logIn(wish, { client, ui, signal }))
      return {
        data: done,
        show() {
          if (done.outcome && done.outcome.state !== "waiting") ui.print(visible(done.outcome.words))
          if (done.outcome?.state === "done") showLogin(done.login, ui)
        },
        status: done.outcome?.state === "done" ? 0 : 1,
      }
    }
  },
})

function isMain({ secrets }: PluginAuthStatus, name: string): boolean {
  return secrets.some((one) => one.isMain && one.name.toLowerCase() === name.toLowerCase())
}

/** One where stdin is all there is; else what is missing, or everything once nothing is. */
function toAsk({ plugin, secrets }: PluginAuthStatus, name: string | undefined): PluginSecret[] {
  if (name !== undefined) {
    const found = secrets.filter((one) => one.name.toLowerCase() === name.toLowerCase())
    if (found.length > 0) return found
    throw new AppError("usage.wrong", `${plugin} uses no secret ${name}`)
  }
  if (secrets.length === 0) throw new AppError("usage.wrong", `${plugin} uses no secret: there is nothing to set`)
  const missing = secrets.filter(({ isSet, isRequired }) => !isSet && isRequired)
  const asked = missing.length > 0 ? missing : secrets
  if (asked.length === 1 || process.stdin.isTTY === true) return asked
  throw new AppError("usage.wrong", `Several can be set: ${asked.map((one) => one.name).join(", ")}`, {
    hint: "Name one with --secret.",
  })
}

function explain(
  { displayName, instructions, setupUrl, triedAt }: PluginAuthStatus,
  { hint, url, isMain }: PluginSecret,
  ui: Ui,
): void {
  if (isMain && displayName !== null) ui.note(visible(displayName))
  if (isMain && instructions !== null) ui.note(visible(instructions))
  if (hint !== "") ui.note(visible(hint))
  const page = url ?? (isMain ? setupUrl : null)
  if (page !== null) ui.note(`Make it at ${visible(page)}`)
  if (isMain && triedAt !== null) ui.note(`It is tried at ${triedAt} before it is kept.`)
}

function showAuth({ secrets }: PluginAuthStatus, ui: Ui): void {
  for (const { name, isSet, isRequired } of secrets)
    ui.print(`${name}: ${isSet ? "set" : isRequired ? "missing" : "not set, and not needed"}`)
  if (secrets.length === 0) ui.print("It uses no secret")
}

function showForgotten({ plugin, setupUrl }: PluginAuthStatus, ui: Ui): void {
  ui.print(`${plugin} is without it now`)
  if (setupUrl !== null) ui.note(`Its vendor knows it still: make it invalid at ${visible(setupUrl)}`)
}

const isReady = ({ secrets }: PluginAuthStatus) => secrets.every(({ isSet, isRequired }) => isSet || !isRequired)
