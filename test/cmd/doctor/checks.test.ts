/** The doctor's checks, each asked about a house that is in order and about one that is not. */
import { afterAll, describe, expect, test } from "bun:test"
import { chmodSync, mkdirSync, statSync, symlinkSync, utimesSync, writeFileSync } from "node:fs"
import { join } from "node:path"
import type { Level } from "#cmd/doctor/check.ts"
import type { Facts } from "#cmd/doctor/facts.ts"
import { checks, type Judged, judgeAll } from "#cmd/doctor/table.ts"
import { version } from "#cmd/lib/version.ts"
import { loadConfig } from "#core/config.ts"
import { AppError } from "#core/errors.ts"
import { openHome } from "#core/home.ts"
import { systemClock } from "#core/clock.ts"
import type { Examination } from "#gateway/deps.ts"
import { makeHome } from "../../fakes/home.ts"

const place = makeHome()
afterAll(() => place[Symbol.dispose]())

const now = systemClock.nowMs()
const daysAgo = (days: number) => new Date(now - days * 86_400_000).toISOString()

/** A house in which nothing is wrong, but that it is new. */
const healthy: Examination = {
  version,
  startedAt: daysAgo(0),
  as: "service",
  died: null,
  database: {
    kind: "embedded",
    version: "18.6",
    hasVector: true,
    migrations: 4,
    bytes: 10e6,
    answeredMs: 3,
    clockAheadMs: 0,
    lastEventAt: daysAgo(1),
  },
  key: { id: "00", source: "keychain", foreignSecrets: 0 },
  model: { id: "fake/fake", problem: null, cooling: [] },
  secrets: [{ name: "A_TOKEN", createdAt: daysAgo(400), usedAt: daysAgo(1) }],
  tokens: [{ id: "tok_1", name: "editor", createdAt: daysAgo(10), expiresAt: null, usedAt: null }],
  grants: [],
  approvals: { open: 0, oldestAt: null },
  auditHead: "sealed",
  guardRefusals: [],
  steering: [],
  hooks: [],
  plugins: [],
  lockdown: { active: false, since: null },
  jobs: { overdue: 0, abandoned: 0, orphanedTurns: 0, failing: [] },
  usage: [{ window: "day", spentUsdMicros: 1_000_000, limitUsdMicros: 10_000_000 }],
  backups: { every: "daily", keep: 7, hasPassphrase: true, made: [], failing: null },
  channels: [],
}

let homes = 0
async function factsOf({
  examination = {},
  set = {},
  env = {},
  ...given
}: Partial<Omit<Facts, "examination" | "env">> & {
  examination?: Partial<Examination> | { ok: false; error: AppError | null }
  set?: Record<string, string>
  env?: Record<string, string>
} = {}): Promise<Facts> {
  const home = given.home ?? openHome({ env: {}, explicit: join(place.path, `home-${homes++}`) })
  return {
    clock: systemClock,
    env,
    steering: [],
    home,
    homeExists: true,
    homeProblem: null,
    config: { ok: true, value: await loadConfig({ home, env, flags: set }) },
    lock: null,
    supervisor: null,
    deadSocket: null,
    examination:
      "ok" in examination
        ? { ok: false, error: examination.error?.toBody() ?? null }
        : { ok: true, value: { ...healthy, ...examination } },
    audit: { ok: true, value: { ok: true, rows: 5, last: null, head: "sealed", sealedTo: 5, problems: [], count: 0 } },
    probe: null,
    service: null,
    redactByVault: null,
    ...given,
  }
}

const plugin = { name: "mailer", state: "active" as const, missing: [], login: null, endpoints: [] }
const login = { provider: "vendor", state: "in" as const, missing: [] }

async function judged(id: string, facts: Facts): Promise<Judged> {
  const check = checks.find((one) => one.id === id)
  if (!check) throw new Error(`There is no check ${id}`)
  const [found] = await judgeAll(facts, [check])
  if (!found) throw new Error("It was not judged")
  return found
}

test("a passphrase that lies in the home opens the key beside it, and that is said", async () => {
  const given = { examination: { key: { ...healthy.key, source: "passphrase" } } } as const
  const inEnvFile = await factsOf(given)
  writeFileSync(inEnvFile.home.envFile, "IRONCLAW_KEY_PASSPHRASE=one two three four\n", { mode: 0o600 })
  expect(await judged("key.place", inEnvFile)).toMatchObject({ level: "warning" })
  const home = openHome({ env: {}, explicit: join(place.path, "with-words") })
  writeFileSync(join(home.root, "words"), "one two three four", { mode: 0o600 })
  const set = { "encryption.passphrase_file": join(home.root, "words") }
  const inHome = await factsOf({ ...given, home, set })
  expect((await judged("key.place", inHome)).found).toContain("which lies in the home as well")
})

describe("the table", () => {
  test("has each check once, with a group, and says why it matters", () => {
    const ids = checks.map(({ id }) => id)
    expect(new Set(ids).size).toBe(ids.length)
    expect(ids.length).toBeGreaterThanOrEqual(30)
    for (const { id, why } of checks) {
      expect(id).toMatch(/^[a-z]+\.[a-z-]+$/)
      expect(why).toMatch(/^[A-Z].{20,}\.$/)
    }
  })

  test("finds no fault in a house that is in order, and every remark says what to do or that it cannot tell", async () => {
    const found = await judgeAll(await factsOf())
    const faults = found.filter(
      ({ level, id }) => level === "failure" || (level === "warning" && !OF_THIS_MACHINE.has(id)),
    )
    expect(faults).toEqual([])
  })

  test("goes on where one check breaks", async () => {
    const broken = {
      id: "a.breaks",
      why: "",
      judge: () => {
        throw new Error("a wire is loose")
      },
    }
    const found = await judgeAll(await factsOf(), [broken, ...checks.slice(0, 1)])
    expect(found.map(({ level }) => level)).toEqual(["note", "ok"])
    expect(found[0]?.found).toContain("a wire is loose")
  })

  test("judges nothing of the database where it could not be asked, and one check says why", async () => {
    const error = new AppError("db.unreachable", "Postgres did not answer")
    const found = await judgeAll(
      await factsOf({ examination: { ok: false, error }, audit: { ok: false, error: null } }),
    )
    expect(found.filter(({ level }) => level === "failure").map(({ id }) => id)).toEqual(["database.answers"])
    expect(found.find(({ id }) => id === "grants.wide")?.found).toStartWith("Not looked at")
  })
})

/** What the machine of the tests may be like: root, a small disk, an odd environment, a kernel without the lock. */
const OF_THIS_MACHINE = new Set(["machine.user", "machine.disk", "machine.environment", "sandbox.lock"])

type Case = readonly [id: string, level: Level, given: Parameters<typeof factsOf>[0]]
const grant = {
  id: "grt_1",
  principal: "agent:main",
  tool: "http_request",
  destination: "http api.example.com GET /",
  evenUntrusted: false,
  createdAt: daysAgo(1),
  expiresAt: daysAgo(-30),
  usedAt: null,
}
const channel: Examination["channels"][number] = {
  name: "relay",
  failures: 0,
  lastError: "",
  secretName: "relay_signing_secret",
  secret: "set",
  undelivered: 0,
}
const cases: readonly Case[] = [
  ["database.answers", "warning", { examination: { database: { ...healthy.database, answeredMs: 900 } } }],
  ["database.answers", "note", { examination: { ok: false, error: null } }],
  [
    "database.version",
    "failure",
    { examination: { database: { ...healthy.database, kind: "postgres", version: "14.2" } } },
  ],
  ["database.version", "ok", { examination: { database: { ...healthy.database, kind: "postgres", version: "15.0" } } }],
  ["database.pgvector", "note", { examination: { database: { ...healthy.database, hasVector: false } } }],
  ["machine.clock", "warning", { examination: { database: { ...healthy.database, lastEventAt: daysAgo(-1) } } }],
  [
    "machine.clock",
    "warning",
    { examination: { database: { ...healthy.database, kind: "postgres", clockAheadMs: -90_000 } } },
  ],
  ["machine.environment", "warning", { steering: ["BUN_OPTIONS"] }],
  ["machine.environment", "warning", { examination: { steering: ["LD_PRELOAD"] } }],
  ["machine.environment", "note", { steering: ["https_proxy"] }],
  ["machine.environment", "note", { env: { SSL_CERT_FILE: "/etc/own.pem" } }],
  ["machine.environment", "ok", { env: { https_proxy: "http://127.0.0.1:1" } }],
  ["machine.environment", "ok", { env: { BUN_OPTIONS: "", LANG: "C" } }],
  ["key.opens", "failure", { examination: { key: { ...healthy.key, foreignSecrets: 2 } } }],
  ["key.opens", "failure", { examination: { ok: false, error: new AppError("key.missing", "There is no key") } }],
  ["key.strength", "failure", { env: { SECRETS_MASTER_KEY: "0".repeat(64) } }],
  ["key.place", "note", { examination: { key: { ...healthy.key, source: "file" } } }],
  ["key.place", "ok", { examination: { key: { ...healthy.key, source: "passphrase" } } }],
  [
    "key.place",
    "failure",
    {
      examination: { key: { ...healthy.key, source: "passphrase" } },
      set: { "encryption.passphrase_file": "/nonexistent/words" },
    },
  ],
  ["model.configured", "failure", { examination: { model: { id: "a/b", problem: "There is no key", cooling: [] } } }],
  ["model.configured", "note", { examination: { model: { id: "demo/demo", problem: null, cooling: [] } } }],
  [
    "model.health",
    "warning",
    { examination: { model: { id: "a/b", problem: null, cooling: [{ model: "a/b", why: "401" }] } } },
  ],
  ["model.answers", "failure", { probe: { ok: true, value: { model: "a/b", ok: false, durationMs: 20, why: "401" } } }],
  ["model.answers", "warning", { probe: { ok: true, value: { model: "a/b", ok: true, durationMs: 9_000, why: "" } } }],
  ["model.answers", "ok", { probe: { ok: true, value: { model: "a/b", ok: true, durationMs: 400, why: "" } } }],
  ["secrets.unused", "note", { examination: { secrets: [{ name: "OLD", createdAt: daysAgo(91), usedAt: null }] } }],
  [
    "secrets.unused",
    "ok",
    { examination: { secrets: [{ name: "BACKUP_PASSPHRASE", createdAt: daysAgo(400), usedAt: null }] } },
  ],
  ["grants.unused", "note", { examination: { grants: [{ ...grant, createdAt: daysAgo(120), usedAt: daysAgo(100) }] } }],
  ["grants.unused", "ok", { examination: { grants: [{ ...grant, createdAt: daysAgo(120), usedAt: daysAgo(3) }] } }],
  [
    "grants.wide",
    "warning",
    { examination: { grants: [{ ...grant, destination: "http api.example.com GET+POST /" }] } },
  ],
  [
    "grants.wide",
    "ok",
    { examination: { grants: [{ ...grant, destination: "http api.example.com POST /issues" }, grant] } },
  ],
  ["grants.even-untrusted", "warning", { examination: { grants: [{ ...grant, evenUntrusted: true }] } }],
  ["grants.endless", "note", { examination: { grants: [{ ...grant, expiresAt: null }] } }],
  ["approvals.waiting", "warning", { examination: { approvals: { open: 1, oldestAt: daysAgo(0.6) } } }],
  ["approvals.waiting", "note", { examination: { approvals: { open: 1, oldestAt: daysAgo(0.1) } } }],
  [
    "tokens.unused",
    "note",
    { examination: { tokens: [{ id: "tok_1", name: "x", createdAt: daysAgo(100), expiresAt: null, usedAt: null }] } },
  ],
  [
    "tokens.old",
    "warning",
    {
      examination: {
        tokens: [{ id: "tok_1", name: "x", createdAt: daysAgo(200), expiresAt: null, usedAt: daysAgo(1) }],
      },
    },
  ],
  [
    "tokens.old",
    "ok",
    {
      examination: {
        tokens: [{ id: "tok_1", name: "x", createdAt: daysAgo(200), expiresAt: daysAgo(-9), usedAt: null }],
      },
    },
  ],
  ["audit.chain", "note", { audit: { ok: false, error: null } }],
  ["audit.head", "failure", { examination: { auditHead: "forged" } }],
  ["guard.refusals", "failure", { examination: { guardRefusals: [{ kind: "connect", what: "example.com" }] } }],
  ["plugins.whole", "warning", { examination: { plugins: [{ ...plugin, state: "missing" }] } }],
  ["plugins.logins", "warning", { examination: { plugins: [{ ...plugin, login: { ...login, state: "needed" } }] } }],
  ["plugins.logins", "warning", { examination: { plugins: [{ ...plugin, login: { ...login, missing: ["mail"] } }] } }],
  ["plugins.logins", "ok", { examination: { plugins: [{ ...plugin, login }] } }],
  ["plugins.ready", "note", { examination: { plugins: [{ ...plugin, missing: ["api_token"] }] } }],
  ["plugins.ready", "note", { examination: { plugins: [{ ...plugin, login: { ...login, state: "out" } }] } }],
  ["plugins.ready", "ok", { examination: { plugins: [{ ...plugin, state: "inactive", missing: ["api_token"] }] } }],
  ["plugins.reach", "ok", { examination: { plugins: [{ ...plugin, endpoints: ["http://127.0.0.1:8888"] }] } }],
  ["hooks.intact", "failure", { examination: { hooks: [{ name: "tidy", problem: "its file changed" }] } }],
  ["lockdown.off", "warning", { examination: { lockdown: { active: true, since: daysAgo(2) } } }],
  ["jobs.stuck", "warning", { examination: { jobs: { ...healthy.jobs, abandoned: 1 } } }],
  ["jobs.stuck", "note", { examination: { as: "verb", jobs: { ...healthy.jobs, overdue: 1 } } }],
  [
    "jobs.failing",
    "warning",
    { examination: { jobs: { ...healthy.jobs, failing: [{ kind: "turn", count: 3, error: "no" }] } } },
  ],
  [
    "usage.limits",
    "warning",
    { examination: { usage: [{ window: "day", spentUsdMicros: 8e6, limitUsdMicros: 10e6 }] } },
  ],
  ["usage.limits", "ok", { examination: { usage: [{ window: "day", spentUsdMicros: 8e6, limitUsdMicros: null }] } }],
  [
    "backup.schedule",
    "warning",
    { examination: { backups: { ...healthy.backups, failing: { since: daysAgo(1), tries: 4, why: "full" } } } },
  ],
  ["channels.failing", "ok", {}],
  ["channels.failing", "ok", { examination: { channels: [channel] } }],
  ["channels.failing", "warning", { examination: { channels: [{ ...channel, failures: 3, lastError: "down" }] } }],
  ["channels.secret", "warning", { examination: { channels: [{ ...channel, secret: "missing" }] } }],
  ["channels.secret", "warning", { examination: { channels: [{ ...channel, secret: "short" }] } }],
  ["channels.undelivered", "note", { examination: { channels: [{ ...channel, undelivered: 2 }] } }],
  ["backup.schedule", "note", { examination: { backups: { ...healthy.backups, hasPassphrase: false } } }],
  ["backup.age", "note", {}],
  ["backup.age", "warning", { examination: { backups: { ...healthy.backups, hasPassphrase: false } } }],
  ["service.version", "warning", { examination: { version: "0.0.1" } }],
  ["service.restarts", "note", { examination: { died: { pid: 1, startedAt: daysAgo(1) } } }],
  [
    "service.answers",
    "failure",
    {
      lock: { pid: 7, address: null, startedAt: daysAgo(0), what: "serve", as: "service" },
      examination: { ok: false, error: new AppError("home.locked", "It is in use") },
    },
  ],
  [
    "config.readable",
    "failure",
    { config: { ok: false, error: new AppError("config.unknown_key", "gatway is no key").toBody() } },
  ],
  ["config.sources", "note", { env: { AGENT_NAME: "Ada" } }],
  ["gateway.bind", "failure", { set: { "gateway.host": "0.0.0.0" } }],
  ["gateway.bind", "warning", { set: { "gateway.host": "0.0.0.0", "gateway.trusted_proxies": "10.0.0.1" } }],
  ["gateway.bind", "ok", { set: { "gateway.host": "127.0.0.5" } }],
  [
    "gateway.tls",
    "failure",
    { set: { "gateway.tls_cert_file": "/no/such/cert", "gateway.tls_key_file": "/no/such/key" } },
  ],
  ["gateway.origins", "note", { set: { "gateway.allowed_origins": "https://claw.example.org" } }],
  ["gateway.token", "warning", { env: { GATEWAY_AUTH_TOKEN: "short" } }],
  ["settings.approvals", "warning", { set: { "approvals.level": "trusted" } }],
  ["settings.local-endpoints", "note", { set: { "model.local_endpoints": "http://127.0.0.1:11434" } }],
  ["settings.limits", "warning", { set: { "limits.day_usd": "none" } }],
  ["settings.project", "failure", { set: { "project.folder": "/no/such/folder" } }],
  ["settings.project", "warning", { set: { "project.folder": place.path } }],
]

describe("finds", () => {
  test.each(cases)("%s: %s", async (id, level, given) => {
    const found = await judged(id, await factsOf(given))
    expect({ id: found.id, level: found.level, found: found.found }).toMatchObject({ id, level })
    if (level === "failure" || level === "warning") expect(found.todo).toBeTruthy()
  })

  test("a broken audit chain", async () => {
    const proof = {
      ok: false,
      rows: 5,
      last: null,
      head: "sealed" as const,
      sealedTo: 5,
      count: 1,
      problems: [{ kind: "changed" as const, seq: 3, what: "Row 3 is not what its hash was made of" }],
    }
    const found = await judged("audit.chain", await factsOf({ audit: { ok: true, value: proof } }))
    expect(found).toMatchObject({ level: "failure" })
    expect(found.found).toContain("Row 3")
  })
})

describe("mends", () => {
  const modeOf = (path: string) => statSync(path).mode & 0o777

  test("a home that others can enter, and files that they can read", async () => {
    const facts = await factsOf()
    const { home } = facts
    writeFileSync(join(home.root, "audit-head.json"), "{}", { mode: 0o644 })
    writeFileSync(join(home.root, ".env"), "A=b\n", { mode: 0o644 })
    mkdirSync(home.paths.backups, { mode: 0o755 })
    chmodSync(home.root, 0o750)
    const homeProblem = new AppError("home.too_open", "Others can enter it")
    for (const id of ["home.owner", "home.files", "home.folders"]) {
      const found = await judged(id, { ...facts, homeProblem })
      expect(found).toMatchObject({ level: "failure" })
      await found.fix?.run()
    }
    expect([home.root, join(home.root, "audit-head.json"), home.paths.backups].map(modeOf)).toEqual([
      0o700, 0o600, 0o700,
    ])
    const own = await judged("home.owner-files", facts)
    expect(own).toMatchObject({ level: "note" })
    await own.fix?.run()
    expect(modeOf(join(home.root, ".env"))).toBe(0o600)
    expect(await judged("home.files", facts)).toMatchObject({ level: "ok" })
  })

  test("what a crash left behind, and nothing younger or of another name", async () => {
    const facts = await factsOf()
    const left = join(facts.home.root, "config.toml.AbCdEfGh-_12.new")
    const young = join(facts.home.root, "config.toml.AbCdEfGh-_34.new")
    const own = join(facts.home.root, "notes.new")
    for (const path of [left, young, own]) writeFileSync(path, "x")
    for (const path of [left, own]) utimesSync(path, now / 1_000 - 100_000, now / 1_000 - 100_000)
    const found = await judged("home.leftovers", facts)
    expect(await found.fix?.run()).toContain(left)
    expect([left, young, own].map((path) => statSync(path, { throwIfNoEntry: false }) !== undefined)).toEqual([
      false,
      true,
      true,
    ])
    expect((await judged("home.strays", facts)).found).toContain("notes.new")
  })

  test("never what it would have to touch data for", async () => {
    const found = await judgeAll(await factsOf({ examination: { hooks: [{ name: "tidy", problem: "changed" }] } }))
    expect(found.filter(({ fix }) => fix)).toEqual([])
  })

  test("and tells of a link in the place of a key", async () => {
    const facts = await factsOf()
    symlinkSync("/etc/hostname", join(facts.home.root, "master.key"))
    expect(await judged("home.links", facts)).toMatchObject({ level: "warning" })
  })
})
