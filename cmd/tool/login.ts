/**
 * The login of a plugin at its provider, from the terminal: a client of the owner's own, the address for their browser, and the wait for
 * what comes back, by this machine's own port, by the public address, or by hand where the browser is elsewhere.
 */
import { text } from "@clack/prompts"
import { AppError } from "#core/errors.ts"
import type { LoginOutcome } from "#sandbox/login-flow.ts"
import type { LoginStatus } from "#sandbox/login-desk.ts"
import type { Client } from "#gateway/client.ts"
import { canAsk, hiddenFromStdin, readHidden } from "../lib/hidden-text.ts"
import { withPresence } from "../lib/presence.ts"
import { type Ui, visible } from "../lib/ui.ts"
import { clientSteps } from "./login-steps.ts"

export type LoginWish = {
  name: string
  way: "loopback" | "public" | "paste"
  /** Given on the command line: it is no secret. */
  clientId: string | undefined
  /** The vendor's own words on where to make a client, for a provider that we have none of our own for. */
  instructions: string | null
  setupUrl: string | null
}

type At = { client: Client; ui: Ui; signal: AbortSignal }
export type Done = { login: LoginStatus; outcome: LoginOutcome | null }

/** One question to the service at a time may take this long. */
const WAIT_MS = 15_000

export async function logIn(wish: LoginWish, { client, ui, signal }: At): Promise<Done> {
  const at = client.api.plugins({ name: wish.name }).login
  const before = demanded((await at.get()).login, wish.name)
  if (before.state === "elsewhere")
    throw new AppError(
      "conflict",
      `${before.provider} is another provider here: ${wish.name} would fetch tokens at ${before.tokenHost}`,
      {
        hint: `\`ironclaw tool auth ${wish.name} --forget\` deletes the other login, if this is the one that you want.`,
      },
    )
  if (!before.hasClient || wish.clientId !== undefined) {
    if (wish.clientId === undefined) explainClient(before, wish, ui)
    const given = await readClient(wish, { ui, signal })
    await withPresence((presence) => at.client.put({ body: { ...given, presence } }), signal)
  }
  const { begun } = await withPresence((presence) => at.post({ body: { way: wish.way, presence } }), signal)
  ui.note(`For ${before.plugins.join(", ")}, with these rights:`)
  for (const scope of begun.scopes) ui.note(`  ${visible(scope)}`)
  ui.note("Open this in a browser where you are logged in there:")
  ui.note("")
  ui.note(begun.url)
  ui.note("")
  const outcome = await (wish.way === "paste" ? byHand() : waited())
  return { login: demanded((await at.get()).login, wish.name), outcome }

  async function byHand(): Promise<LoginOutcome> {
    ui.note(`It ends on a page that does not load. Copy its whole address: it begins with ${begun.redirectUri}`)
    const address = await readHidden({ what: "That address", judge: () => {}, signal })
    return (await at({ id: begun.id }).paste.post({ body: { address } })).outcome
  }

  async function waited(): Promise<LoginOutcome> {
    ui.note("Waiting, five minutes at most. Is the browser on another machine? Then begin again with --paste.")
    for (;;) {
      signal.throwIfAborted()
      const { outcome: now } = await at({ id: begun.id }).wait.post({ body: { waitMs: WAIT_MS } })
      if (now.state !== "waiting") return now
    }
  }
}

export async function logOut(
  { name, forget }: { name: string; forget: boolean },
  { client, signal }: Omit<At, "ui">,
): Promise<{ login: LoginStatus; toldProvider: boolean }> {
  const at = client.api.plugins({ name }).login
  const { login, toldProvider } = await withPresence((presence) => at.delete({ body: { forget, presence } }), signal)
  return { login, toldProvider }
}

export function showLogin(
  { provider, state, hasClient, missing, plugins, expiresAt, tokenHost, scopes }: LoginStatus,
  ui: Ui,
): void {
  const words = {
    in: "logged in",
    out: "not logged in",
    needed: "over: log in again",
    elsewhere: `another one here; this plugin means ${tokenHost}`,
  }
  ui.print(`${provider}: ${words[state]}${state === "in" && expiresAt !== null ? ", renewed by itself" : ""}`)
  if (!hasClient && state !== "elsewhere") ui.print("It needs a client of your own: `ironclaw tool auth` asks for it")
  ui.print(`Shared by ${plugins.join(", ")}, for: ${visible(scopes.join(" "))}`)
  if (state === "in" && missing.length > 0) ui.warn(`This plugin was not given: ${visible(missing.join(" "))}`)
}

function demanded(login: LoginStatus | null, name: string): LoginStatus {
  if (login) return login
  throw new AppError("usage.wrong", `${name} has no login`)
}

function explainClient(
  { provider, publicRedirect, authorizationHost, tokenHost }: LoginStatus,
  { instructions, setupUrl, way }: LoginWish,
  ui: Ui,
): void {
  ui.note(`${provider} (${authorizationHost}) has to know you by a client of your own, which you make there once:`)
  const steps = clientSteps({ authorizationHost, tokenHost, redirect: way === "public" ? publicRedirect : null })
  for (const step of steps ?? []) ui.note(step)
  if (steps !== null) return
  if (instructions !== null) ui.note(visible(instructions))
  if (setupUrl !== null) ui.note(`Make it at ${visible(setupUrl)}`)
  ui.note(
    `Where it asks for a redirect address: ${way === "public" && publicRedirect !== null ? publicRedirect : "http://127.0.0.1/oauth/callback, any port"}`,
  )
}

async function readClient(
  { clientId }: LoginWish,
  { ui, signal }: Omit<At, "client">,
): Promise<{ clientId: string; clientSecret?: string }> {
  if (!canAsk() || ui.json) {
    if (clientId === undefined)
      throw new AppError("usage.wrong", "There is nobody to ask for the client", {
        hint: "`ironclaw tool auth NAME --client-id ID < secret.txt`, or run it on a terminal.",
      })
    const clientSecret = await hiddenFromStdin("The client's secret").catch(() => null) // a client may have none
    return clientSecret === null ? { clientId } : { clientId, clientSecret }
  }
  const id = clientId ?? (await asked(signal))
  const secret = await readHidden({ what: "Client secret (- where there is none)", judge: () => {}, signal })
  return secret === "-" ? { clientId: id } : { clientId: id, clientSecret: secret }
}

async function asked(signal: AbortSignal): Promise<string> {
  const answer = await text({
    message: "Client ID",
    output: process.stderr,
    signal,
    validate: (given = "") => (given.trim() === "" ? "It is empty" : undefined),
  })
  if (typeof answer === "string") return answer.trim()
  throw new AppError("usage.interrupted", "Interrupted")
}
