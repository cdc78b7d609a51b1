/** Several processes on one server: each of them publishes every event once, in order of seq. */
import { afterAll, beforeAll, describe, expect, test } from "bun:test"
import { systemClock } from "#core/clock.ts"
import type { Db } from "#core/db/db.ts"
import { openDb } from "#core/db/open.ts"
import { createWriter } from "#core/db/writer.ts"
import type { Event, NewEvent } from "#core/event.ts"
import { createServerDatabase, type ServerDatabase, testServerUrl, failureOf } from "./memory.ts"

const told = (key: string): NewEvent => ({
  type: "config.changed",
  keys: [key],
  restartNeeded: false,
  agentId: "main",
  labels: [],
  source: "",
})

describe.skipIf(testServerUrl === undefined)("a shared server", () => {
  let database: ServerDatabase
  const dbs: Db[] = []
  const openOne = async () => {
    const config = { kind: "postgres" as const, url: database.url, poolSize: 3 }
    const db = await openDb({ config, clock: systemClock, onWarning: () => {}, loadSnapshot: async () => null })
    dbs.push(db)
    return db
  }
  beforeAll(async () => {
    database = await createServerDatabase(testServerUrl ?? "")
  })
  afterAll(async () => {
    for (const db of dbs) await db.close()
    await database.drop()
  })

  test("tells every process of every event, in the same order, without gaps or repeats", async () => {
    const heard: number[][] = [[], [], []]
    const each = 40
    let done: () => void = () => {}
    const all = new Promise<void>((resolve) => (done = resolve))
    const writers = await Promise.all(
      heard.map(async (seqs) => {
        const publish = (event: Event) => {
          if (event.type === "turn.delta") return
          seqs.push(event.seq)
          if (heard.every((list) => list.length === 2 * each)) done()
        }
        return createWriter({ db: await openOne(), publish, clock: systemClock })
      }),
    )
    // The third only listens: a worker that writes nothing hears everything too. One commit of each first, so that all are listening.
    await Promise.all(writers.map((writer) => writer.commit({ statements: [{ sql: "select 1", params: [] }] })))
    const commits: Promise<unknown>[] = []
    for (let index = 0; index < each; index += 1) {
      for (const writer of writers.slice(0, 2)) {
        commits.push(writer.commit({ statements: [], events: [told(String(index))] }))
      }
    }
    await Promise.all(commits)
    await all
    const [one, two, three] = heard
    expect(one).toEqual((one ?? []).toSorted((a, b) => a - b))
    expect(new Set(one).size).toBe(2 * each)
    expect([two, three]).toEqual([one, one])
  })

  test("a commit that was rolled back leaves a gap that holds nobody up", async () => {
    const seqs: number[] = []
    const writer = createWriter({
      db: await openOne(),
      publish: (event) => void ("seq" in event && seqs.push(event.seq)),
      clock: systemClock,
    })
    await writer.commit({ statements: [], events: [told("before")] })
    const failed = writer.commit({ statements: [{ sql: "select * from nowhere", params: [] }], events: [told("lost")] })
    expect(await failureOf(failed)).toBeInstanceOf(Error)
    // Numbers are taken and given back by a rollback, as a failing commit of another process would.
    await dbs[0]?.query({ sql: "select nextval('event_seq')", params: [] })
    const { events } = await writer.commit({ statements: [], events: [told("after")] })
    expect(seqs.at(-1)).toBe(events[0]?.seq)
    expect(seqs).toHaveLength(2)
  })
})
