/** Everything that a change of the master key changes in the database, as statements for one transaction. */
import type { Statement } from "../db/db.ts"
import { AppError } from "../errors.ts"
import { type Asking, keyIdChange, type MasterKey, type Reseal } from "./master-key.ts"
import { openSecret, sealSecret } from "./sealed.ts"
import { expectKey, readSecrets, resealSecret } from "./store.ts"

export type KeyChange = { db: Asking; from: MasterKey; to: MasterKey; reseal: readonly Reseal[] }

/** Throws `secret.unreadable` where a secret does not open under the old key: it would be lost, and the owner must know. */
export async function keyChangeStatements({
  db,
  from,
  to,
  reseal,
}: KeyChange): Promise<{ statements: Statement[]; secrets: number }> {
  if (from.id === to.id)
    throw new AppError("conflict", "The new master key is the old one", {
      hint: "Make another one: `openssl rand -hex 32`.",
    })
  const rows = await readSecrets(db)
  const resealed = rows.map((row) => {
    const value = openSecret(from.derive("secrets"), row)
    return resealSecret({
      ...row,
      ...sealSecret(to.derive("secrets"), { name: row.name, version: row.version, value }),
      from: from.id,
      to: to.id,
    })
  })
  const others = await Promise.all(reseal.map((each) => each(db, { from, to })))
  return {
    // First the key's id: the row's lock makes two rotations at once, and secrets set meanwhile, wait for one another.
    statements: [keyIdChange(from.id, to.id), ...resealed, ...others.flat(), expectKey(to.id)],
    secrets: rows.length,
  }
}
