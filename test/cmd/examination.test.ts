/** What the doctor is told of a real database: use of grants and tokens, work that stands still, secrets under another key. */
import { afterAll, beforeAll, expect, setDefaultTimeout, test } from "bun:test"
import { createExamination } from "#cmd/lib/examination.ts"
import { systemClock } from "#core/clock.ts"
import { newId } from "#core/id.ts"
import type { Examination } from "#gateway/deps.ts"
import { oneModel, scriptedModel } from "../fakes/model.ts"
import { type OwnerHouse, ownerHouse } from "../fakes/owner-house.ts"

setDefaultTimeout(30_000) // a database is made, on a machine that may be busy

let house: OwnerHouse
let before: Examination
let after: Examination
const token = { name: "phone", expiresAt: null }

beforeAll(async () => {
  const models = oneModel(scriptedModel([{ say: "Hello" }]))
  house = await ownerHouse({ models })
  const { db, writer, grants, tokens, lockdown } = house
  const doctor = createExamination({
    db,
    clock: systemClock,
    as: "service",
    died: null,
    models,
    vault: { list: async () => [], masterKey: () => ({ ...masterKey, id: "ours" }) },
    tokens,
    grants,
    hooks: { list: async () => [] },
    plugins: async () => [],
    lockdown,
    auditHead: { read: () => ({ state: "none" }) },
    backups: async () => ({ every: "never", keep: 1, hasPassphrase: false, made: [], failing: null }),
    channels: async () => [],
    limits: () => ({ hourUsdMicros: null, dayUsdMicros: 5, agentDayUsdMicros: null, jobUsdMicros: null }),
    timeZone: () => "UTC",
    redact: (text) => text,
  })
  await house.jobs.close() // it would take up what is to stand still
  before = await doctor.examine()

  const given = { agentId: "main", principal: "agent:main", evenUntrusted: false, sessionId: null, expiresAt: null }
  const used = grants.add({ ...given, tool: "http_request", destination: "http a.example GET /" })
  const unused = grants.add({ ...given, tool: "http_request", destination: "http b.example GET /" })
  const act = { agentId: "main", act: "tool.run", principal: "agent:main", outcome: "done", source: "model" } as const
  await writer.commit({
    statements: [used.statement, unused.statement],
    audit: [{ ...act, subject: "http_request", destination: "http a.example GET /", labels: [] }],
  })
  const { token: made } = await tokens.add(token)
  await house.sessions.create({ agentId: "main", place: { channel: "openai", peer: made.id, topic: "" } })
  const job = (state: string, more: string) =>
    db.query({
      sql: `insert into jobs (id, agent_id, kind, state, payload, labels, source, run_at, lease_owner, lease_until, error, finished_at)
        values ($1, 'main', 'strange', $2, '{}', '{}', 'host', ${more})`,
      params: [newId("job"), state],
    })
  await job("queued", "now() - interval '1 hour', null, null, null, null")
  await job("queued", "now() - interval '1 minute', null, null, null, null")
  await job("running", "now(), 'elsewhere', now() - interval '1 hour', null, null")
  await job("running", "now(), 'elsewhere', now() + interval '20 seconds', null, null")
  for (let n = 0; n < 3; n++) await job("failed", "now(), null, null, 'it broke', now()")
  after = await doctor.examine()
})
afterAll(() => house.end())

/** Nothing here seals anything. */
const masterKey = {
  source: "file" as const,
  derive: () => new Uint8Array(32),
  hmac: () => new Uint8Array(32),
  reveal: () => "",
}

test("a new house has nothing to tell", () => {
  expect(before).toMatchObject({
    database: { hasVector: true, kind: "embedded" },
    grants: [],
    tokens: [],
    approvals: { open: 0, oldestAt: null },
    jobs: { overdue: 0, abandoned: 0, orphanedTurns: 0, failing: [] },
  })
  expect(before.database.migrations).toBeGreaterThan(3)
  expect(Math.abs(before.database.clockAheadMs)).toBeLessThan(10_000)
})

test("a grant that a run came under is in use, and one beside it is not", () => {
  const usedAt = (host: string) => after.grants.find(({ destination }) => destination.includes(host))?.usedAt
  expect(usedAt("a.example")).toBeString()
  expect(usedAt("b.example")).toBeNull()
})

test("a token under which a conversation was kept is in use", () => {
  expect(after.tokens).toMatchObject([{ name: "phone", usedAt: expect.any(String) }])
})

test("work that nobody takes up is told from work that only waits or runs", () => {
  expect(after.jobs).toEqual({
    overdue: 1,
    abandoned: 1,
    orphanedTurns: 0,
    failing: [{ kind: "strange", count: 3, error: "it broke" }],
  })
})
