/** Stored events: reading them back in order, and seeing those that other processes on the same database commit. */
import { and, asc, eq, gt, sql } from "drizzle-orm"
import type { Publish, StoredEvent } from "../event.ts"
import type { SessionId } from "../id.ts"
import type { Db } from "./db.ts"
import { events } from "./schema.ts"

/** The channel on which each commit on a shared server tells its last `seq`. */
export const EVENT_CHANNEL = "ironclaw_events"

export type EventQuery = { after: number; sessionId?: SessionId; limit: number }

/** Events with a higher `seq` than `after`, oldest first, at most `limit`. */
export async function readEvents(db: Db, { after, sessionId, limit }: EventQuery): Promise<StoredEvent[]> {
  const rows = await db.orm
    .select()
    .from(events)
    .where(and(gt(events.seq, after), sessionId === undefined ? undefined : eq(events.sessionId, sessionId)))
    .orderBy(asc(events.seq))
    .limit(limit)
  return rows.map(({ body, agentId, labels, source, seq, at }) => ({ ...body, agentId, labels, source, seq, at }))
}

/** The `seq` of the newest event; 0 where there is none. */
export async function lastSeq(db: Db): Promise<number> {
  const [row] = await db.orm.select({ seq: sql<number>`coalesce(max(${events.seq}), 0)` }).from(events)
  return Number(row?.seq ?? 0)
}

export type EventFeed = {
  /** Resolves when nothing that is committed from now on can be missed. Rejects with the reason why listening is not possible. */
  ready(): Promise<void>
  /** Runs a commit of this process, then publishes its events, after all that others committed before them. */
  around<T extends { events: readonly StoredEvent[] }>(commit: () => Promise<T[]>): Promise<T[]>
}

/** How many events are read at a time when catching up: a few hundred KB at most. */
const CATCH_UP_ROWS = 500

/** For a database that is ours alone: what we commit is all there is. */
export function createLocalFeed(publish: Publish): EventFeed {
  return {
    ready: async () => {},
    async around(commit) {
      const committed = await commit()
      for (const { events: fresh } of committed) for (const event of fresh) publish(event)
      return committed
    },
  }
}

/**
 * For a shared server: every process publishes every event, its own and the others', in order of `seq`. Commits are made one after the
 * other under a lock, so when ours is done, all with a lower `seq` can be read. Notifications only say that there is something to read.
 */
export function createSharedFeed({ db, publish }: { db: Db; publish: Publish }): EventFeed {
  let publishedTo = 0
  /** The highest `seq` that a notification told of. */
  let heardOf = 0
  let committing = 0
  let starting: Promise<void> | undefined
  let last: Promise<void> = Promise.resolve()

  /** Everything that moves `publishedTo` goes through here, one after the other. */
  function inOrder(work: () => Promise<void>): Promise<void> {
    const done = last.then(work)
    last = done.catch(() => {}) // told to whoever asked; the next one starts from the rows again
    return done
  }

  async function catchUp(): Promise<void> {
    for (;;) {
      const rows = await readEvents(db, { after: publishedTo, limit: CATCH_UP_ROWS })
      for (const event of rows) tell(event)
      if (rows.length < CATCH_UP_ROWS) break
    }
    heardOf = Math.min(heardOf, publishedTo)
  }

  function tell(event: StoredEvent): void {
    publishedTo = event.seq
    publish(event)
  }

  /** Our own commits make notifications too: while one is under way, it sees to everything that was heard of. */
  function catchUpIfBehind(): void {
    // A failed catch-up is made good by the next notification, or by the next commit of our own.
    if (committing === 0 && heardOf > publishedTo) void inOrder(catchUp).catch(() => {})
  }

  async function start(): Promise<void> {
    await db.listen(EVENT_CHANNEL, (payload) => {
      // No number: the connection was away, and anything may have happened.
      heardOf = payload === "" ? Number.MAX_SAFE_INTEGER : Math.max(heardOf, Number(payload))
      catchUpIfBehind()
    })
    publishedTo = await lastSeq(db)
  }

  return {
    ready() {
      starting ??= start().catch((error: unknown) => {
        starting = undefined
        throw error
      })
      return starting
    },
    async around(commit) {
      committing += 1
      try {
        const committed = await commit()
        const fresh = committed.flatMap(({ events: each }) => each)
        await inOrder(async () => {
          const [first] = fresh
          if (first && first.seq > publishedTo + 1) await catchUp()
          for (const event of fresh) if (event.seq > publishedTo) tell(event)
        }).catch(() => {
          // It is committed all the same; what could not be published is read from the rows with the next notification or commit.
          heardOf = Number.MAX_SAFE_INTEGER
        })
        return committed
      } finally {
        committing -= 1
        catchUpIfBehind()
      }
    },
  }
}
