/** The rows of secrets: what is read of them, and the statements that change them. Every change names the master key it was made under. */
import { asc } from "drizzle-orm"
import type { Statement } from "../db/db.ts"
import { secrets } from "../db/schema.ts"
import type { Asking } from "./master-key.ts"
import type { Sealed, SecretPlace } from "./sealed.ts"

export type SecretRow = SecretPlace & Sealed & { keyId: string; createdAt: string; usedAt: string | null }

export async function readSecrets(db: Asking): Promise<SecretRow[]> {
  return db.orm.select().from(secrets).orderBy(asc(secrets.name))
}

/** Writes version 1, or the version after the one that is there; a `conflict` where another process was quicker, or changed the master key. */
export function putSecret({
  name,
  version,
  nonce,
  ciphertext,
  keyId,
}: SecretPlace & Sealed & { keyId: string }): Statement {
  return {
    sql: `with done as (
      insert into secrets (name, version, key_id, nonce, ciphertext)
      select $1, $2::integer, $3, $4::bytea, $5::bytea where exists (select from meta where key = 'master_key_id' and value = $3)
      on conflict (name) do update set version = excluded.version, key_id = excluded.key_id, nonce = excluded.nonce,
        ciphertext = excluded.ciphertext, created_at = now(), used_at = null where secrets.version = excluded.version - 1
      returning 1) select expect_rows(count(*), 1, 'The secret or the master key was changed') from done`,
    params: [name, version, keyId, nonce, ciphertext],
  }
}

export function deleteSecret({ name, version }: SecretPlace): Statement {
  return {
    sql: `with done as (delete from secrets where name = $1 and version = $2::integer returning 1)
      select expect_rows(count(*), 1, 'The secret was changed') from done`,
    params: [name, version],
  }
}

/** The same value of the same version under another master key. */
export function resealSecret({
  name,
  version,
  nonce,
  ciphertext,
  from,
  to,
}: SecretPlace & Sealed & { from: string; to: string }): Statement {
  return {
    sql: `with done as (update secrets set key_id = $3, nonce = $4::bytea, ciphertext = $5::bytea
      where name = $1 and version = $2::integer and key_id = $6 returning 1)
      select expect_rows(count(*), 1, 'The secret was changed') from done`,
    params: [name, version, to, nonce, ciphertext, from],
  }
}

/** Fails as `conflict` where a secret is left under another key. */
export function expectKey(keyId: string): Statement {
  return {
    sql: "select expect_rows(count(*), 0, 'A secret was added') from secrets where key_id <> $1",
    params: [keyId],
  }
}

export function touchSecrets(names: readonly string[], at: string): Statement {
  return { sql: "update secrets set used_at = $2::timestamptz where name = any($1::text[])", params: [names, at] }
}

/** Tells the other processes on a shared server that they hold old values. */
export const SECRET_CHANNEL = "ironclaw_secrets"
export const tellOthers: Statement = { sql: `select pg_notify('${SECRET_CHANNEL}', '')`, params: [] }
