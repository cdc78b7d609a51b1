/** POST /webhooks/… through the gateway: nothing is read or run before the signature held, and nothing is taken twice. */
import { afterAll, beforeAll, describe, expect, setDefaultTimeout, test } from "bun:test"
import { createHmac } from "node:crypto"
import { createReceipts } from "#channels/receipts.ts"
import { createGateway, type Gateway } from "#gateway/server.ts"
import type { Refusal } from "#core/safety/refusals.ts"
import { channelHouse, type ChannelHouse, hookedChannel } from "../fakes/channel-house.ts"
import { gatewayHouse } from "../fakes/gateway.ts"

setDefaultTimeout(60_000) // children are started, on a machine that may be busy

const SECRET = "a-secret-of-the-hook-0123456789"
const code = `
import { defineChannel, emitMessage, memory } from "ironclaw"
export const { start, receive, poll, respond, status, stop } = defineChannel({
  receive(request) {
    memory.write("seen", JSON.stringify(request))
    memory.write("times", String(Number(memory.read("times") ?? "0") + 1))
    if (request.body === "fail") throw new Error("I fail")
    if (request.body === "busy") return { status: 503 }
    if (request.body === "empty") return { status: 204, body: "not shown" }
    if (request.body === "text") return { body: "<script>alert(1)</script>" }
    return { status: 202, body: { heard: request.body } }
  },
  respond() {},
})`

let at: ChannelHouse
let gateway: Gateway
let lockdown = { active: false }
const refusals: Refusal[] = []
beforeAll(async () => {
  at = await channelHouse({ secrets: { hook_secret: SECRET } })
  await at.add("hook", code, hookedChannel("hook"))
  const { deps } = gatewayHouse()
  gateway = createGateway({
    ...deps,
    lockdown: {
      ...deps.lockdown,
      get active() {
        return lockdown.active
      },
    },
    channels: at.channels,
    webhookReceipts: createReceipts({ db: at.db }),
    noteRefusal: (refusal) => void refusals.push(refusal),
  })
})
afterAll(async () => {
  await gateway.close()
  await at.close()
})

const tcp = (peer = "203.0.113.9") => ({ via: "tcp" as const, peer, holdOpen() {} })
const sign = (body: string | Uint8Array, secret = SECRET) =>
  `sha256=${createHmac("sha256", secret).update(body).digest("hex")}`
let sent = 0
async function post(
  body: string | Uint8Array,
  {
    path = "/webhooks/hook",
    headers = {},
    method = "POST",
    peer = `203.0.113.${++sent % 200}`,
  }: { path?: string; headers?: Record<string, string>; method?: string; peer?: string } = {},
) {
  const request = new Request(`http://localhost${path}`, {
    method,
    headers: { host: "localhost", ...headers },
    ...(method === "GET" ? {} : { body: new Uint8Array(Buffer.from(body)) }),
  })
  return gateway.handle(request, tcp(peer))
}
const times = async () =>
  Number((await at.rows("select content from channel_memory where path = 'times'"))[0]?.["content"] ?? 0)
const seen = async () =>
  JSON.parse(String((await at.rows("select content from channel_memory where path = 'seen'"))[0]?.["content"]))

describe("a signed request", () => {
  test("reaches the channel with its text and its harmless headers, and is answered with what that says, as data", async () => {
    const body = '{"hello":"wörld"}'
    const headers = {
      "x-signature": sign(body),
      "x-event": "message",
      "content-type": "application/json",
      authorization: "Bearer something",
      cookie: "a=b",
      "x-forwarded-for": "127.0.0.1",
      "x-api-key": "k",
    }
    const answer = await post(body, { path: "/webhooks/hook?a=1&b=%20", headers })
    expect(answer.status).toBe(202)
    expect(await answer.json()).toEqual({ heard: body })
    expect(answer.headers.get("content-security-policy")).toContain("default-src 'none'")
    expect(await seen()).toEqual({
      path: "/webhooks/hook",
      query: { a: "1", b: " " },
      headers: { "content-type": "application/json", "x-event": "message" },
      body,
    })
  })

  test("needs no token of ours, and with one it is judged by its signature all the same", async () => {
    expect((await post("no token", { headers: { "x-signature": sign("no token") } })).status).toBe(202)
    const token = { authorization: `Bearer ${"x".repeat(40)}` }
    expect((await post("token", { headers: token })).status).toBe(401)
  })

  test("is taken once, however often it comes, and one that failed is taken again", async () => {
    const before = await times()
    for (let again = 0; again < 3; again++)
      expect((await post("once", { headers: { "x-signature": sign("once") } })).status).toBe(again === 0 ? 202 : 200)
    expect(await times()).toBe(before + 1)
    const upper = sign("once").toUpperCase().replace("SHA256=", "sha256=")
    expect((await post("once", { headers: { "x-signature": upper } })).status).toBe(200)
    expect(await times()).toBe(before + 1)
    for (const body of ["busy", "fail"])
      for (let again = 0; again < 2; again++)
        expect((await post(body, { headers: { "x-signature": sign(body) } })).status).toBe(503)
    expect(await times()).toBeGreaterThanOrEqual(before + 3)
  })

  test("is heard once where two copies of it come at the same moment", async () => {
    const before = await times()
    const copies = Array.from({ length: 5 }, () => post("twin", { headers: { "x-signature": sign("twin") } }))
    expect((await Promise.all(copies)).map(({ status }) => status).sort((a, b) => a - b)).toEqual([
      200, 200, 200, 200, 202,
    ])
    expect(await times()).toBe(before + 1)
  })

  test("is answered without a body where the status has none, whatever the channel says", async () => {
    const answer = await post("empty", { headers: { "x-signature": sign("empty") } })
    expect([answer.status, await answer.text()]).toEqual([204, ""])
  })

  test("is answered with text that no browser takes for a page", async () => {
    const answer = await post("text", { headers: { "x-signature": sign("text") } })
    expect(answer.headers.get("content-type")).toContain("text/plain")
    expect(answer.headers.get("x-content-type-options")).toBe("nosniff")
  })

  test("by the secret that is set now: one that was replaced signs nothing any more", async () => {
    const old = { "x-signature": sign("rotated") }
    at.secrets["hook_secret"] = "another-secret-0123456789"
    expect((await post("rotated", { headers: old })).status).toBe(401)
    expect(
      (await post("rotated", { headers: { "x-signature": sign("rotated", "another-secret-0123456789") } })).status,
    ).toBe(202)
    delete at.secrets["hook_secret"]
    expect((await post("rotated", { headers: old })).status).toBe(401)
    at.secrets["hook_secret"] = SECRET
  })
})

describe("what is refused", () => {
  test("is refused alike: without a signature, with a wrong one, at a path of no channel, by another method", async () => {
    const before = await times()
    refusals.length = 0
    const right = { "x-signature": sign("x") }
    const answers = [
      await post("x"),
      await post("x", { headers: { "x-signature": "" } }),
      await post("x", { headers: { "x-signature": sign("y") } }),
      await post("x", { path: "/webhooks/none", headers: right }),
      await post("x", { path: "/webhooks/hook/more", headers: right }),
      await post("x", { path: "/webhooks/", headers: right }),
      await post("x", { method: "PUT", headers: right }),
      await post("x", { method: "GET", headers: right }),
    ]
    const bodies = await Promise.all(answers.map((answer) => answer.text()))
    expect(new Set(answers.map(({ status }) => status))).toEqual(new Set([401]))
    expect(new Set(bodies).size).toBe(1)
    expect(await times()).toBe(before)
    expect(refusals).toHaveLength(answers.length)
    expect(refusals.every(({ gate }) => gate === "webhook")).toBe(true)
  })

  test("has no body read: without a signature a gigabyte costs nothing", async () => {
    let read = 0
    const endless = new ReadableStream<Uint8Array>({
      pull(controller) {
        read += 65_536
        controller.enqueue(new Uint8Array(65_536))
      },
    })
    const request = new Request("http://localhost/webhooks/hook", {
      method: "POST",
      headers: { host: "localhost" },
      body: endless,
    })
    expect((await gateway.handle(request, tcp("198.51.100.1"))).status).toBe(401)
    expect(read).toBeLessThanOrEqual(2 * 65_536)
  })

  test("is too large above half a mebibyte, announced or not", async () => {
    const body = "x".repeat(600_000)
    expect((await post(body, { headers: { "x-signature": sign(body) } })).status).toBe(413)
    const streamed = new ReadableStream<Uint8Array>({
      start(controller) {
        for (let part = 0; part < 10; part++) controller.enqueue(new Uint8Array(65_536))
        controller.close()
      },
    })
    const request = new Request("http://localhost/webhooks/hook", {
      method: "POST",
      headers: { host: "localhost", "x-signature": sign("x") },
      body: streamed,
    })
    expect((await gateway.handle(request, tcp("198.51.100.2"))).status).toBe(413)
  })

  test("is no UTF-8", async () => {
    const body = new Uint8Array([0xff, 0xfe, 0x00])
    expect((await post(body, { headers: { "x-signature": sign(body) } })).status).toBe(400)
  })

  test("comes too often from one address: it waits, and others do not", async () => {
    const statuses: number[] = []
    for (let index = 0; index < 200; index++) statuses.push((await post("x", { peer: "198.51.100.3" })).status)
    expect(statuses.slice(0, 100).every((status) => status === 401)).toBe(true)
    const late = await post("x", { peer: "198.51.100.3" })
    expect(late.status).toBe(429)
    expect(Number(late.headers.get("retry-after"))).toBeGreaterThan(0)
    expect((await post("fine", { headers: { "x-signature": sign("fine") } })).status).toBe(202)
  })

  test("comes under another host's name, from a page, or while everything is stopped", async () => {
    const headers = { "x-signature": sign("gate") }
    expect((await post("gate", { headers: { ...headers, host: "evil.example" } })).status).toBe(403)
    expect((await post("gate", { headers: { ...headers, origin: "https://evil.example" } })).status).toBe(403)
    lockdown = { active: true }
    expect((await post("gate", { headers })).status).toBeGreaterThanOrEqual(400)
    lockdown = { active: false }
    expect((await post("gate", { headers })).status).toBe(202)
  })

  test("is of a channel that its owner has taken back", async () => {
    await at.plugins.disable("hook")
    expect((await post("disabled", { headers: { "x-signature": sign("disabled") } })).status).toBe(401)
    await at.plugins.enable("hook")
    expect((await post("disabled", { headers: { "x-signature": sign("disabled") } })).status).toBe(202)
  })
})
