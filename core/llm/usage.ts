/**
 * What the models cost: a row for every call, totals over them, and the owner's limits. The rows are the only truth; limits are judged
 * by their sums, so they hold over restarts and over several processes.
 */
import type { Clock } from "../clock.ts"
import type { Db, Statement } from "../db/db.ts"
import { insertRow } from "../db/insert.ts"
import { type UsageRow, usage } from "../db/schema.ts"
import { newId, type JobId, type SessionId, type TurnId } from "../id.ts"
import type { ModelId, ModelUsage } from "./model.ts"
import { createBudget, type Limited, type UsageLimits } from "./budget.ts"

export type { Limited, UsageLimits }

export type UsageEntry = {
  agentId: string
  sessionId?: SessionId | null
  turnId?: TurnId | null
  jobId?: JobId | null
  /** Why: turn, compact, passthrough, test, … */
  purpose: string
  model: ModelId
  usage: ModelUsage
}

export type UsageBy = "day" | "model" | "agent" | "session" | "purpose"
/** `group` is a date (YYYY-MM-DD in the owner's time zone), a model's id, an agent, a session's id ("" without one), a purpose. */
export type UsageGroup = { group: string; calls: number } & ModelUsage
/** Within [since, until), ISO times; null is open. */
export type UsageQuery = { since: string | null; until: string | null; by: UsageBy; sessionId?: SessionId }

export type Usage = {
  /** The row of one call, for the commit that stores what came of it. Counts against the limits from now on. */
  row(entry: UsageEntry): Statement
  /** May another call be made? Null: yes. Asks the database only where the answer could be no, or is older than a few seconds. */
  judge(who: { agentId: string; jobId?: JobId | null }): Promise<Limited | null>
  summary(query: UsageQuery): Promise<UsageGroup[]>
}

export type UsageDeps = {
  db: Db
  clock: Clock
  /** Asked with every use, so that an edit of the configuration counts at once. */
  limits: () => UsageLimits
  /** IANA name: days begin at midnight there. */
  timeZone: () => string
}

const groupings: Record<UsageBy, string> = {
  day: "to_char(created_at at time zone $3, 'YYYY-MM-DD')",
  model: "vendor || '/' || model",
  agent: "agent_id",
  session: "coalesce(session_id, '')",
  purpose: "purpose",
}

export function createUsage({ db, clock, limits, timeZone }: UsageDeps): Usage {
  const budget = createBudget({ db, clock, limits, timeZone })
  return {
    row(entry) {
      const { vendor, model } = splitId(entry.model)
      const { inputTokens, cachedInputTokens, outputTokens, costUsdMicros } = entry.usage
      const { agentId, jobId = null, sessionId = null, turnId = null, purpose } = entry
      budget.spent({ agentId, jobId, costUsdMicros })
      const row: Omit<UsageRow, "createdAt"> = {
        id: newId("use"),
        agentId,
        sessionId,
        turnId,
        jobId,
        purpose,
        vendor,
        model,
        inputTokens,
        cachedInputTokens,
        outputTokens,
        costUsdMicros,
        labels: [], // numbers of the host's own counting
        source: "host",
      }
      return insertRow(usage, { ...row, createdAt: clock.iso() })
    },
    judge: ({ agentId, jobId = null }) => budget.judge({ agentId, jobId }),
    async summary({ since, until, by, sessionId = null }) {
      const rows = await db.query({
        // The grouping comes from the table above, never from outside.
        sql: `select ${groupings[by]} as "group", count(*) as calls, sum(input_tokens) as input, sum(cached_input_tokens) as cached,
  sum(output_tokens) as output, sum(cost_usd_micros) as cost
from usage
where ($1::timestamptz is null or created_at >= $1::timestamptz) and ($2::timestamptz is null or created_at < $2::timestamptz)
  and $3::text is not null and ($4::text is null or session_id = $4)
group by 1 order by ${by === "day" ? "1" : "6 desc, 1"} limit 1000`,
        params: [since, until, timeZone(), sessionId],
      })
      // Sums of integers come as text or numbers, as the driver likes.
      return rows.map((row) => ({
        group: String(row["group"]),
        calls: Number(row["calls"]),
        inputTokens: Number(row["input"]),
        cachedInputTokens: Number(row["cached"]),
        outputTokens: Number(row["output"]),
        costUsdMicros: Number(row["cost"]),
      }))
    },
  }
}

function splitId(id: ModelId): { vendor: string; model: string } {
  const slash = id.indexOf("/")
  return slash === -1 ? { vendor: "", model: id } : { vendor: id.slice(0, slash), model: id.slice(slash + 1) }
}
