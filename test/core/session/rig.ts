/** A real store on a real database, and turns and messages in it without an agent. */
import type { Db, Writer } from "#core/db/db.ts"
import { messages, turns, type MessageRow, type TurnState } from "#core/db/schema.ts"
import { createWriter } from "#core/db/writer.ts"
import { systemClock } from "#core/clock.ts"
import type { StoredEvent } from "#core/event.ts"
import { newId, type MessageId, type SessionId, type TurnId } from "#core/id.ts"
import { createSessionStore } from "#core/session/store.ts"
import { discardUndoneStatement } from "#core/session/statements.ts"

export type Rig = Awaited<ReturnType<typeof openRig>>

export const PLACE = { channel: "terminal", peer: "owner", topic: "" }

export async function openRig(open: () => Promise<Db>) {
  const db = await open()
  const events: StoredEvent[] = []
  const writer: Writer = createWriter({
    db,
    clock: systemClock,
    publish: (event) => {
      if (event.type !== "turn.delta") events.push(event)
    },
  })
  const store = createSessionStore({ db, writer, clock: systemClock })

  async function say(sessionId: SessionId, said: Partial<MessageRow> & { text: string }): Promise<MessageId> {
    const id = said.id ?? newId("msg")
    const { position: _, ...columns } = said
    const row = {
      role: "person" as const,
      personId: "per_owner" as const,
      labels: [],
      source: "owner",
      agentId: "main",
      ...columns,
      id,
      sessionId,
    }
    await writer.commit({ statements: [db.orm.insert(messages).values(row).toSQL()] })
    return id
  }

  async function beginTurn(sessionId: SessionId, state: TurnState = "running"): Promise<TurnId> {
    const id = newId("trn")
    const row = { id, sessionId, agentId: "main", jobId: newId("job"), state, labels: [] }
    await writer.commit({ statements: [discardUndoneStatement(sessionId), db.orm.insert(turns).values(row).toSQL()] })
    return id
  }

  async function setState(turnId: TurnId, state: TurnState): Promise<void> {
    await writer.commit({ statements: [{ sql: "update turns set state = $2 where id = $1", params: [turnId, state] }] })
  }

  return {
    db,
    writer,
    store,
    events,
    say,
    beginTurn,
    setState,
    /** A finished turn: a question and an answer. */
    async turn(sessionId: SessionId, question: string, answer = `Answer to: ${question}`): Promise<TurnId> {
      const turnId = await beginTurn(sessionId)
      await say(sessionId, { turnId, text: question })
      await say(sessionId, { turnId, role: "model", personId: null, source: "model", text: answer })
      await setState(turnId, "finished")
      return turnId
    },
    async session(): Promise<SessionId> {
      return (await store.create({ agentId: "main", place: { ...PLACE, topic: newId("job") } })).id
    },
    async texts(sessionId: SessionId): Promise<string[]> {
      return (await store.inSight(sessionId)).messages.map(({ text }) => text)
    },
    async close(): Promise<void> {
      await writer.drain()
      await db.close()
    },
  }
}
