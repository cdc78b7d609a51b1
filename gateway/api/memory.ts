/** /api/memory: the documents that an agent remembers. Paths hold slashes, so they are a query parameter. */
import { Elysia, status } from "elysia"
import type { NewAudit } from "#core/db/schema.ts"
import { preview } from "#core/event.ts"
import { int, t } from "#core/schema.ts"
import type { GatewayDeps } from "../deps.ts"
import { body, query } from "../shape.ts"
import { given, pageFields } from "./page.ts"

const strict = { additionalProperties: false }
const agent = t.Optional(t.String({ pattern: "^[a-z][a-z0-9-]{0,39}$", description: "Whose memory (default main)" }))
const path = t.String({ minLength: 1, maxLength: 500, description: "Path of the document, such as notes/travel.md" })

const ListQuery = t.Object(
  { agent, prefix: t.Optional(t.String({ maxLength: 500, description: "Only paths that begin so" })), ...pageFields },
  strict,
)
const SearchQuery = t.Object(
  {
    agent,
    text: t.String({ minLength: 1, maxLength: 500, description: "Words to look for" }),
    limit: pageFields.limit,
  },
  strict,
)
const DocumentQuery = t.Object({ agent, path }, strict)
const VersionQuery = t.Object({ agent, path, version: int({ minimum: 1 }) }, strict)
const WriteBody = t.Object(
  {
    agent,
    path,
    content: t.String({ description: "At most 1 MiB" }),
    mode: t.Optional(
      t.Union([t.Literal("replace"), t.Literal("append")], {
        description: "Replace the content (default), or add to its end",
      }),
    ),
    expectedVersion: t.Optional(
      int({ minimum: 0, description: "The version it was based on; another one in between is a conflict" }),
    ),
  },
  strict,
)

export function memoryRoutes({ memory }: GatewayDeps) {
  return new Elysia({ prefix: "/api/memory" })
    .get("/", ({ query: { agent: agentId = "main", ...rest } }) => memory.list({ agentId, ...given(rest) }), {
      query: query(ListQuery),
      detail: { operationId: "memory.list", summary: "Documents by path" },
    })
    .get(
      "/search",
      async ({ query: { agent: agentId = "main", text, limit } }) => ({
        items: await memory.search({ agentId, text, ...given({ limit }) }),
      }),
      { query: query(SearchQuery), detail: { operationId: "memory.search", summary: "Find documents by their words" } },
    )
    .get("/document", ({ query: { agent: agentId = "main", path: at } }) => memory.read(agentId, at), {
      query: query(DocumentQuery),
      detail: { operationId: "memory.read", summary: "One document with its content" },
    })
    .put(
      "/document",
      async ({ body: { agent: agentId = "main", mode = "replace", ...rest } }) => {
        // What comes in here is the owner's own word: nothing else passes the gate to this route.
        const audit = [changeOf(agentId, `${mode} ${rest.path}, ${Buffer.byteLength(rest.content)} bytes`)]
        const written = await memory.write({ agentId, mode, labels: [], source: "owner", audit, ...given(rest) })
        return status(written.created ? 201 : 200, written)
      },
      { body: body(WriteBody), detail: { operationId: "memory.write", summary: "Write a document, or add to it" } },
    )
    .delete(
      "/document",
      async ({ query: { agent: agentId = "main", path: at } }) => {
        await memory.delete({ agentId, path: at, audit: [changeOf(agentId, `delete ${at}`)] })
        return { deleted: true }
      },
      {
        query: query(DocumentQuery),
        detail: { operationId: "memory.delete", summary: "Delete a document with its versions" },
      },
    )
    .get(
      "/versions",
      async ({ query: { agent: agentId = "main", path: at } }) => ({ items: await memory.versions(agentId, at) }),
      {
        query: query(DocumentQuery),
        detail: { operationId: "memory.versions", summary: "Former versions that are kept" },
      },
    )
    .get(
      "/version",
      ({ query: { agent: agentId = "main", path: at, version } }) => memory.readVersion({ agentId, path: at, version }),
      {
        query: query(VersionQuery),
        detail: { operationId: "memory.read-version", summary: "One former version" },
      },
    )
}

function changeOf(agentId: string, what: string): NewAudit {
  return {
    agentId,
    act: "owner.change",
    principal: "owner",
    subject: "memory",
    outcome: "done",
    preview: preview(what),
    labels: [],
    source: "owner",
  }
}
