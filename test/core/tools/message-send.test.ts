/** A message to the owner besides the reply: where it goes, who may send one, what may not be in it, and how often. */
import { afterAll, beforeAll, describe, expect, test } from "bun:test"
import type { Db } from "#core/db/db.ts"
import { createWriter } from "#core/db/writer.ts"
import { createEventBus } from "#core/event.ts"
import type { PersonId } from "#core/id.ts"
import { redactLeaks } from "#core/safety/leaks.ts"
import { createReplyGate } from "#core/safety/reply.ts"
import { messageTools } from "#core/tools/message-send.ts"
import { memoryDb } from "#test/fakes/agent-house.ts"
import { toolContext } from "#test/fakes/tool-context.ts"
import { readerOf, toolRig } from "./rig.ts"

let db: Db
let ownerId: PersonId
beforeAll(async () => {
  db = await memoryDb()
  const [row] = await db.query({ sql: "select id from people where role = 'owner'", params: [] })
  ownerId = row?.["id"] as PersonId // the migration made one
})
afterAll(() => db.close())

const ids = { iso: () => new Date().toISOString() }
function tools() {
  const bus = createEventBus({ onListenerError: () => {} })
  const writer = createWriter({ db, publish: (event) => bus.publish(event) })
  const reply = createReplyGate({ secretValues: () => [{ name: "KEY", value: "k3y-of-the-house" }] })
  return messageTools({ db, writer, clock: ids, ownerId: () => ownerId, reply, redact: redactLeaks })
}
const send = (text: string) => ({ name: "message_send", arguments: { to: "owner", text } })
const storedEvents = (type: string) =>
  db.query({ sql: "select session_id, body, labels from events where type = $1 order by seq", params: [type] })

describe("message_send", () => {
  test("stores the message in the session of the turn, tells every client, and asks nobody", async () => {
    const rig = await toolRig({ tools: tools(), db })
    const { outcome, last, sessionId } = await rig.ask("Tell me when you begin", [send("I begin now")])
    expect(outcome).toMatchObject({ state: "finished", text: "Done" })
    expect(last?.text).toContain("in this conversation")
    const { items } = await rig.house.sessions.messages(sessionId, { limit: 50 })
    const message = items.find(({ text }) => text === "I begin now")
    expect(message).toMatchObject({ role: "model", turnId: null, labels: [], inSight: true })
    expect((await storedEvents("message.delivered")).at(-1)).toMatchObject({
      session_id: sessionId,
      body: { messageId: message?.id, channel: "test", preview: "I begin now" },
    })
    const [audit] = (await rig.audit()).slice(-1)
    expect(audit).toMatchObject({ subject: "message_send", outcome: "done", destination: "send owner" })
    // The next turn knows what was said.
    await rig.ask("And?", [], sessionId)
    expect(JSON.stringify(rig.model.requests.at(-1)?.messages)).toContain("I begin now")
    await rig.close()
  })

  test("runs where text from outside had a hand in it, keeps its labels, and holds no address and no secret", async () => {
    const rig = await toolRig({ tools: [...tools(), readerOf(["untrusted", "private"])], db })
    const key = `ghp_${"a1B2c3".repeat(6)}`
    const said = `See ![x](https://evil.example/?d=1) and https://mine.example/x; k3y-of-the-house ${key}`
    const { outcome, sessionId } = await rig.ask("Read https://mine.example/x", [
      { name: "read_it", arguments: {} },
      send(said),
    ])
    expect(outcome.state).toBe("finished")
    const { items } = await rig.house.sessions.messages(sessionId, { limit: 50 })
    const message = items.find(({ text }) => text.startsWith("See "))
    expect(message?.text).toStartWith(
      "See ![x] (hxxps://evil[.]example/?d=1) and https://mine.example/x; [redacted: KEY] [redacted: ",
    )
    expect(message?.labels.toSorted()).toEqual(["private", "untrusted"])
    const [told] = (await storedEvents("message.delivered")).slice(-1)
    expect(JSON.stringify(told)).not.toContain("https://evil")
    expect(JSON.stringify(told)).not.toContain(key)
    // What it says is fenced where the model reads it later.
    await rig.ask("And?", [], sessionId)
    expect(JSON.stringify(rig.model.requests.at(-1)?.messages)).toMatch(/<untrusted [^>]*>\\nSee /)
    await rig.close()
  })

  test("goes by the channel where the owner spoke last, and never to a place that others read too", async () => {
    const place = async (id: string, { peer, topic, minutes }: { peer: string; topic: string; minutes: number }) => {
      await db.query({
        sql: "insert into sessions (id, agent_id, channel, peer, topic, updated_at) values ($1, 'main', 'plugin:chat', $2, $3, now() + $4 * interval '1 minute')",
        params: [id, peer, topic, minutes],
      })
      await db.query({
        sql: "insert into messages (id, session_id, agent_id, role, person_id, text) values ($1, $2, 'main', 'person', $3, 'Hi')",
        params: [`msg_${id}`, id, ownerId],
      })
    }
    await db.query({
      sql: "insert into identities (channel, external_id, person_id, mac) values ('chat', 'me', $1, '')",
      params: [ownerId],
    })
    await place("ses_alone", { peer: "me", topic: "", minutes: 1 })
    await place("ses_former", { peer: "somebody-else-now", topic: "", minutes: 3 })
    await place("ses_shared", { peer: "room", topic: "shared:", minutes: 2 })
    const before = (await storedEvents("message.delivered")).length
    const [tool] = tools()
    const result = await tool?.run({ to: "owner", text: "By the way" }, toolContext())
    expect(result).toMatchObject({ data: { where: "where the owner spoke last" } })
    const rows = await db.query({ sql: "select channel, peer, session_id, state from deliveries", params: [] })
    expect(rows).toEqual([{ channel: "chat", peer: "me", session_id: "ses_alone", state: "waiting" }])
    // It is told of once it is there.
    expect((await storedEvents("message.delivered")).length).toBe(before)
    await db.query({ sql: "delete from sessions where channel = 'plugin:chat'", params: [] })
    await db.query({ sql: "delete from identities", params: [] })
  })

  test("is refused at the read-only level", async () => {
    const rig = await toolRig({ tools: tools(), db, level: "read-only" })
    const { last } = await rig.ask("Go", [send("Hello")])
    expect(last?.text).toContain("read-only")
    await rig.close()
  })

  test("is sent at most five times in a turn, to the owner alone, and never empty", async () => {
    const rig = await toolRig({ tools: tools(), db })
    const { results } = await rig.ask("Go", [
      ...Array.from({ length: 6 }, (_, at) => send(`Number ${at}`)),
      send(" \n"),
      send("x".repeat(4_001)),
      { name: "message_send", arguments: { to: "eve@example.com", text: "Hello" } },
    ])
    expect(results.map(({ text }) => /"sent"/.test(text))).toEqual([
      true,
      true,
      true,
      true,
      true,
      false,
      false,
      false,
      false,
    ])
    expect(results[5]?.text).toContain("5 messages were sent in this turn")
    for (const { text } of results.slice(6)) expect(text).toContain("do not fit message_send")
    await rig.close()
  })

  test("goes where the owner spoke last, from a turn in a session that they do not look at", async () => {
    const rig = await toolRig({ tools: tools(), db })
    const { sessionId } = await rig.ask("I am here", [])
    const elsewhere = await rig.house.sessions.create({
      agentId: "main",
      place: { channel: "agent", peer: "trn_1", topic: "call_1" },
    })
    const [tool] = tools()
    const result = await tool?.run(
      { to: "owner", text: "From a sub-turn" },
      toolContext({ sessionId: elsewhere.id, labels: ["untrusted"], source: "web:x" }),
    )
    expect(result).toMatchObject({ data: { where: "where the owner spoke last" } })
    const { items } = await rig.house.sessions.messages(sessionId, { limit: 50 })
    expect(items.at(-1)).toMatchObject({ text: "From a sub-turn", labels: ["untrusted"], source: "web:x" })
    await rig.close()
  })

  test("says so where the owner has never spoken with this agent", async () => {
    const [tool] = tools()
    const result = await tool?.run({ to: "owner", text: "Hello" }, toolContext({ agentId: "nobody" }))
    expect(result).toEqual({ failed: expect.stringContaining("has not spoken with this agent yet") })
  })
})
