/** A house with plugins whose owner logs in: a real vault and real rows, two providers, an API, and a clock that a test moves. */
import { systemClock } from "#core/clock.ts"
import { openHome } from "#core/home.ts"
import { silentLog } from "#core/log.ts"
import { openMasterKey } from "#core/secrets/master-key.ts"
import { createVault, type Vault } from "#core/secrets/vault.ts"
import { createLoginDesk } from "#sandbox/login-desk.ts"
import { createLoginFlows } from "#sandbox/login-flow.ts"
import { createLoginRows } from "#sandbox/login-rows.ts"
import { createLogins, type Logins, refreshNameOf } from "#sandbox/logins.ts"
import { createTokenCheck } from "#sandbox/token-check.ts"
import { createOAuthWire } from "#sandbox/oauth.ts"
import { listenForLogin } from "#gateway/login-callback.ts"
import { PUBLIC } from "#test/core/safety/fake-internet.ts"
import { makeHome } from "./home.ts"
import { startOAuthServer } from "./oauth-server.ts"
import { pluginHouse, toolCode } from "./plugin-house.ts"

export const CLIENT = { id: "client-of-the-owner", secret: "client-secret-0123456789" }
const keychain = {
  read: async () => null,
  works: async () => false,
  write: async () => false,
  delete: async () => false,
}

type PluginShape = {
  of?: ReturnType<typeof startOAuthServer>
  scopes?: string[]
  host?: string
  /** Beside what it says of its login; null: it has none. */
  auth?: object | null
}

export type LoginHouse = Awaited<ReturnType<typeof loginHouse>>

export async function loginHouse({ publicUrl = null as string | null } = {}) {
  const place = makeHome()
  let aheadMs = 0
  const clock = {
    ...systemClock,
    nowMs: () => systemClock.nowMs() + aheadMs,
    iso: () => new Date(systemClock.nowMs() + aheadMs).toISOString(),
  }
  let vault: Vault | undefined
  let logins: Logins | undefined
  /** One more process on the same database, with its own view of it. */
  let another: (() => Promise<{ vault: Vault; logins: Logins }>) | undefined
  const at = await pluginHouse({
    secretValues: () => [...(vault?.values() ?? [])],
    async loginsFor({ db, writer, seal, badSeals, internet }) {
      const home = openHome({ env: {}, explicit: place.path })
      const log = silentLog
      another = async () => {
        const key = await openMasterKey({ db, clock: systemClock, home, keychain, environment: undefined, lock: null })
        const mine = await createVault({
          db,
          writer,
          clock: systemClock,
          log,
          key,
          home,
          keychain,
          lock: null,
          reseal: [],
        })
        const rows = createLoginRows({ db, clock, seal, onBadSeal: (what) => badSeals.push(what) })
        const wire = createOAuthWire({ egress: internet.egress })
        return { vault: mine, logins: await createLogins({ rows, vault: mine, wire, clock, log }) }
      }
      const made = await another()
      vault = made.vault
      logins = made.logins
      return logins
    },
  })
  if (!vault || !logins || !another) throw new Error("The house asked for no logins")
  const own = vault
  const provider = startOAuthServer(at.internet, {
    host: "login.example.org",
    address: "93.184.216.50",
    client: CLIENT,
  })
  const evil = startOAuthServer(at.internet, { host: "evil.example.org", address: "93.184.216.51", client: CLIENT })
  await provider.start()
  await evil.start()
  const asked: { url: string; authorization: string | undefined; method: string | undefined; body: string }[] = []
  await at.internet.site(PUBLIC, (request, reply) => {
    let body = ""
    request.on("data", (part: Buffer) => (body += part.toString()))
    request.on("end", () => {
      const { authorization } = request.headers
      asked.push({ url: request.url ?? "", authorization, method: request.method, body })
      reply.writeHead(provider.takes(authorization) ? 200 : 401)
      reply.end(`you showed ${authorization ?? "nothing"}`)
    })
  })
  at.internet.name("api.example.com", [PUBLIC])
  at.internet.name("files.example.com", [PUBLIC])
  const deskParts = {
    plugins: at.plugins,
    logins,
    tokens: ({ secretName }: { secretName: string }) => ({
      access: own.value(secretName),
      refresh: own.value(refreshNameOf(secretName)),
    }),
    wire: createOAuthWire({ egress: at.internet.egress }),
    check: createTokenCheck({ egress: at.internet.egress }),
    listen: listenForLogin,
    publicUrl: () => publicUrl,
    log: silentLog,
  }
  const desk = createLoginDesk({ ...deskParts, flows: createLoginFlows({ clock: systemClock }) })

  const house = {
    ...at,
    vault: own,
    logins,
    desk,
    another,
    provider,
    evil,
    asked,
    /** Moves the clock of tokens. */
    ahead: (ms: number) => void (aheadMs += ms),
    manifest(
      tool: string,
      { of = provider, scopes = ["read"], host = "api.example.com", auth = {} }: PluginShape = {},
    ) {
      return {
        effects: { [tool]: "send" },
        capabilities: {
          http: {
            allowlist: [{ host }],
            credentials: {
              main: { secret_name: "vendor_oauth_token", location: { type: "bearer" }, host_patterns: [host] },
            },
          },
        },
        ...(auth === null
          ? {}
          : {
              auth: {
                secret_name: "vendor_oauth_token",
                display_name: "Vendor",
                provider: "vendor",
                oauth: of.oauth(scopes),
                ...auth,
              },
            }),
      }
    },
    async add(name: string, tool: string, how: PluginShape = {}) {
      const code = toolCode(
        tool,
        `const [method = "GET", url = "https://${how.host ?? "api.example.com"}/v1"] = (input.word ?? "").split(" ").filter(Boolean)
        const answer = http({ method, url, body: method === "POST" ? "the body" : undefined })
        return answer.status + " " + answer.text()`,
      )
      await at.install(at.source(name, code, house.manifest(tool, how)))
      await at.grant(name)
      await house.letSend(name, tool)
    },
    async letSend(name: string, tool: string) {
      const { sha256 } = await at.plugins.get(name)
      const { destinationOf } = await import("#core/safety/grants.ts")
      const card = at.registry.registry.find(tool)
      const { statement } = at.grants.add({
        agentId: "main",
        principal: `plugin:${name}@${sha256}`,
        tool,
        destination: destinationOf(card?.needs({}) ?? []),
        evenUntrusted: true,
        sessionId: null,
        expiresAt: null,
      })
      await at.writer.commit({ statements: [statement] })
    },
    client: async (name: string) =>
      desk.setClient(await desk.prepareClient(name, { clientId: CLIENT.id, clientSecret: CLIENT.secret })),
    begin: async (name: string, way: "loopback" | "public" | "paste" = "loopback") =>
      desk.begin(await desk.prepare(name, way)),
    /** A whole login, the browser's part by loopback too. */
    async login(name: string) {
      const begun = await house.begin(name)
      const page = await browse(provider.visit(begun.url))
      return { begun, page, outcome: await desk.outcome(begun.id, { waitMs: 0, signal: AbortSignal.timeout(1_000) }) }
    },
    async text(tool: string, word = "") {
      return (await at.call(tool, { word })).told?.text ?? ""
    },
    async close() {
      desk.close()
      await own.close()
      await at.close()
      place[Symbol.dispose]()
    },
  }
  return house
}

/** What a browser does with a redirect to loopback. The guard of the tests lets only loopback through. */
export async function browse(
  url: URL | string,
  host?: string,
): Promise<{ status: number; text: string; headers: Headers }> {
  const answer = await fetch(url, { redirect: "manual", ...(host === undefined ? {} : { headers: { host } }) })
  return { status: answer.status, text: await answer.text(), headers: answer.headers }
}
