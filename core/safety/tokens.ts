/**
 * Question: is this an API token of the owner's making, in force now, and what for?
 * Fails closed by: a row whose seal is broken, that ended or was revoked is no token; a database that does not answer is a refusal.
 * Known limits: found by the SHA-256 of 256 random bits, so what a comparison's time tells of a hash leads to no token. What another
 * process revoked is known here when the database tells (milliseconds), or at most CACHE_MS later where it cannot.
 * Source: INTERFACES "API tokens are per client, chat-only, never approve"; CVE-2026-35619 (scopes), RFC 6750, 5.3 (short lives, scope).
 */
import { timingSafeEqual } from "node:crypto"
import { desc, eq, isNotNull } from "drizzle-orm"
import type { Clock } from "../clock.ts"
import type { Db, Statement, Writer } from "../db/db.ts"
import { tokens } from "../db/schema.ts"
import { AppError } from "../errors.ts"
import { preview } from "../event.ts"
import { isId, newId, randomToken, type TokenId } from "../id.ts"
import type { AuthoritySeal } from "./authority.ts"
import { sha256Hex } from "./fingerprint.ts"

/** Ours to recognise, in the rule of the same name in leak-patterns.ts too. */
export const API_TOKEN_PREFIX = "ict_"
/** The only scope there is: to talk through the OpenAI routes. */
export const CHAT_SCOPE = "chat"
/** Tells every process on this database that a token was revoked; the payload is its id. */
const CHANNEL = "ironclaw_tokens"
/** A client's requests within it cost one query. Short, for it is what a lost notification costs. */
const CACHE_MS = 10_000

export type Token = {
  id: TokenId
  name: string
  scopes: readonly string[]
  createdAt: string
  expiresAt: string | null
  revokedAt: string | null
}

/** A token in force. `ended` aborts when it is revoked, so that what is being answered ends too. */
export type ApiToken = { id: TokenId; scopes: readonly string[]; ended: AbortSignal }

export type Tokens = {
  /** All of them, the latest first; those that ended or were revoked stay for the record. */
  list(): Promise<Token[]>
  /** `text` is shown this once and stored nowhere. Throws `conflict` where a token of that name is in force. */
  add(given: { name: string; expiresAt: string | null }): Promise<{ token: Token; text: string }>
  /** Throws `not_found`, and `conflict` where it was revoked already. */
  revoke(id: TokenId): Promise<Token>
  /** The token in force with this SHA-256 of its text, in hex. */
  find(sha256: string): Promise<ApiToken | null>
  /** All were revoked: what they keep open ends. */
  endAll(): void
  /** Follows other processes on the same database. */
  watch(): Promise<void>
  close(): Promise<void>
}

export type TokensDeps = {
  db: Db
  writer: Writer
  clock: Clock
  seal: AuthoritySeal
  onBadSeal: (what: string) => void
}

/** A token for one client, 256 random bits; what is stored is `sha256`. */
export function createApiToken(): { token: string; sha256: string } {
  const token = API_TOKEN_PREFIX + randomToken()
  return { token, sha256: sha256Hex(token) }
}

/** Whether it has the form of one, so that looking for it is worth a query. */
export function isApiToken(text: string): boolean {
  return text.startsWith(API_TOKEN_PREFIX) && /^[\w-]{43}$/.test(text.slice(API_TOKEN_PREFIX.length))
}

/** What the seal of a token covers. */
export function sealedToken(
  row: Pick<typeof tokens.$inferSelect, "id" | "name" | "hash" | "scopes" | "expiresAt">,
): readonly unknown[] {
  return [row.id, row.name, row.hash, row.scopes, row.expiresAt]
}

export function createTokens({ db, writer, clock, seal, onBadSeal }: TokensDeps): Tokens {
  type Row = typeof tokens.$inferSelect
  /** What was found and proved, by hash. */
  const known = new Map<string, { id: TokenId; scopes: readonly string[]; expiresAt: string | null; untilMs: number }>()
  /** One for each token that was ever found here, whatever the cache forgets: who holds its signal must hear of the end. */
  const ends = new Map<TokenId, AbortController>()
  /** Grows with every revocation: what was read before it must not be remembered after it. */
  let generation = 0
  let stopListening = async () => {}

  const isWhole = (row: Row) => {
    if (seal.holds("token", sealedToken(row), row.mac)) return true
    onBadSeal(`API token ${row.id}`)
    return false
  }
  const isInForce = ({ expiresAt }: { expiresAt: string | null }) => expiresAt === null || expiresAt > clock.iso()

  function end(id: TokenId): void {
    ends.get(id)?.abort(new AppError("client.unauthorized", "The token was revoked"))
    ends.delete(id)
  }

  function endOne(id: TokenId): void {
    generation += 1
    for (const [hash, token] of known) if (token.id === id) known.delete(hash)
    end(id)
  }

  function endAll(): void {
    generation += 1
    known.clear()
    for (const id of Array.from(ends.keys())) end(id) // ending takes it out of the map
  }

  async function endRevoked(): Promise<void> {
    generation += 1
    known.clear()
    const rows = await db.orm.select({ id: tokens.id }).from(tokens).where(isNotNull(tokens.revokedAt))
    for (const { id } of rows) end(id)
  }

  async function find(sha256: string): Promise<ApiToken | null> {
    let token = known.get(sha256)
    if (!token || token.untilMs <= clock.monotonicMs()) {
      const before = generation
      const [row] = await db.orm.select().from(tokens).where(eq(tokens.hash, sha256)).limit(1)
      if (before !== generation) return find(sha256)
      known.delete(sha256)
      if (!row || row.revokedAt !== null || !isSame(row.hash, sha256) || !isWhole(row)) return null
      const { id, scopes, expiresAt } = row
      token = { id, scopes, expiresAt, untilMs: clock.monotonicMs() + CACHE_MS }
      known.set(sha256, token)
    }
    if (!isInForce(token)) return null
    const { id, scopes } = token
    let ended = ends.get(id)
    if (!ended) ends.set(id, (ended = new AbortController()))
    return { id, scopes, ended: ended.signal }
  }

  const record = ({ id, name, expiresAt }: Token, change: "added" | "revoked") => ({
    events: [{ type: "token.changed" as const, tokenId: id, change, agentId: "main", labels: [], source: "owner" }],
    audit: [
      {
        agentId: "main",
        act: "owner.change" as const,
        principal: "owner",
        subject: id,
        outcome: change,
        preview: preview(`an API token for ${name}: chat${expiresAt === null ? "" : `, until ${expiresAt}`}`),
        labels: [],
        source: "owner",
      },
    ],
  })

  async function list(): Promise<Token[]> {
    const rows = await db.orm.select().from(tokens).orderBy(desc(tokens.createdAt), desc(tokens.id))
    return rows.filter((row) => row.revokedAt !== null || isWhole(row)).map(tokenOf)
  }

  return {
    list,
    async add({ name, expiresAt }) {
      const taken = (await list()).some((one) => one.name === name && one.revokedAt === null && isInForce(one))
      if (taken) throw new AppError("conflict", `There is a token called "${name}" already`, { hint: TAKEN_HINT })
      const { token: text, sha256 } = createApiToken()
      const row = {
        id: newId("tok"),
        name,
        hash: sha256,
        scopes: [CHAT_SCOPE],
        createdAt: clock.iso(),
        // As it will be read back: the seal is over the stored form.
        expiresAt: expiresAt === null ? null : new Date(expiresAt).toISOString(),
        revokedAt: null,
      }
      const statement = db.orm
        .insert(tokens)
        .values({ ...row, mac: seal.mac("token", sealedToken(row)) })
        .toSQL()
      const token = tokenOf({ ...row, mac: "" })
      await writer.commit({ statements: [statement], ...record(token, "added") })
      return { token, text }
    },
    async revoke(id) {
      const token = (await list()).find((one) => one.id === id)
      if (!token) throw new AppError("not_found", `There is no token ${id}`)
      // Without its seal nobody can bring the row back by clearing a column.
      const revoke: Statement = {
        sql: `with gone as (update tokens set revoked_at = now(), mac = '' where id = $1 and revoked_at is null returning 1)
          select expect_rows((select count(*) from gone), 1, 'token')`,
        params: [id],
      }
      const notify: Statement = { sql: `select pg_notify('${CHANNEL}', $1)`, params: [id] }
      await writer.commit({ statements: [revoke, notify], ...record(token, "revoked") })
      endOne(id)
      return { ...token, revokedAt: clock.iso() }
    },
    find,
    endAll,
    async watch() {
      stopListening = await db.listen(CHANNEL, (id) => {
        // Without an id notices may have been missed. Who cannot look which goes without all of them.
        if (isId("tok", id)) endOne(id)
        else endRevoked().catch(endAll)
      })
    },
    close: () => stopListening(),
  }
}

const TAKEN_HINT = "Revoke that one first, or choose another name: `ironclaw token list` shows them."

function tokenOf({ hash: _hash, mac: _mac, ...row }: typeof tokens.$inferSelect): Token {
  return row
}

function isSame(a: string, b: string): boolean {
  const [left, right] = [Buffer.from(a), Buffer.from(b)]
  return left.length === right.length && timingSafeEqual(left, right)
}
