import { expect, setDefaultTimeout, test } from "bun:test"
import { systemClock } from "#core/clock.ts"
import { openDb } from "#core/db/open.ts"
import { loadSnapshot } from "#core/db/snapshot.ts"
import { join } from "node:path"
import { countOf, modelEnvironment, until } from "#test/fakes/binary.ts"
import { createRandom } from "#test/fakes/random.ts"
import { makeHome } from "#test/fakes/home.ts"
import { type RecordedRequest, startModelServer } from "#test/fakes/model-server.ts"
import { type Json, type Service, startService } from "#test/fakes/service.ts"

const SEED = 20_261_122
const KILLS = countOf("kills of the service in mid-turn", { reduced: 6, full: 50 })
setDefaultTimeout(60_000 + KILLS * 20_000)

/** What the model is asked in a conversation, one after the other: every message carries a line that no other has. */
const DOCUMENT = "journal/kills.md"

test("kill -9 at any moment loses no acknowledged message, repeats no effect, and what was cut off comes back", async () => {
  console.log(`seed ${SEED}`)
  const random = createRandom(SEED)
  using home = makeHome()
  const model = startModelServer()
  model.decide(playTurn)
  const env = modelEnvironment(model.url)
  const acknowledged: { sessionId: string; line: string; turnId: string; messageId: string }[] = []
  let service = await startService({ home: home.path, env })
  let sessions = [await service.newSession(), await service.newSession(), await service.newSession()]
  try {
    for (let kill = 0; kill < KILLS; kill++) {
      // Three conversations at once, each with two messages, so that some turns run while others wait behind them.
      const sending = sessions.flatMap((sessionId, at) =>
        [0, 1].map((nth) => send(service, sessionId, `line-${kill}-${at}-${nth}`)),
      )
      // Now and then before anything was promised; mostly somewhere in the turns.
      if (random() < 0.8) await Promise.race(sending)
      await Bun.sleep(Math.floor(random() * 900))
      await service.kill()
      for (const sent of await Promise.all(sending)) if (sent) acknowledged.push(sent)
      service = await startService({ home: home.path, env })
      if (kill % 10 === 9)
        sessions = [await service.newSession(), await service.newSession(), await service.newSession()]
    }
    expect(acknowledged.length).toBeGreaterThan(KILLS) // or nothing was proved

    // Every turn that was promised comes to an end by itself.
    const { call } = service
    const givenUp = new Set<string>()
    for (const { turnId } of acknowledged) {
      const turn = await until(
        `the turn ${turnId} ends`,
        async () => {
          const { body } = await call("GET", `/api/turns/${turnId}`)
          return ["finished", "failed", "stopped"].includes(body.state) ? body : null
        },
        60_000,
      )
      // One that the process died in too often is given up with that reason; no other failure has an excuse here.
      if (turn.state === "finished") continue
      expect(turn.error?.code).toBe("turn.given_up")
      givenUp.add(turnId)
    }

    const messages = await allMessages(service, [...new Set(acknowledged.map(({ sessionId }) => sessionId))])
    const journal = await call("GET", `/api/memory/document?path=${encodeURIComponent(DOCUMENT)}`)
    const lines: string[] = String(journal.body.content ?? "").split("\n")
    for (const { messageId, line } of acknowledged) {
      expect(messages.filter(({ id }) => id === messageId)).toHaveLength(1)
      expect(messages.find(({ id }) => id === messageId).text).toContain(line)
      // At most once; where a kill left it open, the model was told that nobody knows, and the effect is there once or not at all.
      expect(lines.filter((one) => one === line).length).toBeLessThanOrEqual(1)
    }
    const missing = acknowledged.filter(({ line }) => !lines.includes(line))
    // What is not there has its reason in the conversation: the call was under way when the process died, or the turn was given up.
    const unknown = missing.filter(({ turnId }) =>
      messages.some((row) => row.turnId === turnId && row.role === "tool" && /unknown|ended while/i.test(row.text)),
    )
    expect(missing.filter((one) => !unknown.includes(one) && !givenUp.has(one.turnId))).toEqual([])
    console.log(
      `${acknowledged.length} messages acknowledged: ${lines.filter(Boolean).length} effects done, ${unknown.length} unknown, ${givenUp.size} turns given up`,
    )
    expect(missing.length).toBeLessThan(acknowledged.length / 2)
    expect(await service.stop()).toBe(0)
  } finally {
    await service.kill()
    await model.stop()
  }

  const db = await openDb({
    config: { kind: "embedded", dir: join(home.path, ".ironclaw/db/pgdata") },
    clock: systemClock,
    onWarning: () => {},
    loadSnapshot,
  })
  try {
    // The chain of the audit is whole: every row holds the hash of the one before, and its own hash is what its content gives.
    const broken = await db.query({
      sql: `select seq from (select seq, prev_hash, hash, audit_hash(audit) own, lag(hash, 1, '') over (order by seq) before,
          row_number() over (order by seq) place from audit) rows
        where prev_hash <> before or hash <> own or seq <> place`,
      params: [],
    })
    expect(broken).toEqual([])
    const open = await db.query({ sql: "select id from jobs where state in ('queued', 'running')", params: [] })
    expect(open).toEqual([])
  } finally {
    await db.close()
  }
})

/** Sends and gives what was promised; null where the service died before it promised anything. */
async function send(service: Service, sessionId: string, line: string) {
  try {
    const { status, body } = await service.call("POST", `/api/sessions/${sessionId}/messages`, {
      content: `note ${line}`,
    })
    return status === 202 ? { sessionId, line, turnId: String(body.turnId), messageId: String(body.messageId) } : null
  } catch {
    return null // the connection died with the process
  }
}

/** Slow words and a read, then the effect, then slow words: the kill falls into any of these. */
function playTurn({ body }: RecordedRequest) {
  const said: Json[] = Array.isArray(body["messages"]) ? body["messages"] : []
  const from = said.findLastIndex(({ role }) => role === "user")
  const asked = String(JSON.stringify(said[from]?.content ?? ""))
  const line = /note (line-[\d-]+)/.exec(asked)?.[1] ?? "no-line"
  const step = said.slice(from).filter(({ role }) => role === "tool").length
  const slow = { chunkDelayMs: 15, chunkCharacters: 4 }
  if (step === 0) return { ...slow, text: "I look first.", toolCalls: [{ name: "memory_list", arguments: {} }] }
  if (step === 1)
    return {
      ...slow,
      text: "Now I write.",
      toolCalls: [{ name: "memory_append", arguments: { path: DOCUMENT, content: line } }],
    }
  return { ...slow, text: `The line ${line} was noted, and that is all there is to say.` }
}

async function allMessages(service: Service, sessions: readonly string[]): Promise<Json[]> {
  const all: Json[] = []
  for (const id of sessions) {
    for (let cursor = ""; ;) {
      const { body } = await service.call(
        "GET",
        `/api/sessions/${id}/messages?limit=100${cursor && `&cursor=${encodeURIComponent(cursor)}`}`,
      )
      all.push(...body.items)
      if (!body.next) break
      cursor = body.next
    }
  }
  return all
}
