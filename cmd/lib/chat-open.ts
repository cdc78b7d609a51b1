/** What a chat begins with: the service, held or attached to; the conversation to go on with; the panel that says where one is. */
import { systemClock } from "#core/clock.ts"
import type { LoadedConfig } from "#core/config.ts"
import { AppError } from "#core/errors.ts"
import type { Presence } from "#core/safety/presence.ts"
import type { SessionMessage, SessionSummary } from "#core/session/session.ts"
import { type Client, createClient } from "#gateway/client.ts"
import { PROMPT } from "./chat-view.ts"
import { findService } from "./connect.ts"
import { findSession } from "./find-session.ts"
import { plainLines } from "./markdown.ts"
import { startService } from "./service.ts"
import type { Setting } from "./setting.ts"
import type { Style, Ui } from "./ui.ts"

export type Held = {
  client: Client
  /** `own`: the service is this process and ends with it. */
  mode: "own" | "attached"
  /** Codes that others ask for are shown here from now on, where the service is this process; else the service has its own way. */
  showCodes: Presence["showIn"]
  close(): Promise<void>
}

/** A service that just starts answers by then. */
const STARTING_MS = 20_000
const RETRY_MS = 50

/** Throws what starting the service throws; `home.locked` where another process holds the home and does not answer. */
export async function holdService({
  setting,
  loaded,
  verbose,
  ui,
}: {
  setting: Setting
  loaded: LoadedConfig
  verbose: boolean
  ui: Ui
}): Promise<Held> {
  const startedMs = systemClock.monotonicMs()
  const { signal } = new AbortController() // Ctrl-C ends the process here: nothing is begun yet
  for (;;) {
    const running = await findService({ home: setting.home, signal })
    if (running) return { client: running.client, mode: "attached", showCodes: () => () => {}, close: running.close }
    try {
      const service = await startService({ setting, loaded, what: "run", verbose, ui })
      const client = createClient({ via: { handle: service.app.handle }, clock: systemClock })
      return { client, mode: "own", showCodes: service.app.showCodes, close: service.close }
    } catch (error) {
      const isTaken = error instanceof AppError && error.code === "home.locked"
      if (!isTaken || systemClock.monotonicMs() - startedMs > STARTING_MS) throw error
    }
    await systemClock.sleep(RETRY_MS)
  }
}

/** The one that is named, else the latest at the terminal, else a new one. */
export async function chooseSession(
  client: Client,
  { session, agent }: { session: string | undefined; agent: string | undefined },
): Promise<{ session: SessionSummary; isNew: boolean }> {
  if (session !== undefined) return { session: await findSession(client, session), isNew: false }
  const query = { channel: "terminal", limit: 1, agent: agent ?? "main" }
  const [latest] = (await client.api.sessions.get({ query })).items
  if (latest) return { session: latest, isNew: false }
  return {
    session: await client.api.sessions.post({ body: { channel: "terminal", ...(agent ? { agent } : {}) } }),
    isNew: true,
  }
}

/** Messages that are looked through for the last exchange: a turn may have called many tools. */
const LOOKED_AT = 50
const MAX_PAST_LINES = 8

/** What was said last, dimmed by whoever shows it; empty where nothing was said yet. */
export async function lastExchange(client: Client, session: SessionSummary, width: number): Promise<string[]> {
  const { items } = await client.api
    .sessions({ id: session.id })
    .messages.get({ query: { newestFirst: true, limit: LOOKED_AT } })
  const seen = items.filter(({ inSight, text }) => inSight && text.trim() !== "")
  const asked = seen.findIndex(({ role }) => role === "person")
  if (asked === -1) return []
  const answer = seen.slice(0, asked).find(({ role }) => role === "model")
  return [...shortened(seen[asked], width, PROMPT), ...(answer ? ["", ...shortened(answer, width, "")] : [])]
}

function shortened(message: SessionMessage | undefined, width: number, prompt: string): string[] {
  const lines = plainLines(message?.text.trim() ?? "", width - prompt.length)
  const kept = lines.length > MAX_PAST_LINES ? [...lines.slice(0, MAX_PAST_LINES), "…"] : lines
  return kept.map((line, at) => (at === 0 ? prompt : " ".repeat(prompt.length)) + line)
}

export type Panel = {
  version: string
  model: string
  addresses: readonly string[]
  session: SessionSummary
  isNew: boolean
  mode: Held["mode"]
  envFile: string
}

export function panelLines(
  { version, model, addresses, session, isNew, mode, envFile }: Panel,
  { width, style }: { width: number; style: Style },
): string[] {
  const { bold, dim, yellow, cyan } = style
  const address = addresses.find((one) => one.startsWith("http")) ?? addresses[0]
  const where = address === undefined ? "" : mode === "own" ? address : `attached to the service at ${address}`
  const row = (text: string, paint: (line: string) => string) => plainLines(text, width).map(paint)
  const [head = "", ...rest] = plainLines([`ironclaw ${version}`, model, ...(where ? [where] : [])].join(" · "), width)
  const title = isNew
    ? "A new conversation."
    : `${session.title ? `"${session.title}"` : "The last conversation"} goes on; /new starts fresh.`
  return [
    head.startsWith("ironclaw") ? bold(cyan("ironclaw")) + dim(head.slice("ironclaw".length)) : dim(head),
    ...rest.map(dim),
    ...(model.startsWith("demo/")
      ? [
          ...row(
            "No model is set up. The built-in demo answers: a script, no model, that shows how things work.",
            yellow,
          ),
          ...row(
            `\`ironclaw onboard model\` sets one up. Or put a key (ANTHROPIC_API_KEY, OPENAI_API_KEY, …) into the environment or ${envFile} and start again.`,
            dim,
          ),
        ]
      : []),
    ...row(`${title} /help shows what can be said; Ctrl-C stops, twice leaves.`, dim),
  ]
}
