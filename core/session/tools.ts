/** The tool by which the model reads what was left out of a long text of its session. */
import { and, eq, inArray, or, sql } from "drizzle-orm"
import type { Db } from "../db/db.ts"
import { messages, sessions, turns } from "../db/schema.ts"
import { isId } from "../id.ts"
import { type FindSecrets, sliceWithoutSecrets } from "../safety/secret-window.ts"
import { int, type Static, t } from "../schema.ts"
import type { Tool } from "../tools/tool.ts"
import { MAX_SHOWN_CHARACTERS, pairEnd, pairStart } from "./shown.ts"
import { subTurnsInSight } from "./sub-turns.ts"

const DEFAULT_READ_CHARACTERS = 8_000 // half of what is shown at once, so that one reading never needs cutting again

const ReadInput = t.Object(
  {
    handle: t.String({ pattern: "^msg_[0-9a-f]{32}$" }),
    offset: t.Optional(int({ minimum: 0, description: "First character (default 0)" })),
    length: t.Optional(
      int({
        minimum: 1,
        maximum: MAX_SHOWN_CHARACTERS,
        description: `Characters (default ${DEFAULT_READ_CHARACTERS}, at most ${MAX_SHOWN_CHARACTERS})`,
      }),
    ),
  },
  { additionalProperties: false },
)

/** The tools of this folder. `result_read` reaches only its own session, sub-turns of it, and nothing that the owner cleared or undid. */
export function sessionTools({ db, findSecrets }: { db: Db; findSecrets: FindSecrets }): Tool[] {
  // Written out, not by `defineTool`: this folder stands below the one that has it, and may know its type alone.
  const resultRead: Tool<Static<typeof ReadInput>> = {
    name: "result_read",
    provider: "builtin",
    description: "Read what was left out of a long result or message, by the handle that stands there.",
    input: ReadInput,
    effect: () => "read",
    needs: () => [],
    timeoutMs: 10_000, // one row by its key; ten seconds covers a busy database
    async run({ handle, offset = 0, length = DEFAULT_READ_CHARACTERS }, { sessionId, agentId }) {
      if (!isId("msg", handle)) return { failed: `"${handle}" is no handle` }
      const [row] = await db.orm
        .select({ text: messages.text, labels: messages.labels, source: messages.source })
        .from(messages)
        .innerJoin(sessions, eq(sessions.id, messages.sessionId))
        .leftJoin(turns, eq(turns.id, messages.turnId))
        .where(
          and(
            eq(messages.id, handle),
            or(eq(messages.sessionId, sessionId), inArray(messages.sessionId, subTurnsInSight(sessionId))),
            eq(messages.agentId, agentId),
            sql`${messages.position} > ${sessions.clearedTo}`,
            sql`${turns.hidden} is null`,
          ),
        )
      if (!row) return { failed: `There is no text with the handle ${handle} in this conversation` }
      if (offset >= row.text.length)
        return { failed: `The text has ${row.text.length} characters; an offset of ${offset} is past its end` }
      const start = pairStart(row.text, offset)
      const end = pairEnd(row.text, Math.min(start + length, row.text.length))
      return {
        data: {
          handle,
          offset: start,
          totalCharacters: row.text.length,
          nextOffset: end < row.text.length ? end : null,
          text: sliceWithoutSecrets(row.text, { start, end }, findSecrets),
        },
        labels: row.labels,
        source: row.source,
      }
    },
  }
  return [resultRead]
}
