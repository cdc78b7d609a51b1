import { afterAll, beforeAll, describe, expect, setDefaultTimeout, test } from "bun:test"
import { countOf, modelEnvironment, until } from "#test/fakes/binary.ts"
import { makeHome } from "#test/fakes/home.ts"
import { type ModelServer, startModelServer } from "#test/fakes/model-server.ts"
import { readSocket, type Service, startService } from "#test/fakes/service.ts"

setDefaultTimeout(120_000) // a whole process on a busy machine; nothing here measures

const home = makeHome()
let model: ModelServer
let service: Service

beforeAll(async () => {
  model = startModelServer()
  service = await startService({ home: home.path, env: modelEnvironment(model.url) })
})
afterAll(async () => {
  await service.stop()
  await model.stop()
  home[Symbol.dispose]()
})

/** It still does its whole work: a turn from message to reply. */
async function expectAlive(): Promise<void> {
  const turn = await service.ask(await service.newSession(), "still there?")
  expect(turn.text).toBe("echo: still there?")
}

describe("headers", () => {
  test("ten thousand headers, or one of a megabyte, get no further than the parser", async () => {
    for (const headers of [
      Array.from({ length: 10_000 }, (_, at) => `x-${at}: y\r\n`).join(""),
      `x-big: ${"y".repeat(1_048_576)}\r\n`,
    ]) {
      const socket = await service.rawSocket()
      socket.write(`GET /api/sessions HTTP/1.1\r\nhost: 127.0.0.1\r\n${headers}\r\n`)
      const { text } = await readSocket(socket, 5_000)
      expect(text).not.toContain(" 200 ")
      socket.destroy()
    }
    await expectAlive()
  })

  for (const [what, bytes] of [
    ["no HTTP at all", "\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03"],
    ["a request line of a megabyte", `GET /${"a".repeat(1_048_576)} HTTP/1.1\r\n\r\n`],
    [
      "two lengths",
      "POST /api/sessions HTTP/1.1\r\nhost: 127.0.0.1\r\ncontent-length: 2\r\ncontent-length: 3\r\n\r\n{}",
    ],
    [
      "a length and chunks",
      "POST /api/sessions HTTP/1.1\r\nhost: 127.0.0.1\r\ncontent-length: 2\r\ntransfer-encoding: chunked\r\n\r\n0\r\n\r\n",
    ],
    ["a negative length", "POST /api/sessions HTTP/1.1\r\nhost: 127.0.0.1\r\ncontent-length: -1\r\n\r\n{}"],
    [
      "a chunk size that is none",
      "POST /api/sessions HTTP/1.1\r\nhost: 127.0.0.1\r\ntransfer-encoding: chunked\r\n\r\nzz\r\n",
    ],
    ["no host", "GET /api/sessions HTTP/1.1\r\n\r\n"],
    ["a foreign host", "GET /api/sessions HTTP/1.1\r\nhost: evil.example\r\n\r\n"],
    ["a NUL in a header", "GET /api/sessions HTTP/1.1\r\nhost: 127.0.0.1\r\nx: a\0b\r\n\r\n"],
  ] as const) {
    test(`${what}: never served`, async () => {
      const socket = await service.rawSocket()
      socket.write(Buffer.from(bytes, "latin1"))
      const { text } = await readSocket(socket, 3_000)
      expect(text).not.toMatch(/^HTTP\/1\.1 2/)
      socket.destroy()
      expect((await service.call("GET", "/health")).status).toBe(200)
    })
  }
})

describe("slow clients", () => {
  test("two hundred that never finish their headers or bodies keep nobody else waiting", async () => {
    const head = `POST /api/sessions HTTP/1.1\r\nhost: 127.0.0.1:${service.port}\r\nauthorization: Bearer ${service.token}\r\ncontent-type: application/json\r\n`
    const sockets = await Promise.all(Array.from({ length: 200 }, () => service.rawSocket()))
    for (const [at, socket] of sockets.entries())
      socket.write(at % 2 === 0 ? head : `${head}content-length: 1000\r\n\r\n{"title":"`)
    for (let drop = 0; drop < 5; drop++) {
      for (const [at, socket] of sockets.entries()) socket.write(at % 2 === 0 ? `x-${drop}: y\r\n` : "a")
      await Bun.sleep(50)
    }
    await expectAlive()
    for (const socket of sockets) socket.destroy()
    await expectAlive()
  })

  test.skipIf(process.env["IRONCLAW_TEST_FULL"] !== "1")(
    "a connection on which nothing moves is cut (a minute: only with IRONCLAW_TEST_FULL=1)",
    async () => {
      const socket = await service.rawSocket()
      socket.write("POST /api/sessions HTTP/1.1\r\nhost: 127.0.0.1\r\n")
      expect((await readSocket(socket, 90_000)).closed).toBe(true)
    },
  )
})

describe("clients that go away", () => {
  test("the turn of one who left in mid-stream is finished without it", async () => {
    const id = await service.newSession()
    model.script({
      text: "slow words that nobody waits for any more, but which are kept",
      chunkDelayMs: 40,
      chunkCharacters: 5,
    })
    const asked = model.requests.length
    const leaving = new AbortController()
    const gone = service
      .call("POST", `/api/sessions/${id}/messages?wait=true`, { content: "go" }, { signal: leaving.signal })
      .catch(() => "gone")
    await until("the model is asked", () => model.requests.length > asked)
    leaving.abort()
    expect(await gone).toBe("gone")
    const texts = await until("the reply is stored", async () => {
      const { body } = await service.call("GET", `/api/sessions/${id}/messages`)
      return body.items.length === 2 ? body.items : null
    })
    expect(texts.at(-1).text).toBe("slow words that nobody waits for any more, but which are kept")
  })

  test("hundreds that leave in mid-stream leave no memory behind", async () => {
    const id = await service.newSession()
    const watch = async () => {
      const leaving = new AbortController()
      const response = await fetch(`${service.address}/api/events?session=${id}&after=0`, {
        headers: { authorization: `Bearer ${service.token}` },
        signal: leaving.signal,
      })
      await response.body?.getReader().read()
      leaving.abort()
    }
    const rounds = countOf("watchers that leave", { reduced: 300, full: 5_000 })
    const many = async () => {
      for (let at = 0; at < rounds; at += 20) await Promise.all(Array.from({ length: 20 }, watch))
    }
    await many() // what the first ones need is kept for good, and the heap grows to its working size
    await Bun.sleep(1_000)
    const before = service.memoryMib()
    await many()
    await expectAlive()
    // The collector takes its time, and 10,000 watchers were seen to move it by 50 MiB up and down.
    await until("memory is where it was", () => service.memoryMib() - before < 60, 20_000)
    // Their places are free again, or the hundred-and-first would be refused.
    await watch()
  })

  test("a streamed answer of the OpenAI API that is cut off by its client does no harm", async () => {
    const leaving = new AbortController()
    model.script({ text: "on and on ".repeat(50), chunkDelayMs: 20 })
    const response = await fetch(`${service.address}/v1/chat/completions`, {
      method: "POST",
      headers: { authorization: `Bearer ${service.token}`, "content-type": "application/json" },
      body: JSON.stringify({ model: "ironclaw", stream: true, messages: [{ role: "user", content: "go" }] }),
      signal: leaving.signal,
    })
    expect(response.status).toBe(200)
    await response.body?.getReader().read()
    leaving.abort()
    await expectAlive()
  })
})

test("of two hundred watchers a hundred are let in, the others are told to wait, and every one let in sees the turn", async () => {
  const leaving = new AbortController()
  const headers = { authorization: `Bearer ${service.token}` }
  const opened = await Promise.all(
    Array.from({ length: 200 }, () => fetch(`${service.address}/api/events`, { headers, signal: leaving.signal })),
  )
  const watching = opened.filter(({ status }) => status === 200)
  const refused = opened.filter(({ status }) => status !== 200)
  expect(watching).toHaveLength(100)
  for (const response of refused) {
    expect(response.status).toBe(429)
    expect(Number(response.headers.get("retry-after"))).toBeGreaterThan(0)
  }
  const id = await service.newSession()
  const seen = watching.map(async (response) => {
    let text = ""
    for await (const bytes of response.body ?? []) {
      text += new TextDecoder().decode(bytes)
      if (text.includes("event: turn.finished") && text.includes(id)) return true
    }
    return false
  })
  expect((await service.ask(id, "for all to see")).state).toBe("finished")
  expect((await Promise.all(seen)).every(Boolean)).toBe(true)
  leaving.abort()
  await until("their places are free", async () => {
    const again = new AbortController()
    const { status } = await fetch(`${service.address}/api/events`, { headers, signal: again.signal })
    again.abort()
    return status === 200
  })
})

describe("WebSocket frames that are garbage", () => {
  const open = (): Promise<{ socket: WebSocket; frames: string[] }> =>
    new Promise((resolve, reject) => {
      const frames: string[] = []
      // Bun's WebSocket takes headers; the DOM's types do not know that.
      const socket = new WebSocket(`ws://127.0.0.1:${service.port}/api/ws`, {
        headers: { authorization: `Bearer ${service.token}` },
      })
      socket.onmessage = ({ data }) => void frames.push(String(data))
      socket.onopen = () => resolve({ socket, frames })
      socket.onerror = () => reject(new Error("no connection"))
    })

  test("each gets an error and the connection goes on", async () => {
    const { socket, frames } = await open()
    const garbage = [
      "",
      "{",
      "null",
      "7",
      "[]",
      "{}",
      '{"type":"req"}',
      '{"type":"req","id":1,"method":"nonsense"}',
      '{"type":"req","id":{},"method":"status.get"}',
      '{"type":"req","id":1,"method":"__proto__"}',
      '{"type":"req","id":1,"method":"sessions.get","params":{"id":"../.."}}',
      '{"type":"req","id":1,"method":"sessions.get","params":[]}',
      "[".repeat(50_000),
      '{"type":"res","id":1}',
      "\0\0\0",
      '{"type":"req","id":1,"method":"messages.create","params":{"id":"\\ud800","content":7}}',
    ]
    for (const frame of garbage) socket.send(frame)
    await until(
      "every frame is answered",
      () => frames.filter((text) => JSON.parse(text).ok === false).length === garbage.length,
    )
    socket.send('{"type":"req","id":"good","method":"sessions.list","params":{}}')
    const good = await until("the good one is answered", () => frames.find((text) => JSON.parse(text).id === "good"))
    expect(JSON.parse(good).ok).toBe(true)
    socket.close()
  })

  test("bytes and giants close it, and nothing else", async () => {
    for (const frame of [new Uint8Array([0, 1, 2]), "x".repeat(20_000_000)]) {
      const { socket } = await open()
      const closed = new Promise((resolve) => (socket.onclose = resolve))
      socket.send(frame)
      await closed
    }
    await expectAlive()
  })

  test("what is no upgrade, and one without a token, is refused", async () => {
    expect((await service.call("GET", "/api/ws")).status).toBeGreaterThanOrEqual(400)
    const response = await fetch(`${service.address}/api/ws`, {
      headers: { upgrade: "websocket", connection: "upgrade", "sec-websocket-key": "x", "sec-websocket-version": "13" },
    })
    expect(response.status).toBe(401)
  })
})

test("none of all this was a fault of the service", async () => {
  const log = await Bun.file(`${home.path}/.ironclaw/logs/ironclaw.log`).text()
  expect(log).toContain("The service is ready")
  expect(log.split("\n").filter((line) => line.includes('"level":"error"'))).toEqual([])
})
