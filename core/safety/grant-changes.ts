/** The owner's changes to grants beside those that an approval makes: each is one commit with its event and its audit row. */
import type { Writer } from "../db/db.ts"
import { AppError } from "../errors.ts"
import { preview } from "../event.ts"
import type { GrantId } from "../id.ts"
import type { Grant, Grants, NewGrant } from "./grants.ts"

export type GrantChanges = {
  list(): Promise<Grant[]>
  add(grant: NewGrant): Promise<Grant>
  /** Throws `not_found`, and `conflict` where it was revoked already. */
  revoke(id: GrantId): Promise<Grant>
}

export function createGrantChanges({ grants, writer }: { grants: Grants; writer: Writer }): GrantChanges {
  const record = (grant: Grant, change: "added" | "revoked") => ({
    events: [
      {
        type: "grant.changed" as const,
        grantId: grant.id,
        change,
        tool: grant.tool,
        agentId: grant.agentId,
        labels: [],
        source: "owner",
      },
    ],
    audit: [
      {
        agentId: grant.agentId,
        act: "owner.change" as const,
        principal: "owner",
        subject: grant.id,
        outcome: change,
        sessionId: grant.sessionId,
        preview: preview(
          `a grant for ${grant.principal}: ${grant.tool}${grant.evenUntrusted ? ", also when untrusted" : ""}${grant.expiresAt ? `, until ${grant.expiresAt}` : ""}`,
        ),
        destination: preview(grant.destination),
        labels: [],
        source: "owner",
      },
    ],
  })
  return {
    list: grants.list,
    async add(given) {
      const { grant, statement } = grants.add(given)
      await writer.commit({ statements: [statement], ...record(grant, "added") })
      return grant
    },
    async revoke(id) {
      const grant = (await grants.list()).find((one) => one.id === id)
      if (!grant) throw new AppError("not_found", `There is no grant ${id}`)
      await writer.commit({ statements: [grants.revokeStatement(id)], ...record(grant, "revoked") })
      return grant
    },
  }
}
