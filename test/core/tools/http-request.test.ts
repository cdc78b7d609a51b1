import { afterEach, beforeEach, describe, expect, test } from "bun:test"
import type { IncomingMessage } from "node:http"
import { httpTools } from "#core/tools/http-request.ts"
import { PUBLIC } from "../safety/fake-internet.ts"
import { readerOf, toolRig } from "./rig.ts"

let rig: Awaited<ReturnType<typeof toolRig>>
let heard: { method: string; url: string; headers: IncomingMessage["headers"]; body: string }[]
/** In a run of its own that stands across 1 MiB, where a body is cut, and across the border of two parts. */
const KEY = `gh${"p_"}${"aB3dE5gH7jK9".repeat(3)}`
const PARTS = `The key is ${KEY} and that is all`
const URL_1 = "https://api.example.com/v1/items?page=2"
const call = (more: Record<string, unknown> = {}) => ({ name: "http_request", arguments: { url: URL_1, ...more } })

beforeEach(async () => {
  heard = []
  rig = await toolRig({ tools: [...httpTools(), readerOf(["untrusted", "private"])] })
  rig.internet.name("api.example.com", [PUBLIC])
  await rig.internet.site(PUBLIC, async (request, answer) => {
    const parts: Buffer[] = []
    for await (const part of request) parts.push(part as Buffer) // node:http gives buffers
    const { method = "", url = "", headers } = request
    heard.push({ method, url, headers, body: Buffer.concat(parts).toString() })
    answer.setHeader("content-type", "application/json")
    answer.setHeader("etag", '"7"')
    answer.setHeader("set-cookie", "a=b")
    if (url === "/image") return answer.end(Buffer.from("89504e470d0a1a0a00000000", "hex"))
    if (url === "/cut") return answer.end(`${"a word ".repeat(149_793)}${KEY} and more`)
    const range = /^bytes=(\d+)-(\d+)$/.exec(headers.range ?? "")
    if (range) {
      const [start, end] = [Number(range[1]), Number(range[2])]
      answer.writeHead(206, { "content-range": `bytes ${start}-${end}/${PARTS.length}` })
      return answer.end(PARTS.slice(start, end + 1))
    }
    if (url === "/long") return answer.end("x".repeat(1024 * 1024 + 10))
    answer.end('{"items":[1]}')
  })
})
afterEach(() => rig.close())

describe("a GET to a URL that the owner wrote", () => {
  test("runs without asking, and its answer is untrusted, from that host", async () => {
    const { outcome, last } = await rig.ask(`What is at ${URL_1}?`, [call({ headers: { Accept: "application/json" } })])
    expect(outcome).toMatchObject({ state: "finished", text: "Done" })
    expect(JSON.parse(last?.text ?? "")).toEqual({
      status: 200,
      contentType: "application/json",
      headers: { etag: '"7"' },
      body: '{"items":[1]}',
    })
    expect(last).toMatchObject({ labels: ["untrusted"] })
    expect(last?.source).toStartWith("api.example.com")
    expect(heard).toMatchObject([{ method: "GET", url: "/v1/items?page=2" }])
    expect(await rig.audit()).toMatchObject([
      { subject: "http_request", outcome: "done", destination: "http api.example.com GET /v1/items" },
    ])
    expect(rig.internet.records).toMatchObject([{ outcome: "done", host: "api.example.com", status: 200 }])
  })

  test("also in a later turn of the session, but in no other session", async () => {
    const first = await rig.ask(`Keep in mind ${URL_1}, please`, [])
    const second = await rig.ask("Now read it", [call()], first.sessionId)
    expect(second.outcome.state).toBe("finished")
    const other = await rig.ask("Now read it", [call()])
    expect(other.outcome.state).toBe("suspended")
    expect(heard).toHaveLength(1)
  })

  test("says what a body is that is no text, and cuts a long one", async () => {
    const site = "https://api.example.com"
    const { results } = await rig.ask(`${site}/image and ${site}/long`, [
      call({ url: `${site}/image` }),
      call({ url: `${site}/long` }),
    ])
    expect(results[0]?.text).toContain("a PNG image, 12 bytes")
    const long: unknown = JSON.parse(results[1]?.text ?? "")
    expect(long).toMatchObject({ note: "cut after 1048576 bytes" })
  })
})

describe("a key at a border", () => {
  test("of a body that is cut is shown in no part", async () => {
    const url = "https://api.example.com/cut"
    const { last } = await rig.ask(`What is at ${url}?`, [call({ url })])
    expect(last?.text).toContain("cut after 1048576 bytes")
    expect(last?.text).toContain("a word a word")
    expect(last?.text).not.toContain("ghp_")
  })

  test("of two parts that are asked for is shown in neither, and the rest of them is", async () => {
    const asked = ["bytes=0-29", `bytes=30-${PARTS.length - 1}`].map((range) => call({ headers: { range } }))
    const grant = { agentId: "main", principal: "agent:main", tool: "http_request", sessionId: null, expiresAt: null }
    const destination = "http api.example.com GET /v1/items"
    const { statement } = rig.house.grants.add({ ...grant, destination, evenUntrusted: true })
    await rig.house.writer.commit({ statements: [statement] })
    const { results } = await rig.ask(`What is at ${URL_1}?`, asked)
    const bodies = results.map(({ text }): unknown => JSON.parse(text).body)
    expect(bodies).toEqual(["The key is ", " and that is all"])
    expect(results[0]?.text).toContain("half words at its borders are left out")
  })
})

describe("any other request asks first", () => {
  for (const [what, said, more] of [
    ["a URL that nobody wrote", "Look around", {}],
    ["one with more behind it than the owner wrote", "Look at https://api.example.com/v1/items", {}],
    ["one with less", `Look at ${URL_1}&key=1`, {}],
    ["a POST to the owner's URL", `Send it to ${URL_1}`, { method: "POST", json: { a: 1 } }],
    ["a DELETE", `Delete ${URL_1}`, { method: "DELETE" }],
    ["words of its own in a header", `Look at ${URL_1}`, { headers: { "user-agent": "what the notes say" } }],
    ["an Accept that names no kind of answer", `Look at ${URL_1}`, { headers: { accept: "text/what-the-notes-say" } }],
  ] as const) {
    test(what, async () => {
      const { outcome } = await rig.ask(said, [call(more)])
      expect(outcome.state).toBe("suspended")
      expect(outcome.approval?.question).toContain("api.example.com")
      expect(heard).toEqual([])
      expect(rig.internet.lookups).toEqual([])
    })
  }

  test("and once allowed, it sends exactly that", async () => {
    const { outcome } = await rig.ask("Post it", [call({ method: "POST", json: { a: "ü" } })])
    const id = outcome.approval?.id
    if (!id) throw new Error("nothing was asked")
    await rig.house.approvals.answer(id, { answer: "allow", how: "once" })
    expect((await rig.house.agent.wait(outcome.turnId, AbortSignal.timeout(10_000))).state).toBe("finished")
    expect(heard).toMatchObject([{ method: "POST", url: "/v1/items?page=2", body: '{"a":"ü"}' }])
    expect(heard[0]?.headers["content-type"]).toBe("application/json")
  })
})

describe("what can never work is refused before anybody is asked", () => {
  for (const [what, more, why] of [
    ["Authorization", { headers: { Authorization: "Bearer x" } }, "credentials"],
    ["a cookie", { headers: { cookie: "a=b" } }, "credentials"],
    ["a key under another name", { headers: { "X-Api-Key": "k" } }, "credentials"],
    ["Host", { headers: { host: "evil.example" } }, "not the caller's to set"],
    ["a hop-by-hop header", { headers: { "Transfer-Encoding": "chunked" } }, "not the caller's to set"],
    ["a header with a line break", { headers: { accept: "a\r\nx: y" } }, "plain text"],
    ["a body on a GET", { body: "x" }, "no body"],
    ["two bodies", { method: "POST", body: "x", json: {} }, "one of them"],
    ["plain http", { url: "http://api.example.com/" }, "not https"],
    ["a private address", { url: "https://127.0.0.1/" }, "IP address"],
    ["an odd port", { url: "https://api.example.com:8443/" }, "not 443"],
    ["a name of this network", { url: "https://printer.local/" }, "no public name"],
    ["a user name in the URL", { url: "https://a@api.example.com/" }, "user name"],
  ] as const) {
    test(what, async () => {
      const { outcome, last } = await rig.ask(`Do it: ${JSON.stringify(more)}`, [call(more)])
      expect(outcome).toMatchObject({ state: "finished", approval: null })
      expect(last?.text).toContain(why)
      expect(await rig.audit()).toMatchObject([{ outcome: "refused" }])
      expect(JSON.stringify(await rig.audit())).toContain("deny: ")
      expect(rig.finished()).toMatchObject([{ tool: "http_request", outcome: "refused" }])
      expect(heard).toEqual([])
      expect(rig.internet.lookups).toEqual([])
    })
  }
})

describe("text from outside and private data in one turn", () => {
  test("make a request to a host that a text chose an ask, and name the reason", async () => {
    const { outcome } = await rig.ask("Read it", [
      { name: "read_it", arguments: {} },
      call({ url: "https://api.example.com/evil" }),
    ])
    expect(outcome.state).toBe("suspended")
    expect(heard).toEqual([])
  })

  test("leave ten GETs to the owner's URLs, and no eleventh", async () => {
    const urls = Array.from({ length: 11 }, (_, index) => `https://api.example.com/p/${index}`)
    const { results } = await rig.ask(urls.join("\n"), [
      { name: "read_it", arguments: {} },
      ...urls.map((url) => call({ url })),
    ])
    expect(heard).toHaveLength(10)
    expect(results.at(-1)?.text).toContain("asked hosts 10 times")
    expect((await rig.audit()).at(-1)).toMatchObject({ outcome: "refused" })
    expect(rig.finished().at(-1)).toMatchObject({ outcome: "refused" })
  })

  test("do not limit a turn without private data", async () => {
    const urls = Array.from({ length: 12 }, (_, index) => `https://api.example.com/p/${index}`)
    await rig.ask(
      urls.join("\n"),
      urls.map((url) => call({ url })),
    )
    expect(heard).toHaveLength(12)
  })
})
