import { afterAll, beforeAll, describe, expect, test } from "bun:test"
import type { Writer } from "#core/db/db.ts"
import { AppError } from "#core/errors.ts"
import { newId, type SessionId } from "#core/id.ts"
import { newSessionStatement, placeTurnStatement, touchSessionStatement } from "#core/session/statements.ts"
import { createSessionStore } from "#core/session/store.ts"
import { systemClock } from "#core/clock.ts"
import { openRig, PLACE, type Rig } from "./rig.ts"
import { engines } from "../db/memory.ts"

describe.each(engines())("on $name", ({ open }) => {
  let rig: Rig
  beforeAll(async () => {
    rig = await openRig(open)
  }, 30_000) // the first database of a process is made from nothing, on a machine that may be busy
  afterAll(() => rig.close())

  async function codeOf(work: Promise<unknown>): Promise<string> {
    try {
      await work
      return "done"
    } catch (error) {
      return error instanceof AppError ? error.code : String(error)
    }
  }
  const UNKNOWN: SessionId = "ses_00000000000000000000000000000000"
  const eventsOf = (id: SessionId) => rig.events.filter((event) => "sessionId" in event && event.sessionId === id)

  // --- create, get, change

  test("a new session can be read back and is told of", async () => {
    const made = await rig.store.create({ agentId: "main", place: PLACE, title: "Trip", model: "a/b", thinking: "low" })
    expect(await rig.store.get(made.id)).toEqual(made)
    expect(made).toMatchObject({ title: "Trip", model: "a/b", thinking: "low", channel: "terminal", activeTurn: null })
    expect(made.createdAt).toMatch(/^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z$/)
    expect(eventsOf(made.id)).toMatchObject([{ type: "session.created", title: "Trip", channel: "terminal" }])
  })

  test("a change of a session that is deleted meanwhile is refused, and told to nobody", async () => {
    const { db, store, writer, events } = rig
    const { id } = await store.create({ agentId: "main", place: PLACE })
    const late: Writer = {
      ...writer,
      async commit(unit) {
        await store.delete(id)
        return writer.commit(unit)
      },
    }
    const before = events.length
    expect(
      await codeOf(createSessionStore({ db, writer: late, clock: systemClock }).change(id, { title: "New" })),
    ).toBe("conflict")
    expect(events.slice(before).map(({ type }) => type)).toEqual(["session.deleted"])
  })

  test("a session that is not there is not found, whatever is asked of it", async () => {
    const { store } = rig
    const asked = [
      store.get(UNKNOWN),
      store.messages(UNKNOWN, {}),
      store.change(UNKNOWN, { title: "x" }),
      store.delete(UNKNOWN),
      store.export(UNKNOWN, "json"),
      store.undo(UNKNOWN),
      store.redo(UNKNOWN),
      store.clear(UNKNOWN),
      store.inSight(UNKNOWN),
    ]
    expect(await Promise.all(asked.map(codeOf))).toEqual(asked.map(() => "not_found"))
  })

  test("a session takes its first message's words and labels as title, in the commit of that message", async () => {
    const { row, statement, event } = newSessionStatement({
      agentId: "main",
      place: PLACE,
      at: systemClock.iso(),
      firstMessage: { text: "Buy <b>now</b>!", labels: ["untrusted"], source: "mail" },
    })
    await rig.writer.commit({ statements: [statement], events: [event] })
    const { session } = await rig.store.inSight(row.id)
    expect(session).toEqual(row)
    expect(session).toMatchObject({ title: "Buy <b>now</b>!", labels: ["untrusted"], source: "mail" })
  })

  test("a message names a session that has no name, and leaves a name that is there", async () => {
    const id = await rig.session()
    const at = "2030-01-01T00:00:00.000Z"
    const name = (text: string) =>
      rig.writer.commit({
        statements: [touchSessionStatement(id, { at, message: { text, labels: ["private"], source: "per_x" } })],
      })
    await name("First words")
    await name("Other words")
    expect((await rig.store.inSight(id)).session).toMatchObject({
      title: "First words",
      labels: ["private"],
      source: "per_x",
      updatedAt: at,
    })
  })

  test("renaming, model and thinking are changed and told of; nothing changed tells nothing", async () => {
    const id = await rig.session()
    await rig.store.change(id, { title: "New\nname", model: "x/y", thinking: "high" })
    await rig.store.change(id, {})
    const changed = await rig.store.change(id, { model: null })
    expect(changed).toMatchObject({ title: "New name", model: null, thinking: "high" })
    expect(await rig.store.get(id)).toEqual(changed)
    expect(eventsOf(id).flatMap((event) => (event.type === "session.changed" ? [event.detail] : []))).toEqual([
      "New name",
      "x/y",
      "thinking high",
      "default",
    ])
  })

  test("the active turn is the running one, else the first queued", async () => {
    const id = await rig.session()
    const first = await rig.beginTurn(id, "queued")
    const second = await rig.beginTurn(id, "queued")
    expect((await rig.store.get(id)).activeTurn).toEqual({ id: first, state: "queued" })
    await rig.setState(second, "suspended")
    expect((await rig.store.get(id)).activeTurn).toEqual({ id: second, state: "suspended" })
  })

  test("the session at a place is the one spoken in last, and each agent has its own", async () => {
    const place = { ...PLACE, peer: "ada" }
    const old = await rig.store.create({ agentId: "main", place })
    const fresh = await rig.store.create({ agentId: "main", place })
    expect((await rig.store.atPlace("main", place))?.id).toBe(fresh.id)
    await rig.writer.commit({ statements: [touchSessionStatement(old.id, { at: "2031-01-01T00:00:00.000Z" })] })
    await rig.store.change(fresh.id, { title: "renaming is not speaking" })
    expect((await rig.store.atPlace("main", place))?.id).toBe(old.id)
    expect(await rig.store.atPlace("other", place)).toBeNull()
    expect(await rig.store.atPlace("main", { ...place, topic: "x" })).toBeNull()
  })

  // --- lists

  test("a list is paged newest first with no session twice and none missing, though one is spoken in meanwhile", async () => {
    const channel = "paged"
    const ids: SessionId[] = []
    for (let n = 0; n < 7; n++) ids.push((await rig.store.create({ agentId: "main", place: { ...PLACE, channel } })).id)
    // All at one instant, so that the order within it matters.
    await rig.writer.commit({
      statements: [
        { sql: "update sessions set updated_at = '2026-01-01T00:00:00Z' where channel = $1", params: [channel] },
      ],
    })
    const seen: SessionId[] = []
    let cursor: string | undefined
    for (let pages = 0; pages < 10; pages++) {
      const { items, next } = await rig.store.list({ channel, limit: 3, ...(cursor ? { cursor } : {}) })
      seen.push(...items.map(({ id }) => id))
      if (pages === 0)
        await rig.writer.commit({ statements: [touchSessionStatement(ids[0] ?? UNKNOWN, { at: systemClock.iso() })] })
      if (!next) break
      cursor = next
    }
    expect(seen.toSorted()).toEqual(ids.toSorted())
    expect(await rig.store.list({ channel, agentId: "other" })).toEqual({ items: [], next: null })
  })

  test.each(["nonsense", "", "bm90IGEgY3Vyc29y", Buffer.from("2026-01-01T00:00:00.000Z ses_x").toString("base64url")])(
    "a cursor that is none is refused: %p",
    async (cursor) => {
      const id = await rig.session()
      expect(await codeOf(rig.store.list({ cursor }))).toBe("input.invalid")
      expect(await codeOf(rig.store.messages(id, { cursor }))).toBe("input.invalid")
    },
  )

  test("a page size beyond reason is brought to reason", async () => {
    for (const limit of [0, -5, Number.NaN, 1e9, 1.5])
      expect((await rig.store.list({ limit })).items.length).toBeGreaterThan(0)
  })

  test("messages are paged from either end", async () => {
    const id = await rig.session()
    for (let n = 0; n < 3; n++) await rig.turn(id, `q${n}`, `a${n}`)
    const first = await rig.store.messages(id, { limit: 4 })
    expect(first.items.map(({ text }) => text)).toEqual(["q0", "a0", "q1", "a1"])
    const rest = await rig.store.messages(id, { limit: 4, cursor: first.next ?? "" })
    expect(rest.items.map(({ text }) => text)).toEqual(["q2", "a2"])
    expect(rest.next).toBeNull()
    const last = await rig.store.messages(id, { limit: 2, newestFirst: true })
    expect(last.items.map(({ text }) => text)).toEqual(["a2", "q2"])
    const before = await rig.store.messages(id, { limit: 2, newestFirst: true, cursor: last.next ?? "" })
    expect(before.items.map(({ text }) => text)).toEqual(["a1", "q1"])
  })

  test("a session without messages has an empty page", async () => {
    expect(await rig.store.messages(await rig.session(), {})).toEqual({ items: [], next: null })
  })

  test("a message shows its calls, pictures and labels", async () => {
    const id = await rig.session()
    const turnId = await rig.beginTurn(id, "finished")
    const callId = newId("call")
    await rig.say(id, { turnId, text: "look", parts: [{ type: "image", mediaType: "image/png", base64: "AAAA" }] })
    await rig.say(id, {
      turnId,
      role: "model",
      text: "",
      toolCalls: [{ callId, name: "time_now", arguments: { a: [1] } }],
    })
    await rig.say(id, { turnId, role: "tool", text: "noon", callId, labels: ["untrusted", "private"], source: "clock" })
    const { items } = await rig.store.messages(id, {})
    expect(items).toMatchObject([
      { images: 1, toolCalls: [], inSight: true },
      { images: 0, toolCalls: [{ callId, name: "time_now", arguments: { a: [1] } }] },
      { role: "tool", callId, labels: ["untrusted", "private"], source: "clock", turnId },
    ])
  })

  // --- undo, redo, clear

  test("undo and redo walk back and forth over whole turns", async () => {
    const id = await rig.session()
    const one = await rig.turn(id, "one", "1")
    const two = await rig.turn(id, "two", "2")
    expect(await rig.store.undo(id)).toEqual({ turnId: two, left: 1 })
    expect(await rig.store.undo(id)).toEqual({ turnId: one, left: 0 })
    expect(await rig.texts(id)).toEqual([])
    expect(await codeOf(rig.store.undo(id))).toBe("conflict")
    expect(await rig.store.redo(id)).toEqual({ turnId: one, left: 1 })
    expect(await rig.texts(id)).toEqual(["one", "1"])
    expect(await rig.store.redo(id)).toEqual({ turnId: two, left: 0 })
    expect(await rig.texts(id)).toEqual(["one", "1", "two", "2"])
    expect(await codeOf(rig.store.redo(id))).toBe("conflict")
    expect(eventsOf(id).map((event) => (event.type === "session.changed" ? event.change : ""))).toEqual([
      "",
      "undone",
      "undone",
      "redone",
      "redone",
    ])
  })

  test("a new message after an undo ends the redo, and the undone turn stays readable", async () => {
    const id = await rig.session()
    await rig.turn(id, "one", "1")
    await rig.turn(id, "two", "2")
    await rig.store.undo(id)
    await rig.turn(id, "three", "3")
    expect(await codeOf(rig.store.redo(id))).toBe("conflict")
    expect(await rig.texts(id)).toEqual(["one", "1", "three", "3"])
    const { items } = await rig.store.messages(id, {})
    expect(items.map(({ text, inSight }) => (inSight ? text : `(${text})`))).toEqual([
      "one",
      "1",
      "(two)",
      "(2)",
      "three",
      "3",
    ])
    expect(await rig.store.undo(id)).toMatchObject({ left: 1 })
  })

  test("another store on the same rows sees the same: nothing is kept in memory", async () => {
    const id = await rig.session()
    await rig.turn(id, "one", "1")
    await rig.store.undo(id)
    const again = createSessionStore({ db: rig.db, writer: rig.writer, clock: systemClock })
    expect((await again.inSight(id)).messages).toEqual([])
    expect(await again.redo(id)).toMatchObject({ left: 0 })
  })

  test.each(["running", "suspended", "queued"] as const)(
    "while a turn is %s nothing is undone, cleared or deleted",
    async (state) => {
      const id = await rig.session()
      await rig.turn(id, "one", "1")
      const turnId = await rig.beginTurn(id, state)
      await rig.say(id, { turnId, text: "two" })
      for (const work of [rig.store.undo, rig.store.redo, rig.store.clear, rig.store.delete])
        expect(await codeOf(work(id))).toBe("conflict")
      expect((await rig.store.messages(id, {})).items.every(({ inSight }) => inSight)).toBe(true)
    },
  )

  test("a message that comes while an undo is on its way makes it fail, and nothing is hidden", async () => {
    const id = await rig.session()
    await rig.turn(id, "one", "1")
    // The look before the commit is over when the other turn comes: only the fence inside the commit can see it.
    const held = rig.db.query.bind(rig.db)
    const slow = createSessionStore({
      db: {
        ...rig.db,
        orm: rig.db.orm,
        async query(statement) {
          const rows = await held(statement)
          await rig.turn(id, "two", "2")
          return rows
        },
      },
      writer: rig.writer,
      clock: systemClock,
    })
    expect(await codeOf(slow.undo(id))).toBe("conflict")
    expect(await rig.texts(id)).toEqual(["one", "1", "two", "2"])
  })

  test("clear puts everything out of sight for good, and it stays readable", async () => {
    const id = await rig.session()
    await rig.turn(id, "one", "1")
    await rig.turn(id, "two", "2")
    await rig.store.undo(id)
    await rig.store.clear(id)
    expect(await rig.texts(id)).toEqual([])
    expect(await codeOf(rig.store.undo(id))).toBe("conflict")
    expect(await codeOf(rig.store.redo(id))).toBe("conflict")
    await rig.turn(id, "three", "3")
    expect(await rig.texts(id)).toEqual(["three", "3"])
    expect((await rig.store.messages(id, {})).items).toHaveLength(6)
  })

  // --- what the model sees

  test("what is in sight comes in one round trip, with times in UTC and labels as stored", async () => {
    const id = await rig.session()
    const turnId = await rig.beginTurn(id)
    const messageId = await rig.say(id, { turnId, text: 'naïve 😀 "quoted" \\ \n line', labels: ["private"] })
    const before = rig.db.counters().roundTrips
    const { session, messages } = await rig.store.inSight(id)
    expect(rig.db.counters().roundTrips - before).toBe(1)
    expect(session.id).toBe(id)
    expect(messages).toMatchObject([
      {
        id: messageId,
        text: 'naïve 😀 "quoted" \\ \n line',
        labels: ["private"],
        role: "person",
        turnId,
        parts: null,
        coversTo: null,
      },
    ])
    expect(messages[0]?.createdAt).toMatch(/^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z$/)
  })

  test("a message queued behind a running turn is not in its sight, and follows it afterwards", async () => {
    const id = await rig.session()
    const first = await rig.beginTurn(id)
    const callId = newId("call")
    await rig.say(id, { turnId: first, text: "first" })
    await rig.say(id, {
      turnId: first,
      role: "model",
      text: "",
      toolCalls: [{ callId, name: "time_now", arguments: {} }],
    })
    const second = await rig.beginTurn(id, "queued")
    await rig.say(id, { turnId: second, text: "second" })
    await rig.say(id, { turnId: first, role: "tool", callId, text: "noon" })
    expect(await rig.texts(id)).toEqual(["first", "", "noon"])
    await rig.say(id, { turnId: first, role: "model", text: "done" })
    await rig.setState(first, "finished")
    expect(await rig.texts(id)).toEqual(["first", "", "noon", "done", "second"])
    await rig.writer.commit({ statements: [placeTurnStatement(id, second)] })
    expect((await rig.store.messages(id, {})).items.map(({ text }) => text)).toEqual([
      "first",
      "",
      "noon",
      "done",
      "second",
    ])
  })

  test("placing a turn that nothing came between changes nothing", async () => {
    const id = await rig.session()
    const turnId = await rig.turn(id, "one", "1")
    const before = (await rig.store.inSight(id)).messages
    await rig.writer.commit({ statements: [placeTurnStatement(id, turnId)] })
    expect((await rig.store.inSight(id)).messages).toEqual(before)
  })

  test("a message that steered a turn stands after the results that came later", async () => {
    const id = await rig.session()
    const turnId = await rig.beginTurn(id)
    const callId = newId("call")
    await rig.say(id, { turnId, text: "ask" })
    await rig.say(id, { turnId, role: "model", text: "", toolCalls: [{ callId, name: "time_now", arguments: {} }] })
    await rig.say(id, { turnId, text: "hurry" })
    await rig.say(id, { turnId, role: "tool", callId, text: "noon" })
    expect(await rig.texts(id)).toEqual(["ask", "", "noon", "hurry"])
  })

  test("summaries that stand come first, the trusted one before the other; older ones are gone from sight", async () => {
    const id = await rig.session()
    await rig.turn(id, "old", "o")
    const [last] = await rig.db.query({
      sql: "select max(position) as at from messages where session_id = $1",
      params: [id],
    })
    const coversTo = Number(last?.["at"])
    await rig.turn(id, "kept", "k")
    await rig.say(id, { role: "summary", text: "stale", coversTo: coversTo - 1 })
    await rig.say(id, { role: "summary", text: "untrusted", coversTo, labels: ["untrusted"] })
    await rig.say(id, { role: "summary", text: "trusted", coversTo })
    await rig.writer.commit({
      statements: [{ sql: "update sessions set compacted_to = $2 where id = $1", params: [id, coversTo] }],
    })
    expect(await rig.texts(id)).toEqual(["trusted", "untrusted", "kept", "k"])
    expect((await rig.store.messages(id, {})).items.map(({ text, inSight }) => (inSight ? text : `(${text})`))).toEqual(
      ["(old)", "(o)", "kept", "k", "(stale)", "untrusted", "trusted"],
    )
    await rig.store.clear(id)
    expect(await rig.texts(id)).toEqual([])
  })

  // --- delete

  test("delete leaves no word behind: messages, calls, turns, jobs, and snippets in events", async () => {
    const id = await rig.session()
    const other = await rig.session()
    await rig.turn(other, "stays", "s")
    const turnId = await rig.turn(id, "SECRETWORD question", "SECRETWORD answer")
    const messageId = newId("msg")
    const at = { agentId: "main", labels: [], source: "SECRETWORD", sessionId: id, turnId }
    await rig.writer.commit({
      statements: [
        {
          sql: `insert into calls (id, turn_id, session_id, agent_id, principal, tool, arguments, fingerprint, effect, state)
          values ($1, $2, $3, 'main', 'p', 't', '{"a":"SECRETWORD"}', 'f', 'read', 'done')`,
          params: [newId("call"), turnId, id],
        },
        {
          sql: `insert into jobs (id, agent_id, kind, state, payload, session_id) values ($1, 'main', 'turn', 'done', '{"a":"SECRETWORD"}', $2)`,
          params: [newId("job"), id],
        },
      ],
      events: [
        { type: "message.received", messageId, preview: "SECRETWORD", characters: 10, ...at },
        { type: "session.changed", change: "renamed", detail: "SECRETWORD", ...at },
      ],
    })
    await rig.store.change(id, { title: "SECRETWORD" })
    await rig.store.delete(id)
    for (const table of ["sessions", "turns", "messages", "calls", "jobs", "events"]) {
      const [row] = await rig.db.query({
        sql: `select count(*) as n from ${table} x where row_to_json(x)::text like '%SECRETWORD%'`,
        params: [],
      })
      expect({ table, rows: Number(row?.["n"]) }).toEqual({ table, rows: 0 })
    }
    const kept = await rig.db.query({ sql: "select body from events where session_id = $1 order by seq", params: [id] })
    expect(JSON.stringify(kept)).toContain(messageId)
    expect(eventsOf(id).at(-1)).toMatchObject({ type: "session.deleted", sessionId: id })
    expect(await codeOf(rig.store.get(id))).toBe("not_found")
    expect(await rig.texts(other)).toEqual(["stays", "s"])
  })

  // --- cost

  test("what is out of sight is not read: a session of 1,000 turns costs what its last turns cost", async () => {
    const id = await rig.session()
    await rig.writer.commit({
      statements: [
        {
          sql: `insert into messages (id, session_id, agent_id, role, text, labels, turn_id)
          select 'msg_' || lpad(to_hex(n), 32, '0'), $1, 'main', 'person', repeat('x', 100), '{}', 'trn_' || n from generate_series(1, 2000) n`,
          params: [id],
        },
        {
          sql: "update sessions set compacted_to = (select max(position) from messages where session_id = $1) where id = $1",
          params: [id],
        },
        { sql: "analyze messages", params: [] },
      ],
    })
    await rig.turn(id, "now", "n")
    expect(await rig.texts(id)).toEqual(["now", "n"])
    const plan = await rig.db.query({
      sql: `explain select m.id from messages m, sessions s where s.id = '${id}' and m.session_id = s.id
      and m.position > greatest(s.cleared_to, s.compacted_to)`,
      params: [],
    })
    const lines = plan.map((row) => String(row["QUERY PLAN"]))
    expect(lines.some((line) => line.includes("messages_session"))).toBe(true)
    expect(lines.some((line) => /Index Cond:.*position.* > GREATEST/.test(line))).toBe(true)
  })
})
