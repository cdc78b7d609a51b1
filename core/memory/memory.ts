/** What an agent remembers: documents with versions, in pieces that keep their labels. The whole public face of memory. */
import { and, asc, desc, eq, inArray, sql } from "drizzle-orm"
import type { Db, Statement, Writer } from "../db/db.ts"
import { faultOf } from "../db/faults.ts"
import { chunks, documents, documentVersions, type NewAudit } from "../db/schema.ts"
import { AppError } from "../errors.ts"
import type { EventBus, LabelName } from "../event.ts"
import { newId, type DocumentId } from "../id.ts"
import { joinLabels } from "../safety/labels.ts"
import type { Page } from "../session/session.ts"
import { createKeyedQueue } from "./queue.ts"
import { ALWAYS_ON, foldPath, isAlwaysOn, judgeMemoryPath } from "./path.ts"
import { searchChunks, type MemoryHit } from "./search.ts"
import {
  appendStatements,
  createStatements,
  deleteStatements,
  readState,
  replaceStatements,
  type DocumentState,
  type Piece,
} from "./store.ts"

/** A document, with the kept versions and the words of search, stays well within what one row serves fast. */
export const MAX_DOCUMENT_BYTES = 1024 * 1024
const MAX_ATTEMPTS = 5 // other processes that change the same document in between, in a row
const NAMED_SOURCES = 5 // enough to find the hand; a document appended to by many must not grow a list of them
const OTHERS = " and others"
const DEFAULT_LIST = 100
const MAX_LIST = 1_000
const MAX_HITS = 50

export type DocumentSummary = {
  path: string
  version: number
  bytes: number
  labels: LabelName[]
  source: string
  updatedAt: string
}
export type Document = DocumentSummary & { id: DocumentId; content: string; createdAt: string }
export type DocumentVersion = { version: number; bytes: number; labels: LabelName[]; source: string; createdAt: string }
/** A document of the prompt; `parts` joined are its content, each with its own labels, so that an untrusted part can be left out. */
export type PromptDocument = { path: string; version: number; content: string; parts: Piece[] }

export type WriteDocument = {
  agentId: string
  path: string
  content: string
  labels: readonly LabelName[]
  source: string
  /** `append` begins a new line. */
  mode: "replace" | "append"
  /** The version that the writer saw; 0: there was none. Anything else is a `conflict`. */
  expectedVersion?: number
  /** Rows of the act that this is part of; they are stored with it or not at all. */
  audit?: readonly NewAudit[]
}
export type Written = { id: DocumentId; path: string; version: number; created: boolean; labels: LabelName[] }

/** Paths that are none throw `input.invalid`; documents that are not there `not_found`. */
export type Memory = {
  read(agentId: string, path: string): Promise<Document>
  /** Throws `conflict`, `input.too_large` above 1 MiB. All or nothing: content, former version, pieces, event, audit. */
  write(document: WriteDocument): Promise<Written>
  /** Removes content, versions and pieces; the event keeps id and path. */
  delete(document: { agentId: string; path: string; audit?: readonly NewAudit[] }): Promise<void>
  list(query: { agentId: string; prefix?: string; limit?: number; cursor?: string }): Promise<Page<DocumentSummary>>
  search(query: { agentId: string; text: string; limit?: number }): Promise<MemoryHit[]>
  /** The former versions that are kept, newest first. */
  versions(agentId: string, path: string): Promise<DocumentVersion[]>
  readVersion(query: { agentId: string; path: string; version: number }): Promise<DocumentVersion & { content: string }>
  /** AGENTS, SOUL, USER, IDENTITY and MEMORY, those that exist, in this order. From a cache that every change of them empties. */
  promptDocuments(agentId: string): Promise<readonly PromptDocument[]>
}

export type MemoryDeps = { db: Db; writer: Writer; bus: Pick<EventBus, "subscribe"> }

export function createMemory({ db, writer, bus }: MemoryDeps): Memory {
  const { orm } = db
  const queue = createKeyedQueue()
  const promptCache = new Map<string, Promise<readonly PromptDocument[]>>()
  bus.subscribe((event) => {
    if (event.type === "document.changed" && isAlwaysOn(event.path)) promptCache.delete(event.agentId)
  })

  const summary = {
    path: documents.path,
    version: documents.version,
    bytes: sql<number>`octet_length(${documents.content})`,
    labels: documents.labels,
    source: documents.source,
    updatedAt: documents.updatedAt,
  }
  const at = (agentId: string, path: string) => and(eq(documents.agentId, agentId), eq(documents.path, path))

  async function refuseLookalike({ agentId, path }: { agentId: string; path: string }): Promise<void> {
    const folded = foldPath(path)
    // ASCII lookalikes differ in case alone, which any database folds alike; the few others are compared here.
    const others = await orm
      .select({ path: documents.path })
      .from(documents)
      .where(
        and(
          eq(documents.agentId, agentId),
          sql`(lower(${documents.path}) = ${folded} or ${documents.path} ~ '[^ -~]')`,
        ),
      )
    const twin = others.find((other) => other.path !== path && foldPath(other.path) === folded)
    if (twin)
      throw new AppError(
        "input.invalid",
        `"${path}" looks like "${twin.path}", which exists. Use that path, or another name.`,
      )
  }

  /** Reads, lets `plan` decide, commits; begins again where another process changed the document in between. */
  async function change<T>(
    { agentId, path }: { agentId: string; path: string },
    plan: (state: DocumentState | null) => Promise<{ commit: () => Promise<unknown>; result: T }>,
  ): Promise<T> {
    return queue.inTurn(`${agentId}\n${foldPath(path)}`, async () => {
      for (let attempt = 1; ; attempt++) {
        const state = await readState(orm, { agentId, path })
        const { commit, result } = await plan(state)
        try {
          await commit()
          return result
        } catch (error) {
          if (!faultOf(error)) throw error // without the database's refusal it may have happened, and twice would be wrong
          const now = await readState(orm, { agentId, path })
          if (attempt === MAX_ATTEMPTS || (now?.version === state?.version && now?.id === state?.id)) throw error
        }
      }
    })
  }

  return {
    async read(agentId, path) {
      const spelled = spell(path)
      const [row] = await orm
        .select({ ...summary, id: documents.id, content: documents.content, createdAt: documents.createdAt })
        .from(documents)
        .where(at(agentId, spelled))
      if (!row) throw notFound(spelled)
      return row
    },

    async write({ agentId, path, content, labels, source, mode, expectedVersion, audit = [] }) {
      const spelled = spell(path)
      return change({ agentId, path: spelled }, async (state) => {
        if (expectedVersion !== undefined && expectedVersion !== (state?.version ?? 0)) {
          throw new AppError("conflict", `"${spelled}" is at version ${state?.version ?? 0}, not ${expectedVersion}`)
        }
        if (!state) await refuseLookalike({ agentId, path: spelled })
        const appends = mode === "append" && state !== null
        const added = appends && needsNewline(state) ? `\n${content}` : content
        const bytes = Buffer.byteLength(added) + (appends ? state.bytes : 0)
        if (bytes > MAX_DOCUMENT_BYTES) throw tooLarge(spelled, bytes)
        const joined = appends ? joinLabels([state.labels, labels]) : [...labels]
        const from = appends ? addSource(state.source, source) : source
        const id = state?.id ?? newId("doc")
        const version = (state?.version ?? 0) + 1
        const piece: Piece = { content: added, labels, source }
        const statements: Statement[] = !state
          ? createStatements(orm, { ...piece, id, agentId, path: spelled })
          : appends
            ? appendStatements(orm, { agentId, state, added: piece, labels: joined, source: from })
            : replaceStatements(orm, { ...piece, agentId, state })
        const event = {
          type: "document.changed",
          documentId: id,
          path: spelled,
          change: appends ? "appended" : "written",
          version,
          agentId,
          labels: joined,
          source,
        } as const
        return {
          commit: () => writer.commit({ statements, events: [event], audit }),
          result: { id, path: spelled, version, created: !state, labels: joined },
        }
      })
    },

    async delete({ agentId, path, audit = [] }) {
      const spelled = spell(path)
      await change({ agentId, path: spelled }, async (state) => {
        if (!state) throw notFound(spelled)
        const { id, version, labels, source } = state
        const event = {
          type: "document.changed",
          documentId: id,
          path: spelled,
          change: "deleted",
          version,
          agentId,
          labels,
          source,
        } as const
        const statements = deleteStatements(orm, state)
        return { commit: () => writer.commit({ statements, events: [event], audit }), result: undefined }
      })
    },

    async list({ agentId, prefix = "", limit = DEFAULT_LIST, cursor }) {
      const size = Math.min(limit, MAX_LIST)
      const rows = await orm
        .select(summary)
        .from(documents)
        .where(
          and(
            eq(documents.agentId, agentId),
            prefix === "" ? undefined : sql`starts_with(${documents.path}, ${prefix.normalize("NFC")})`,
            cursor === undefined ? undefined : sql`${documents.path} collate "C" > ${cursor}`,
          ),
        )
        .orderBy(sql`${documents.path} collate "C"`)
        .limit(size + 1)
      const items = rows.slice(0, size)
      return { items, next: rows.length > size ? (items.at(-1)?.path ?? null) : null }
    },

    search({ agentId, text, limit = 10 }) {
      return searchChunks(orm, { agentId, text, limit: Math.max(1, Math.min(limit, MAX_HITS)) })
    },

    async versions(agentId, path) {
      const spelled = spell(path)
      return orm
        .select(versionColumns)
        .from(documentVersions)
        .innerJoin(documents, eq(documents.id, documentVersions.documentId))
        .where(at(agentId, spelled))
        .orderBy(desc(documentVersions.version))
    },

    async readVersion({ agentId, path, version }) {
      const spelled = spell(path)
      const [row] = await orm
        .select({ ...versionColumns, content: documentVersions.content })
        .from(documentVersions)
        .innerJoin(documents, eq(documents.id, documentVersions.documentId))
        .where(and(at(agentId, spelled), eq(documentVersions.version, version)))
      if (!row) throw new AppError("not_found", `No version ${version} of "${spelled}" is kept`)
      return row
    },

    promptDocuments(agentId) {
      const cached = promptCache.get(agentId)
      if (cached) return cached
      const loading = loadPromptDocuments(agentId)
      promptCache.set(agentId, loading)
      // What failed is asked anew next time; who waits for it gets the error.
      loading.catch(() => promptCache.get(agentId) === loading && promptCache.delete(agentId))
      return loading
    },
  }

  async function loadPromptDocuments(agentId: string): Promise<readonly PromptDocument[]> {
    const rows = await orm
      .select({
        path: documents.path,
        version: documents.version,
        content: chunks.content,
        labels: chunks.labels,
        source: chunks.source,
      })
      .from(documents)
      .innerJoin(chunks, eq(chunks.documentId, documents.id))
      .where(and(eq(documents.agentId, agentId), inArray(documents.path, [...ALWAYS_ON])))
      .orderBy(asc(documents.path), asc(chunks.ordinal))
    return ALWAYS_ON.flatMap((path) => {
      const pieces = rows.filter((row) => row.path === path)
      const [first] = pieces
      if (!first) return []
      const parts = pieces.map(({ content, labels, source }) => ({ content, labels, source }))
      return [{ path, version: first.version, content: parts.map(({ content }) => content).join(""), parts }]
    })
  }
}

const versionColumns = {
  version: documentVersions.version,
  bytes: sql<number>`octet_length(${documentVersions.content})`,
  labels: documentVersions.labels,
  source: documentVersions.source,
  createdAt: documentVersions.createdAt,
}

function spell(path: string): string {
  const judged = judgeMemoryPath(path)
  if (judged.ok) return judged.path
  throw new AppError("input.invalid", `"${shown(path)}" is no path of memory: ${judged.why}`, {
    hint: 'Use a relative path such as "notes/travel.md".',
  })
}

/** For messages: bounded, and what cannot be seen is. */
function shown(path: string): string {
  return path
    .slice(0, 200)
    .toWellFormed()
    .replace(/[\p{C}\p{Zl}\p{Zp}]/gu, "\uFFFD")
}

function needsNewline({ last }: DocumentState): boolean {
  return last !== null && !last.content.endsWith("\n")
}

/** The chunks hold the exact sources; the document names the first few. */
function addSource(sources: string, added: string): string {
  const known = sources.split(", ")
  if (added === "" || known.includes(added) || sources.endsWith(OTHERS)) return sources
  if (sources === "") return added
  return known.length < NAMED_SOURCES ? `${sources}, ${added}` : `${sources}${OTHERS}`
}

function notFound(path: string): AppError {
  return new AppError("not_found", `There is no document "${path}" in memory`)
}

function tooLarge(path: string, bytes: number): AppError {
  return new AppError(
    "input.too_large",
    `"${path}" would have ${bytes} bytes; a document may have ${MAX_DOCUMENT_BYTES}`,
    {
      hint: "Begin another document, or make this one shorter.",
    },
  )
}
