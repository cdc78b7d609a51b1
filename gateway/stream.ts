/**
 * Live events for many watchers: rows first, then what the bus brings, each event once and in order; the text of running turns from its
 * beginning. A watcher who reads too slowly is dropped and comes back with the last id it saw; nothing is kept for it without bound.
 */
import type { Agent } from "#core/agent/agent.ts"
import type { Clock } from "#core/clock.ts"
import { AppError } from "#core/errors.ts"
import type { Event, EventBus, StoredEvent, TurnDelta } from "#core/event.ts"
import type { SessionId, TurnId } from "#core/id.ts"
import type { Log } from "#core/log.ts"
import type { SessionStore } from "#core/session/session.ts"
import { newPart } from "./delta.ts"
import type { ReadEvents } from "./deps.ts"

/** All watchers together, SSE and WebSocket. A person has a few pages and terminals open; the rest is a leak or an attack. */
const MAX_STREAMS = 100
/** What may wait for one watcher: some minutes of the fastest model's text. */
const MAX_QUEUED_BYTES = 1_048_576
/** Live events held while the rows are read; when there are more they are dropped, for the rows have them. */
const MAX_HELD = 1_000
const REPLAY_PAGE = 200
/** Proxies and Bun itself cut connections that are silent for half a minute or more. */
const HEARTBEAT_MS = 15_000

export type FeedQuery = {
  /** Everything stored after this `seq` first; null: only what happens from now on. */
  after: number | null
  sessionId: SessionId | null
  signal: AbortSignal
}
export type Streams = {
  /** Server-sent events as bytes. Throws `client.too_many_streams`. Cancelling it, or the signal, frees everything. */
  open(query: FeedQuery): ReadableStream<Uint8Array>
  readonly count: number
  closeAll(): void
}

type Deps = {
  bus: Pick<EventBus, "subscribe">
  readEvents: ReadEvents
  latestSeq: () => Promise<number>
  agent: Pick<Agent, "partial">
  sessions: Pick<SessionStore, "get">
  clock: Clock
  log: Log
}

export function createStreams(deps: Deps): Streams {
  const open = new Set<() => void>()
  return {
    open(query) {
      if (open.size >= MAX_STREAMS) {
        throw new AppError("client.too_many_streams", `${MAX_STREAMS} event streams are open already`, {
          retryAfterSeconds: 5,
        })
      }
      const feed = openFeed(deps, query, () => open.delete(feed.close))
      open.add(feed.close)
      return feed.stream
    },
    get count() {
      return open.size
    },
    closeAll() {
      for (const close of Array.from(open)) close() // closing takes it out of the set
    },
  }
}

const encoder = new TextEncoder()
const HEARTBEAT = encoder.encode(": still here\n\n")
/** Encoded once for all watchers. */
const frames = new WeakMap<Event, Uint8Array>()

function frameOf(event: Event): Uint8Array {
  let frame = frames.get(event)
  if (!frame) {
    const id = event.type === "turn.delta" ? "" : `id: ${event.seq}\n`
    frame = encoder.encode(`${id}event: ${event.type}\ndata: ${JSON.stringify(event)}\n\n`)
    frames.set(event, frame)
  }
  return frame
}

function openFeed(deps: Deps, query: FeedQuery, onClose: () => void) {
  const { bus, readEvents, latestSeq, clock, log } = deps
  const queue = createByteQueue()
  const texts = createTurnTexts({
    partial: deps.agent.partial,
    emit: (delta) => send(delta),
    onProblem: (error) => fail(error),
  })
  let lastSeq = query.after ?? 0
  /** Not null while the rows are read. */
  let held: StoredEvent[] | null = []
  let heldTooMany = false
  let stopHeartbeat = () => {}

  function send(event: Event) {
    if (!queue.push(frameOf(event))) fail(new Error("The watcher reads too slowly"))
  }
  function sendStored(event: StoredEvent) {
    if (event.seq <= lastSeq) return
    lastSeq = event.seq
    texts.onStored(event)
    send(event)
  }
  function onEvent(event: Event) {
    if (query.sessionId !== null && (!("sessionId" in event) || event.sessionId !== query.sessionId)) return
    if (event.type === "turn.delta") {
      if (held === null) texts.onDelta(event) // what is missed now is asked for when the next one comes
    } else if (held === null) sendStored(event)
    else if (held.length < MAX_HELD) held.push(event)
    else heldTooMany = true
  }

  /** Reads rows until there are no more, then goes over to what the bus held back meanwhile. */
  async function catchUp(): Promise<void> {
    if (query.after !== null) {
      for (;;) {
        if (heldTooMany) {
          held = []
          heldTooMany = false
        }
        const page = await readEvents({ after: lastSeq, sessionId: query.sessionId, limit: REPLAY_PAGE })
        for (const event of page) sendStored(event)
        if (page.length < REPLAY_PAGE && !heldTooMany) break
        await queue.drained()
        if (queue.isClosed) return
      }
    }
    // Who begins now is told where, so that it can come back there although nothing happened in between.
    const latest = query.after === null ? await latestSeq() : lastSeq
    const waiting = held ?? []
    held = null
    if (query.after === null) queue.push(encoder.encode(`id: ${waiting[0] ? waiting[0].seq - 1 : latest}\n\n`))
    for (const event of waiting) sendStored(event)
    if (query.sessionId === null) return
    const { activeTurn, agentId } = await deps.sessions.get(query.sessionId)
    if (activeTurn) texts.join({ turnId: activeTurn.id, sessionId: query.sessionId, agentId })
  }

  function fail(error: unknown) {
    if (queue.isClosed) return
    log.warn("An event stream was dropped", { error })
    close()
  }
  function close() {
    if (queue.isClosed) return
    unsubscribe()
    stopHeartbeat()
    query.signal.removeEventListener("abort", close)
    queue.close()
    onClose()
  }
  function beat() {
    stopHeartbeat = clock.after(HEARTBEAT_MS, () => {
      if (queue.isEmpty) queue.push(HEARTBEAT)
      beat()
    })
  }

  // First the bus, then the rows: what happens in between comes twice and is sent once.
  const unsubscribe = bus.subscribe(onEvent)
  query.signal.addEventListener("abort", close, { once: true })
  queue.push(HEARTBEAT) // headers and first byte reach the client at once
  beat()
  catchUp().catch(fail)
  const stream = new ReadableStream<Uint8Array>(
    {
      async pull(controller) {
        const bytes = await queue.next()
        if (bytes) controller.enqueue(bytes)
        else controller.close()
      },
      cancel: close,
    },
    { highWaterMark: 1 }, // chunks: what waits, waits in our queue, where it is counted
  )
  return { stream, close }
}

/** Bytes that wait for one reader, counted. */
function createByteQueue() {
  let chunks: Uint8Array[] = []
  let bytes = 0
  let closed = false
  let wakeReader = () => {}
  let wakeWriter = () => {}
  return {
    get isClosed() {
      return closed
    },
    get isEmpty() {
      return chunks.length === 0
    },
    /** False where there is no room. */
    push(chunk: Uint8Array): boolean {
      if (closed) return true
      if (bytes + chunk.byteLength > MAX_QUEUED_BYTES) return false
      chunks.push(chunk)
      bytes += chunk.byteLength
      wakeReader()
      return true
    },
    /** Everything that waits, in one piece; null at the end. For one reader. */
    async next(): Promise<Uint8Array | null> {
      while (chunks.length === 0 && !closed) await new Promise<void>((resolve) => (wakeReader = resolve))
      if (chunks.length === 0) return null
      const [only] = chunks
      const all = chunks.length === 1 && only ? only : Buffer.concat(chunks)
      chunks = []
      bytes = 0
      wakeWriter()
      return all
    },
    /** Resolves when nothing waits any more, or at the end. */
    async drained(): Promise<void> {
      while (chunks.length > 0 && !closed) await new Promise<void>((resolve) => (wakeWriter = resolve))
    },
    close() {
      closed = true
      wakeReader()
      wakeWriter()
    },
  }
}

type Turn = { turnId: TurnId; sessionId: SessionId; agentId: string }
type TurnTextDeps = { partial: Agent["partial"]; emit: (delta: TurnDelta) => void; onProblem: (error: unknown) => void }
/** Deltas that may wait while the text so far is fetched; a fetch takes a millisecond, the fastest models send 500 a second. */
const MAX_WAITING_DELTAS = 5_000

/** Makes the deltas of each turn gapless: what a watcher missed is fetched before the next one is passed on. */
export function createTurnTexts({ partial, emit, onProblem }: TurnTextDeps) {
  const known = new Map<TurnId, { length: number; waiting: TurnDelta[] | null }>()

  function pass(state: { length: number }, delta: TurnDelta) {
    const part = newPart(delta, state.length)
    if (!part) return
    state.length = part.offset + part.text.length
    emit(part)
  }

  async function fill(turn: Turn, state: { length: number; waiting: TurnDelta[] | null }) {
    const { turnId, sessionId, agentId } = turn
    const { text } = await partial(turnId)
    if (known.get(turnId) !== state) return // it ended meanwhile
    pass(state, { type: "turn.delta", turnId, sessionId, agentId, kind: "text", offset: 0, text })
    const waiting = state.waiting ?? []
    state.waiting = null
    for (const delta of waiting) pass(state, delta)
  }

  return {
    onDelta(delta: TurnDelta) {
      if (delta.kind !== "text") return emit(delta)
      let state = known.get(delta.turnId)
      if (!state) known.set(delta.turnId, (state = { length: 0, waiting: null }))
      if (state.waiting) {
        if (state.waiting.push(delta) > MAX_WAITING_DELTAS)
          onProblem(new Error("The text so far could not be fetched in time"))
      } else if (delta.offset <= state.length) pass(state, delta)
      else {
        state.waiting = [delta]
        fill(delta, state).catch(onProblem)
      }
    },
    /** For a watcher who comes while the turn runs, and perhaps pauses. */
    join(turn: Turn) {
      if (known.has(turn.turnId)) return
      const state = { length: 0, waiting: [] }
      known.set(turn.turnId, state)
      fill(turn, state).catch(onProblem)
    },
    onStored(event: StoredEvent) {
      // A turn that comes back after a crash begins its text anew.
      if (event.type === "turn.finished" || event.type === "turn.resumed") known.delete(event.turnId)
    },
  }
}
