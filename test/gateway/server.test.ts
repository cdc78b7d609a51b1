import { afterAll, beforeAll, describe, expect, test } from "bun:test"
import { mkdtempSync, rmSync, statSync } from "node:fs"
import net from "node:net"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { AppError } from "#core/errors.ts"
import { createGateway, type Gateway, type Listener } from "#gateway/server.ts"
import { bodyOf, gatewayHouse, OWNER_TOKEN, refusal } from "../fakes/gateway.ts"

const authorization = `Bearer ${OWNER_TOKEN}`
const json = { authorization, "content-type": "application/json" }
let house: ReturnType<typeof gatewayHouse>
let gateway: Gateway
let listener: Listener
let sessionId: string

beforeAll(async () => {
  house = gatewayHouse()
  gateway = createGateway(house.deps)
  listener = await gateway.listen({ host: "127.0.0.1", port: 0 })
  sessionId = (await bodyOf<{ id: string }>(await post("/api/sessions", {}))).id
})
afterAll(() => gateway.close())

const get = (path: string) => fetch(listener.address + path, { headers: { authorization } })
const post = (path: string, body: unknown) =>
  fetch(listener.address + path, {
    method: "POST",
    headers: json,
    body: typeof body === "string" ? body : JSON.stringify(body),
  })
async function problem(answer: Response) {
  const { error } = await bodyOf<{ error: { code: string; message: string; hint: string } }>(answer)
  return { status: answer.status, code: error.code, message: error.message, hint: error.hint }
}

describe("every answer", () => {
  test("has the same headers, whatever its status", async () => {
    const answers = await Promise.all([
      get("/health"),
      get("/nowhere"),
      fetch(`${listener.address}/api/sessions`),
      fetch(`${listener.address}/api/sessions`, { headers: { authorization, origin: "https://evil.example" } }),
      post("/api/sessions", "{"),
      post("/api/sessions", JSON.stringify("x".repeat(9 * 1024 * 1024))),
      get("/v1/models"),
    ])
    expect(answers.map(({ status }) => status)).toEqual([200, 404, 401, 403, 400, 413, 200])
    for (const { headers } of answers) {
      expect(headers.get("content-security-policy")).toBe("default-src 'none'; frame-ancestors 'none'")
      expect(headers.get("x-content-type-options")).toBe("nosniff")
      expect(headers.get("referrer-policy")).toBe("no-referrer")
      expect(headers.get("x-frame-options")).toBe("DENY")
      expect(headers.get("cache-control")).toContain("no-store")
      expect(headers.get("access-control-allow-origin")).toBeNull()
      expect(headers.get("content-type")).toContain("application/json")
    }
  })

  test("to a fault says nothing of it but an id, which the log has", async () => {
    const broken = gatewayHouse({
      given: { status: () => Promise.reject(new Error("password hunter2 at /srv/db.ts")) },
    })
    const answer = await createGateway(broken.deps).handle(new Request("http://localhost/api/status"))
    const body = await answer.text()
    expect(answer.status).toBe(500)
    expect(body).not.toContain("hunter2")
    const id = /\((\S+)\)/.exec(body)?.[1]
    expect(broken.logged).toMatchObject([{ message: "A request failed", fields: { id, path: "/api/status" } }])
  })

  test("with an error has a code, a message, and what to do", async () => {
    expect(await problem(await get("/api/sessions/ses_00000000000000000000000000000000"))).toMatchObject({
      status: 404,
      code: "not_found",
      hint: expect.stringContaining("list"),
    })
  })
})

describe("what comes in wrong", () => {
  test("is refused with every problem named", async () => {
    const { status, code, message } = await problem(
      await post("/api/sessions", { title: "", model: 5, extra: true, agent: "No Such" }),
    )
    expect({ status, code }).toEqual({ status: 400, code: "input.invalid" })
    for (const path of ["/title", "/model", "/extra: Unexpected property", "/agent"]) expect(message).toContain(path)
  })

  test.each([
    ["null", "null"],
    ["a list", "[]"],
    ["a text", '"{}"'],
    ["nothing", ""],
    ["a number as text", '{"content":5}'],
    ["an unknown field", '{"content":"hi","approved":true}'],
    ["an empty message", '{"content":""}'],
  ])("a body that is %s is 400", async (_, body) => {
    expect(await problem(await post(`/api/sessions/${sessionId}/messages`, body))).toMatchObject({
      status: 400,
      code: "input.invalid",
    })
  })

  test.each([
    "limit=0",
    "limit=201",
    "limit=abc",
    "limit=1.5",
    "limit=1e1",
    "limit=",
    "limit=1&limit=2",
    "unknown=1",
    "cursor=",
    "__proto__=1",
    "channel=%00",
    "channel=%ED%A0%80%00",
  ])("the query %p is 400", async (query) => {
    expect((await get(`/api/sessions?${query}`)).status).toBe(400)
  })

  test("texts in a query are taken as they are", async () => {
    for (const text of ["a,b", "[1]", '{"a":1}', "true", "12", "a+b&c=d", "ü 👩"]) {
      const found = await bodyOf<{ items: { snippet: string }[] }>(
        await get(`/api/sessions/search?text=${encodeURIComponent(text)}`),
      )
      expect(found.items[0]?.snippet).toBe(text)
    }
  })

  test.each(["nope", "ses_1", "ses_%2e%2e", "trn_00000000000000000000000000000000", "../sessions", "%ff"])(
    "the unknown session %p is 404",
    async (id) => {
      expect((await get(`/api/sessions/${id}`)).status).toBe(id === "../sessions" ? 200 : 404) // a client resolves the dots itself
      expect((await post(`/api/sessions/${encodeURIComponent(id)}/messages`, { content: "hi" })).status).toBe(404)
    },
  )

  test("a form is 415, whatever is in it", async () => {
    const answer = await fetch(`${listener.address}/api/sessions`, {
      method: "POST",
      headers: { authorization },
      body: new URLSearchParams({ title: "x" }),
    })
    expect(await problem(answer)).toMatchObject({ status: 415, code: "input.not_json" })
  })

  test("50 MB are refused early, announced or not", async () => {
    expect(await problem(await post("/api/sessions", "x".repeat(50 * 1024 * 1024)))).toMatchObject({
      status: 413,
      code: "input.too_large",
    })
    let sent = 0
    const chunk = new Uint8Array(1024 * 1024).fill(32)
    const body = new ReadableStream({
      pull(controller) {
        if (sent++ < 50) controller.enqueue(chunk)
        else controller.close()
      },
    })
    expect((await fetch(`${listener.address}/api/sessions`, { method: "POST", headers: json, body })).status).toBe(413)
    expect(sent).toBeLessThan(40)
  })

  test("floods of headers, two lengths and garbage get an error and harm nobody", async () => {
    const raw = (text: string) => exchange(text)
    const start = `GET /health HTTP/1.1\r\nHost: localhost\r\n`
    expect(await raw(`${start}${Array.from({ length: 2_000 }, (_, at) => `X-${at}: 1\r\n`).join("")}\r\n`)).toStartWith(
      "HTTP/1.1 431",
    )
    expect(await raw(`${start}X: ${"a".repeat(200_000)}\r\n\r\n`)).toStartWith("HTTP/1.1 431")
    expect(
      await raw(`POST /api/sessions HTTP/1.1\r\nHost: localhost\r\nContent-Length: 2\r\nContent-Length: 3\r\n\r\n{}`),
    ).toStartWith("HTTP/1.1 400")
    expect(
      await raw(
        `POST /api/sessions HTTP/1.1\r\nHost: localhost\r\nContent-Length: 2\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n`,
      ),
    ).toStartWith("HTTP/1.1 400")
    expect(await raw("\0\x01 garbage\r\n\r\n")).toStartWith("HTTP/1.1 400")
    expect((await get("/health")).status).toBe(200)
  })
})

describe("a message", () => {
  test("is acknowledged with its turn, and waited for where asked", async () => {
    const acknowledged = await post(`/api/sessions/${sessionId}/messages`, { content: "hello" })
    expect(acknowledged.status).toBe(202)
    const { turnId, messageId } = await bodyOf<{ turnId: string; messageId: string }>(acknowledged)
    expect(messageId).toStartWith("msg_")
    expect(await (await get(`/api/turns/${turnId}?wait=true`)).json()).toMatchObject({
      state: "finished",
      text: "Hello there.",
    })
    const waited = await post(`/api/sessions/${sessionId}/messages?wait=true`, { content: "hello" })
    expect({ status: waited.status, turn: await waited.json() }).toMatchObject({
      status: 200,
      turn: { state: "finished", text: "Hello there." },
    })
  })

  test("that needs an approval is 202 with the question", async () => {
    const asking = gatewayHouse({
      reply: () => ({ words: [], end: { state: "suspended", approval: { id: "apr_1", question: "Send it?" } } }),
    })
    const session = await asking.sessions.create({
      agentId: "main",
      place: { channel: "api", peer: "owner", topic: "" },
    })
    const answer = await createGateway(asking.deps).handle(
      new Request(`http://localhost/api/sessions/${session.id}/messages?wait=true`, {
        method: "POST",
        headers: json,
        body: '{"content":"send it"}',
      }),
    )
    expect({ status: answer.status, turn: await answer.json() }).toMatchObject({
      status: 202,
      turn: { state: "suspended", approval: { id: "apr_1" } },
    })
  })

  test("of a million characters is stored whole, above 4 MiB it is 413", async () => {
    expect(
      (await post(`/api/sessions/${sessionId}/messages?wait=true`, { content: "ä".repeat(1_000_000) })).status,
    ).toBe(200)
    expect(house.agent.received.at(-1)?.text.length).toBe(1_000_000)
    expect(
      (await post(`/api/sessions/${sessionId}/messages`, { content: "x".repeat(4 * 1024 * 1024 + 1) })).status,
    ).toBe(413)
  })

  test("may hold NUL and half surrogates, which are mended", async () => {
    await post(`/api/sessions/${sessionId}/messages?wait=true`, '{"content":"a\\u0000b\\ud83dc"}')
    expect(house.agent.received.at(-1)?.text).toBe("a\ufffdb\ufffdc")
  })

  test("is the owner's, from the session's own place", async () => {
    await post(`/api/sessions/${sessionId}/messages?wait=true`, { content: "mine", mode: "steer", model: "fake/fake" })
    expect(house.agent.received.at(-1)).toMatchObject({
      sessionId,
      personId: house.deps.ownerId,
      mode: "steer",
      place: { channel: "api", peer: "owner" },
      options: { model: "fake/fake" },
    })
  })

  test("that is a slash command exactly is answered as one; other text with a slash is text", async () => {
    const before = house.agent.received.length
    expect(await (await post(`/api/sessions/${sessionId}/messages`, { content: "/help" })).json()).toEqual({
      command: { text: "Commands: /help", sessionId },
    })
    expect(house.agent.received.length).toBe(before)
    expect((await post(`/api/sessions/${sessionId}/messages`, { content: "/etc/hosts is odd" })).status).toBe(202)
    expect(house.agent.received.length).toBe(before + 1)
  })

  test("with an image that is none is refused before anything is stored", async () => {
    const before = house.agent.received.length
    const attachments = [{ type: "image", mediaType: "image/png", base64: btoa("<script>alert(1)</script>") }]
    expect(
      await problem(await post(`/api/sessions/${sessionId}/messages`, { content: "look", attachments })),
    ).toMatchObject({ status: 400, message: expect.stringContaining("/attachments/0") })
    expect(house.agent.received.length).toBe(before)
  })
})

describe("lists", () => {
  test("are paged by cursor until there is no next one", async () => {
    const paged = gatewayHouse()
    const handle = createGateway(paged.deps).handle
    for (let at = 0; at < 5; at++)
      await paged.sessions.create({
        agentId: "main",
        place: { channel: "api", peer: "owner", topic: "" },
        title: `s${at}`,
      })
    const titles: string[] = []
    let cursor: string | null = ""
    while (cursor !== null) {
      const answer: Response = await handle(
        new Request(`http://localhost/api/sessions?limit=2${cursor && `&cursor=${cursor}`}`),
      )
      const page = await bodyOf<{ items: { title: string }[]; next: string | null }>(answer)
      titles.push(...page.items.map(({ title }) => title))
      cursor = page.next
    }
    expect(titles).toEqual(["s4", "s3", "s2", "s1", "s0"])
  })
})

describe("readiness", () => {
  test("is 503 with the part that is not, and health does not depend on it", async () => {
    const parts = [{ name: "database" as const, ok: false, detail: "gone" }]
    const { handle } = createGateway(gatewayHouse({ given: { ready: async () => ({ ready: false, parts }) } }).deps)
    const answer = await handle(new Request("http://localhost/ready"))
    expect({ status: answer.status, body: await answer.json() }).toEqual({ status: 503, body: { ready: false, parts } })
    expect((await handle(new Request("http://localhost/health"))).status).toBe(200)
  })

  test("a service that fails with an AppError keeps its code and status", async () => {
    const failing = gatewayHouse({
      given: { status: () => Promise.reject(new AppError("db.unreachable", "Postgres did not answer")) },
    })
    const answer = await createGateway(failing.deps).handle(new Request("http://localhost/api/status"))
    expect(await problem(answer)).toMatchObject({ status: 503, code: "db.unreachable" })
  })
})

describe("the socket", () => {
  test("is the owner's alone, serves the same app, and never a browser", async () => {
    const folder = mkdtempSync(join(tmpdir(), "ironclaw-gateway-"))
    const socket = join(folder, "s.sock")
    await gateway.listen({ socket })
    expect(statSync(socket).mode & 0o777).toBe(0o600)
    expect((await fetch("http://localhost/api/status", { unix: socket })).status).toBe(200)
    expect(
      (await fetch("http://localhost/api/status", { unix: socket, headers: { origin: "http://localhost" } })).status,
    ).toBe(403)
    rmSync(folder, { recursive: true })
  })

  test("and a port that are taken are said to be", async () => {
    const port = Number(new URL(listener.address).port)
    expect(await refusal(gateway.listen({ host: "127.0.0.1", port }))).toMatchObject({ code: "gateway.address_taken" })
  })
})

/** One request as bytes, one answer as bytes. */
function exchange(text: string): Promise<string> {
  return new Promise((resolve) => {
    let answer = ""
    const socket = net.connect(Number(new URL(listener.address).port), "127.0.0.1", () => socket.write(text))
    const finish = () => {
      socket.destroy()
      resolve(answer)
    }
    socket.on("data", (data) => {
      answer += data.toString()
      finish()
    })
    socket.on("close", finish)
    socket.on("error", finish)
  })
}
