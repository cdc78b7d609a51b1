import { afterEach, describe, expect, test } from "bun:test"
import net from "node:net"
import type { NewEvent, TurnDelta } from "#core/event.ts"
import { newId, type SessionId, type TurnId } from "#core/id.ts"
import { createGateway, type Gateway } from "#gateway/server.ts"
import { createStreams } from "#gateway/stream.ts"
import { createFakeClock } from "../fakes/clock.ts"
import { gatewayHouse, OWNER_TOKEN } from "../fakes/gateway.ts"

const gateways: Gateway[] = []
afterEach(async () => {
  for (const gateway of gateways.splice(0)) await gateway.close()
})

const sessionId = newId("ses")
const at = (given: Partial<{ sessionId: SessionId; turnId: TurnId }> = {}) => ({
  agentId: "main",
  sessionId,
  turnId: newId("trn"),
  labels: [],
  source: "host",
  ...given,
})
const queued = (given?: Parameters<typeof at>[0]): NewEvent => ({ type: "turn.queued", ...at(given) })
const delta = (turnId: TurnId, offset: number, text: string, session = sessionId): TurnDelta => ({
  type: "turn.delta",
  agentId: "main",
  sessionId: session,
  turnId,
  kind: "text",
  offset,
  text,
})

type Block = { id: string | null; data: { type: string; seq?: number; offset?: number; text?: string } | null }

/** Reads blocks of a stream until `count` with data came. */
async function take(stream: ReadableStream<Uint8Array>, count: number): Promise<Block[]> {
  const reader = stream.getReader()
  const blocks: Block[] = []
  let rest = ""
  while (blocks.filter(({ data }) => data).length < count) {
    const { value, done } = await reader.read()
    if (done) break
    rest += new TextDecoder().decode(value)
    const whole = rest.split("\n\n")
    rest = whole.pop() ?? ""
    for (const block of whole) {
      const data = /^data: (.*)$/m.exec(block)?.[1]
      blocks.push({ id: /^id: (.*)$/m.exec(block)?.[1] ?? null, data: data === undefined ? null : JSON.parse(data) })
    }
  }
  reader.releaseLock()
  return blocks
}
const seqs = (blocks: Block[]) => blocks.flatMap(({ data }) => data?.seq ?? [])

function streamsOf(house = gatewayHouse(), clock = createFakeClock()) {
  const warnings: unknown[] = []
  const log = { ...house.deps.log, warn: (_: string, fields: unknown) => void warnings.push(fields) }
  const streams = createStreams({ ...house.deps, clock, log })
  const open = (given: Partial<Parameters<typeof streams.open>[0]> = {}) =>
    streams.open({ after: null, sessionId: null, signal: new AbortController().signal, ...given })
  return { house, streams, open, clock, warnings }
}

describe("a watcher", () => {
  test("sees what happens from now on, with the event's seq as id", async () => {
    const { house, open } = streamsOf()
    house.bus.store(queued())
    const stream = open()
    await Bun.sleep(1)
    house.bus.store(queued())
    const blocks = await take(stream, 1)
    expect(seqs(blocks)).toEqual([2])
    expect(blocks.at(-1)?.id).toBe("2")
  })

  test("that saw nothing yet still knows where it began", async () => {
    const { house, open } = streamsOf()
    for (let stored = 0; stored < 3; stored++) house.bus.store(queued())
    const stream = open()
    await Bun.sleep(1)
    house.bus.store(queued())
    expect((await take(stream, 1)).map(({ id }) => id)).toContain("3")
  })

  test("that comes back gets everything it missed, once and in order, while more happens", async () => {
    const house = gatewayHouse()
    for (let stored = 0; stored < 450; stored++) house.bus.store(queued()) // more than two pages of rows
    const read = house.deps.readEvents
    house.deps.readEvents = async (query) => {
      const page = await read(query)
      house.bus.store(queued()) // in the very moment between rows and bus
      return page
    }
    const stream = streamsOf(house).open({ after: 100 })
    await Bun.sleep(5)
    house.bus.store(queued())
    const got = seqs(await take(stream, 353))
    expect(got.length).toBeGreaterThanOrEqual(353)
    expect(got).toEqual(got.map((_, index) => 101 + index))
  })

  test("of one session sees nothing of another, replayed or live", async () => {
    const { house, open } = streamsOf()
    const mine = await house.sessions.create({ agentId: "main", place: { channel: "api", peer: "owner", topic: "" } })
    const other = newId("ses")
    house.bus.store(queued({ sessionId: other }))
    house.bus.store(queued({ sessionId: mine.id }))
    house.bus.store({
      type: "config.changed",
      keys: [],
      restartNeeded: false,
      agentId: "main",
      labels: [],
      source: "host",
    })
    const stream = open({ after: 0, sessionId: mine.id })
    await Bun.sleep(1)
    house.bus.store(queued({ sessionId: other }))
    house.bus.publish(delta(newId("trn"), 0, "secret", other))
    house.bus.store(queued({ sessionId: mine.id }))
    expect(seqs(await take(stream, 2))).toEqual([2, 5])
  })
})

describe("the text of a running turn", () => {
  test("comes from its beginning to one who joins late, without a gap or a repetition", async () => {
    const hold = Promise.withResolvers<void>()
    const house = gatewayHouse({ reply: () => ({ words: ["One ", "two ", "three."], hold: hold.promise }) })
    const session = await house.sessions.create({
      agentId: "main",
      place: { channel: "api", peer: "owner", topic: "" },
    })
    await house.agent.receive({
      agentId: "main",
      sessionId: session.id,
      place: { channel: "api", peer: "owner", topic: "" },
      personId: null,
      text: "x",
      mode: "queue",
    })
    const stream = streamsOf(house).open({ sessionId: session.id })
    const first = await take(stream, 1) // although the turn pauses and sends nothing
    expect(first.at(-1)?.data).toMatchObject({ type: "turn.delta", offset: 0, text: "One " })
    hold.resolve()
    const rest = await take(stream, 3)
    expect(rest.flatMap(({ data }) => data?.text ?? []).join("")).toBe("two three.")
  })

  test("is completed for a watcher of everything when the next piece comes", async () => {
    const turnId = newId("trn")
    const house = gatewayHouse()
    house.agent.partial = async () => ({ text: "One two ", state: "running" })
    const stream = streamsOf(house).open()
    await Bun.sleep(1)
    house.bus.publish(delta(turnId, 4, "two "))
    house.bus.publish(delta(turnId, 8, "three"))
    const pieces = (await take(stream, 2)).flatMap(({ data }) =>
      data ? [{ offset: data.offset, text: data.text }] : [],
    )
    expect(pieces).toEqual([
      { offset: 0, text: "One two " },
      { offset: 8, text: "three" },
    ])
  })
})

describe("bounds", () => {
  test("a hundred watchers are served, the next one is told to come back, and places become free", async () => {
    const { streams, open, house } = streamsOf()
    const controllers = Array.from({ length: 100 }, () => new AbortController())
    for (const { signal } of controllers) open({ signal })
    expect(() => open()).toThrow("100 event streams")
    expect(house.bus.listeners()).toBe(100)
    for (const controller of controllers) controller.abort()
    expect({ streams: streams.count, listeners: house.bus.listeners() }).toEqual({ streams: 0, listeners: 0 })
    expect(() => open()).not.toThrow()
  })

  test("a watcher that does not read is dropped before a second mebibyte waits for it", async () => {
    const { streams, open, house, warnings } = streamsOf()
    open()
    await Bun.sleep(1)
    const text = "x".repeat(10_000)
    let published = 0
    while (streams.count > 0 && published < 1_000)
      house.bus.publish({ ...delta(newId("trn"), 0, text), kind: published++ % 2 ? "text" : "thinking" })
    expect(published).toBeLessThan(120)
    expect(warnings).toHaveLength(1)
    expect(house.bus.listeners()).toBe(0)
  })

  test("a client that reads too slowly over TCP is dropped, and the service goes on", async () => {
    const house = gatewayHouse()
    const gateway = createGateway(house.deps)
    gateways.push(gateway)
    const { address } = await gateway.listen({ host: "127.0.0.1", port: 0 })
    const socket = net.connect(Number(new URL(address).port), "127.0.0.1")
    socket.on("error", () => {})
    socket.once("data", () => socket.pause())
    socket.write(`GET /api/events HTTP/1.1\r\nHost: localhost\r\nAuthorization: Bearer ${OWNER_TOKEN}\r\n\r\n`)
    while (gateway.streams === 0) await Bun.sleep(1)
    const text = "x".repeat(50_000)
    let published = 0
    for (; published < 2_000 && gateway.streams > 0; published++) {
      house.bus.publish({ ...delta(newId("trn"), 0, text), kind: "thinking" })
      if (published % 10 === 0) await Bun.sleep(1)
    }
    expect(gateway.streams).toBe(0) // what is beyond our queue stands in the system's socket buffers: some megabytes
    expect(house.bus.listeners()).toBe(0)
    socket.destroy()
  })

  test("a client that vanishes frees everything", async () => {
    const house = gatewayHouse()
    const gateway = createGateway(house.deps)
    gateways.push(gateway)
    const { address } = await gateway.listen({ host: "127.0.0.1", port: 0 })
    const leaving = new AbortController()
    await fetch(`${address}/api/events`, {
      headers: { authorization: `Bearer ${OWNER_TOKEN}` },
      signal: leaving.signal,
    })
    expect(gateway.streams).toBe(1)
    leaving.abort()
    for (let waited = 0; waited < 200 && gateway.streams > 0; waited++) await Bun.sleep(5)
    expect({ streams: gateway.streams, listeners: house.bus.listeners() }).toEqual({ streams: 0, listeners: 0 })
  })

  test("silence is broken every 15 seconds, so that nobody between cuts the connection", async () => {
    const { open, clock } = streamsOf()
    const stream = open()
    const reader = stream.getReader()
    await reader.read() // the first comment and the id
    await clock.advance(0)
    let got = 0
    const reading = (async () => {
      for (;;) {
        const { value, done } = await reader.read()
        if (done) return
        got += new TextDecoder().decode(value).split("still here").length - 1
      }
    })()
    await clock.advance(45_000)
    expect(got).toBe(3)
    await reader.cancel()
    await reading
    expect(clock.waiting()).toBe(0)
  })
})

test("a Last-Event-ID that is no number is refused, an unknown session is 404", async () => {
  const { handle } = createGateway(gatewayHouse().deps)
  expect(
    (await handle(new Request("http://localhost/api/events", { headers: { "last-event-id": "abc" } }))).status,
  ).toBe(400)
  expect((await handle(new Request(`http://localhost/api/events?session=${sessionId}`))).status).toBe(404)
})
