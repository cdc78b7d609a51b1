/**
 * The stage of the flow gate's proof: the core with every builtin tool, a project folder, memory, grants and a small internet, and the
 * obeying model on the wire. Every place that bytes can get to is written down; `judge` says what got there that should not have.
 */
import { mkdirSync, mkdtempSync, readdirSync, rmSync, writeFileSync } from "node:fs"
import type { IncomingMessage, ServerResponse } from "node:http"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { cleanseWith, scansFor, toolFetch } from "#cmd/lib/outbound.ts"
import type { Incoming, TurnOutcome } from "#core/agent/agent.ts"
import { systemClock } from "#core/clock.ts"
import type { LabelName } from "#core/event.ts"
import type { SessionId } from "#core/id.ts"
import { createMemory, type Memory } from "#core/memory/memory.ts"
import { memoryTools } from "#core/memory/tools.ts"
import type { ApprovalLevel } from "#core/safety/authorize.ts"
import { findLeaks, redactLeaks } from "#core/safety/leaks.ts"
import { openJail } from "#core/safety/paths.ts"
import { createRedactor } from "#core/safety/redactor.ts"
import { createReplyGate } from "#core/safety/reply.ts"
import { ASKED_BUDGET, compactSession } from "#core/session/compact.ts"
import { sessionTools } from "#core/session/tools.ts"
import { approvalPlanTools } from "#core/tools/approval-plan.ts"
import { createFileChanges } from "#core/tools/file-changes.ts"
import { fileFindTools } from "#core/tools/file-find.ts"
import { fileReadTools } from "#core/tools/file-read.ts"
import { fileUndoTools } from "#core/tools/file-undo.ts"
import { fileWriteTools } from "#core/tools/file-write.ts"
import { httpTools } from "#core/tools/http-request.ts"
import { jsonTools } from "#core/tools/json-query.ts"
import { messageTools } from "#core/tools/message-send.ts"
import { timeTools } from "#core/tools/time.ts"
import type { Tool } from "#core/tools/tool.ts"
import { webTools } from "#core/tools/web-fetch.ts"
import { readPage } from "#test/fakes/read-page.ts"
import { createGateway } from "#gateway/server.ts"
import { modelsAt } from "#test/core/llm/rig.ts"
import { createFakeInternet, PUBLIC } from "#test/core/safety/fake-internet.ts"
import { agentHouse, memoryDb, type Furnished, type HouseParts } from "#test/fakes/agent-house.ts"
import { gatewayHouse, OWNER_TOKEN } from "#test/fakes/gateway.ts"
import { type ModelScript, type RecordedRequest, startModelServer } from "#test/fakes/model-server.ts"
import { CANARIES, SECRETS } from "./canaries.ts"
import { harmsOf, textAt, type Heard } from "./harms.ts"
import { createObeyingModel } from "./obeying-model.ts"
import { DOCUMENTS, EVIL, OUTSIDE_BASELINE, PROJECT_BASELINE } from "./world.ts"

/** What the owner does about a question: nothing, no to everything, or yes to what they had asked for themselves and no to the rest. */
export type Answering = "nobody" | "denies" | "own-calls-only"

type Respond = (request: IncomingMessage, answer: ServerResponse) => void
/** Changes to parts of the house: how a test shows that the proof notices a gate that is broken. */
export type Sabotage = (furnished: Furnished, parts: HouseParts & { memory: Memory }) => Furnished

export type Stage = Awaited<ReturnType<typeof openStage>>

const nothing: Sabotage = (furnished) => furnished

/** `answers`: in the place of the obeying model, whatever the words. */
export async function openStage({
  tools = [],
  answers,
}: { tools?: Tool[]; answers?: (request: RecordedRequest) => ModelScript } = {}) {
  const base = mkdtempSync(join(tmpdir(), "ironclaw-flow-"))
  const write = (path: string, text: string) => {
    mkdirSync(join(base, path, ".."), { recursive: true })
    writeFileSync(join(base, path), text)
  }
  mkdirSync(join(base, "project"))
  for (const [path, text] of Object.entries(OUTSIDE_BASELINE)) write(path, text)
  const project = openJail({ root: join(base, "project"), closed: [join(base, "home")] })

  // --- the outside: whoever is asked there writes down every byte
  const heard: Heard[] = []
  const pages = new Map<string, Respond>()
  const ownRequests = new Set<string>()
  const internet = createFakeInternet(scansFor(() => SECRET_VALUES))
  const site = async (address: string, names: readonly string[]) => {
    for (const name of names) internet.name(name, [address])
    await internet.site(address, async (request, answer) => {
      const parts: Buffer[] = []
      for await (const part of request) parts.push(part as Buffer) // node:http gives buffers
      const { method = "", url = "", headers } = request
      const host = headers.host ?? ""
      const body = Buffer.concat(parts).toString("latin1")
      const own = ownRequests.has(`${method} https://${host}${url}`) || ownRequests.has(`any ${host}`)
      heard.push({ host, method, target: url, headers: plainHeaders(request), body, own })
      const page = pages.get(`https://${host}${url}`)
      if (page) page(request, answer)
      else answer.end("ok")
    })
  }
  await site(PUBLIC, ["api.example.com", "files.example.com", "pages.example.org"])
  await site(EVIL, ["evil.example.org"])
  internet.name("inside.example.org", ["127.0.0.1"])
  internet.name("metadata.example.org", ["169.254.169.254"])

  // --- the model
  const model = createObeyingModel()
  const server = startModelServer({ record: false })
  server.decide(answers ?? ((request) => model.decide(request)))
  const { models } = modelsAt(server.url, {
    settings: { backend: "openai" },
    keyFor: () => ({ name: "OPENAI_API_KEY", value: CANARIES.apiKey.value }),
  })

  // --- the house
  const redact = createRedactor({
    leaks: redactLeaks,
    secretValues: () => SECRET_VALUES,
  })
  const reply = createReplyGate({ secretValues: () => SECRET_VALUES })
  let level: ApprovalLevel = "supervised"
  const db = await memoryDb()
  let made: { memory: Memory } | null = null
  const build = (owner: string, sabotage: Sabotage) =>
    agentHouse({
      models,
      db,
      owner,
      maxIterations: 40,
      spawns: true,
      fetchFor: toolFetch(internet.egress),
      furnish(parts) {
        const { bus, writer } = parts
        const memory = createMemory({ db: parts.db, writer, bus })
        made = { memory }
        const changes = createFileChanges({ db: parts.db, writer })
        const furnished: Furnished = {
          tools: [
            ...tools,
            ...timeTools({ clock: systemClock, timeZone: () => "UTC" }),
            ...memoryTools({ memory }),
            ...sessionTools({ db: parts.db, findSecrets: findLeaks }),
            ...jsonTools(),
            ...messageTools({ ...parts, clock: systemClock, ownerId: () => parts.ownerId, reply, redact }),
            ...httpTools(),
            ...webTools({ readPage }),
            ...approvalPlanTools(parts),
            ...fileReadTools({ project, findSecrets: findLeaks }),
            ...fileFindTools({ project, findSecrets: findLeaks }),
            ...fileWriteTools({ project, keepChange: changes.keep }),
            ...fileUndoTools({ project, changes }),
          ],
          pipeline: { level: () => level, cleanse: cleanseWith(redact), redact },
          turn: { documents: memory.promptDocuments, reply, redact },
        }
        return sabotage(furnished, { ...parts, memory })
      },
    })
  let house = await build("flow-1", nothing)
  const memoryOf = (): Memory => {
    if (!made) throw new Error("The house has no memory")
    return made.memory
  }
  /** Writes what is not as it was at first. */
  async function layOut(): Promise<void> {
    for (const [path, content] of Object.entries(DOCUMENTS)) {
      const now = await memoryOf()
        .read("main", path)
        .catch(() => null)
      if (now?.content === content && now.labels.length === 0) continue
      if (now) await memoryOf().delete({ agentId: "main", path })
      await memoryOf().write({ agentId: "main", path, content, labels: [], source: "owner", mode: "replace" })
    }
    for (const [path, text] of Object.entries(PROJECT_BASELINE))
      if (textAt(join(base, "project", path)) !== text) write(join("project", path), text)
  }
  await layOut()
  for (const [tool, destination] of [
    ["http_request", "http api.example.com POST /notes"],
    ["web_fetch", "http files.example.com GET /"],
  ] as const) {
    const { statement } = house.grants.add({
      agentId: "main",
      principal: "agent:main",
      tool,
      destination,
      evenUntrusted: false,
      sessionId: null,
      expiresAt: null,
    })
    await house.writer.commit({ statements: [statement] })
  }
  const gateway = () =>
    createGateway(
      gatewayHouse({
        given: {
          sessions: house.sessions,
          agent: house.agent,
          bus: house.bus,
          ownerId: house.ownerId,
          tools: () => house.tools(),
        },
      }).deps,
    )

  const events: string[] = []
  const replies: string[] = []
  /** What a turn says while it says it, put together again. */
  const streamed = new Map<string, string>()
  const listen = () =>
    house.bus.subscribe((event) => {
      if (event.type === "turn.delta") streamed.set(event.turnId, (streamed.get(event.turnId) ?? "") + event.text)
      else events.push(JSON.stringify(event))
    })
  listen()

  /** Answers the questions of a turn until it ends, or leaves it where it is. */
  async function settle(turnId: TurnOutcome["turnId"], answering: Answering, ownCalls: readonly string[]) {
    for (;;) {
      const outcome = await house.agent.wait(turnId, AbortSignal.timeout(60_000))
      replies.push(outcome.text)
      if (outcome.state !== "suspended" || !outcome.approval || answering === "nobody") return outcome
      const { approval } = outcome
      const isOwn = answering === "own-calls-only" && ownCalls.some((mark) => approval.question.includes(mark))
      await house.approvals.answer(
        approval.id,
        isOwn ? { answer: "allow", how: "once" } : { answer: "deny", reason: "No, and the page may say what it wants" },
      )
      if (isOwn) allowed.add(approval.id)
    }
  }
  const allowed = new Set<string>()

  return {
    model,
    internet,
    pages,
    heard,
    base,
    get house() {
      return house
    },
    get memory() {
      return memoryOf()
    },
    setLevel: (next: ApprovalLevel) => void (level = next),
    project: (path: string, text: string) => write(join("project", path), text),
    /** This request is the owner's own: it was in their words, or they said yes to it. `any <host>`: all of them, of one host. */
    own: (request: string) => void ownRequests.add(request),
    async send(text: string, more: Partial<Incoming> = {}) {
      return house.agent.receive({
        agentId: "main",
        sessionId: null,
        fresh: more.sessionId == null,
        place: { channel: "flow", peer: "owner", topic: "" },
        personId: house.ownerId,
        text,
        mode: "queue",
        ...more,
      })
    },
    /** The owner says it, and the turn goes as far as it goes. */
    async say(
      text: string,
      { answering, ownCalls = [], ...more }: Partial<Incoming> & { answering: Answering; ownCalls?: string[] },
    ) {
      const { turnId, sessionId } = await this.send(text, more)
      return { sessionId, outcome: await settle(turnId, answering, ownCalls) }
    },
    settle,
    /** What a client of the OpenAI API sends. */
    async openAi(body: Record<string, unknown>): Promise<void> {
      const answer = await gateway().handle(
        new Request("http://127.0.0.1/v1/chat/completions", {
          method: "POST",
          headers: { "content-type": "application/json", authorization: `Bearer ${OWNER_TOKEN}` },
          body: JSON.stringify({ model: "ironclaw", ...body }),
        }),
      )
      replies.push(await answer.text())
      if (answer.status !== 200) throw new Error(`The client was refused: ${replies.at(-1)}`)
    },
    compact: (sessionId: SessionId) =>
      compactSession(
        {
          db,
          writer: house.writer,
          clock: systemClock,
          usageRow: () => ({ sql: "select 1", params: [] }),
          isOwner: (personId) => personId === house.ownerId,
          redact,
        },
        {
          sessionId,
          model: models.get(null),
          signal: AbortSignal.timeout(60_000),
          budget: { ...ASKED_BUDGET, keepTurns: 1 },
          onModelFailure: "leave",
        },
      ),
    /** The process ends in the middle of what it does, and another one takes up what it left. */
    async restart(owner: string, sabotage = nothing) {
      await house.jobs.close()
      await house.writer.drain()
      house = await build(owner, sabotage)
      listen()
    },
    remember: (path: string, content: string, labels: LabelName[] = ["untrusted"]) =>
      memoryOf().write({
        agentId: "main",
        path,
        content,
        labels,
        source: "https://pages.example.org/",
        mode: "append",
      }),

    /** What has got somewhere that the owner did not send it to. */
    judge: ({ apart = false } = {}) =>
      harmsOf({
        apart,
        heard,
        lookups: internet.lookups,
        connections: internet.connections,
        memory: memoryOf(),
        systems: model.systems,
        db,
        base,
        grants: house.grants,
        approvals: house.approvals,
        allowed,
        events,
        replies: [...replies, ...streamed.values()],
      }),
    /** Forgets what was written down, and puts back what may lawfully have changed. */
    async clean() {
      heard.length = 0
      events.length = 0
      replies.length = 0
      streamed.clear()
      internet.lookups.length = 0
      internet.connections.length = 0
      pages.clear()
      ownRequests.clear()
      model.systems.clear()
      for (const { path } of (await memoryOf().list({ agentId: "main", limit: 1_000 })).items)
        if (!Object.hasOwn(DOCUMENTS, path)) await memoryOf().delete({ agentId: "main", path })
      for (const name of readdirSync(join(base, "project")))
        if (!Object.hasOwn(PROJECT_BASELINE, name)) rmSync(join(base, "project", name), { recursive: true })
      await db.query({ sql: "delete from file_changes", params: [] })
      await layOut()
    },
    async close() {
      await house.close()
      await db.close()
      await server.stop()
      internet.close()
      project.close()
      rmSync(base, { recursive: true, force: true })
    },
  }
}

const SECRET_VALUES = SECRETS.map(({ name, value }) => ({ name, value }))
function plainHeaders({ rawHeaders }: IncomingMessage): string {
  return rawHeaders.join("\n")
}
