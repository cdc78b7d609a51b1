/** The core with a real database in memory and a scripted model: for tests that go in by a message and look at what comes out. */
import { createAgent, type Agent } from "#core/agent/agent.ts"
import { agentSpawnTools } from "#core/agent/agent-spawn.ts"
import { createInbox } from "#core/agent/inbox.ts"
import { createLive } from "#core/agent/live.ts"
import { noSkills, type PromptDocument } from "#core/agent/prompt.ts"
import { resumeStatements } from "#core/agent/turn-rows.ts"
import { createTurnKind, type TurnDeps } from "#core/agent/turn.ts"
import { systemClock } from "#core/clock.ts"
import type { Db, Writer } from "#core/db/db.ts"
import { openDb } from "#core/db/open.ts"
import { loadSnapshot } from "#core/db/snapshot.ts"
import { createWriter } from "#core/db/writer.ts"
import { createEventBus, type Event, type EventBus } from "#core/event.ts"
import { type Hooks, noHooks } from "#core/hooks.ts"
import { withSessionHooks } from "#core/hooks/sessions.ts"
import type { PersonId, SessionId } from "#core/id.ts"
import { createJobRunner, type JobRunner } from "#core/jobs/runner.ts"
import type { Models } from "#core/llm/model.ts"
import type { UsageEntry } from "#core/llm/usage.ts"
import { silentLog } from "#core/log.ts"
import { createApprovals, type Approvals } from "#core/safety/approvals.ts"
import { createAuthoritySeal } from "#core/safety/authority.ts"
import { createAuthorize, type ApprovalLevel } from "#core/safety/authorize.ts"
import { createGrants, type Grants } from "#core/safety/grants.ts"
import { createRefusals } from "#core/safety/refusals.ts"
import { redactLeaks } from "#core/safety/leaks.ts"
import { createSessionStore } from "#core/session/store.ts"
import type { RedactorDeps } from "#core/safety/redactor.ts"
import { createReplyGate } from "#core/safety/reply.ts"
import { createRegistry, type Registry } from "#core/tools/registry.ts"
import { createPipeline, type PipelineDeps } from "#core/tools/run.ts"
import type { Tool } from "#core/tools/tool.ts"

export type AgentHouse = Awaited<ReturnType<typeof agentHouse>>

/** What parts of a house are made of; the functions are for what is made after them. */
export type HouseParts = {
  db: Db
  writer: Writer
  bus: EventBus
  ownerId: PersonId
  registry: () => Registry
  approvals: () => Approvals
  grants: () => Grants
  authorize: PipelineDeps["authorize"]
}
/** More tools than those that stand alone, and parts in the place of the house's own. */
export type Furnished = {
  tools?: Tool[]
  pipeline?: Partial<PipelineDeps>
  turn?: Partial<TurnDeps>
}

export async function memoryDb(): Promise<Db> {
  return openDb({
    config: { kind: "embedded", dir: "memory" },
    clock: systemClock,
    onWarning: () => {},
    loadSnapshot,
  })
}

export async function agentHouse({
  models,
  tools = [],
  db: given,
  level = "supervised",
  turnTimeoutMs = 60_000,
  maxIterations = 10,
  owner = "test-1",
  spawns = false,
  documents = [],
  secretValues = () => [],
  hooksFor = async () => noHooks,
  cleanse = (text, labels) => ({ text: redactLeaks(text), labels: [...labels], verdicts: { leak: "allow" } }),
  fetchFor = () => async () => {
    throw new Error("No network here")
  },
  furnish = () => ({}),
}: {
  models: Models
  tools?: Tool[]
  db?: Db
  /** A function where it changes in the middle. */
  level?: ApprovalLevel | (() => ApprovalLevel)
  cleanse?: PipelineDeps["cleanse"]
  maxIterations?: number
  turnTimeoutMs?: number
  owner?: string
  /** Offers agent_spawn too. */
  spawns?: boolean
  documents?: readonly PromptDocument[]
  secretValues?: RedactorDeps["secretValues"]
  fetchFor?: PipelineDeps["fetchFor"]
  furnish?: (parts: HouseParts) => Furnished
  /** The owner's hooks on this database. */
  hooksFor?: (house: { db: Db; writer: Writer }) => Promise<Hooks>
}) {
  const clock = systemClock
  const log = silentLog
  const db = given ?? (await memoryDb())
  const faults: unknown[] = []
  const usageRows: UsageEntry[] = []
  const bus = createEventBus({ onListenerError: (error) => faults.push(error) })
  const events: Event[] = []
  bus.subscribe((event) => events.push(event))
  const [row] = await db.query({ sql: "select id from people where role = 'owner'", params: [] })
  const ownerId = row?.["id"] as PersonId // the migration made one
  const writer = createWriter({ db, publish: bus.publish })
  const hooks = await hooksFor({ db, writer })
  const sessions = withSessionHooks(createSessionStore({ db, writer, clock }), hooks)
  const spawning = agentSpawnTools({
    db,
    registry: () => registry,
    spawn: (sub) => inbox.spawn(sub),
    agent: () => agent,
    jobs: () => jobs,
  })
  const furnished = furnish({
    db,
    writer,
    bus,
    ownerId,
    registry: () => registry,
    approvals: () => approvals,
    grants: () => grants,
    authorize: (input) => authorize(input),
  })
  const { registry, take, supply } = createRegistry([...tools, ...(furnished.tools ?? []), ...(spawns ? spawning : [])])
  const authorize = createAuthorize({ take })
  const badSeals: string[] = []
  const seal = createAuthoritySeal({ key: () => new Uint8Array(32).fill(7) })
  const grants = createGrants({ db, clock, seal, onBadSeal: (what) => badSeals.push(what) })
  const approvals = createApprovals({
    db,
    writer,
    clock,
    seal,
    grants,
    resume: ({ turnId, sessionId }) => ({
      statements: resumeStatements(turnId),
      afterwards: () => jobs.expect(sessionId),
    }),
    redact: redactLeaks,
    onBadSeal: (what) => badSeals.push(what),
  })
  const pipeline = createPipeline({
    db,
    writer,
    clock,
    log,
    hooks,
    registry,
    authorize,
    level: typeof level === "function" ? level : () => level,
    grants,
    approvals,
    fetchFor,
    cleanse,
    redact: redactLeaks,
    ...furnished.pipeline,
  })
  const noteRefusal = createRefusals({ writer, clock, log })
  const live = createLive({ db, writer, clock, bus, log })
  const turnKind = createTurnKind({
    db,
    writer,
    clock,
    log,
    live,
    inSight: sessions.inSight,
    documents: async () => documents,
    skills: noSkills,
    models,
    usage: {
      judge: async () => null,
      row(entry) {
        usageRows.push(entry)
        return { sql: "select 1", params: [] }
      },
      summary: async () => [],
    }, // the limits have tests of their own
    registry,
    pipeline,
    reply: createReplyGate({ secretValues }),
    hooks,
    settings: () => ({ agentName: "Test", timeZone: "UTC", maxIterations, turnTimeoutMs }),
    acting: (_actor, work) => work(),
    takeEgress: () => [],
    keepEgress: () => {},
    closeApprovals: approvals.closeOf,
    wake: () => jobs.wake(),
    compactNow: async () => false,
    compactSoon: () => {},
    redact: redactLeaks,
    ...furnished.turn,
  })
  const jobs: JobRunner = createJobRunner({
    db,
    writer,
    clock,
    log,
    leaseOwner: `home:${owner}`,
    ownerPrefix: "home:",
    kinds: { turn: turnKind },
  })
  const inbox = createInbox({
    db,
    writer,
    clock,
    jobs,
    live,
    hooks,
    ownerId,
    agent: async (id) => (id === "main" ? { model: null } : null),
    defaultModel: () => models.defaultId,
    redact: redactLeaks,
    noteRefusal,
  })
  const agent: Agent = createAgent({
    db,
    bus,
    live,
    jobs,
    receive: inbox.receive,
    compact: async () => ({ messagesBefore: 0, messagesAfter: 0 }),
    command: async () => null,
  })
  await jobs.start()

  return {
    db,
    writer,
    bus,
    events,
    sessions,
    agent,
    jobs,
    ownerId,
    faults,
    usageRows,
    approvals,
    grants,
    badSeals,
    tools: registry.list,
    pipeline,
    registry: { registry, supply, take },
    seal,
    noteRefusal,
    /** Sends the owner's text and waits for the turn to end. */
    async say(text: string, more: { sessionId?: SessionId; mode?: "queue" | "steer" } = {}) {
      const received = await agent.receive({
        agentId: "main",
        sessionId: more.sessionId ?? null,
        place: { channel: "test", peer: "owner", topic: "" },
        fresh: more.sessionId === undefined,
        personId: ownerId,
        text,
        mode: more.mode ?? "queue",
      })
      return { received, outcome: await agent.wait(received.turnId, AbortSignal.timeout(10_000)) }
    },
    async close() {
      await jobs.close()
      await writer.drain()
      if (!given) await db.close()
    },
  }
}
