import { afterAll, beforeAll, describe, expect, test } from "bun:test"
import { inProcess } from "#gateway/caller.ts"
import { createGateway, type Gateway } from "#gateway/server.ts"
import { createWsConnection } from "#gateway/ws.ts"
import { gatewayHouse, OWNER_TOKEN } from "../fakes/gateway.ts"
import type { Reply } from "../fakes/gateway-services.ts"

let script = (): Reply => ({ words: ["Hello ", "there."] })
const house = gatewayHouse({ reply: () => script() })
let gateway: Gateway
let url = ""
beforeAll(async () => {
  gateway = createGateway(house.deps)
  url = `${(await gateway.listen({ host: "127.0.0.1", port: 0 })).address.replace("http", "ws")}/api/ws`
})
afterAll(() => gateway.close())

type Frame = {
  type: string
  id?: number | null
  ok?: boolean
  payload?: Record<string, unknown>
  error?: { code: string; message: string }
  seq?: number
  event?: { type: string; text?: string }
}

async function connect(query = "") {
  const socket = new WebSocket(url + query, { headers: { authorization: `Bearer ${OWNER_TOKEN}` } })
  const frames: Frame[] = []
  socket.onmessage = ({ data }) => frames.push(JSON.parse(String(data)))
  await new Promise((resolve) => (socket.onopen = resolve))
  while (gateway.streams === 0) await Bun.sleep(1)
  const until = async (isIt: (frame: Frame) => boolean) => {
    for (let waited = 0; waited < 1_000; waited++) {
      const found = frames.find(isIt)
      if (found) return found
      await Bun.sleep(2)
    }
    throw new Error(`It did not come; these did: ${JSON.stringify(frames).slice(0, 500)}`)
  }
  let id = 0
  const ask = async (method: string, params?: Record<string, unknown>) => {
    const mine = ++id
    socket.send(JSON.stringify({ type: "req", id: mine, method, ...(params ? { params } : {}) }))
    return until((frame) => frame.type === "res" && frame.id === mine)
  }
  const close = async () => {
    socket.close()
    while (gateway.streams > 0) await Bun.sleep(1)
  }
  return { socket, frames, until, ask, close }
}

describe("over a WebSocket", () => {
  test("methods are the routes by name, and events come as they happen", async () => {
    const { ask, until, frames, close } = await connect()
    const created = await ask("sessions.create", { title: "by ws" })
    expect(created).toMatchObject({ ok: true, payload: { title: "by ws" } })
    const turn = await ask("messages.create", { id: created.payload?.["id"], content: "hi", wait: true })
    expect(turn).toMatchObject({ ok: true, payload: { state: "finished", text: "Hello there." } })
    const finished = await until(({ event }) => event?.type === "turn.finished")
    expect(finished).toMatchObject({ type: "event", seq: expect.any(Number) })
    expect(
      frames.filter(({ event }) => event?.type === "turn.delta").map(({ event, seq }) => [event?.text, seq]),
    ).toEqual([
      ["Hello ", undefined],
      ["there.", undefined],
    ])
    await close()
  })

  test("errors are those of the routes", async () => {
    const { ask, close } = await connect()
    expect(await ask("sessions.get", { id: "nope" })).toMatchObject({ ok: false, error: { code: "not_found" } })
    expect(await ask("sessions.list", { limit: "many" })).toMatchObject({ ok: false, error: { code: "input.invalid" } })
    expect(await ask("sessions.create", { approved: true })).toMatchObject({
      ok: false,
      error: { message: expect.stringContaining("/approved") },
    })
    expect(await ask("sessions.list", { approved: true })).toMatchObject({
      ok: false,
      error: { message: expect.stringContaining("approved") },
    })
    expect(await ask("sessions.get", { id: "../config" })).toMatchObject({ ok: false, error: { code: "not_found" } })
    expect(await ask("sessions.get", { id: ".." })).toMatchObject({ ok: false, error: { code: "input.invalid" } })
    expect(await ask("no.such")).toMatchObject({ ok: false, error: { code: "not_found" } })
    await close()
  })

  test("frames that are none are answered, and the connection lives", async () => {
    const { socket, until, ask, close } = await connect()
    for (const text of [
      "{",
      "[]",
      "null",
      '{"type":"res"}',
      '{"type":"req","id":null,"method":"health"}',
      '{"type":"req","id":1,"method":"health","token":"x"}',
    ])
      socket.send(text)
    await until((frame) => frame.id === null && frame.ok === false)
    expect(await ask("health")).toMatchObject({ ok: true, payload: { status: "ok" } })
    await close()
  })

  test("events that were missed come first with ?after, or by a subscription that takes the place of the first", async () => {
    const resumed = await connect("?after=0")
    expect(await resumed.until(({ seq }) => seq === 1)).toBeDefined()
    await resumed.close()
    const { ask, until, close } = await connect()
    expect(await ask("events.subscribe", { after: 0 })).toMatchObject({ ok: true })
    expect(await until(({ seq }) => seq === 1)).toBeDefined()
    expect(gateway.streams).toBe(1)
    await close()
  })

  test("more than 32 requests at once are refused, and served again when others are done", async () => {
    const { socket, ask, frames, close } = await connect()
    const { payload } = await ask("sessions.create", {})
    const hold = Promise.withResolvers<void>()
    script = () => ({ words: ["a", "b"], hold: hold.promise })
    const refused = () => frames.filter(({ error }) => error?.code === "client.rate_limited").length
    for (let id = 101; id <= 140; id++)
      socket.send(
        JSON.stringify({
          type: "req",
          id,
          method: "messages.create",
          params: { id: payload?.["id"], content: "hi", wait: true },
        }),
      )
    while (refused() < 8) await Bun.sleep(2)
    hold.resolve()
    while (frames.filter(({ id }) => id && id > 100).length < 40) await Bun.sleep(2)
    expect(refused()).toBe(8)
    expect(await ask("health")).toMatchObject({ ok: true })
    await close()
  })
})

test.each([
  ["without a token", {}],
  ["with a wrong token", { authorization: "Bearer wrong" }],
  [
    "from another site's page, with the right token",
    { authorization: `Bearer ${OWNER_TOKEN}`, origin: "https://evil.example" },
  ],
  ["under another host's name", { authorization: `Bearer ${OWNER_TOKEN}`, host: "evil.example" }],
])("a connection %s is refused", async (_, headers) => {
  const socket = new WebSocket(url, { headers })
  const outcome = await new Promise((resolve) => {
    socket.onopen = () => resolve("open")
    socket.onerror = () => resolve("refused")
  })
  expect(outcome).toBe("refused")
  expect(gateway.streams).toBe(0)
})

test("events go on after an answer was sent while the socket was full", async () => {
  const sent: string[] = []
  let isFull = false
  const first = Promise.withResolvers<ReadableStreamDefaultController<Uint8Array>>()
  const line = (seq: number) => new TextEncoder().encode(`id: ${seq}\ndata: {"type":"x"}\n\n`)
  const connection = createWsConnection({
    routes: new Map([
      [
        "status.get",
        { name: "status.get", method: "GET", path: "/s", pathFields: [], queryFields: [], hasBody: false },
      ],
    ]),
    handle: async (request) =>
      request.url.endsWith("/api/events")
        ? new Response(new ReadableStream<Uint8Array>({ start: (controller) => first.resolve(controller) }), {
            headers: { "content-type": "text/event-stream" },
          })
        : Response.json({}),
    upgraded: { headers: new Headers(), meta: inProcess, query: "" },
    send(frame) {
      sent.push(frame)
      return !isFull
    },
    end() {},
  })
  const until = async (count: number) => {
    for (let waited = 0; sent.length < count && waited < 500; waited++) await Bun.sleep(1)
  }
  const events = await first.promise
  isFull = true
  events.enqueue(line(1))
  await until(1)
  events.enqueue(line(2)) // waits for room
  await Bun.sleep(1)
  connection.receive(JSON.stringify({ type: "req", id: 1, method: "status.get" })) // an answer is sent all the same
  await until(2)
  isFull = false
  connection.drain()
  await until(3)
  connection.close()
  expect(sent.map((frame) => /"(?:seq|id)":\d/.exec(frame)?.[0])).toEqual(['"seq":1', '"id":1', '"seq":2'])
})
