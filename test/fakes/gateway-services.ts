/** Services in memory for a gateway under test: what clients hand over is kept, what turns and models answer is given by a script. */
import type { Agent, Incoming, TurnOutcome } from "#core/agent/agent.ts"
import { AppError } from "#core/errors.ts"
import { createEventBus, type Event, type EventBus, type NewEvent, type StoredEvent } from "#core/event.ts"
import { newId, type SessionId, type TurnId } from "#core/id.ts"
import type { ModelEvent, ModelRequest, Models } from "#core/llm/model.ts"
import type { Memory } from "#core/memory/memory.ts"
import type { SessionStore, SessionSummary } from "#core/session/session.ts"

/** What a scripted turn does: tells its words one by one, waits for `hold` after the first, ends with `end`. */
export type Reply = { words: string[]; hold?: Promise<unknown>; end?: Partial<TurnOutcome> }

export function fakeBus(): EventBus & {
  events: Event[]
  store: (event: NewEvent) => StoredEvent
  stored: StoredEvent[]
  listeners: () => number
} {
  const faults: unknown[] = []
  const bus = createEventBus({ onListenerError: (error) => faults.push(error) })
  const events: Event[] = []
  const stored: StoredEvent[] = []
  let listeners = 0
  return {
    events,
    stored,
    listeners: () => listeners,
    publish(event) {
      events.push(event)
      bus.publish(event)
    },
    subscribe(listener) {
      const stop = bus.subscribe(listener)
      let isOn = true
      listeners++
      return () => {
        if (isOn) listeners--
        isOn = false
        stop()
      }
    },
    /** As the writer does: a row first, then published. */
    store(event) {
      const row: StoredEvent = { ...event, seq: stored.length + 1, at: "2026-01-15T12:00:00.000Z" }
      stored.push(row)
      this.publish(row)
      return row
    },
  }
}

export function fakeSessions(): SessionStore & { rows: Map<string, SessionSummary> } {
  const rows = new Map<string, SessionSummary>()
  const find = (id: SessionId) => {
    const row = rows.get(id)
    if (!row) throw new AppError("not_found", `There is no session ${id}`)
    return row
  }
  const at = "2026-01-15T12:00:00.000Z"
  return {
    rows,
    async create({ agentId, place, title = "", model = null, thinking = null }) {
      const row: SessionSummary = {
        id: newId("ses"),
        agentId,
        title,
        channel: place.channel,
        model,
        thinking,
        createdAt: at,
        updatedAt: at,
        activeTurn: null,
      }
      rows.set(row.id, row)
      return row
    },
    get: async (id) => find(id),
    atPlace: async () => null,
    async list({ limit = 50, cursor, channel }) {
      const all = [...rows.values()].filter((row) => channel === undefined || row.channel === channel).reverse()
      const from = cursor ? all.findIndex(({ id }) => id === cursor) + 1 : 0
      const items = all.slice(from, from + limit)
      return { items, next: from + limit < all.length ? (items.at(-1)?.id ?? null) : null }
    },
    messages: async (id) => ({ items: find(id) && [], next: null }),
    search: async ({ text }) =>
      text === "nothing"
        ? []
        : [...rows.values()].map(({ id, title }) => ({
            sessionId: id,
            messageId: newId("msg"),
            title,
            role: "person",
            snippet: text,
            at,
          })),
    async change(id, change) {
      const row = { ...find(id), ...change }
      rows.set(id, row)
      return row
    },
    async delete(id) {
      find(id)
      rows.delete(id)
    },
    export: async (id, format) => (format === "json" ? JSON.stringify(find(id)) : `# ${find(id).title}`),
    undo: async (id) => ({ turnId: newId("trn"), left: find(id) ? 1 : 0 }),
    redo: async (id) => ({ turnId: newId("trn"), left: find(id) ? 1 : 0 }),
    clear: async (id) => void find(id),
    inSight: async () => {
      throw new Error("The gateway never asks this")
    },
  }
}

export function fakeAgent({
  bus,
  sessions,
  reply,
}: {
  bus: ReturnType<typeof fakeBus>
  sessions: ReturnType<typeof fakeSessions>
  reply: (incoming: Incoming) => Reply
}): Agent & { received: Incoming[]; stopped: SessionId[]; commands: string[] } {
  const received: Incoming[] = []
  const stopped: SessionId[] = []
  const commands: string[] = []
  const turns = new Map<TurnId, { text: string; outcome: TurnOutcome; end: PromiseWithResolvers<TurnOutcome> }>()
  const turnOf = (id: TurnId) => {
    const turn = turns.get(id)
    if (!turn) throw new AppError("not_found", `There is no turn ${id}`)
    return turn
  }

  async function run(id: TurnId, { words, hold, end = {} }: Reply): Promise<void> {
    const turn = turnOf(id)
    const { sessionId } = turn.outcome
    const at = { agentId: "main", sessionId, turnId: id, labels: [], source: "host" }
    bus.store({ type: "turn.started", model: "fake/fake", ...at })
    for (const [index, text] of words.entries()) {
      bus.publish({
        type: "turn.delta",
        agentId: "main",
        sessionId,
        turnId: id,
        kind: "text",
        offset: turn.text.length,
        text,
      })
      turn.text += text
      if (index === 0) await hold
      await Promise.resolve()
    }
    const row = sessions.rows.get(sessionId)
    if (row) sessions.rows.set(sessionId, { ...row, activeTurn: null })
    turn.outcome = { ...turn.outcome, state: "finished", text: turn.text, messageId: newId("msg"), ...end }
    bus.store({
      type: "turn.finished",
      state: "finished",
      messageId: turn.outcome.messageId,
      preview: "",
      costUsdMicros: 0,
      ...at,
    })
    turn.end.resolve(turn.outcome)
  }

  return {
    received,
    stopped,
    commands,
    async receive(incoming) {
      if (Buffer.byteLength(incoming.text) > 4 * 1024 * 1024)
        throw new AppError("input.too_large", "The message is larger than 4 MiB")
      received.push(incoming)
      const { id: sessionId } = incoming.sessionId
        ? await sessions.get(incoming.sessionId)
        : await sessions.create({ agentId: incoming.agentId, place: incoming.place })
      const turnId = newId("trn")
      const outcome: TurnOutcome = {
        turnId,
        sessionId,
        state: "running",
        text: "",
        messageId: null,
        model: "fake/fake",
        finishReason: "stop",
        clientToolCalls: [],
        usage: { inputTokens: 10, cachedInputTokens: 4, outputTokens: 5, costUsdMicros: 7 },
        approval: null,
        error: null,
      }
      const row = sessions.rows.get(sessionId)
      if (row) sessions.rows.set(sessionId, { ...row, activeTurn: { id: turnId, state: "running" } })
      turns.set(turnId, { text: "", outcome, end: Promise.withResolvers() })
      void run(turnId, reply(incoming))
      return { sessionId, messageId: newId("msg"), turnId, state: "running" }
    },
    wait(turnId, signal) {
      return new Promise((resolve, reject) => {
        signal.addEventListener("abort", () => reject(signal.reason), { once: true })
        void turnOf(turnId).end.promise.then(resolve)
      })
    },
    outcome: async (turnId) => turnOf(turnId).outcome,
    partial: async (turnId) => ({ text: turnOf(turnId).text, state: turnOf(turnId).outcome.state }),
    async stop(sessionId) {
      stopped.push(sessionId)
      return true
    },
    compact: async () => ({ messagesBefore: 10, messagesAfter: 3 }),
    async command(text, { sessionId }) {
      commands.push(text)
      return text === "/help" ? { text: "Commands: /help", sessionId } : null
    },
  }
}

export function fakeModels(
  script: (request: ModelRequest) => ModelEvent[],
  { hang }: { hang?: Promise<void> } = {},
): Models & { requests: ModelRequest[]; signals: AbortSignal[] } {
  const requests: ModelRequest[] = []
  const signals: AbortSignal[] = []
  return {
    requests,
    signals,
    defaultId: "fake/fake",
    get(id) {
      if (id !== null && id !== "fake/fake") throw new AppError("model.unknown", `There is no model "${id}"`)
      return {
        id: "fake/fake",
        contextTokens: 100_000,
        maxOutputTokens: 4_096,
        sees: { images: true, thinking: true, tools: true },
        async *stream(request, { signal }) {
          requests.push(request)
          signals.push(signal)
          for (const [at, event] of script(request).entries()) {
            if (at === 1 && hang)
              await Promise.race([
                hang,
                new Promise((resolve) => signal.addEventListener("abort", resolve, { once: true })),
              ])
            yield event
          }
        },
      }
    },
    list: async () => [
      {
        id: "fake/fake",
        vendor: "fake",
        contextTokens: 100_000,
        inputUsdMicrosPerMillion: 0,
        outputUsdMicrosPerMillion: 0,
        configured: true,
      },
    ],
    status: () => [],
  }
}

export function fakeMemory(): Memory {
  const documents = new Map<string, { content: string; version: number }>()
  const at = "2026-01-15T12:00:00.000Z"
  const summary = (path: string, { content, version }: { content: string; version: number }) => ({
    path,
    version,
    bytes: content.length,
    labels: [],
    source: "owner",
    updatedAt: at,
  })
  const find = (path: string) => {
    const found = documents.get(path)
    if (!found) throw new AppError("not_found", `There is no document "${path}" in memory`)
    return found
  }
  return {
    read: async (_, path) => ({
      ...summary(path, find(path)),
      id: newId("doc"),
      content: find(path).content,
      createdAt: at,
    }),
    async write({ path, content, mode }) {
      const before = documents.get(path)
      const row = {
        content: mode === "append" && before ? `${before.content}\n${content}` : content,
        version: (before?.version ?? 0) + 1,
      }
      documents.set(path, row)
      return { id: newId("doc"), path, version: row.version, created: !before, labels: [] }
    },
    async delete({ path }) {
      find(path)
      documents.delete(path)
    },
    list: async ({ prefix = "" }) => ({
      items: [...documents].filter(([path]) => path.startsWith(prefix)).map(([path, row]) => summary(path, row)),
      next: null,
    }),
    search: async () => [],
    versions: async () => [],
    readVersion: async ({ path, version }) => ({
      version,
      bytes: 0,
      labels: [],
      source: "owner",
      createdAt: at,
      content: find(path).content,
    }),
    promptDocuments: async () => [],
  }
}
