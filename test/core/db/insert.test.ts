import { afterAll, beforeAll, describe, expect, test } from "bun:test"
import type { Db } from "#core/db/db.ts"
import { insertRow, updateRow } from "#core/db/insert.ts"
import { messages, sessions, turns } from "#core/db/schema.ts"
import { newId } from "#core/id.ts"
import { memoryDb } from "../../fakes/agent-house.ts"

let db: Db
beforeAll(async () => {
  db = await memoryDb()
})
afterAll(() => db.close())

const session = () => ({
  id: newId("ses"),
  agentId: "main",
  channel: "test",
  peer: "owner",
  topic: "",
  title: 'Quotes " and \\ and {braces}',
  labels: ["untrusted" as const],
  source: "mail",
})

describe("a statement of one row", () => {
  test("stores what drizzle's own builder stores, of every type of column", async () => {
    const home = session()
    await db.batch([insertRow(sessions, home)])
    const row = () => ({
      id: newId("msg"),
      sessionId: home.id,
      turnId: newId("trn"),
      agentId: "main",
      role: "model" as const,
      text: "naïve — 🙂",
      parts: [{ type: "image" as const, mediaType: "image/png", base64: "AA==" }],
      toolCalls: [{ callId: newId("call"), name: "time_now", arguments: { at: null, list: [1, "two"] } }],
      coversTo: 12_345,
      personId: null,
      labels: [],
      source: "",
    })
    const [ours, theirs] = [row(), row()]
    await db.batch([insertRow(messages, ours), db.orm.insert(messages).values(theirs).toSQL()])
    const rows = await db.orm.select().from(messages).orderBy(messages.position)
    const same = ({
      id: _id,
      turnId: _turn,
      position: _position,
      createdAt: _at,
      toolCalls,
      ...rest
    }: (typeof rows)[0]) => ({
      ...rest,
      calls: toolCalls?.map(({ name, arguments: args }) => ({ name, args })),
    })
    expect(rows.map(({ id }) => id)).toEqual([ours.id, theirs.id])
    const [first, second] = rows.map(same)
    expect(first).toEqual(second)
    expect(first).toMatchObject({ text: ours.text, parts: ours.parts, coversTo: 12_345, labels: [] })
  })

  test("leaves what is not given to the database's defaults", async () => {
    const { labels: _labels, source: _source, ...bare } = session()
    await db.batch([insertRow(sessions, { ...bare, model: undefined })])
    const [row] = await db.query({ sql: "select labels, source, model from sessions where id = $1", params: [bare.id] })
    expect(row).toEqual({ labels: ["untrusted"], source: "", model: null })
  })

  test("keeps shapes apart that differ in their columns or in their expressions", () => {
    const id = newId("trn")
    const texts = [
      updateRow(turns, id, { partial: "" }),
      updateRow(turns, id, { partial: "", model: null }),
      updateRow(turns, id, { partial: "" }, { finishedAt: "now()" }),
    ].map(({ sql }) => sql)
    expect(new Set(texts).size).toBe(3)
    expect(updateRow(turns, id, { partial: "other" }).sql).toBe(texts[0] ?? "")
  })

  test("changes the named row alone", async () => {
    const [one, other] = [session(), session()]
    await db.batch([insertRow(sessions, one), insertRow(sessions, other)])
    await db.batch([updateRow(sessions, one.id, { title: "New", model: "a/b" }, { updatedAt: "'2030-01-01Z'" })])
    const rows = await db.query({
      sql: "select id, title, model, updated_at > '2029-01-01Z' as late from sessions where id = any($1) order by id",
      params: [[one.id, other.id]],
    })
    expect(rows).toEqual([
      { id: one.id, title: "New", model: "a/b", late: true },
      { id: other.id, title: other.title, model: null, late: false },
    ])
  })
})
