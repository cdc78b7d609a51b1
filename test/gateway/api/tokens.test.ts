import { afterEach, describe, expect, setDefaultTimeout, test } from "bun:test"
import OpenAI from "openai"
import { oneModel, type ScriptStep, scriptedModel } from "../../fakes/model.ts"
import { AT_TERMINAL, type OwnerHouse, ownerHouse } from "../../fakes/owner-house.ts"
import { refusal } from "../../fakes/gateway.ts"

setDefaultTimeout(30_000) // each test makes a database, on a machine that may be busy

let house: OwnerHouse | undefined
afterEach(async () => {
  await house?.end()
  house = undefined
})
async function open(steps: ScriptStep[] = [{ say: "Hello there" }]) {
  house = await ownerHouse({ models: oneModel(scriptedModel(steps)) })
  return house
}
async function add(at: OwnerHouse, name = "phone", more: object = {}) {
  const asked = await at.atSocket.api.tokens.post({ body: { name, ...more, presence: { ask: { pid: AT_TERMINAL } } } })
  if (!("challenge" in asked)) throw new Error("It asked for no code")
  const presence = { challenge: asked.challenge.id, code: at.lastCode() }
  const done = await at.atSocket.api.tokens.post({ body: { name, ...more, presence } })
  if (!("text" in done)) throw new Error("It asked for a second code")
  return { ...done, openai: new OpenAI({ baseURL: `${at.address}/v1`, apiKey: done.text, maxRetries: 0 }) }
}
const hello = { model: "ironclaw", messages: [{ role: "user" as const, content: "Hi" }] }
const statusOf = async (work: Promise<unknown>) => {
  const error = await refusal(work)
  return error instanceof OpenAI.APIError ? error.status : error
}

describe("an API token", () => {
  test("is made with a code that says for whom, told once, and lets OpenAI's client chat", async () => {
    const at = await open()
    expect(await refusal(at.overTcp.api.tokens.post({ body: { name: "phone" } }))).toMatchObject({
      code: "presence.required",
    })
    const { token, openai } = await add(at, "phone", { expiresAt: "2099-01-01T00:00:00Z" })
    expect(at.screen.join("")).toContain("Make an API token for phone")
    expect(at.screen.join("")).toContain("until 2099-01-01T00:00:00.000Z")
    const answer = await openai.chat.completions.create(hello)
    expect(answer.choices[0]?.message.content).toBe("Hello there")
    expect((await openai.models.list()).data.map(({ id }) => id)).toContain("ironclaw")
    const { items } = await at.overTcp.api.tokens.get()
    expect(items).toEqual([token])
    expect(Object.keys(token).sort()).toEqual(["createdAt", "expiresAt", "id", "name", "revokedAt", "scopes"])
    expect(await at.audit()).toMatchObject([{ principal: "owner", subject: token.id, outcome: "added" }])
    expect(at.events.filter(({ type }) => type === "token.changed")).toMatchObject([
      { tokenId: token.id, change: "added" },
    ])
  })

  test("is not made with the code of another one", async () => {
    const at = await open()
    const asked = await at.atSocket.api.tokens.post({
      body: { name: "phone", expiresAt: "2099-01-01T00:00:00Z", presence: { ask: { pid: AT_TERMINAL } } },
    })
    const presence = { challenge: "challenge" in asked ? asked.challenge.id : "", code: at.lastCode() }
    expect(await refusal(at.atSocket.api.tokens.post({ body: { name: "phone", presence } }))).toMatchObject({
      code: "presence.expired",
    })
    for (const name of ["", "a b", "-x", "x".repeat(41)])
      expect(await refusal(at.atSocket.api.tokens.post({ body: { name } }))).toMatchObject({ code: "input.invalid" })
    expect(
      await refusal(at.atSocket.api.tokens.post({ body: { name: "x", expiresAt: "2001-01-01T00:00:00Z" } })),
    ).toMatchObject({ code: "input.invalid" })
    expect((await at.overTcp.api.tokens.get()).items).toEqual([])
  })

  test("chats in sessions of its own, which another token does not open by their name", async () => {
    const at = await open()
    const [phone, laptop] = [await add(at, "phone"), await add(at, "laptop")]
    for (const { openai } of [phone, laptop, phone]) await openai.chat.completions.create({ ...hello, user: "notes" })
    const rows = await at.db.query({ sql: "select channel, peer, topic from sessions order by peer", params: [] })
    const peers = [phone, laptop].map(({ token }) => token.id).toSorted((a, b) => (a < b ? -1 : 1))
    expect(rows).toEqual(peers.map((peer) => ({ channel: "openai", peer, topic: "notes" })))
  })

  test("opens nothing but /v1: no approval, grant, token, secret, setting, memory, event or record", async () => {
    const at = await open()
    const { text, token } = await add(at)
    const tries: [string, string][] = [
      ["GET", "/api/tokens"],
      ["POST", "/api/tokens"],
      ["DELETE", `/api/tokens/${token.id}`],
      ["POST", "/api/approvals/apr_1/allow"],
      ["POST", "/api/approvals/apr_1/deny"],
      ["POST", "/api/grants"],
      ["PUT", "/api/secrets/A"],
      ["PUT", "/api/config/agent.name"],
      ["PUT", "/api/memory/notes.md"],
      ["GET", "/api/audit"],
      ["GET", "/api/events"],
      ["GET", "/api/sessions"],
      ["POST", "/api/lockdown"],
      ["GET", "/api/openapi.json"],
    ]
    for (const [method, path] of tries) {
      const headers = { Authorization: `Bearer ${text}`, "Content-Type": "application/json" }
      const answer = await fetch(at.address + path, { method, headers, ...(method === "GET" ? {} : { body: "{}" }) })
      expect([path, answer.status]).toEqual([path, 403])
    }
  })

  test("that is revoked in mid-answer cuts the stream, stops the turn, and lets nobody in again", async () => {
    const at = await open([{ hang: "One moment" }])
    const { openai, token } = await add(at)
    const stream = await openai.chat.completions.create({ ...hello, stream: true })
    const seen: string[] = []
    const read = (async () => {
      for await (const chunk of stream) {
        seen.push(chunk.choices[0]?.delta.content ?? "")
        if (seen.join("").includes("One")) await at.overTcp.api.tokens({ id: token.id }).delete()
      }
    })()
    expect(await refusal(read)).toMatchObject({ message: expect.stringContaining("revoked") })
    expect(await statusOf(openai.chat.completions.create(hello))).toBe(401)
    const ends = () => at.events.filter(({ type }) => type === "turn.finished")
    for (let n = 0; n < 200 && ends().length === 0; n++) await Bun.sleep(10)
    expect(ends()).toMatchObject([{ state: "stopped" }])
    expect((await at.overTcp.api.tokens.get()).items).toMatchObject([{ revokedAt: expect.any(String) }])
  })

  test("that is revoked while an answer is awaited gets 401 instead", async () => {
    const at = await open([{ hang: "One moment" }])
    const { openai, token } = await add(at)
    const waiting = statusOf(openai.chat.completions.create(hello))
    for (let n = 0; n < 200 && !at.events.some(({ type }) => type === "turn.started"); n++) await Bun.sleep(10)
    await at.overTcp.api.tokens({ id: token.id }).delete()
    expect(await waiting).toBe(401)
  })

  test("does not outlive a lockdown", async () => {
    const at = await open([{ hang: "One moment" }])
    const { openai } = await add(at)
    const waiting = statusOf(openai.chat.completions.create(hello))
    for (let n = 0; n < 200 && !at.events.some(({ type }) => type === "turn.started"); n++) await Bun.sleep(10)
    await at.overTcp.api.lockdown.post({ body: {} })
    expect(await waiting).toBe(401)
    expect(await statusOf(openai.chat.completions.create(hello))).toBe(401)
  })
})
