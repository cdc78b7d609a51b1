/** Rows of authority under another master key. Only what the old seal held gets a new one: a forged row stays worth nothing. */
import type { Statement } from "../db/db.ts"
import { approvals, grants, tokens } from "../db/schema.ts"
import type { Reseal } from "../secrets/master-key.ts"
import { sealedApproval } from "./approvals.ts"
import { createAuthoritySeal } from "./authority.ts"
import { sealedGrant } from "./grants.ts"
import { LOCKDOWN_KEY, lockdownText, readLockdownRow, sealedLockdown } from "./lockdown.ts"
import { sealedToken } from "./tokens.ts"

export const resealAuthority: Reseal = async (db, { from, to }) => {
  const old = createAuthoritySeal({ key: () => from.derive("authority") })
  const fresh = createAuthoritySeal({ key: () => to.derive("authority") })
  const statements: Statement[] = []
  for (const row of await db.orm.select().from(grants)) {
    if (!old.holds("grant", sealedGrant(row), row.mac)) continue
    statements.push({
      sql: "update grants set mac = $2 where id = $1 and mac = $3",
      params: [row.id, fresh.mac("grant", sealedGrant(row)), row.mac],
    })
  }
  for (const row of await db.orm.select().from(approvals)) {
    // A restore ends open questions by their state alone; an end takes authority away, so the seal of the open row vouches for it.
    const vouched = row.state === "expired" ? sealedApproval({ ...row, state: "open" }) : sealedApproval(row)
    if (!old.holds("approval", sealedApproval(row), row.mac) && !old.holds("approval", vouched, row.mac)) continue
    statements.push({
      sql: "update approvals set mac = $2 where id = $1 and mac = $3",
      params: [row.id, fresh.mac("approval", sealedApproval(row)), row.mac],
    })
  }
  for (const row of await db.orm.select().from(tokens)) {
    if (!old.holds("token", sealedToken(row), row.mac)) continue
    statements.push({
      sql: "update tokens set mac = $2 where id = $1 and mac = $3",
      params: [row.id, fresh.mac("token", sealedToken(row)), row.mac],
    })
  }
  const [stored] = await db.query({ sql: "select value from meta where key = $1", params: [LOCKDOWN_KEY] })
  const lockdown = stored ? readLockdownRow(String(stored["value"])) : null
  if (lockdown && old.holds("lockdown", sealedLockdown(lockdown), lockdown.mac)) {
    const value = lockdownText({ ...lockdown, mac: fresh.mac("lockdown", sealedLockdown(lockdown)) })
    statements.push({ sql: "update meta set value = $2 where key = $1", params: [LOCKDOWN_KEY, value] })
  }
  return statements
}
