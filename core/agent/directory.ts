/** Who is there: the agents by name, and the owner. Asked with every message, so agents are remembered for a moment. */
import { eq } from "drizzle-orm"
import type { Clock } from "../clock.ts"
import type { Db } from "../db/db.ts"
import { agents, people } from "../db/schema.ts"
import type { PersonId } from "../id.ts"

/** Another process may add an agent or change its model; ours is at most this much behind. */
const MAX_AGE_MS = 3_000

export type Directory = {
  /** null: there is none of this name. */
  agent(id: string): Promise<{ model: string | null } | null>
  /** `main` first. */
  agentNames(): Promise<string[]>
  ownerId(): Promise<PersonId>
}

export function createDirectory({ db, clock }: { db: Db; clock: Clock }): Directory {
  let read: { rows: Promise<Map<string, { model: string | null }>>; atMs: number } | null = null

  function all(): Promise<Map<string, { model: string | null }>> {
    if (!read || clock.monotonicMs() - read.atMs > MAX_AGE_MS) {
      const rows = db.orm
        .select({ id: agents.id, model: agents.model })
        .from(agents)
        .then((found) => new Map(found.map(({ id, model }) => [id, { model }])))
      rows.catch(() => {
        read = null // a failure is not remembered
      })
      read = { rows, atMs: clock.monotonicMs() }
    }
    return read.rows
  }

  return {
    agent: async (id) => (await all()).get(id) ?? null,
    agentNames: async () =>
      [...(await all()).keys()].sort((a, b) => Number(b === "main") - Number(a === "main") || (a < b ? -1 : 1)),
    async ownerId() {
      const [owner] = await db.orm.select({ id: people.id }).from(people).where(eq(people.role, "owner"))
      if (!owner) throw new Error("The database has no owner, whom its first migration makes")
      return owner.id
    },
  }
}
