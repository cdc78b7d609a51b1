/** Full-text search over messages: never an error on any text, newest first among the best. */
import { and, desc, eq, ne, sql, type SQL } from "drizzle-orm"
import type { Db } from "../db/db.ts"
import { messages, sessions } from "../db/schema.ts"
import { preview } from "../event.ts"
import type { SessionHit } from "./session.ts"
import { SUB_TURN_CHANNEL } from "./sub-turns.ts"

const MAX_QUERY_CHARACTERS = 400 // a word of a tsquery may have 2,046 bytes; 400 characters of 4 bytes stay below
const MAX_WORDS = 16
const DEFAULT_HITS = 20
const MAX_HITS = 100
const CANDIDATES = 200 // ranking reads each text again, so only the newest matches are ranked
const SCANNED = 2_000 // texts looked through for a part of a word, where whole words find nothing
const SNIPPET_BEFORE = 60 // characters before the hit, of the 200 that a snippet may have

/** The expression of the index `messages_words`; the planner uses the index only for exactly this one. */
const words = sql`to_tsvector('simple', left(${messages.text}, 100000))`

type SearchQuery = { text: string; limit?: number; agentId?: string }

export async function searchMessages(
  db: Db,
  { text, limit = DEFAULT_HITS, agentId }: SearchQuery,
): Promise<SessionHit[]> {
  const wanted = tidyQuery(text)
  const max = Math.min(Math.max(Math.trunc(limit), 1), MAX_HITS)
  if (wanted === "" || Number.isNaN(max)) return []
  // What a sub-turn was asked and answered stands in the conversation that it worked for.
  const scope = and(
    ne(messages.role, "summary"),
    ne(sessions.channel, SUB_TURN_CHANNEL),
    agentId === undefined ? undefined : eq(messages.agentId, agentId),
  )
  const query = tsQuery(wanted)
  const hits = query ? await byWords(db, { query: query.sql, needle: query.needle, scope, max }) : []
  return hits.length > 0 ? hits : await byPart(db, { part: wanted, scope, max })
}

/** What a person typed, as Postgres can take it: no NUL, no lone surrogate, bounded. */
export function tidyQuery(text: string): string {
  return text.slice(0, MAX_QUERY_CHARACTERS).toWellFormed().replaceAll("\0", " ").trim()
}

/**
 * Plain words find texts that have them all, each as the beginning of a word. Quotes, `or` and a leading minus mean what they mean in
 * a web search. Null where no word is in it.
 */
export function tsQuery(text: string): { sql: SQL; needle: string } | null {
  const parts = text.split(/\s+/)
  const needle = parts.map(bareWord).find((word) => word !== "")
  if (needle === undefined) return null
  const hasOperators = text.includes('"') || parts.some((part) => part.toLowerCase() === "or" || /^-\p{L}/u.test(part))
  if (hasOperators) return { sql: sql`websearch_to_tsquery('simple', ${text}::text)`, needle }
  // Inside quotes a word is data; the two characters that could end the quotes are gone.
  const prefixes = parts
    .map((part) => part.replace(/['\\]/g, " ").trim())
    .filter((part) => /[\p{L}\p{N}]/u.test(part))
    .slice(0, MAX_WORDS)
    .map((part) => `'${part}':*`)
  return { sql: sql`to_tsquery('simple', ${prefixes.join(" & ")}::text)`, needle }
}

function bareWord(part: string): string {
  return part.replace(/^[^\p{L}\p{N}]+|[^\p{L}\p{N}]+$/gu, "")
}

type Scope = { scope: SQL | undefined; max: number }

async function byWords(
  db: Db,
  { query, needle, scope, max }: Scope & { query: SQL; needle: string },
): Promise<SessionHit[]> {
  const candidates = db.orm
    .select({ ...found(needle), rank: sql`round(ts_rank(${words}, ${query}, 1)::numeric, 2)`.as("rank") })
    .from(messages)
    .innerJoin(sessions, eq(sessions.id, messages.sessionId))
    .where(and(sql`${words} @@ ${query}`, scope))
    .orderBy(desc(messages.id))
    .limit(CANDIDATES)
    .as("candidates")
  const rows = await db.orm
    .select()
    .from(candidates)
    .orderBy(desc(candidates.rank), desc(candidates.messageId))
    .limit(max)
  return rows.map(hit)
}

/** Scripts without blanks between words have no words to index, and people look for parts of words: a bounded look through the newest texts. */
async function byPart(db: Db, { part, scope, max }: Scope & { part: string }): Promise<SessionHit[]> {
  const newest = db.orm
    .select({ ...found(part), whole: sql<string>`left(${messages.text}, 100000)`.as("whole") })
    .from(messages)
    .innerJoin(sessions, eq(sessions.id, messages.sessionId))
    .where(scope)
    .orderBy(desc(messages.id))
    .limit(SCANNED)
    .as("newest")
  const rows = await db.orm
    .select()
    .from(newest)
    .where(sql`strpos(lower(${newest.whole}), lower(${part}::text)) > 0`)
    .orderBy(desc(newest.messageId))
    .limit(max)
  return rows.map(hit)
}

/** The columns of a hit; the snippet is cut in the database, so that no long text travels for it. */
function found(needle: string) {
  const at = sql`strpos(lower(left(${messages.text}, 100000)), lower(${needle}::text))`
  return {
    sessionId: messages.sessionId,
    messageId: sql<SessionHit["messageId"]>`${messages.id}`.as("message_id"),
    title: sessions.title,
    role: messages.role,
    snippet: sql<string>`substr(${messages.text}, greatest(1, ${at} - ${SNIPPET_BEFORE}), 400)`.as("snippet"),
    at: messages.createdAt,
  }
}

function hit({ sessionId, messageId, title, role, snippet, at }: SessionHit): SessionHit {
  return { sessionId, messageId, title, role, snippet: preview(snippet), at }
}
