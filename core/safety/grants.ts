/** Grants: the owner's recorded yes to one tool and destination, for one principal, until revoked or expired. */
import { and, desc, eq, isNull, or, sql } from "drizzle-orm"
import type { Clock } from "../clock.ts"
import type { Db, Statement } from "../db/db.ts"
import { grants } from "../db/schema.ts"
import { newId, type GrantId, type SessionId } from "../id.ts"
import type { AuthoritySeal } from "./authority.ts"
import type { Capability } from "./capability.ts"

/** What a grant says yes to. `destination` is exact: the same hosts, channels and paths, in the same words. */
export type Granted = { tool: string; destination: string }

export type Grant = {
  id: GrantId
  agentId: string
  principal: string
  tool: string
  destination: string
  /** Also when text from outside had a hand in the call. */
  evenUntrusted: boolean
  sessionId: SessionId | null
  createdAt: string
  expiresAt: string | null
  revokedAt: string | null
}

export type NewGrant = Granted & Pick<Grant, "agentId" | "principal" | "evenUntrusted" | "sessionId" | "expiresAt">

export type Grants = {
  /** Whether a grant in force covers the call. A row whose seal is broken covers nothing, and is told to `onBadSeal`. */
  covers(
    call: Granted & { agentId: string; principal: string; sessionId: SessionId; untrusted: boolean },
  ): Promise<boolean>
  add(grant: NewGrant): { grant: Grant; statement: Statement }
  list(): Promise<Grant[]>
  /** The row stays for the record; without its seal nobody can bring it back by clearing a column. */
  revokeStatement(id: GrantId): Statement
}

/** Where a call reaches, as one line: `http api.github.com GET /repos; send owner`. "" reaches nothing outside itself. */
export function destinationOf(needs: readonly Capability[]): string {
  const words = needs.map((need) => {
    switch (need.kind) {
      case "http":
        return `http ${need.host} ${[...need.methods].sort().join("+")} ${need.path ?? "/"}`
      case "memory":
      case "file":
        return `${need.kind} ${need.write ? "write" : "read"} ${need.path}`
      case "tool":
        return `tool ${need.name}`
      case "send":
        return `send ${need.channel}`
    }
  })
  return words.sort().join("; ")
}

/** What the seal of a grant covers. */
export function sealedGrant(
  row: Pick<
    typeof grants.$inferSelect,
    "id" | "agentId" | "principal" | "capability" | "evenUntrusted" | "sessionId" | "expiresAt"
  >,
): readonly unknown[] {
  return [row.id, row.agentId, row.principal, row.capability, row.evenUntrusted, row.sessionId, row.expiresAt]
}

export function createGrants({
  db,
  clock,
  seal,
  onBadSeal,
}: {
  db: Db
  clock: Clock
  seal: AuthoritySeal
  onBadSeal: (what: string) => void
}): Grants {
  type Row = typeof grants.$inferSelect
  const isWhole = (row: Row) => {
    if (seal.holds("grant", sealedGrant(row), row.mac)) return true
    onBadSeal(`grant ${row.id}`)
    return false
  }

  return {
    async covers({ agentId, principal, tool, destination, sessionId, untrusted }) {
      const rows = await db.orm
        .select()
        .from(grants)
        .where(
          and(
            eq(grants.agentId, agentId),
            eq(grants.principal, principal),
            isNull(grants.revokedAt),
            or(isNull(grants.sessionId), eq(grants.sessionId, sessionId)),
            sql`${grants.capability} @> ${JSON.stringify({ tool, destination })}::jsonb`,
          ),
        )
      const now = clock.iso()
      return rows.some(
        (row) => (row.expiresAt === null || row.expiresAt > now) && (row.evenUntrusted || !untrusted) && isWhole(row),
      )
    },
    add({ tool, destination, ...given }) {
      const row = {
        id: newId("grt"),
        capability: { tool, destination },
        createdAt: clock.iso(),
        revokedAt: null,
        ...given,
        // As it will be read back: the seal is over the stored form.
        expiresAt: given.expiresAt === null ? null : new Date(given.expiresAt).toISOString(),
      }
      const statement = db.orm
        .insert(grants)
        .values({ ...row, mac: seal.mac("grant", sealedGrant(row)) })
        .toSQL()
      return { grant: grantOf({ ...row, mac: "" }), statement }
    },
    list: async () =>
      (await db.orm.select().from(grants).orderBy(desc(grants.createdAt)))
        .filter((row) => row.revokedAt !== null || isWhole(row))
        .map(grantOf),
    revokeStatement: (id) => ({
      sql: `with gone as (update grants set revoked_at = now(), mac = '' where id = $1 and revoked_at is null returning 1)
        select expect_rows((select count(*) from gone), 1, 'grant')`,
      params: [id],
    }),
  }
}

function grantOf({ capability, mac: _mac, ...row }: typeof grants.$inferSelect): Grant {
  // Only rows whose seal holds, or that we made, come here: the capability is one of ours.
  const { tool, destination } = capability as Granted
  return { ...row, tool, destination }
}
