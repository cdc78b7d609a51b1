/** A gateway on services in memory, and what tests of it share. */
import { judgedValue } from "#core/config-edit.ts"
import type { Incoming } from "#core/agent/agent.ts"
import { type Clock, systemClock } from "#core/clock.ts"
import { AppError } from "#core/errors.ts"
import { noPluggedHooks } from "#core/hooks/plugged.ts"
import { newId } from "#core/id.ts"
import { silentLog } from "#core/log.ts"
import type { ApiToken } from "#core/safety/tokens.ts"
import type { GatewayDeps } from "#gateway/deps.ts"
import { fakeAgent, fakeBus, fakeMemory, fakeModels, fakeSessions, type Reply } from "./gateway-services.ts"

export const OWNER_TOKEN = "owner-token-for-tests-0123456789"

/** One red pixel, in base64. */
export const PNG = "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNk+M9QDwADhgGAWjR9awAAAABJRU5ErkJggg=="

/** The answer's JSON; the test that names its type asserts what is in it. */
export async function bodyOf<T>(answer: Response): Promise<T> {
  return (await answer.json()) as T
}

/** What a promise rejects with; fails the test where it does not. */
export async function refusal(work: Promise<unknown>): Promise<unknown> {
  try {
    await work
  } catch (error) {
    return error
  }
  throw new Error("It was accepted")
}

/** Everything `createGateway` needs; `given` takes the place of single parts. */
export function gatewayHouse({
  reply = () => ({ words: ["Hello ", "there."] }),
  models = fakeModels(() => []),
  tokens = new Map(),
  clock = systemClock,
  given = {},
}: {
  reply?: (incoming: Incoming) => Reply
  models?: ReturnType<typeof fakeModels>
  tokens?: Map<string, ApiToken>
  clock?: Clock
  given?: Partial<GatewayDeps>
} = {}) {
  const bus = fakeBus()
  const sessions = fakeSessions()
  const agent = fakeAgent({ bus, sessions, reply })
  const recorded: unknown[] = []
  const logged: { message: string; fields: unknown }[] = []
  const log = { ...silentLog, error: (message: string, fields: unknown) => void logged.push({ message, fields }) }
  const deps: GatewayDeps = {
    sessions,
    agent,
    bus,
    readEvents: async ({ after, sessionId, limit }) =>
      bus.stored
        .filter(
          (event) =>
            event.seq > after && (sessionId === null || ("sessionId" in event && event.sessionId === sessionId)),
        )
        .slice(0, limit),
    latestSeq: async () => bus.stored.length,
    models,
    candidates: { local: async () => [], available: async () => ["fake-model"], model: () => models.get(null) },
    setDefaultModel: async (id) => ({
      key: "model.name",
      value: id,
      source: null,
      restartNeeded: false,
      problem: null,
    }),
    memory: fakeMemory(),
    usage: {
      summary: async () => [
        { group: "2026-01-15", calls: 1, inputTokens: 1, cachedInputTokens: 0, outputTokens: 1, costUsdMicros: 1 },
      ],
      check: async () => {},
      record: async (call) => void recorded.push(call),
    },
    config: {
      list: () => [],
      schema: () => ({ type: "object" }),
      judge(key, value) {
        if (value !== null) judgedValue(key, value)
      },
      set: async (key, value) => ({ key, value, source: null, restartNeeded: false, problem: null }),
      unset: async (key) => ({ key, value: null, source: null, restartNeeded: false, problem: null }),
    },
    secrets: {
      list: async () => [
        { name: "A_KEY", version: 1, createdAt: "2026-01-15T12:00:00.000Z", usedAt: null, readable: true },
      ],
      judge: async ({ name }) => ({ name, version: 0 }),
      set: async ({ name }) => ({ name, version: 1 }),
      delete: async () => {},
      rotateMaster: async () => ({ keyId: "00", source: "file", secrets: 1 }),
    },
    hasActed: async () => true,
    backups: {
      list: async () => [],
      running: () => null,
      judge: () => {},
      needsNoProof: () => false,
      create: async () => ({ path: "/b", bytes: 1, tables: 1, rows: 1, createdAt: "2026-01-15T12:00:00.000Z" }),
    },
    doctor: {
      examine: async () => {
        throw new AppError("not_found", "Nothing is examined here")
      },
      redact: (text) => text,
    },
    releases: {
      url: () => null,
      running: () => null,
      newest: async () => "{}",
      download: async () => ({ path: "/home/run/update", bytes: 1 }),
    },
    audit: {
      list: async () => ({ items: [], next: null }),
      verify: async () => ({ ok: true, rows: 0, last: null, head: "none", sealedTo: 0, problems: [], count: 0 }),
      egress: async () => [],
    },
    approvals: {
      list: async () => [],
      get: async (id) => Promise.reject(new AppError("not_found", `There is no approval ${id}`)),
      answer: async (id) => Promise.reject(new AppError("not_found", `There is no approval ${id}`)),
    },
    grants: {
      list: async () => [],
      add: async () => Promise.reject(new AppError("conflict", "No grants here")),
      revoke: async (id) => Promise.reject(new AppError("not_found", `There is no grant ${id}`)),
    },
    hooks: {
      list: async () => [],
      prepare: async () => Promise.reject(new AppError("hook.unusable", "No hooks here")),
      add: async () => Promise.reject(new AppError("conflict", "No hooks here")),
      remove: async (name) => Promise.reject(new AppError("not_found", `There is no hook ${name}`)),
      test: async (name) => Promise.reject(new AppError("not_found", `There is no hook ${name}`)),
    },
    ownerCalls: {
      prepare: () => ({ principal: "agent:main", destination: "", asks: false }),
      run: async () => ({ state: "done", text: "", labels: [] }),
    },
    loginDesk: {
      status: async () => null,
      prepareClient: async () => Promise.reject(new AppError("conflict", "No plugins here")),
      setClient: async () => Promise.reject(new AppError("conflict", "No plugins here")),
      prepare: async () => Promise.reject(new AppError("conflict", "No plugins here")),
      begin: async () => Promise.reject(new AppError("conflict", "No plugins here")),
      answer: async () => "unknown",
      paste: async () => Promise.reject(new AppError("not_found", "No plugins here")),
      outcome: async () => Promise.reject(new AppError("not_found", "No plugins here")),
      prepareEnd: async () => Promise.reject(new AppError("not_found", "No plugins here")),
      revoke: async () => Promise.reject(new AppError("not_found", "No plugins here")),
      forget: async () => Promise.reject(new AppError("not_found", "No plugins here")),
      close() {},
    },
    pluginAuth: {
      status: async () => Promise.reject(new AppError("not_found", "No plugins here")),
      prepare: async () => Promise.reject(new AppError("not_found", "No plugins here")),
      save: async () => Promise.reject(new AppError("conflict", "No plugins here")),
      forget: async () => Promise.reject(new AppError("conflict", "No plugins here")),
    },
    plugins: {
      list: async () => [],
      get: async (name) => Promise.reject(new AppError("not_found", `There is no plugin ${name}`)),
      available: async () => [],
      isOwn: async () => false,
      judgeAsked() {},
      prepareInstall: async () => Promise.reject(new AppError("plugin.unusable", "No plugins here")),
      install: async () => Promise.reject(new AppError("conflict", "No plugins here")),
      prepareGrant: async () => Promise.reject(new AppError("plugin.unusable", "No plugins here")),
      grant: async () => Promise.reject(new AppError("conflict", "No plugins here")),
      enable: async () => Promise.reject(new AppError("conflict", "No plugins here")),
      disable: async () => Promise.reject(new AppError("conflict", "No plugins here")),
      remove: async () => Promise.reject(new AppError("not_found", "No plugins here")),
      prepareConfig: async () => Promise.reject(new AppError("conflict", "No plugins here")),
      configure: async () => Promise.reject(new AppError("conflict", "No plugins here")),
      endpointsFor: () => [],
      agreedPin: async () => Promise.reject(new AppError("conflict", "No plugins here")),
      agreedPins: () => [],
      hooks: noPluggedHooks,
      refresh: async () => {},
      credentialsFor: () => [],
      channels: () => [],
      watch() {},
    },
    channels: {
      list: async () => [],
      status: async (name) => Promise.reject(new AppError("not_found", `There is no channel ${name}`)),
      examine: async () => [],
      atPath: () => null,
      secretOf: () => null,
      receive: async () => ({ status: 503, body: null }),
      start: async () => {},
      tidy: async () => {},
      stop: async () => {},
    },
    pairing: {
      ask: async () => "refused",
      list: async () => ({ asking: [], known: [] }),
      find: async () => Promise.reject(new AppError("not_found", "Nobody asks here")),
      approve: async () => {},
      deny: async () => Promise.reject(new AppError("not_found", "Nobody asks here")),
    },
    webhookReceipts: { has: async () => false, add: async () => {} },
    noteRefusal() {},
    tokens: {
      list: async () => [],
      add: async () => Promise.reject(new AppError("conflict", "No tokens here")),
      revoke: async (id) => Promise.reject(new AppError("not_found", `There is no token ${id}`)),
    },
    presence: {
      prove: () => {
        throw new AppError("presence.required", "Nobody is here")
      },
      showIn: () => () => {},
      forgetAll() {},
    },
    lockdown: {
      active: false,
      state: () => ({ active: false, since: null, reason: "" }),
      lock: async () => ({ active: true, since: null, reason: "" }),
      lift: async () => ({ active: false, since: null, reason: "" }),
    },
    tools: () => [],
    agents: async () => ["main", "work"],
    ready: async () => ({ ready: true, parts: [{ name: "database", ok: true, detail: "embedded" }] }),
    status: async () => ({
      version: "0.1.0",
      pid: 1,
      startedAt: "2026-01-15T12:00:00.000Z",
      home: "/home",
      addresses: [],
      died: null,
      database: { kind: "embedded", ok: true, detail: "" },
      model: "fake/fake",
      turns: { running: 0, queued: 0, suspended: 0 },
      sessions: 0,
      jobs: { running: 0, queued: 0, failedToday: 0 },
      approvals: 0,
      today: { calls: 0, costUsdMicros: 0 },
      inUse: true,
      warnings: [],
    }),
    log,
    clock,
    ownerToken: OWNER_TOKEN,
    ownerId: newId("per"),
    findToken: async (sha256) => tokens.get(sha256) ?? null,
    policy: () => ({ allowedHosts: [], allowedOrigins: [], trustedProxies: [] }),
    version: "0.1.0",
    ...given,
  }
  return { bus, sessions, agent, models, deps, recorded, logged }
}
