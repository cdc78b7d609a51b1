/**
 * The owner logging in at a provider, once for all plugins of it: with a client of their own, with the rights that those plugins were
 * granted to ask for, and with nothing that a browser or a page could choose.
 */
import { AppError } from "#core/errors.ts"
import type { Log } from "#core/log.ts"
import type { Login } from "./login-rows.ts"
import type { LoginFlows, LoginOutcome, LoginWay, OpenLogin } from "./login-flow.ts"
import { type Logins, missingScopes } from "./logins.ts"
import type { Auth, OAuth } from "./manifest-auth.ts"
import {
  authorizationUrl,
  endpointsIn,
  isSameProvider,
  type LoginClient,
  newLoginSecrets,
  type OAuthWire,
} from "./oauth.ts"
import type { PluginPin } from "./plugin.ts"
import type { Plugins } from "./plugins.ts"
import type { CheckToken } from "./token-check.ts"

export type LoginStatus = {
  provider: string
  /** `elsewhere`: this name stands for other addresses here, and this plugin gets nothing of it. */
  state: "out" | "in" | "needed" | "elsewhere"
  hasClient: boolean
  authorizationHost: string
  tokenHost: string
  /** The plugins that share it, this one too, and all that they ask for together. */
  plugins: string[]
  scopes: string[]
  /** What this plugin asks for and was not given. */
  missing: string[]
  expiresAt: string | null
  /** Where a provider sends the answer if it comes by the public address; null where there is none. */
  publicRedirect: string | null
}

/** What logging in means, as the owner confirms it. */
export type PreparedLogin = {
  pin: PluginPin
  way: LoginWay
  client: LoginClient
  status: LoginStatus
  redirect: string
}
export type BegunLogin = { id: string; url: string; redirectUri: string; expiresAt: string; scopes: string[] }
export type PreparedClient = { pin: PluginPin; client: LoginClient; status: LoginStatus }
/** What the owner's browser is told: one of our own pages. */
export type LoginPage = "done" | "failed" | "unknown"

export type LoginDesk = {
  /** Null where the plugin has no login. Throws `not_found`, `conflict`. */
  status(name: string): Promise<LoginStatus | null>
  /** Throws `input.invalid`, `conflict`. */
  prepareClient(name: string, client: LoginClient): Promise<PreparedClient>
  /** Another client ends a login that was made with the former one. */
  setClient(prepared: PreparedClient): Promise<LoginStatus>
  /** Throws `login.no_client`, `conflict`, `input.invalid`. */
  prepare(name: string, way: LoginWay): Promise<PreparedLogin>
  /** Throws `login.too_many`. */
  begin(prepared: PreparedLogin): Promise<BegunLogin>
  /** What a browser brought. Never throws. */
  answer(params: URLSearchParams, way: LoginWay): Promise<LoginPage>
  /** The address to which the provider sent a browser on another machine. Throws `input.invalid`, `not_found`. */
  paste(id: string, address: string): Promise<LoginOutcome>
  outcome: LoginFlows["outcome"]
  /** `forget`: also the login of other addresses that stands in the way of this plugin's. `plugins`: who is without it then. */
  prepareEnd(name: string, how: { forget: boolean }): Promise<{ login: Login; tokenHost: string; plugins: string[] }>
  /** Asks the provider to make the tokens invalid, where it takes such requests, and deletes them here; the client stays. */
  revoke(name: string, signal: AbortSignal): Promise<{ status: LoginStatus; toldProvider: boolean }>
  /** Deletes all of it here, the client too. */
  forget(name: string): Promise<LoginStatus>
  close(): void
}

export type LoginDeskDeps = {
  plugins: Pick<Plugins, "agreedPin" | "agreedPins">
  logins: Pick<Logins, "of" | "client" | "assertFree" | "keep" | "forget" | "all">
  tokens: (login: Login) => { access: string | null; refresh: string | null }
  wire: Pick<OAuthWire, "exchange" | "revoke">
  check: CheckToken
  flows: LoginFlows
  /** A listener on loopback, of one login, on a port that the system gives. */
  listen: (
    onAnswer: (params: URLSearchParams) => Promise<LoginPage>,
    onFlood: () => void,
  ) => { port: number; close(): void }
  /** The address by which browsers reach the gateway; null where the owner gave none. */
  publicUrl: () => string | null
  log: Log
}

export const CALLBACK_PATH = "/oauth/callback"
/** A provider answers a request for tokens within half a minute, or the login is begun anew. */
const EXCHANGE_MS = 30_000

type WithLogin = { auth: Auth & { oauth: OAuth; provider: string } }

export function createLoginDesk(deps: LoginDeskDeps): LoginDesk {
  const { plugins, logins, wire, flows, listen, publicUrl, log } = deps

  function loginIn({ name, manifest }: PluginPin): WithLogin {
    const { auth } = manifest
    if (auth?.oauth && auth.provider !== undefined)
      return { auth: { ...auth, oauth: auth.oauth, provider: auth.provider } }
    throw new AppError("input.invalid", `${name} has no login`, {
      hint: `\`ironclaw tool auth ${name} --status\` says what it needs.`,
    })
  }

  /** Plugins of the same provider at the same addresses, active ones: what all of them ask for is asked at once. */
  function sharing({ auth }: WithLogin): PluginPin[] {
    return plugins.agreedPins().filter(({ state, manifest: { auth: other } }) => {
      if (state !== "active" || !other?.oauth || other.provider !== auth.provider) return false
      return (
        other.secret_name.toLowerCase() === auth.secret_name.toLowerCase() &&
        isSameProvider(endpointsIn(other.oauth), endpointsIn(auth.oauth))
      )
    })
  }

  async function statusOf(pin: PluginPin): Promise<LoginStatus> {
    const own = loginIn(pin)
    const { provider, oauth } = own.auth
    const login = await logins.of(pin)
    const isElsewhere = login === null && logins.all().some((one) => one.provider === provider)
    const others = sharing(own)
    const address = publicUrl()
    return {
      provider,
      state: isElsewhere ? "elsewhere" : (login?.state ?? "out"),
      hasClient: !isElsewhere && logins.client(provider) !== null,
      authorizationHost: new URL(oauth.authorization_url).hostname,
      tokenHost: new URL(oauth.token_url).hostname,
      plugins: [...new Set([pin.name, ...others.map(({ name }) => name)])].sort(),
      scopes: [
        ...new Set([...oauth.scopes, ...others.flatMap((one) => one.manifest.auth?.oauth?.scopes ?? [])]),
      ].sort(),
      missing: login ? missingScopes(pin.manifest, login) : oauth.scopes,
      expiresAt: login?.expiresAt ?? null,
      publicRedirect: address === null ? null : new URL(CALLBACK_PATH, address).href,
    }
  }

  /** The plugin's own, or the one that has its provider's name. */
  async function toEnd(pin: PluginPin): Promise<Login | null> {
    const { provider } = loginIn(pin).auth
    return (await logins.of(pin)) ?? logins.all().find((one) => one.provider === provider) ?? null
  }

  function assertHere({ name }: PluginPin, { state, provider, tokenHost }: LoginStatus): void {
    if (state === "elsewhere")
      throw new AppError(
        "conflict",
        `${provider} is another provider here than ${name} means: it would fetch tokens at ${tokenHost}`,
        {
          hint: "Forget the other login first, if this is the one that you want.",
        },
      )
  }

  /** From a right state on: whatever happens settles the login, and the browser learns no more than whether it worked. */
  async function finish(id: string, login: OpenLogin, params: URLSearchParams): Promise<LoginPage> {
    try {
      const pin = await plugins.agreedPin(login.plugin)
      if (pin.sha256 !== login.sha256 || pin.state !== "active")
        throw new AppError("conflict", `${login.plugin} has changed since the login was begun`)
      const client = logins.client(login.provider)
      if (client === null) throw new AppError("login.no_client", `There is no client for ${login.provider} any more`)
      const { endpoints, redirectUri, secrets } = login
      const signal = AbortSignal.timeout(EXCHANGE_MS)
      const tokens = await wire.exchange({ endpoints, client, answer: params, redirectUri, secrets, signal })
      const before = await logins.of(pin)
      const scopes = tokens.scopes ?? [...login.scopes]
      const { auth } = loginIn(pin)
      await logins.keep({
        login: { provider: login.provider, secretName: auth.secret_name, endpoints, scopes, state: "in" },
        before,
        tokens,
        by: "logged in",
        plugin: pin.name,
      })
      const left = login.scopes.filter((scope) => !scopes.includes(scope))
      const without = left.length === 0 ? "" : `, without these rights: ${left.join(" ")}`
      // A right that was given may still be of no use: an API that is off in the owner's project, for one.
      const checked = await deps.check(pin, {
        secret: auth.secret_name,
        value: tokens.access,
        signal: AbortSignal.timeout(EXCHANGE_MS),
      })
      const yet = checked === null || checked.verdict === "taken" ? "" : `; but ${checked.words}`
      flows.settle(id, { state: "done", words: `Logged in to ${login.provider}${without}${yet}` })
      return "done"
    } catch (error) {
      if (!(error instanceof AppError)) log.error("A login failed", { provider: login.provider, error })
      flows.settle(id, {
        state: "failed",
        words: error instanceof AppError ? error.message : "It failed, and the log says why",
      })
      return "failed"
    }
  }

  return {
    async status(name) {
      const pin = await plugins.agreedPin(name)
      return pin.manifest.auth?.oauth ? statusOf(pin) : null
    },
    async prepareClient(name, client) {
      const pin = await plugins.agreedPin(name)
      const status = await statusOf(pin)
      assertHere(pin, status)
      const { auth } = loginIn(pin)
      await logins.assertFree({ provider: auth.provider, secretName: auth.secret_name }, await logins.of(pin))
      for (const [what, text] of [
        ["id", client.clientId],
        ["secret", client.clientSecret],
      ] as const)
        if (text !== null && !/^[\x21-\x7e]{1,500}$/.test(text))
          throw new AppError(
            "input.invalid",
            `This is no client ${what}: it has spaces, other letters, or nothing in it`,
          )
      return { pin, client, status }
    },
    async setClient({ pin, client }) {
      const { auth } = loginIn(pin)
      const before = await logins.of(pin)
      await logins.keep({
        login: {
          provider: auth.provider,
          secretName: auth.secret_name,
          endpoints: endpointsIn(auth.oauth),
          scopes: [],
          state: "out",
        },
        before,
        tokens: null,
        client,
        by: "client set",
        plugin: pin.name,
      })
      return statusOf(pin)
    },
    async prepare(name, way) {
      const pin = await plugins.agreedPin(name)
      const status = await statusOf(pin)
      assertHere(pin, status)
      if (pin.state !== "active")
        throw new AppError("conflict", `${name} is disabled`, { hint: `\`ironclaw tool enable ${name}\` first.` })
      const client = logins.client(status.provider)
      if (client === null)
        throw new AppError("login.no_client", `${status.provider} has to know you by a client of your own`)
      if (way === "public" && status.publicRedirect === null)
        throw new AppError("input.invalid", "There is no public address for the answer", {
          hint: "`ironclaw config set gateway.public_url https://…`, with the service running; or log in without --public.",
        })
      return {
        pin,
        way,
        client,
        status,
        redirect: way === "public" ? (status.publicRedirect ?? "") : "http://127.0.0.1",
      }
    },
    async begin({ pin, way, client, status: { scopes, publicRedirect } }) {
      const { auth } = loginIn(pin)
      const secrets = await newLoginSecrets()
      const endpoints = endpointsIn(auth.oauth)
      let id: string | null = null
      const listener =
        way === "loopback"
          ? listen(
              (params) => answer(params, "loopback"),
              () => {
                if (id !== null) flows.settle(id, { state: "failed", words: "Its port was flooded with requests" })
              },
            )
          : null
      const redirectUri =
        way === "public" && publicRedirect !== null
          ? publicRedirect
          : `http://127.0.0.1:${listener?.port ?? unusedPort()}${CALLBACK_PATH}`
      try {
        const login: OpenLogin = {
          plugin: pin.name,
          sha256: pin.sha256,
          provider: auth.provider,
          endpoints,
          scopes,
          redirectUri,
          way,
          secrets,
        }
        const opened = flows.open(login, () => listener?.close())
        id = opened.id
        const url = authorizationUrl({
          endpoints,
          clientId: client.clientId,
          scopes,
          redirectUri,
          extra: auth.oauth.extra_params ?? {},
          secrets,
        })
        return { ...opened, url, redirectUri, scopes }
      } catch (error) {
        listener?.close()
        throw error
      }
    },
    answer,
    async paste(id, address) {
      const login = flows.find(id)
      if (!login) throw new AppError("not_found", "There is no such login")
      const url = URL.parse(address.trim())
      if (!url || `${url.origin}${url.pathname}` !== login.redirectUri)
        throw new AppError("input.invalid", "This is not the address to which the login sends the browser", {
          hint: `It begins with ${login.redirectUri}?`,
        })
      const taken = flows.take(url.searchParams.get("state"), "paste")
      if (!taken || taken.id !== id)
        throw new AppError("input.invalid", "This answer belongs to no login that is open, or was used already")
      await finish(id, taken.login, url.searchParams)
      return flows.outcome(id, { waitMs: 0, signal: AbortSignal.timeout(1_000) })
    },
    outcome: flows.outcome,
    async prepareEnd(name, { forget }) {
      const pin = await plugins.agreedPin(name)
      const status = await statusOf(pin)
      if (!forget) assertHere(pin, status)
      const login = await toEnd(pin)
      if (!login) throw new AppError("not_found", `There is no login to ${status.provider}`)
      const users = plugins.agreedPins().filter(({ manifest: { auth } }) => {
        const own = auth?.oauth && auth.provider === login.provider ? endpointsIn(auth.oauth) : null
        return own !== null && isSameProvider(own, login.endpoints)
      })
      return {
        login,
        tokenHost: new URL(login.endpoints.tokenUrl).hostname,
        plugins: users.map((one) => one.name).sort(),
      }
    },
    async revoke(name, signal) {
      const pin = await plugins.agreedPin(name)
      const login = await logins.of(pin)
      const client = login && logins.client(login.provider)
      if (!login || !client) throw new AppError("not_found", `${name} has no login that could be ended`)
      const { access, refresh } = deps.tokens(login)
      const token = refresh ?? access
      let toldProvider = false
      if (token !== null && login.endpoints.revocationUrl !== null)
        try {
          await wire.revoke({ endpoints: login.endpoints, client, token, signal })
          toldProvider = true
        } catch (error) {
          // It is ended here all the same; the owner is told that the provider was not.
          if (!(error instanceof AppError)) throw error
          log.warn("A provider did not end a login", { provider: login.provider, error })
        }
      await logins.keep({
        login: { ...login, scopes: [], state: "out" },
        before: login,
        tokens: null,
        by: "ended by the owner",
        plugin: name,
      })
      return { status: await statusOf(pin), toldProvider }
    },
    async forget(name) {
      const pin = await plugins.agreedPin(name)
      const login = await toEnd(pin)
      if (!login) throw new AppError("not_found", `${name} has no login here`)
      await logins.forget(login, "forgotten")
      return statusOf(pin)
    },
    close: () => flows.close(),
  }

  async function answer(params: URLSearchParams, way: LoginWay): Promise<LoginPage> {
    const states = params.getAll("state")
    const taken = states.length === 1 ? flows.take(states[0] ?? null, way) : null
    return taken ? finish(taken.id, taken.login, params) : "unknown"
  }
}

/** In the range that systems give out: nothing of ours listens there, and the address stays in the browser for the owner to copy. */
function unusedPort(): number {
  const [bits = 0] = crypto.getRandomValues(new Uint16Array(1))
  return 49_152 + (bits % 16_384)
}
