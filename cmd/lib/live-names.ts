/**
 * `ironclaw __complete KIND`: the names of a kind, one a line, for the shells' completion. Only a service that runs is asked: no home is
 * made, no database opened, no lock taken, and where nobody answers at once nothing is printed.
 */
import { systemClock } from "#core/clock.ts"
import { processEnvironment } from "#core/config.ts"
import { judgePrivateFolder, seeHome } from "#core/home.ts"
import { findSocket } from "#core/home-socket.ts"
import { type Client, createClient } from "#gateway/client.ts"

/** A person waits for it with a finger on the key. */
const PATIENCE_MS = 150
/** More do not fit onto a screen. */
const MOST = 100
/** Shells expand what completion hands them: whatever they could take for more than a name is left out. */
const BARE = /^[\w.:/@-]+$/

type Asked = { client: Client; signal: AbortSignal }

const sources = {
  sessions: async ({ client, signal }) =>
    (await client.api.sessions.get({ query: { limit: MOST }, signal })).items.map(({ id }) => id),
  secrets: async ({ client, signal }) => (await client.api.secrets.get({ signal })).items.map(({ name }) => name),
  hooks: async ({ client, signal }) => (await client.api.hooks.get({ signal })).items.map(({ name }) => name),
  approvals: async ({ client, signal }) =>
    (await client.api.approvals.get({ query: { state: "open", limit: MOST }, signal })).items.map(({ id }) => id),
  grants: async ({ client, signal }) =>
    (await client.api.grants.get({ signal })).items.filter(({ revokedAt }) => revokedAt === null).map(({ id }) => id),
  tokens: async ({ client, signal }) =>
    (await client.api.tokens.get({ signal })).items
      .filter(({ revokedAt }) => revokedAt === null)
      .map(({ name }) => name),
  models: async ({ client, signal }) => (await client.api.models.get({ query: {}, signal })).items.map(({ id }) => id),
  documents: async ({ client, signal }) =>
    (await client.api.memory.get({ query: { limit: MOST }, signal })).items.map(({ path }) => path),
  channels: async ({ client, signal }) => (await client.api.channels.get({ signal })).items.map(({ name }) => name),
  tools: async ({ client, signal }) => (await client.api.tools.get({ signal })).items.map(({ name }) => name),
} as const satisfies Record<string, (asked: Asked) => Promise<string[]>>

export type LiveKind = keyof typeof sources

function isLiveKind(text: string): text is LiveKind {
  return Object.hasOwn(sources, text)
}

/** Never throws: a completion has nobody to tell. */
export async function liveNames(kind: string): Promise<string[]> {
  try {
    const home = seeHome({ env: processEnvironment() })
    if (!isLiveKind(kind)) return []
    judgePrivateFolder(home.root)
    const socket = findSocket(home)
    if (socket === null) return []
    const client = createClient({ via: { socket }, clock: systemClock })
    const signal = AbortSignal.timeout(PATIENCE_MS)
    const late = new Promise<string[]>((resolve) => signal.addEventListener("abort", () => resolve([])))
    const names = await Promise.race([sources[kind]({ client, signal }), late])
    return names.filter((name) => BARE.test(name)).slice(0, MOST)
  } catch {
    return [] // no home, no service, another version: then there are no names to offer
  }
}

/** The hidden verb itself; its exit status is always 0. */
export async function runComplete([kind = ""]: readonly string[]): Promise<number> {
  const names = await liveNames(kind)
  if (names.length > 0) await Bun.write(Bun.stdout, `${names.join("\n")}\n`)
  return 0
}
