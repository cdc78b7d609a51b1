/** What can be undone and redone in a session: its turns, as far as they are single turns still. */
import type { Db } from "../db/db.ts"
import type { TurnState } from "../db/schema.ts"
import type { SessionId, TurnId } from "../id.ts"
import { isActive, noSuchSession } from "./sight.ts"

export type History = {
  id: SessionId
  agentId: string
  active: boolean
  /** Turns with messages in sight, oldest first. */
  visible: TurnId[]
  undone: TurnId[]
  lastPosition: number
}

/** A turn that was cleared or compacted away cannot be taken back: a summary knows nothing of single turns. */
export async function historyOf(db: Db, id: SessionId): Promise<History> {
  const rows = await db.query({
    sql: `select s.id, s.agent_id, t.id as turn_id, t.state, t.hidden, g.last_position
      from sessions s
      left join (select m.turn_id, min(m.position) as first_position, max(m.position) as last_position from messages m, sessions f
        where f.id = $1 and m.session_id = f.id and m.position > greatest(f.cleared_to, f.compacted_to) and m.turn_id is not null
        group by m.turn_id) g on true
      left join turns t on t.id = g.turn_id
      where s.id = $1 order by g.first_position`,
    params: [id],
  })
  const [first] = rows
  if (!first) throw noSuchSession(id)
  // The columns are the schema's: ids, states and marks of turns.
  const found = rows
    .filter((row) => row["turn_id"] !== null)
    .map((row) => ({
      id: row["turn_id"] as TurnId,
      state: row["state"] as TurnState,
      hidden: row["hidden"] as string | null,
    }))
  return {
    id,
    agentId: String(first["agent_id"]),
    active: found.some(({ state }) => isActive(state)),
    visible: found.filter(({ hidden }) => hidden === null).map((turn) => turn.id),
    undone: found.filter(({ hidden }) => hidden === "undone").map((turn) => turn.id),
    lastPosition: Math.max(0, ...rows.map((row) => Number(row["last_position"] ?? 0))),
  }
}
