/** The statements of a document's life. Each change begins with a guard that locks the row and fails the whole unit if it moved on. */
import { and, eq, lte, ne, sql } from "drizzle-orm"
import type { Orm, Statement } from "../db/db.ts"
import { chunks, documents, documentVersions } from "../db/schema.ts"
import type { LabelName } from "../event.ts"
import { newId, type DocumentId } from "../id.ts"
import { splitText } from "./chunk.ts"

/**
 * How many former versions are kept: weeks of daily edits, and a bound on what a loop of writes can fill. Beside them the last one that no
 * text from outside had a hand in: writing often does not make a change one that cannot be undone.
 */
export const KEPT_VERSIONS = 50

export type Piece = { content: string; labels: readonly LabelName[]; source: string }
export type LastChunk = { ordinal: number; content: string; labels: LabelName[]; source: string }
/** What a writer must know of a document before it changes it: not its content. */
export type DocumentState = {
  id: DocumentId
  version: number
  bytes: number
  labels: LabelName[]
  source: string
  last: LastChunk | null
}

export async function readState(
  orm: Orm,
  { agentId, path }: { agentId: string; path: string },
): Promise<DocumentState | null> {
  const [row] = await orm
    .select({
      id: documents.id,
      version: documents.version,
      bytes: sql<number>`octet_length(${documents.content})`,
      labels: documents.labels,
      source: documents.source,
      ordinal: chunks.ordinal,
      lastContent: chunks.content,
      lastLabels: chunks.labels,
      lastSource: chunks.source,
    })
    .from(documents)
    .leftJoin(chunks, eq(chunks.documentId, documents.id))
    .where(and(eq(documents.agentId, agentId), eq(documents.path, path)))
    .orderBy(sql`${chunks.ordinal} desc nulls last`)
    .limit(1)
  if (!row) return null
  const { id, version, bytes, labels, source, ordinal, lastContent, lastLabels, lastSource } = row
  const last =
    ordinal === null || lastContent === null || lastLabels === null || lastSource === null
      ? null
      : { ordinal, content: lastContent, labels: lastLabels, source: lastSource }
  return { id, version, bytes, labels, source, last }
}

/** Locks the document and fails unless it still is at `version`; the database's message then names the version it is at. */
function guard({ id, version }: { id: DocumentId; version: number }): Statement {
  return {
    sql: `select (case when version = $2::integer then version::text else coalesce('document is at version ' || version, 'document is gone') end)::integer as version
      from (select (select version from documents where id = $1 for update) as version) as locked`,
    params: [id, version],
  }
}

function keepFormer(orm: Orm, { id, version }: { id: DocumentId; version: number }): Statement[] {
  const lastTrusted = sql`(select coalesce(max(version), 0) from document_versions where document_id = ${id} and not ('untrusted' = any(labels)))`
  return [
    {
      sql: `insert into document_versions (document_id, version, agent_id, content, labels, source, created_at)
        select id, version, agent_id, content, labels, source, updated_at from documents where id = $1`,
      params: [id],
    },
    orm
      .delete(documentVersions)
      .where(
        and(
          eq(documentVersions.documentId, id),
          lte(documentVersions.version, version - KEPT_VERSIONS),
          ne(documentVersions.version, lastTrusted),
        ),
      )
      .toSQL(),
  ]
}

function insertChunks(
  orm: Orm,
  { id, agentId, from, pieces }: { id: DocumentId; agentId: string; from: number; pieces: readonly Piece[] },
): Statement[] {
  if (pieces.length === 0) return []
  const rows = pieces.map((piece, index) => ({
    id: newId("chk"),
    documentId: id,
    agentId,
    ordinal: from + index,
    content: piece.content,
    labels: [...piece.labels],
    source: piece.source,
  }))
  return [orm.insert(chunks).values(rows).toSQL()]
}

function piecesOf({ content, labels, source }: Piece): Piece[] {
  return splitText(content).map((text) => ({ content: text, labels, source }))
}

export function createStatements(
  orm: Orm,
  document: Piece & { id: DocumentId; agentId: string; path: string },
): Statement[] {
  const { id, agentId, path, content, labels, source } = document
  return [
    orm
      .insert(documents)
      .values({ id, agentId, path, content, labels: [...labels], source })
      .toSQL(),
    ...insertChunks(orm, { id, agentId, from: 0, pieces: piecesOf(document) }),
  ]
}

export function replaceStatements(orm: Orm, change: Piece & { agentId: string; state: DocumentState }): Statement[] {
  const { agentId, state, content, labels, source } = change
  return [
    guard(state),
    ...keepFormer(orm, state),
    orm
      .update(documents)
      .set({ content, version: state.version + 1, labels: [...labels], source, updatedAt: sql`now()` })
      .where(eq(documents.id, state.id))
      .toSQL(),
    orm.delete(chunks).where(eq(chunks.documentId, state.id)).toSQL(),
    ...insertChunks(orm, { id: state.id, agentId, from: 0, pieces: piecesOf(change) }),
  ]
}

/** `added` goes to the end as it is. The last chunk grows where it has room and the same labels and source; all others stay. */
export function appendStatements(
  orm: Orm,
  change: { agentId: string; state: DocumentState; added: Piece; labels: LabelName[]; source: string },
): Statement[] {
  const { agentId, state, added, labels, source } = change
  const { last } = state
  const grows = last !== null && last.source === added.source && sameLabels(last.labels, added.labels)
  const pieces = piecesOf(grows ? { ...added, content: last.content + added.content } : added)
  const from = last === null ? 0 : grows ? last.ordinal : last.ordinal + 1
  return [
    guard(state),
    ...keepFormer(orm, state),
    orm
      .update(documents)
      .set({
        content: sql`${documents.content} || ${added.content}`,
        version: state.version + 1,
        labels,
        source,
        updatedAt: sql`now()`,
      })
      .where(eq(documents.id, state.id))
      .toSQL(),
    ...(grows
      ? [
          orm
            .delete(chunks)
            .where(and(eq(chunks.documentId, state.id), eq(chunks.ordinal, last.ordinal)))
            .toSQL(),
        ]
      : []),
    ...insertChunks(orm, { id: state.id, agentId, from, pieces }),
  ]
}

/** Chunks and versions go with the document. */
export function deleteStatements(orm: Orm, state: { id: DocumentId; version: number }): Statement[] {
  return [guard(state), orm.delete(documents).where(eq(documents.id, state.id)).toSQL()]
}

function sameLabels(one: readonly LabelName[], other: readonly LabelName[]): boolean {
  return one.length === other.length && one.every((label) => other.includes(label))
}
