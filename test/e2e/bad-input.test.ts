import { afterAll, beforeAll, describe, expect, setDefaultTimeout, test } from "bun:test"
import { modelEnvironment } from "#test/fakes/binary.ts"
import { makeHome } from "#test/fakes/home.ts"
import { tortureCases } from "#test/fakes/json-torture.ts"
import { type ModelServer, startModelServer } from "#test/fakes/model-server.ts"
import { type Answer, type Json, type Service, startService } from "#test/fakes/service.ts"

setDefaultTimeout(60_000) // a whole process on a busy machine; nothing here measures

const home = makeHome()
let model: ModelServer
let service: Service
let sessionId: string

beforeAll(async () => {
  model = startModelServer()
  service = await startService({ home: home.path, env: modelEnvironment(model.url) })
  sessionId = await service.newSession()
})
afterAll(async () => {
  await service.stop()
  await model.stop()
  home[Symbol.dispose]()
})

/** Every refusal has a code, a message and a hint, and shows nothing of the inside. */
function expectRefusal({ status, body }: Answer, path: string): void {
  expect(status).toBeGreaterThanOrEqual(400)
  expect(status).toBeLessThan(500)
  expect(typeof body.error.message).toBe("string")
  expect(path.startsWith("/v1/") ? body.error.type : body.error.hint).toBeString()
  expect(JSON.stringify(body)).not.toMatch(/node_modules|\$bunfs|\.ts:\d|    at /)
}

async function messageTexts(id: string): Promise<string[]> {
  const { body } = await service.call("GET", `/api/sessions/${id}/messages?limit=200`)
  return body.items.map(({ text }: Json) => text)
}

describe("the JSON torture set", () => {
  test("no case is accepted by any route that takes a body, and none hurts the service", async () => {
    const document = (await service.call("GET", "/api/openapi.json")).body
    const routes: { method: string; path: string }[] = Object.entries<Json>(document.paths).flatMap(([path, methods]) =>
      Object.entries<Json>(methods)
        .filter(([, { requestBody }]) => requestBody)
        .map(([method]) => ({
          method: method.toUpperCase(),
          path: path.replace("/api/sessions/{id}", `/api/sessions/${sessionId}`).replace(/\{[a-z]+\}/g, "agent.name"),
        })),
    )
    expect(routes.map(({ path }) => path)).toContain("/v1/chat/completions")
    expect(routes.length).toBeGreaterThan(5)
    const asked = model.requests.length
    const accepted: string[] = []
    for (const { method, path } of routes) {
      for (const { name, bytes } of tortureCases) {
        const answer = await service.call(method, path, bytes)
        // A session can begin with nothing said of it, and null says nothing.
        if (path === "/api/sessions" && name === "null") continue
        if (answer.status < 400) accepted.push(`${method} ${path}: ${name}`)
        else expectRefusal(answer, path)
      }
    }
    expect(accepted).toEqual([])
    expect(model.requests).toHaveLength(asked)
    expect((await service.call("GET", "/ready")).status).toBe(200)
  })
})

describe("shapes", () => {
  const at = () => `/api/sessions/${sessionId}/messages`
  for (const [what, body] of [
    ["a number for text", { content: 7 }],
    ["a list for text", { content: ["x"] }],
    ["an empty text", { content: "" }],
    ["no text", {}],
    ["an unknown field", { content: "x", temperature: 1 }],
    ["an unknown mode", { content: "x", mode: "shout" }],
    ["attachments that are no list", { content: "x", attachments: {} }],
    ["an attachment by address", { content: "x", attachments: [{ type: "image", url: "http://127.0.0.1/x" }] }],
    [
      "an image that is none",
      { content: "x", attachments: [{ type: "image", mediaType: "image/png", base64: "AAAA" }] },
    ],
  ] as const) {
    test(`${what} is refused by name, and stores nothing`, async () => {
      const before = await messageTexts(sessionId)
      const answer = await service.call("POST", at(), body)
      expect(answer.status).toBe(400)
      expectRefusal(answer, at())
      expect(await messageTexts(sessionId)).toEqual(before)
    })
  }

  test("a body that is not JSON by its type is 415", async () => {
    const answer = await service.call("POST", at(), "content=x", {
      headers: { "content-type": "application/x-www-form-urlencoded" },
    })
    expect(answer.status).toBe(415)
    expectRefusal(answer, at())
  })

  for (const id of [
    "ses_00000000000000000000000000000000",
    "ses_",
    "nonsense",
    "..%2f..%2fetc",
    "%00",
    "%ff",
    "a".repeat(5_000),
    "%F0%9F%98%80",
  ]) {
    test(`a session that is not there is 404 or 400: ${id.slice(0, 40)}`, async () => {
      for (const [method, rest, body] of [
        ["GET", "", undefined],
        ["POST", "/messages", { content: "x" }],
        ["POST", "/stop", undefined],
        ["DELETE", "", undefined],
      ] as const) {
        const answer = await service.call(method, `/api/sessions/${id}${rest}`, body)
        expect([400, 404]).toContain(answer.status)
        expectRefusal(answer, "/api/")
      }
    })
  }

  for (const query of [
    "limit=0",
    "limit=-1",
    "limit=1e9",
    "limit=many",
    "limit=1&limit=2",
    "cursor=%00",
    "cursor=%27%3B--",
    "unknown=1",
    "limit=%ff",
  ]) {
    test(`a query that makes no sense is refused: ${query}`, async () => {
      const answer = await service.call("GET", `/api/sessions?${query}`)
      expect(answer.status).toBe(400)
      expectRefusal(answer, "/api/")
    })
  }
})

describe("size", () => {
  test("a message of a million characters is stored whole, shown head and tail, and can be read by its handle", async () => {
    const id = await service.newSession()
    const million = `HEAD ${"abcdefgh ".repeat(111_110)} TAIL`
    expect(million.length).toBeGreaterThanOrEqual(1_000_000)
    let read: Json = null
    model.decide(({ body }) => {
      const messages: Json = body["messages"]
      const results = messages.filter(({ role }: Json) => role === "tool")
      if (results.length > 0) {
        read = results.at(-1).content
        return { text: "I read the rest." }
      }
      const handle = /handle=(msg_[0-9a-f]{32})/.exec(JSON.stringify(messages))?.[1]
      return handle
        ? { toolCalls: [{ name: "result_read", arguments: { handle, offset: 500_000, length: 900 } }] }
        : { text: "no handle" }
    })
    const asked = model.requests.length
    const turn = await service.ask(id, million)
    model.decide(() => null)
    expect(turn).toMatchObject({ state: "finished", text: "I read the rest." })
    const shown = JSON.stringify(model.requests[asked]?.body)
    expect(shown.length).toBeLessThan(60_000)
    expect(shown).toContain("HEAD ")
    expect(shown).toContain(" TAIL")
    expect(String(read)).toContain(million.slice(500_000, 500_800))
    expect((await messageTexts(id))[0]).toBe(million)
  })

  test("more than 4 MiB of text is 413, and 4 MiB are not", async () => {
    const id = await service.newSession()
    const limit = 4 * 1_048_576
    const answer = await service.call("POST", `/api/sessions/${id}/messages`, { content: "x".repeat(limit + 1) })
    expect(answer.status).toBe(413)
    expectRefusal(answer, "/api/")
    // Counted in bytes: these are a third as many characters.
    expect(
      (await service.call("POST", `/api/sessions/${id}/messages`, { content: "\u20ac".repeat(limit / 3 + 1) })).status,
    ).toBe(413)
    expect(
      (await service.call("POST", `/api/sessions/${id}/messages?wait=true`, { content: "x".repeat(limit) })).status,
    ).toBe(200)
  })

  for (const path of ["/api/sessions", "/api/sessions/SESSION/messages", "/v1/chat/completions"]) {
    test(`a body of 50 MB is 413 at ${path}, and memory does not keep it`, async () => {
      const before = service.memoryMib()
      const body = `{"content":"${"x".repeat(50_000_000)}"}`
      const answer = await service.call("POST", path.replace("SESSION", sessionId), body)
      expect(answer.status).toBe(413)
      expectRefusal(answer, path)
      expect(service.memoryMib() - before).toBeLessThan(150)
    })
  }

  test("a body of 50 MB in chunks without a length is 413 too", async () => {
    const piece = new Uint8Array(1_000_000).fill(120)
    let sent = 0
    const body = new ReadableStream<Uint8Array>({
      pull(controller) {
        if (sent++ === 50) controller.close()
        else controller.enqueue(piece)
      },
    })
    const response = await fetch(`${service.address}/api/sessions`, {
      method: "POST",
      headers: { authorization: `Bearer ${service.token}`, "content-type": "application/json" },
      body,
    }).catch(() => null)
    // The connection may be cut while the rest is on its way; what was said before it is the refusal.
    if (response) expect(response.status).toBe(413)
    expect((await service.call("GET", "/health")).status).toBe(200)
  })
})

describe("text that no database takes", () => {
  test("NUL and half surrogate pairs in a message become the replacement character", async () => {
    const id = await service.newSession()
    for (const json of ['{"content":"a\\u0000b"}', '{"content":"a\\ud800b"}', '{"content":"a\\udc00b"}']) {
      expect((await service.call("POST", `/api/sessions/${id}/messages?wait=true`, json)).status).toBe(200)
    }
    expect((await messageTexts(id)).filter((_, at) => at % 2 === 0)).toEqual(["a\ufffdb", "a\ufffdb", "a\ufffdb"])
  })

  test("in names and paths they are refused", async () => {
    for (const [method, path, json] of [
      ["PUT", "/api/memory/document", '{"path":"a\\u0000.md","content":"x"}'],
      ["PUT", "/api/memory/document", '{"path":"a\\ud800.md","content":"x"}'],
      ["PATCH", `/api/sessions/${sessionId}`, '{"title":"a\\u0000b"}'],
      ["GET", "/api/memory/document?path=a%00.md", undefined],
    ] as const) {
      const answer = await service.call(method, path, json)
      expect(answer.status).toBe(400)
      expectRefusal(answer, path)
    }
  })

  test("a model that says them is stored and shown all the same", async () => {
    const id = await service.newSession()
    model.script({ text: "x\0y\ud800z" })
    const turn = await service.ask(id, "go")
    expect(turn.state).toBe("finished")
    // Shown and stored alike; a NUL is no text and may be left out.
    expect(turn.text).toMatch(/^x\ufffd?y\ufffdz$/)
    expect((await messageTexts(id)).at(-1)).toBe(turn.text)
  })
})

test("none of all this was a fault of the service", async () => {
  const log = await Bun.file(`${home.path}/.ironclaw/logs/ironclaw.log`).text()
  expect(log).toContain("The service is ready")
  expect(log.split("\n").filter((line) => line.includes('"level":"error"'))).toEqual([])
})
