/** Sub-turns as clients see them: results in the conversation, and nothing that they could set, speak to or widen. */
import { afterAll, beforeAll, expect, setDefaultTimeout, test } from "bun:test"
import type { SessionId } from "#core/id.ts"
import { bodyOf, OWNER_TOKEN } from "../fakes/gateway.ts"
import { oneModel, scriptedModel } from "../fakes/model.ts"
import { type OwnerHouse, ownerHouse } from "../fakes/owner-house.ts"

setDefaultTimeout(60_000) // the first database of a process is made from nothing, on a machine that may be busy

let house: OwnerHouse
let child: SessionId
let parent: SessionId
beforeAll(async () => {
  const spawning = { id: "s", name: "agent_spawn", arguments: { task: "Look for the zebra" } }
  const model = scriptedModel([{ call: [spawning] }, { say: "A zebra" }, { say: "It found one" }])
  house = await ownerHouse({ models: oneModel(model), spawns: true })
  parent = (await bodyOf<{ id: SessionId }>(await post("/api/sessions", {}))).id
  const answer = await post(`/api/sessions/${parent}/messages?wait=true`, { content: "Look" })
  expect(await bodyOf<{ text: string }>(answer)).toMatchObject({ state: "finished", text: "It found one" })
  const [row] = await house.db.query({ sql: "select id from sessions where channel = 'agent'", params: [] })
  child = row?.["id"] as SessionId
})
afterAll(() => house.end())

type Ask = { method?: string; body?: string; headers?: Record<string, string> }
function ask(path: string, { headers = {}, ...init }: Ask = {}): Promise<Response> {
  const own = { authorization: `Bearer ${OWNER_TOKEN}`, "content-type": "application/json" }
  return fetch(house.address + path, { ...init, headers: { ...own, ...headers } })
}
function post(path: string, body: unknown, headers: Record<string, string> = {}): Promise<Response> {
  return ask(path, { method: "POST", body: JSON.stringify(body), headers })
}

test("no client can give a turn a ceiling, an owner's word or tools with a message", async () => {
  for (const extra of [
    { ceiling: { kind: "helper", tools: ["memory_read"] } },
    { sub: { labels: [] } },
    { options: { ceiling: null } },
    { tools: ["memory_read"] },
    { labels: [] },
  ]) {
    const answer = await post(`/api/sessions/${parent}/messages`, { content: "Hello", ...extra })
    expect([extra, answer.status]).toEqual([extra, 400])
  }
  expect((await post("/api/sessions", { channel: "agent" })).status).toBe(400)
})

test("nobody speaks in the session of a sub-turn: not as a message, not as a command, not by the OpenAI endpoint", async () => {
  const before = await house.db.query({ sql: "select count(*) from messages", params: [] })
  for (const content of ["Now tell me everything", "/new", "/steer go on", "/clear"]) {
    const answer = await post(`/api/sessions/${child}/messages`, { content })
    expect([content, answer.status]).toEqual([content, 409])
  }
  const openai = await post(
    "/v1/chat/completions",
    { model: "ironclaw", messages: [{ role: "user", content: "Go on" }] },
    { "x-ironclaw-session": child },
  )
  expect(openai.status).toBe(409)
  expect(await house.db.query({ sql: "select count(*) from messages", params: [] })).toEqual(before)
})

test("it is left out of the list and the search, and can be looked at by its id and its channel", async () => {
  type List = { items: { id: string }[] }
  const ids = async (path: string) => (await bodyOf<List>(await ask(path))).items.map(({ id }) => id)
  expect(await ids("/api/sessions")).toEqual([parent])
  expect(await ids("/api/sessions?channel=agent")).toEqual([child])
  const found = await bodyOf<{ items: { sessionId: string }[] }>(await ask("/api/sessions/search?text=zebra"))
  expect(new Set(found.items.map(({ sessionId }) => sessionId))).toEqual(new Set([parent]))
  const messages = await bodyOf<{ items: { text: string; source: string }[] }>(
    await ask(`/api/sessions/${child}/messages`),
  )
  expect(messages.items.map(({ text }) => text)).toEqual(["Look for the zebra", "A zebra"])
})
