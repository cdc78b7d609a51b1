/** The record of changes to files of the project: what was there before each, for a month, so that it can be put back. */
import { and, desc, eq, getTableColumns, inArray, isNull, or, sql } from "drizzle-orm"
import type { Db, Statement, Writer } from "../db/db.ts"
import { calls, fileChanges } from "../db/schema.ts"
import type { CallId, SessionId } from "../id.ts"
import { subTurnsInSight } from "../session/sub-turns.ts"
import type { FileChange, KeepChange } from "./file-change.ts"

/** Days that a change can be taken back. The bytes of every version are kept, so not for ever. */
const KEPT_DAYS = 30

export type FileChanges = {
  keep: KeepChange
  /** The last change of this session and its sub-turns that was not taken back; of one file where it is named. */
  latest(of: { sessionId: SessionId; agentId: string; path: string | null }): Promise<FileChange | null>
  /** Fails where it was taken back meanwhile. */
  markUndone(callId: CallId): Promise<void>
}

export function createFileChanges({ db, writer }: { db: Db; writer: Writer }): FileChanges {
  const forgetOld: Statement = {
    sql: `delete from file_changes where created_at < now() - make_interval(days => ${KEPT_DAYS})`,
    params: [],
  }
  return {
    async keep({ before, labels, ...change }) {
      const row = { ...change, before: before && new Uint8Array(before), labels: [...labels] }
      await writer.commit({ statements: [forgetOld, db.orm.insert(fileChanges).values(row).toSQL()] })
    },
    async latest({ sessionId, agentId, path }) {
      const [row] = await db.orm
        .select(getTableColumns(fileChanges))
        .from(fileChanges)
        // What was kept and then not written is no change; after a crash nobody knows, and the file's own hash says.
        .innerJoin(calls, and(eq(calls.id, fileChanges.callId), inArray(calls.state, ["done", "unknown"])))
        .where(
          and(
            or(eq(fileChanges.sessionId, sessionId), inArray(fileChanges.sessionId, subTurnsInSight(sessionId))),
            eq(fileChanges.agentId, agentId),
            isNull(fileChanges.undoneAt),
            path === null ? undefined : eq(fileChanges.path, path),
          ),
        )
        // Ids sort by time, also within one millisecond.
        .orderBy(desc(fileChanges.createdAt), desc(fileChanges.callId))
        .limit(1)
      return row ?? null
    },
    async markUndone(callId) {
      const undone = db.orm
        .update(fileChanges)
        .set({ undoneAt: sql`now()` })
        .where(and(eq(fileChanges.callId, callId), isNull(fileChanges.undoneAt)))
        .toSQL()
      const { sql: update, params } = undone
      await writer.commit({
        statements: [
          {
            sql: `with undone as (${update} returning 1) select expect_rows((select count(*) from undone), 1, 'file change')`,
            params,
          },
        ],
      })
    },
  }
}
