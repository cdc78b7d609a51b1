/**
 * Question: may this plugin have the token of this login, and is the token still good?
 * Fails closed by: a login is bound to the addresses for which the owner gave their client; a plugin gets its token only where its own
 * granted manifest asks for this login at the same addresses and every right that it asks for was given. Without all that there is none.
 * Known limits: plugins of one provider share one token, which can do what all of them asked for together; each sends it only to the
 * hosts that it was granted. A crash between a provider's answer and our commit loses the new token, and the owner logs in anew.
 * Source: RFC 9700; ARCHITECTURE 7; a token used by another plugin of the same vendor, issuers mixed up (attacks on OAuth clients).
 */
import type { Clock } from "#core/clock.ts"
import { AppError } from "#core/errors.ts"
import type { Log } from "#core/log.ts"
import { coversHost } from "#core/safety/hosts.ts"
import type { Vault } from "#core/secrets/vault.ts"
import type { Login, LoginRows } from "./login-rows.ts"
import { endpointsIn, isSameProvider, type LoginClient, type OAuthWire, type Tokens } from "./oauth.ts"
import type { Manifest } from "./manifest.ts"
import type { SecretValue } from "./plugin-credentials.ts"
import type { PluginPin } from "./plugin.ts"

type Asking = Pick<PluginPin, "name" | "manifest">

export type Logins = {
  /** The owner's secrets as this plugin may have them: those of logins only where they are its own. */
  valueFor(pin: Asking): SecretValue
  /** Before a request to this URL: renews a token that is about to end. `version`: of the login that it goes with; null: with none. */
  prepare(pin: Asking, url: string): Promise<{ refused: string } | { version: number | null }>
  /** After a 401 to a request that went with this version: whether there is another token now, so that trying again makes sense. */
  renew(pin: Asking, version: number): Promise<boolean>
  /** The login that this plugin's manifest means; null where it has none or means other addresses than its name has here. */
  of(pin: Asking): Promise<Login | null>
  client(provider: string): LoginClient | null
  all(): readonly Login[]
  /** Throws `conflict` where the name of its secret stands for something else already. */
  assertFree(login: Pick<Login, "provider" | "secretName">, before: Login | null): Promise<void>
  /** Keeps what a login brought, or that there is none any more. Throws `conflict`. */
  keep(change: {
    login: Omit<Login, "version" | "createdAt" | "expiresAt">
    before: Login | null
    tokens: Tokens | null
    client?: LoginClient
    by: string
    /** The plugin that it was for. */
    plugin: string
  }): Promise<void>
  /** Deletes everything of it here. */
  forget(login: Login, by: string): Promise<void>
}

export type LoginsDeps = {
  rows: LoginRows
  vault: Pick<Vault, "value" | "setTogether" | "reload">
  wire: Pick<OAuthWire, "renew">
  clock: Clock
  log: Log
}

/** A token that has less than this left is renewed before it is used: a call of a plugin may take two minutes. */
const AHEAD_MS = 150_000
/** Longer than the requests for a token may take. */
const LEASE_MS = 45_000
const LOOK_MS = 250

export async function createLogins({ rows, vault, wire, clock, log }: LoginsDeps): Promise<Logins> {
  let known: Login[] = await rows.list()
  const underWay = new Map<string, Promise<Renewal>>()

  async function refresh(): Promise<void> {
    known = await rows.list()
  }

  /** As the database has it now; tokens that another process set are read too. */
  async function current(provider: string): Promise<Login | null> {
    const now = await rows.find(provider)
    const former = known.find((one) => one.provider === provider)
    if (now?.version !== former?.version) {
      await vault.reload()
      await refresh()
    }
    return now
  }

  function loginOf({ manifest }: Asking, among: readonly Login[]): Login | null {
    const { auth } = manifest
    if (!auth?.oauth) return null
    // A name that two logins have is nobody's: the token behind it could be either's.
    const [found, second] = among.filter((one) => isSame(one.secretName, auth.secret_name))
    if (!found || second || found.provider !== auth.provider) return null
    return isSameProvider(found.endpoints, endpointsIn(auth.oauth)) ? found : null
  }

  const valueFor: Logins["valueFor"] = (pin) => (name) => {
    // Its own kind of secret, or a login's: those have owners.
    if (isOfLogins(name)) return null
    const owned = known.find((one) => isSame(one.secretName, name))
    if (!owned)
      return pin.manifest.auth?.oauth && isSame(pin.manifest.auth.secret_name, name) ? null : vault.value(name)
    const own = loginOf(pin, known)
    return own === owned && own.state === "in" && missingScopes(pin.manifest, own).length === 0
      ? vault.value(name)
      : null
  }

  async function renewOnce(login: Login, { name }: Asking): Promise<Renewal> {
    const refreshToken = vault.value(refreshNameOf(login.secretName))
    const client = clientOf(login.provider)
    if (refreshToken === null || client === null) return { ok: false, isOver: true, words: "it cannot be renewed" }
    if (!(await rows.lease(login, LEASE_MS))) return waitForOther(login)
    const signal = AbortSignal.timeout(LEASE_MS - 5_000)
    let tokens: Tokens
    try {
      tokens = await wire.renew({ endpoints: login.endpoints, client, refresh: refreshToken, signal })
    } catch (error) {
      if (!(error instanceof AppError)) {
        await rows.release(login)
        throw error
      }
      if (error.code !== "login.needed") {
        await rows.release(login)
        return { ok: false, isOver: false, words: error.message }
      }
      try {
        await keep({ login: { ...login, state: "needed" }, before: login, tokens: null, by: "ended", plugin: name })
      } catch (conflict) {
        if (!(conflict instanceof AppError) || conflict.code !== "conflict") throw conflict
        // Another process was quicker, and its word counts.
        const now = await current(login.provider)
        return now?.state === "in" ? { ok: true } : { ok: false, isOver: true, words: error.message }
      }
      log.warn("A login is over: its owner has to log in again", { provider: login.provider })
      return { ok: false, isOver: true, words: error.message }
    }
    // What the provider does not give anew stays as it was.
    await keep({
      login: { ...login, scopes: tokens.scopes ?? login.scopes },
      before: login,
      tokens: { ...tokens, refresh: tokens.refresh ?? refreshToken },
      by: "renewed",
      plugin: name,
    })
    return { ok: true }
  }

  /** Another process renews it: its result is ours too. */
  async function waitForOther(login: Login): Promise<Renewal> {
    for (let waitedMs = 0; waitedMs < LEASE_MS; waitedMs += LOOK_MS) {
      await clock.sleep(LOOK_MS)
      const now = await current(login.provider)
      if (now?.version !== login.version)
        return now?.state === "in" ? { ok: true } : { ok: false, isOver: true, words: "it is over" }
    }
    return { ok: false, isOver: false, words: "another process was busy with it" }
  }

  function renew(login: Login, pin: Asking): Promise<Renewal> {
    const mine = underWay.get(login.provider)
    if (mine) return mine
    const work = renewOnce(login, pin).finally(() => underWay.delete(login.provider))
    underWay.set(login.provider, work)
    return work
  }

  /** Else a plugin's own login would put its token in the place of another's, and be given that one's in turn. */
  const assertFree: Logins["assertFree"] = async ({ provider, secretName }, before) => {
    await refresh()
    const shown = secretName.toUpperCase()
    const owner = known.find((one) => one.provider !== provider && isSame(one.secretName, secretName))
    if (owner || isOfLogins(secretName))
      throw new AppError("conflict", `${shown} belongs to ${owner ? `the login to ${owner.provider}` : "logins"}`, {
        hint: "The plugin has to keep its own token under another name: it does not fit beside what is here.",
      })
    if (before === null && vault.value(secretName) !== null)
      throw new AppError("conflict", `The secret ${shown} is set already, and a login would replace it`, {
        hint: `\`ironclaw secret delete ${shown}\` makes room, where nothing else needs it.`,
      })
  }

  const keep: Logins["keep"] = async ({ login, before, tokens, client, by, plugin }) => {
    const { provider, secretName, state } = login
    await assertFree(login, before)
    const expiresAt =
      tokens?.expiresInSeconds == null ? null : new Date(clock.nowMs() + tokens.expiresInSeconds * 1_000).toISOString()
    const secrets = [
      { name: secretName, value: tokens?.access ?? null },
      { name: refreshNameOf(secretName), value: tokens?.refresh ?? null },
      ...(client
        ? [
            { name: clientNames(provider).id, value: client.clientId },
            { name: clientNames(provider).secret, value: client.clientSecret },
          ]
        : []),
    ]
    await vault.setTogether({
      secrets,
      also: [rows.put({ ...fieldsOf(login), expiresAt }, before)],
      audit: by === "renewed" ? [] : [auditOf(provider, `${by}: ${state}, ${login.scopes.join(" ") || "no rights"}`)],
      events:
        state === "needed" && before?.state === "in"
          ? [{ type: "plugin.changed", plugin, change: "login_needed", agentId: "main", labels: [], source: "login" }]
          : [],
    })
    await refresh()
  }

  function clientOf(provider: string): LoginClient | null {
    const { id, secret } = clientNames(provider)
    const clientId = vault.value(id)
    return clientId === null ? null : { clientId, clientSecret: vault.value(secret) }
  }

  return {
    valueFor,
    async prepare(pin, url) {
      if (!goesTo(pin.manifest, url)) return { version: null }
      const provider = pin.manifest.auth?.provider ?? ""
      const how = (words: string) => ({
        refused: `${words}. Ask the owner to run \`ironclaw tool auth ${pin.name}\` in a terminal`,
      })
      await current(provider)
      const login = loginOf(pin, known)
      if (!login) return how(`The owner has not logged in to ${provider} for this plugin yet`)
      if (login.state !== "in") return how(`The login to ${provider} is over`)
      const missing = missingScopes(pin.manifest, login)
      if (missing.length > 0) return how(`The login to ${provider} was not given these rights: ${missing.join(" ")}`)
      if (login.expiresAt === null || Date.parse(login.expiresAt) - clock.nowMs() > AHEAD_MS)
        return { version: login.version }
      const renewal = await renew(login, pin)
      if (renewal.ok) return { version: loginOf(pin, known)?.version ?? null }
      if (renewal.isOver) return how(`The login to ${provider} is over`)
      // Not renewed, and not yet over: what there is may still do.
      return Date.parse(login.expiresAt) > clock.nowMs()
        ? { version: login.version }
        : { refused: `The login to ${provider} could not be renewed: ${renewal.words}` }
    },
    async renew(pin, version) {
      await current(pin.manifest.auth?.provider ?? "")
      const login = loginOf(pin, known)
      if (!login || login.state !== "in") return false
      // Another call, or another process, has a new one already.
      return login.version !== version || (await renew(login, pin)).ok
    },
    of: async (pin) => {
      await current(pin.manifest.auth?.provider ?? "")
      return loginOf(pin, known)
    },
    client: clientOf,
    all: () => known,
    assertFree,
    keep,
    async forget(login, by) {
      const { id, secret } = clientNames(login.provider)
      const names = [login.secretName, refreshNameOf(login.secretName), id, secret]
      await vault.setTogether({
        secrets: names.map((name) => ({ name, value: null })),
        also: [rows.remove(login)],
        audit: [auditOf(login.provider, by)],
      })
      await refresh()
    },
  }
}

type Renewal = { ok: true } | { ok: false; isOver: boolean; words: string }

export function missingScopes({ auth }: Manifest, { scopes }: Pick<Login, "scopes">): string[] {
  return (auth?.oauth?.scopes ?? []).filter((scope) => !scopes.includes(scope))
}

/** Whether requests to this URL are given the token of the plugin's login. */
function goesTo({ auth, capabilities }: Manifest, url: string): boolean {
  const host = URL.parse(url)?.hostname
  if (!auth?.oauth || host === undefined) return false
  return Object.values(capabilities?.http?.credentials ?? {}).some(
    (one) => isSame(one.secret_name, auth.secret_name) && one.host_patterns.some((rule) => coversHost(rule, host)),
  )
}

export function refreshNameOf(secretName: string): string {
  return `${secretName}_refresh_token`
}

export function clientNames(provider: string): { id: string; secret: string } {
  return { id: `${provider}_oauth_client_id`, secret: `${provider}_oauth_client_secret` }
}

/** Secrets of logins that go to the provider alone. */
function isOfLogins(name: string): boolean {
  return /_(?:refresh_token|oauth_client_id|oauth_client_secret)$/i.test(name)
}

function fieldsOf({
  provider,
  secretName,
  endpoints,
  scopes,
  state,
}: Omit<Login, "version" | "createdAt" | "expiresAt">) {
  return { provider, secretName, endpoints, scopes, state }
}

function auditOf(provider: string, words: string) {
  return {
    agentId: "main",
    act: "owner.change" as const,
    principal: "owner",
    subject: `login:${provider}`,
    outcome: "done",
    preview: words.slice(0, 200),
    labels: [],
    source: "owner",
  }
}

function isSame(a: string, b: string): boolean {
  return a.toLowerCase() === b.toLowerCase()
}
