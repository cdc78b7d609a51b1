/** Rows of logins: which provider, at which addresses, with which rights, until when. What is not sealed by us is no login. */
import type { Clock } from "#core/clock.ts"
import type { Db, Statement } from "#core/db/db.ts"
import { logins as table } from "#core/db/schema.ts"
import { type AuthoritySeal, createAuthoritySeal } from "#core/safety/authority.ts"
import type { Reseal } from "#core/secrets/master-key.ts"
import type { LoginEndpoints } from "./oauth.ts"

export type Login = {
  provider: string
  secretName: string
  /** As they were when the owner gave their client: secrets of this login go to no other. */
  endpoints: LoginEndpoints
  /** What the provider granted. */
  scopes: string[]
  /** `out`: only the client is known. `needed`: the provider ended it, and the owner has to log in anew. */
  state: "out" | "in" | "needed"
  expiresAt: string | null
  version: number
  createdAt: string
}

export type LoginRows = {
  list(): Promise<Login[]>
  find(provider: string): Promise<Login | null>
  /** Writes this as the version after `before`, or as the first; `conflict` where another process was quicker. Gives up the lease. */
  put(login: Omit<Login, "version" | "createdAt">, before: Login | null): Statement
  remove(login: Login): Statement
  /** For one process, `ms` from now: whoever has it may talk to the provider. False: another has. */
  lease(login: Login, ms: number): Promise<boolean>
  release(login: Login): Promise<void>
}

type Row = typeof table.$inferSelect

function sealedLogin(row: Omit<Row, "mac" | "leaseUntil">): readonly unknown[] {
  return [row.provider, row.secretName, row.endpoints, row.scopes, row.state, row.expiresAt, row.version, row.createdAt]
}

export type LoginRowsDeps = { db: Db; clock: Clock; seal: AuthoritySeal; onBadSeal: (what: string) => void }

export function createLoginRows({ db, clock, seal, onBadSeal }: LoginRowsDeps): LoginRows {
  async function list(): Promise<Login[]> {
    const rows = await db.orm.select().from(table)
    return rows.flatMap((row) => {
      if (seal.holds("login", sealedLogin(row), row.mac)) return [loginOf(row)]
      onBadSeal(`login ${row.provider}`)
      return []
    })
  }
  return {
    list,
    find: async (provider) => (await list()).find((one) => one.provider === provider) ?? null,
    put(login, before) {
      const row = { ...login, version: (before?.version ?? 0) + 1, createdAt: clock.iso() }
      const mac = seal.mac("login", sealedLogin(row))
      const { provider, secretName, endpoints, scopes, state, expiresAt, version, createdAt } = row
      return {
        sql: `with done as (
          insert into logins (provider, secret_name, endpoints, scopes, state, expires_at, version, created_at, mac)
          select $1, $2, $3::jsonb, $4::text[], $5, $6::timestamptz, $7::integer, $8::timestamptz, $9
          where ($7::integer = 1 or exists (select from logins where provider = $1))
            and not exists (select from logins where provider <> $1 and lower(secret_name) = lower($2))
          on conflict (provider) do update set secret_name = excluded.secret_name, endpoints = excluded.endpoints,
            scopes = excluded.scopes, state = excluded.state, expires_at = excluded.expires_at, version = excluded.version,
            created_at = excluded.created_at, mac = excluded.mac, lease_until = null
            where logins.version = excluded.version - 1
          returning 1) select expect_rows(count(*), 1, 'The login was changed') from done`,
        params: [provider, secretName, JSON.stringify(endpoints), scopes, state, expiresAt, version, createdAt, mac],
      }
    },
    remove: ({ provider, version }) => ({
      sql: `with done as (delete from logins where provider = $1 and version = $2::integer returning 1)
        select expect_rows(count(*), 1, 'The login was changed') from done`,
      params: [provider, version],
    }),
    async lease({ provider, version }, ms) {
      const nowMs = clock.nowMs()
      const [rows = []] = await db.batch([
        {
          sql: `update logins set lease_until = $3::timestamptz where provider = $1 and version = $2::integer
            and (lease_until is null or lease_until < $4::timestamptz) returning provider`,
          params: [provider, version, new Date(nowMs + ms).toISOString(), new Date(nowMs).toISOString()],
        },
      ])
      return rows.length === 1
    },
    async release({ provider, version }) {
      await db.batch([
        {
          sql: "update logins set lease_until = null where provider = $1 and version = $2::integer",
          params: [provider, version],
        },
      ])
    },
  }
}

function loginOf({ mac: _mac, leaseUntil: _lease, ...row }: Row): Login {
  // Only rows whose seal holds come here, and those were written by `put`.
  return { ...row, endpoints: row.endpoints as LoginEndpoints }
}

/** Logins under another master key: only what the old seal held gets a new one. */
export const resealLogins: Reseal = async (db, { from, to }) => {
  const old = createAuthoritySeal({ key: () => from.derive("authority") })
  const fresh = createAuthoritySeal({ key: () => to.derive("authority") })
  const rows = await db.orm.select().from(table)
  return rows
    .filter((row) => old.holds("login", sealedLogin(row), row.mac))
    .map((row) => ({
      sql: "update logins set mac = $2 where provider = $1 and mac = $3",
      params: [row.provider, fresh.mac("login", sealedLogin(row)), row.mac],
    }))
}
