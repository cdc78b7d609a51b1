/** Finds chunks by words: the database's full text where the words have stems, plain substrings where they have none. */
import { and, eq, sql } from "drizzle-orm"
import type { Orm } from "../db/db.ts"
import { chunks, documents } from "../db/schema.ts"
import type { LabelName } from "../event.ts"

export type MemoryHit = {
  path: string
  /** The line of the document, from 1, where the snippet begins. */
  line: number
  snippet: string
  /** Reciprocal rank: comparable within one answer only. */
  score: number
  labels: LabelName[]
  source: string
}

const MAX_QUERY_CHARACTERS = 2_000 // some 300 words; a longer one is a document, not a question
const MAX_PARTS = 64 // substrings looked for in one search
const SNIPPET_CHARACTERS = 300
const RANK_CONSTANT = 60 // k of reciprocal rank fusion, as in Cormack, Clarke and Büttcher, SIGIR 2009

// Scripts written without spaces: the database's parser takes a whole sentence for one word.
const UNSPACED =
  /[\p{Script=Han}\p{Script=Hiragana}\p{Script=Katakana}\p{Script=Thai}\p{Script=Lao}\p{Script=Khmer}\p{Script=Myanmar}]+/gu

type Found = { id: string; path: string; content: string; linesBefore: number; labels: LabelName[]; source: string }

const columns = {
  id: chunks.id,
  path: documents.path,
  content: chunks.content,
  linesBefore: sql<number>`(select coalesce(sum(length(p.content) - length(replace(p.content, E'\\n', ''))), 0)::integer
    from chunks p where p.document_id = ${chunks.documentId} and p.ordinal < ${chunks.ordinal})`,
  labels: chunks.labels,
  source: chunks.source,
}

/** Never an error on any text: quotes, operators, NUL, nothing at all, any language. */
export async function searchChunks(
  orm: Orm,
  { agentId, text, limit }: { agentId: string; text: string; limit: number },
): Promise<MemoryHit[]> {
  const asked = text.slice(0, MAX_QUERY_CHARACTERS).replaceAll("\0", " ").toWellFormed().normalize("NFC")
  const words = asked.match(/[\p{L}\p{N}_]+/gu) ?? []
  if (words.length === 0) return []
  const byStem = await searchStems(orm, { agentId, asked, limit })
  const runs = asked.match(UNSPACED) ?? []
  // Substrings also where no stem was found: stop words ("The Who"), halves of words, identifiers.
  const parts = runs.length > 0 ? runs.flatMap(pairsOf) : byStem.length === 0 ? words : []
  const byPart = parts.length > 0 ? await searchParts(orm, { agentId, parts: distinctLower(parts), limit }) : []
  return fuse([byStem, byPart], limit).map(({ found, score }) => toHit(found, { score, words: [...words, ...parts] }))
}

function searchStems(
  orm: Orm,
  { agentId, asked, limit }: { agentId: string; asked: string; limit: number },
): Promise<Found[]> {
  // Any of the words: with "all", natural questions find nothing. As a sub-select it is worked out once, not for every row.
  const query = sql`(select replace(plainto_tsquery('english', ${asked})::text, ' & ', ' | ')::tsquery)`
  return orm
    .select(columns)
    .from(chunks)
    .innerJoin(documents, eq(documents.id, chunks.documentId))
    .where(and(eq(chunks.agentId, agentId), sql`${chunks.words} @@ ${query}`))
    .orderBy(sql`ts_rank(${chunks.words}, ${query}, 1) desc`, chunks.id) // 1: long chunks count less, by the logarithm of their length
    .limit(limit)
}

/** The chunks that hold most of `parts`, which are in lower case. Reads every chunk of the agent: for what no index can answer. */
function searchParts(
  orm: Orm,
  { agentId, parts, limit }: { agentId: string; parts: string[]; limit: number },
): Promise<Found[]> {
  const held = sql`(select count(*) from jsonb_array_elements_text(${JSON.stringify(parts)}::jsonb) part where position(part in lower(${chunks.content})) > 0)`
  return orm
    .select(columns)
    .from(chunks)
    .innerJoin(documents, eq(documents.id, chunks.documentId))
    .where(and(eq(chunks.agentId, agentId), sql`${held} > 0`))
    .orderBy(sql`${held} desc`, chunks.id)
    .limit(limit)
}

/** Neighbouring characters in twos, which is how words of unspaced scripts are commonly indexed; a single one stays. */
function pairsOf(run: string): string[] {
  const characters = Array.from(run)
  if (characters.length < 3) return [run]
  return characters.slice(0, -1).map((character, index) => character + characters[index + 1])
}

function distinctLower(parts: readonly string[]): string[] {
  return [...new Set(parts.map((part) => part.toLowerCase()))].slice(0, MAX_PARTS)
}

function fuse(lists: readonly Found[][], limit: number): { found: Found; score: number }[] {
  const fused = new Map<string, { found: Found; score: number }>()
  for (const list of lists) {
    for (const [index, found] of list.entries()) {
      const entry = fused.get(found.id) ?? { found, score: 0 }
      entry.score += 1 / (RANK_CONSTANT + index + 1)
      fused.set(found.id, entry)
    }
  }
  return [...fused.values()].sort((one, other) => other.score - one.score).slice(0, limit)
}

function toHit(found: Found, { score, words }: { score: number; words: readonly string[] }): MemoryHit {
  const { path, content, linesBefore, labels, source } = found
  const start = snippetStart(content, words)
  const line = linesBefore + 1 + countLines(content.slice(0, start))
  return { path, line, snippet: defang(content.slice(start, start + SNIPPET_CHARACTERS)), score, labels, source }
}

/** Where the stretch begins that shows most of what was asked for: the start of its line, or shortly before it where the line is long. */
function snippetStart(content: string, words: readonly string[]): number {
  if (content.length <= SNIPPET_CHARACTERS) return 0
  const lower = content.toLowerCase()
  // Words of one or two letters stand everywhere; characters of unspaced scripts are words.
  const telling = words.filter((word) => word.length > 2 || word.search(UNSPACED) >= 0)
  const found = distinctLower(telling).flatMap((word) => placesOf(lower, word))
  let best = 0
  let bestWeight = 0
  for (const { at } of found) {
    const shown = new Map<string, number>()
    for (const place of found) {
      if (place.at < at || place.at >= at + SNIPPET_CHARACTERS) continue
      shown.set(place.word, Math.max(place.weight, shown.get(place.word) ?? 0))
    }
    const weight = shown.values().reduce((sum, each) => sum + each, 0)
    // Of equals the later: there what was asked for stands in front.
    if (weight > bestWeight || (weight === bestWeight && at > best)) [best, bestWeight] = [at, weight]
  }
  const lineStart = content.lastIndexOf("\n", best) + 1
  if (best - lineStart < SNIPPET_CHARACTERS / 4) return lineStart
  const space = content.indexOf(" ", best - SNIPPET_CHARACTERS / 4)
  return space >= 0 && space < best ? space + 1 : best
}

type Place = { word: string; at: number; weight: number }

/** Where `word` stands, whole or (at half the weight) without its ending, so that "running" also finds "runs". Long words weigh more. */
function placesOf(lower: string, word: string): Place[] {
  const places: Place[] = []
  const stem = word.slice(0, Math.max(3, word.length - 3))
  for (let at = lower.indexOf(stem); at >= 0 && places.length < MAX_PARTS; at = lower.indexOf(stem, at + 1)) {
    places.push({ word, at, weight: lower.startsWith(word, at) ? word.length : word.length / 2 })
  }
  return places
}

function countLines(text: string): number {
  return text.split("\n").length - 1
}

/** Nothing that moves a cursor, hides text or turns its direction. */
function defang(text: string): string {
  return text
    .toWellFormed()
    .replace(/[^\P{Cc}\n\t]/gu, " ")
    .replace(/\p{Cf}/gu, "")
    .trim()
}
