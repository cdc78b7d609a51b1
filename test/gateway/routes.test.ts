/**
 * Every route, times every way in: no token, a token to chat, the owner's token over TCP, the socket, the socket with proof of presence.
 * A route that is not in the table fails; so does a row whose route is gone.
 */
import { afterAll, describe, expect, setDefaultTimeout, test } from "bun:test"
import { mkdtempSync, rmSync } from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { systemClock } from "#core/clock.ts"
import { newId } from "#core/id.ts"
import { createPresence } from "#core/safety/presence.ts"
import { createApiToken } from "#core/safety/tokens.ts"
import type { GatewayDeps } from "#gateway/deps.ts"
import { createGateway } from "#gateway/server.ts"
import { t } from "#core/schema.ts"
import { defineTool } from "#core/tools/tool.ts"
import { bodyOf, gatewayHouse, OWNER_TOKEN } from "../fakes/gateway.ts"

setDefaultTimeout(20_000) // a listener or two each, on a machine that may be busy

/**
 * Who may. `open`: anyone. `chat`: any token. `owner`: the owner's token, and the socket. `home`: the owner, and not over TCP.
 * `proved`: the owner, with proof of presence; `proved here`: with proof, and not over TCP whatever it proves.
 */
type Who = "open" | "chat" | "owner" | "home" | "proved" | "proved here"
type Row = Who | [Who, body: unknown]

const table: Readonly<Record<string, Row>> = {
  "GET /health": "open",
  "GET /ready": "open",
  "GET /oauth/callback": "open", // what a browser brings from a provider; it is judged by the state that was given to it
  "GET /v1/models": "chat",
  "GET /v1/models/{model}": "chat",
  "POST /v1/chat/completions": ["chat", { model: "ironclaw", messages: [{ role: "user", content: "Hi" }] }],
  "GET /api/openapi.json": "owner",
  "GET /api/ws": "owner",
  "GET /api/status": "owner",
  "GET /api/tools": "owner",
  "GET /api/agents": "owner",
  "POST /api/sessions": ["owner", {}],
  "GET /api/sessions": "owner",
  "GET /api/sessions/search?text=x": "owner",
  "GET /api/sessions/{id}": "owner",
  "PATCH /api/sessions/{id}": ["owner", { title: "x" }],
  "DELETE /api/sessions/{id}": "owner",
  "GET /api/sessions/{id}/messages": "owner",
  "POST /api/sessions/{id}/messages": ["owner", { content: "Hi" }],
  "POST /api/sessions/{id}/stop": "owner",
  "POST /api/sessions/{id}/undo": "owner",
  "POST /api/sessions/{id}/redo": "owner",
  "POST /api/sessions/{id}/compact": "owner",
  "POST /api/sessions/{id}/clear": "owner",
  "GET /api/sessions/{id}/export": "owner",
  "GET /api/turns/{id}": "owner",
  "GET /api/events": "owner",
  "GET /api/memory": "owner",
  "GET /api/memory/search?text=x": "owner",
  "GET /api/memory/document?path=a.md": "owner",
  "PUT /api/memory/document": ["owner", { path: "a.md", content: "x" }],
  "DELETE /api/memory/document?path=a.md": "owner",
  "GET /api/memory/versions?path=a.md": "owner",
  "GET /api/memory/version?path=a.md&version=1": "owner",
  "GET /api/usage": "owner",
  "GET /api/models": "owner",
  "GET /api/models/status": "owner",
  "GET /api/models/local": "owner",
  "POST /api/models/available": ["home", { backend: "openai", baseUrl: "http://127.0.0.1:1/v1" }],
  "PUT /api/models/default": ["owner", { model: "fake/fake" }],
  "POST /api/models/test": ["owner", {}],
  "GET /api/config": "owner",
  "GET /api/config/schema": "owner",
  "GET /api/config/{key}": "owner",
  "PUT /api/config/approvals.level": ["proved here", { value: "trusted" }],
  "POST /api/config": ["proved here", { values: { "approvals.level": "trusted" } }],
  "GET /api/secrets": "owner",
  "PUT /api/secrets/{name}": ["proved here", { value: "sk-other" }],
  "DELETE /api/secrets/{name}": ["proved here", {}],
  "POST /api/secrets/rotate-master-key": ["proved here", {}],
  "GET /api/backups": "owner",
  "POST /api/backups": ["proved here", { passphrase: "seven wet owls under a bridge" }],
  "GET /api/update": "owner",
  "GET /api/update/release": "owner",
  "POST /api/update/download": ["home", { file: "1.2.3/ironclaw.gz", maxBytes: 1 }],
  "GET /api/doctor": "home",
  "POST /api/doctor/redact": ["home", { text: "x" }],
  "GET /api/audit": "owner",
  "GET /api/audit/verify": "owner",
  "GET /api/audit/egress": "owner",
  "GET /api/channels": "owner",
  "GET /api/channels/{name}": "owner",
  "GET /api/pairing": "owner",
  "POST /api/pairing/approve": ["proved", { channel: "chat", code: "ABCD-2345" }],
  "POST /api/pairing/deny": ["owner", { channel: "chat", id: "42" }],
  "GET /api/approvals": "owner",
  "GET /api/approvals/{id}": "owner",
  "POST /api/approvals/{id}/allow": ["proved", {}],
  "POST /api/approvals/{id}/deny": ["owner", {}],
  "GET /api/grants": "owner",
  "POST /api/grants": ["proved", { tool: "mail_send", destination: "" }],
  "DELETE /api/grants/{id}": "owner",
  "GET /api/hooks": "owner",
  "POST /api/hooks": ["proved", { name: "quiet", point: "tool.call", argv: ["/bin/true"] }],
  "DELETE /api/hooks/{name}": ["proved", {}],
  "POST /api/hooks/{name}/test": ["owner", {}],
  "GET /api/plugins": "owner",
  "POST /api/plugins": ["proved", { path: "/tmp/plugin" }],
  "GET /api/plugins/{name}": "owner",
  "DELETE /api/plugins/{name}": ["proved", {}],
  "POST /api/plugins/{name}/grant": ["proved", {}],
  "POST /api/plugins/{name}/enable": ["proved", {}],
  "POST /api/plugins/{name}/disable": ["proved", {}],
  "GET /api/plugins/{name}/config": "owner",
  "PATCH /api/plugins/{name}/config": ["proved", { values: { server: "x" } }],
  "GET /api/plugins/{name}/auth": "owner",
  "PUT /api/plugins/{name}/auth": ["proved here", { value: "sk-other" }],
  "DELETE /api/plugins/{name}/auth": ["proved here", {}],
  "GET /api/plugins/{name}/login": "owner",
  "PUT /api/plugins/{name}/login/client": ["proved here", { clientId: "mine" }],
  "POST /api/plugins/{name}/login": ["proved here", { way: "loopback" }],
  "POST /api/plugins/{name}/login/{id}/wait": ["home", {}],
  "POST /api/plugins/{name}/login/{id}/paste": ["home", { address: "http://127.0.0.1/?code=x" }],
  "DELETE /api/plugins/{name}/login": ["proved here", {}],
  "POST /api/tools/{name}/call": ["proved", {}],
  "GET /api/tokens": "owner",
  "POST /api/tokens": ["proved", { name: "phone" }],
  "DELETE /api/tokens/{id}": "owner",
  "GET /api/lockdown": "owner",
  "POST /api/lockdown": ["owner", {}],
  "POST /api/lockdown/lift": ["proved here", {}],
}

const AT_TERMINAL = 4_242
const base = mkdtempSync(join(tmpdir(), "ironclaw-routes-"))
afterAll(() => rmSync(base, { recursive: true, force: true }))

/** Services on which every change could be made, so that nothing but the gates stands in its way. */
function services(screen: string[]): Partial<GatewayDeps> {
  const mail = defineTool({
    name: "mail_send",
    description: "Sends mail",
    input: t.Object({}, { additionalProperties: false }),
    effect: () => "send",
    needs: () => [],
    timeoutMs: 1_000,
    run: async () => ({ data: "sent" }),
  })
  const { deps } = gatewayHouse()
  const hook = { name: "name", point: "tool.call", position: 100, form: { kind: "url", url: "https://example.com/" } }
  const login = {
    provider: "p",
    version: 1,
    tokenHost: "p",
    authorizationHost: "p",
    scopes: [],
    plugins: [],
    state: "out",
  }
  const loggingIn = { pin: { sha256: "00" }, status: login, redirect: "http://127.0.0.1/" }
  const prepared = { name: "p", version: "1", sha256: "00", manifest: {}, tools: [], asks: [], changes: null }
  // The routes read these few fields and hand the rest on.
  const any = <T>(value: unknown): T => value as T
  return {
    presence: createPresence({
      clock: systemClock,
      terminals: {
        judge: (pid) =>
          pid === AT_TERMINAL ? { verdict: "allow", path: "/dev/pts/9" } : { verdict: "refuse", why: "it has none" },
        write: (_path, text) => screen.push(text) > 0,
      },
      ownPid: 0,
    }),
    tools: () => [mail],
    approvals: {
      ...deps.approvals,
      get: async (id) => any({ id, state: "open", fingerprint: "f", question: "May it?", tool: "mail_send" }),
      answer: async (id) => any({ id, state: "allowed" }),
    },
    grants: { ...deps.grants, add: async () => any({}) },
    hooks: {
      ...deps.hooks,
      list: async () => [any({ ...hook, tools: null, channels: null, agents: null })],
      prepare: async () => any({ ...hook, tools: null, channels: null, agents: null }),
      add: async () => any({}),
      remove: async () => {},
    },
    plugins: {
      ...deps.plugins,
      // One that judges: those that do not are stopped by whoever may change plugins.
      get: async () => any({ version: "1", sha256: "00", settings: [], hooks: ["tool.call"], state: "active" }),
      prepareInstall: async () => any(prepared),
      prepareGrant: async () => any(prepared),
      install: async () => any({}),
      grant: async () => any({}),
      enable: async () => any({}),
      prepareConfig: async () => any({ sha256: "00", values: { server: "x" } }),
      configure: async () => any({ settings: [] }),
      disable: async () => any({}),
      remove: async () => {},
    },
    pluginAuth: {
      ...deps.pluginAuth,
      prepare: async () => any({ pin: { sha256: "00" }, triedAt: null, sharedWith: [], version: 1, secret: "a_key" }),
      save: async () => any({}),
      forget: async () => any({}),
    },
    loginDesk: {
      ...deps.loginDesk,
      prepareClient: async () => any(loggingIn),
      setClient: async () => any({}),
      prepare: async () => any(loggingIn),
      begin: async () => any({}),
      prepareEnd: async () => any({ login, tokenHost: "p", plugins: [] }),
      revoke: async () => any({ status: null, toldProvider: false }),
    },
    pairing: {
      ...deps.pairing,
      find: async () => any({ channel: "chat", externalId: "42", name: "" }),
      deny: async () => {},
    },
    tokens: { ...deps.tokens, add: async () => any({ token: {}, text: "" }) },
    ownerCalls: { ...deps.ownerCalls, prepare: () => ({ principal: "agent:main", destination: "", asks: true }) },
    lockdown: { ...deps.lockdown, state: () => ({ active: true, since: null, reason: "" }) },
  }
}

type Answer = { status: number; code: string | undefined; challenge: string | undefined }

async function house() {
  const screen: string[] = []
  const chat = createApiToken()
  const tokens = new Map([[chat.sha256, { id: newId("tok"), scopes: ["chat"], ended: new AbortController().signal }]])
  const gateway = createGateway(gatewayHouse({ tokens, given: services(screen) }).deps)
  const socket = join(mkdtempSync(join(base, "s-")), "s.sock")
  await gateway.listen({ socket })
  const { address } = await gateway.listen({ host: "127.0.0.1", port: 0 })
  const ids: Record<string, string> = { sessions: newId("ses"), turns: newId("trn"), approvals: newId("apr") }
  ids["grants"] = newId("grt")
  ids["tokens"] = newId("tok")

  async function ask(
    name: string,
    { token, body }: { token?: string | undefined; body?: unknown },
    via: "tcp" | "socket",
  ) {
    const [method = "", route = ""] = name.split(" ")
    const path = route.replace("{id}", ids[route.split("/")[2] ?? ""] ?? "x").replace(/\{(\w+)\}/, "$1")
    const headers = {
      ...(token === undefined ? {} : { authorization: `Bearer ${token}` }),
      ...(body === undefined ? {} : { "content-type": "application/json" }),
    }
    const stop = new AbortController()
    const answer = await fetch(via === "tcp" ? address + path : `http://localhost${path}`, {
      method,
      headers,
      signal: stop.signal,
      ...(via === "socket" ? { unix: socket } : {}),
      ...(body === undefined ? {} : { body: JSON.stringify(body) }),
    })
    const isJson = answer.headers.get("content-type")?.includes("json")
    const told = isJson ? await bodyOf<{ error?: { code?: string }; challenge?: { id: string } } | null>(answer) : null
    stop.abort() // a stream of events would go on
    return { status: answer.status, code: told?.error?.code, challenge: told?.challenge?.id } satisfies Answer
  }
  return {
    ask,
    chat: chat.token,
    lastCode: () => /Code: (\d{3} \d{3})/.exec(screen.at(-1) ?? "")?.[1] ?? "",
    close: gateway.close,
  }
}

/** It came past every gate of who may; what the service then says of what was asked is its own. */
function passes({ status, code }: Answer): boolean {
  return status !== 401 && status !== 403 && status !== 405 && status !== 500 && code !== "input.invalid"
}

describe.each(Object.entries(table))("%s", (name, row) => {
  const [who, body] = typeof row === "string" ? [row, undefined] : row

  test(`is for ${who}`, async () => {
    const { ask, chat, lastCode, close } = await house()
    try {
      const none = await ask(name, { body }, "tcp")
      if (who === "open") expect(passes(none)).toBeTrue()
      else expect(none).toMatchObject({ status: 401 })

      const chatting = await ask(name, { token: chat, body }, "tcp")
      if (who === "open" || who === "chat") expect(passes(chatting)).toBeTrue()
      else expect(chatting).toMatchObject({ status: 403, code: "client.forbidden" })

      const far = await ask(name, { token: OWNER_TOKEN, body }, "tcp")
      const isProved = who === "proved" || who === "proved here"
      if (isProved || who === "home") {
        expect(far).toMatchObject({ status: 403, code: expect.stringMatching(/^presence\.(?:required|no_terminal)$/) })
      } else expect({ far, passes: passes(far) }).toMatchObject({ passes: true })

      const near = await ask(name, { body }, "socket")
      if (isProved) expect(near).toMatchObject({ status: 403, code: "presence.required" })
      else expect({ near, passes: passes(near) }).toMatchObject({ passes: true })
      if (!isProved) return

      const asking = { ...(body as object), presence: { ask: { pid: AT_TERMINAL } } } // a row with proof has a body
      expect(await ask(name, { token: OWNER_TOKEN, body: asking }, "tcp")).toMatchObject({
        status: 403,
        code: expect.stringMatching(/^presence\.(?:required|no_terminal)$/),
      })
      const asked = await ask(name, { body: asking }, "socket")
      expect({ status: asked.status, isAsked: asked.challenge !== undefined }).toEqual({ status: 202, isAsked: true })
      const presence = { challenge: asked.challenge, code: lastCode() }
      const done = await ask(name, { body: { ...(body as object), presence } }, "socket") // as above
      expect(done.status).toBeWithin(200, 202)
    } finally {
      await close()
    }
  })
})

test("the table has a row for every route, and none for one that is gone", async () => {
  const document = await bodyOf<{ paths: Record<string, Record<string, unknown>> }>(
    await createGateway(gatewayHouse().deps).handle(new Request("http://localhost/api/openapi.json")),
  )
  const served = Object.entries(document.paths).flatMap(([path, methods]) =>
    Object.keys(methods).map((method) => `${method.toUpperCase()} ${path}`),
  )
  const rows = Object.keys(table).map((name) =>
    (name.split("?")[0] ?? "").replace("config/approvals.level", "config/{key}"),
  )
  expect(rows.toSorted()).toEqual(served.toSorted())
})
