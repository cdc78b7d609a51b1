import { afterAll, beforeAll, describe, expect, test } from "bun:test"
import { mkdtempSync, rmSync } from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { systemClock } from "#core/clock.ts"
import type { Event } from "#core/event.ts"
import { newId } from "#core/id.ts"
import { type Client, createClient, type Via } from "#gateway/client.ts"
import { createGateway, type Gateway, type Listener } from "#gateway/server.ts"
import { gatewayHouse, OWNER_TOKEN, refusal } from "../fakes/gateway.ts"

const folder = mkdtempSync(join(tmpdir(), "ironclaw-client-"))
const house = gatewayHouse()
const gateway: Gateway = createGateway(house.deps)
let tcp: Listener
beforeAll(async () => {
  tcp = await gateway.listen({ host: "127.0.0.1", port: 0 })
  await gateway.listen({ socket: join(folder, "s.sock") })
})
afterAll(async () => {
  await gateway.close()
  rmSync(folder, { recursive: true })
})

const ways: [name: string, via: () => Via][] = [
  ["TCP", () => ({ url: tcp.address, token: OWNER_TOKEN })],
  ["the Unix socket", () => ({ socket: join(folder, "s.sock") })],
  ["this process", () => ({ handle: gateway.handle })],
]
const over = (via: Via): Client => createClient({ via, clock: systemClock })

describe.each(ways)("over %s", (_, via) => {
  test("a session is made, talked in, listed and deleted", async () => {
    const { api } = over(via())
    const session = await api.sessions.post({ body: { title: "Over & over", channel: "terminal" } })
    expect(session).toMatchObject({ title: "Over & over", channel: "terminal" })
    expect(
      await api.sessions({ id: session.id }).messages.post({ body: { content: "hi" }, query: { wait: true } }),
    ).toMatchObject({ text: "Hello there." })
    expect((await api.sessions.get({ query: { channel: "terminal", limit: 1 } })).items[0]?.id).toBe(session.id)
    expect(await api.sessions({ id: session.id }).patch({ body: { title: "New" } })).toMatchObject({ title: "New" })
    expect(await api.sessions({ id: session.id }).undo.post()).toMatchObject({ left: 1 })
    expect(await api.sessions({ id: session.id }).stop.post()).toEqual({ stopped: true })
    expect(await api.sessions({ id: session.id }).export.get({ query: { format: "markdown" } })).toEqual({
      format: "markdown",
      text: "# New",
    })
    expect(await api.sessions({ id: session.id }).delete()).toEqual({ deleted: true })
  })

  test("memory, configuration, models, usage and tools answer", async () => {
    const { api, health, ready } = over(via())
    expect(await api.memory.document.put({ body: { path: "notes/ä b.md", content: "one" } })).toMatchObject({
      version: 1,
    })
    await api.memory.document.put({ body: { path: "notes/ä b.md", content: "two", mode: "append" } })
    expect((await api.memory.document.get({ query: { path: "notes/ä b.md" } })).content).toBe("one\ntwo")
    expect((await api.memory.get({ query: { prefix: "notes/" } })).items).toHaveLength(1)
    expect(await api.memory.document.delete({ query: { path: "notes/ä b.md" } })).toEqual({ deleted: true })
    expect(await api.config({ key: "agent.name" }).put({ body: { value: "Claw" } })).toMatchObject({
      key: "agent.name",
      value: "Claw",
    })
    expect((await api.models.get()).default).toBe("fake/fake")
    expect((await api.usage.get({ query: { since: "2026-01-01", by: "day" } })).items).toHaveLength(1)
    expect((await api.tools.get()).items).toEqual([])
    expect((await api.agents.get()).items).toEqual([{ name: "main" }, { name: "work" }])
    expect(await health.get()).toEqual({ status: "ok" })
    expect((await ready.get()).ready).toBe(true)
  })

  test("an error is the service's own, with code, message and hint", async () => {
    const { api } = over(via())
    expect(await refusal(api.sessions({ id: newId("ses") }).get())).toMatchObject({
      name: "AppError",
      code: "not_found",
      status: 404,
    })
    expect(await refusal(api.memory.document.get({ query: { path: "none" } }))).toMatchObject({
      code: "not_found",
      message: expect.stringContaining("none"),
    })
    expect(await refusal(api.models.default.put({ body: { model: "no/such" } }))).toMatchObject({
      code: "model.unknown",
      hint: expect.stringContaining("model list"),
    })
  })

  test("events come with the turn's text, and end with the signal", async () => {
    const client = over(via())
    const session = await client.api.sessions.post({ body: {} })
    const stop = new AbortController()
    const seen: Event[] = []
    const connected = Promise.withResolvers<void>()
    const watching = (async () => {
      for await (const event of client.events({
        session: session.id,
        signal: stop.signal,
        onConnection: () => connected.resolve(),
      })) {
        seen.push(event)
        if (event.type === "turn.finished") stop.abort()
      }
    })()
    await connected.promise
    await Bun.sleep(20)
    await client.api.sessions({ id: session.id }).messages.post({ body: { content: "hi" } })
    await watching
    expect(seen.map(({ type }) => type)).toEqual(["turn.started", "turn.delta", "turn.delta", "turn.finished"])
  })
})

describe("the client", () => {
  test("knows the routes, their bodies and their answers by type", async () => {
    const { api } = over({ handle: gateway.handle })
    const session = await api.sessions.post({ body: {} })
    const title: string = session.title
    expect(title).toBe("")
    // @ts-expect-error a title is text
    expect(await refusal(api.sessions.post({ body: { title: 5 } }))).toMatchObject({ code: "input.invalid" })
    // @ts-expect-error there is no such field
    expect(await refusal(api.sessions.post({ body: { approved: true } }))).toMatchObject({ code: "input.invalid" })
    // @ts-expect-error a search needs words
    expect(await refusal(api.sessions.search.get())).toMatchObject({ code: "input.invalid" })
    // @ts-expect-error there is no such route
    expect(await refusal(api.nowhere.get())).toMatchObject({ code: "not_found" })
  })

  test("keeps an id in its place in the path, whatever is in it", async () => {
    const { api } = over({ handle: gateway.handle })
    for (const id of ["../config", "a/b", "x?limit=1", "%2e%2e", "#"])
      expect(await refusal(api.sessions({ id }).get())).toMatchObject({
        code: "not_found",
        message: expect.not.stringContaining("There is no GET"),
      })
    for (const id of ["", ".", ".."]) expect(() => api.sessions({ id })).toThrow("no id")
  })

  test("says where nobody answers", async () => {
    const client = over({ url: "http://127.0.0.1:9", token: "x" })
    expect(await refusal(client.api.status.get())).toMatchObject({
      code: "service.unreachable",
      message: expect.stringContaining("127.0.0.1:9"),
    })
    expect(await refusal(over({ socket: join(folder, "none.sock") }).health.get())).toMatchObject({
      code: "service.unreachable",
    })
  })

  test("with a wrong token is told so, and does not try for ever", async () => {
    const client = over({ url: tcp.address, token: "wrong" })
    expect(await refusal(client.api.status.get())).toMatchObject({ code: "client.unauthorized" })
    expect(await refusal(client.events().next())).toMatchObject({ code: "client.unauthorized" })
  })

  test("gets the reasons from a service that is not ready", async () => {
    const parts = [{ name: "database" as const, ok: false, detail: "gone" }]
    const { handle } = createGateway(gatewayHouse({ given: { ready: async () => ({ ready: false, parts }) } }).deps)
    expect(await over({ handle }).ready.get()).toEqual({ ready: false, parts })
  })

  test("loses no event and repeats none over a broken connection", async () => {
    const flaky = gatewayHouse()
    const { handle } = createGateway(flaky.deps)
    const queued = () =>
      flaky.bus.store({
        type: "turn.queued",
        sessionId: newId("ses"),
        turnId: newId("trn"),
        agentId: "main",
        labels: [],
        source: "host",
      })
    let connections = 0
    // The wire breaks after the third piece of each connection.
    const breaking = async (request: Request): Promise<Response> => {
      const answer = await handle(request)
      if (!answer.body || !request.url.includes("/api/events")) return answer
      connections++
      const reader = answer.body.getReader()
      let pieces = 0
      return new Response(
        new ReadableStream({
          async pull(controller) {
            if (pieces++ === 3) {
              await reader.cancel()
              queued() // while nobody watches
              return controller.error(new Error("the wire broke"))
            }
            const { value, done } = await reader.read()
            if (done) controller.close()
            else controller.enqueue(value)
          },
        }),
      )
    }
    const client = createClient({ via: { handle: breaking }, clock: { ...systemClock, sleep: async () => {} } })
    const stop = new AbortController()
    const seqs: number[] = []
    const feeding = (async () => {
      while (!stop.signal.aborted) {
        queued()
        await Bun.sleep(1)
      }
    })()
    for await (const event of client.events({ after: 0, signal: stop.signal })) {
      if (event.type !== "turn.delta") seqs.push(event.seq)
      if (seqs.length >= 60) stop.abort()
    }
    await feeding
    expect(connections).toBeGreaterThan(3)
    expect(seqs).toEqual(seqs.map((_, index) => index + 1))
  })
})
