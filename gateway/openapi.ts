/** The API's own description, OpenAPI 3.1, from the same schemas that check the requests. */
import { type ErrorCode, errorCatalogue } from "#core/errors.ts"
import { commonErrors } from "./errors.ts"
import { plainSchema } from "./shape.ts"
import type { NamedRoute } from "./ws.ts"

type JsonSchema = Record<string, unknown>
/** What is needed of a route of Elysia's. */
export type RouteFacts = {
  method: string
  path: string
  hooks: { detail?: { operationId?: string; summary?: string }; body?: unknown; query?: unknown }
}

/** Every route under the name by which WebSocket frames call it. Throws where one has no name, or two have the same. */
export function namedRoutes(routes: readonly RouteFacts[]): Map<string, NamedRoute> {
  const named = new Map<string, NamedRoute>()
  for (const { method, path, hooks } of routes) {
    const name = hooks.detail?.operationId
    if (name === undefined || named.has(name)) throw new Error(`${method} ${path} has no name of its own`)
    const pathFields = [...path.matchAll(/:([a-z]+)/gi)].flatMap(([, field]) => field ?? [])
    const queryFields = Object.keys(propertiesOf(schemaOf(hooks.query)))
    named.set(name, {
      name,
      method,
      path: withoutSlash(path),
      pathFields,
      queryFields,
      hasBody: schemaOf(hooks.body) !== null,
    })
  }
  return named
}

export function describeApi(routes: readonly RouteFacts[], { version }: { version: string }): JsonSchema {
  const paths: Record<string, JsonSchema> = {}
  for (const { method, path, hooks } of routes) {
    const at = withoutSlash(path)
      .replaceAll(/:([a-z]+)/gi, "{$1}")
      .replace("*", "{model}")
    paths[at] = { ...paths[at], [method.toLowerCase()]: operation(at, hooks) }
  }
  return {
    openapi: "3.1.0",
    info: {
      title: "ironclaw",
      version,
      description: "One assistant, one API: the command line and the page use nothing else.",
      license: { name: "MIT OR Apache-2.0" },
    },
    servers: [{ url: "/" }],
    security: [{ token: [] }],
    paths,
    components: {
      securitySchemes: { token: { type: "http", scheme: "bearer" } },
      schemas: { Error: errorSchema, OpenAiError: openAiErrorSchema },
      responses: Object.fromEntries(
        commonErrors.flatMap((code) => [
          [nameOf(code), errorResponse(code, "Error")],
          [`OpenAi${nameOf(code)}`, errorResponse(code, "OpenAiError")],
        ]),
      ),
    },
  }
}

const codes = Object.keys(errorCatalogue)
const errorSchema: JsonSchema = {
  type: "object",
  required: ["error"],
  properties: {
    error: {
      type: "object",
      required: ["code", "message", "hint"],
      properties: {
        code: { type: "string", enum: codes },
        message: { type: "string" },
        hint: { type: "string", description: "What to do about it" },
      },
    },
  },
}
const openAiErrorSchema: JsonSchema = {
  type: "object",
  required: ["error"],
  properties: {
    error: {
      type: "object",
      required: ["message", "type", "param", "code"],
      properties: {
        message: { type: "string" },
        type: { type: "string" },
        param: { type: ["string", "null"] },
        code: { type: ["string", "null"] },
      },
    },
  },
}

function operation(path: string, { detail = {}, body, query }: RouteFacts["hooks"]): JsonSchema {
  const fields = [...path.matchAll(/\{([a-z]+)\}/gi)].flatMap(([, name]) =>
    name ? [{ name, in: "path", required: true, schema: { type: "string" } }] : [],
  )
  const querySchema = schemaOf(query)
  const required = new Set(Array.isArray(querySchema?.["required"]) ? querySchema["required"] : [])
  const parameters = [
    ...fields,
    ...Object.entries(propertiesOf(querySchema)).map(([name, schema]) => ({
      name,
      in: "query",
      required: required.has(name),
      schema,
    })),
  ]
  const bodySchema = schemaOf(body)
  const prefix = path.startsWith("/v1/") ? "OpenAi" : ""
  return {
    operationId: detail.operationId,
    summary: detail.summary,
    tags: [detail.operationId?.split(".")[0] ?? "other"],
    ...(isOpen(path) ? { security: [] } : {}),
    ...(parameters.length > 0 ? { parameters } : {}),
    ...(bodySchema ? { requestBody: { required: true, content: { "application/json": { schema: bodySchema } } } } : {}),
    responses: {
      "2XX": {
        description: detail.summary ?? "Done",
        content: {
          [detail.operationId === "events.subscribe" ? "text/event-stream" : "application/json"]: { schema: {} },
        },
      },
      ...Object.fromEntries(
        commonErrors.map((code) => [
          String(errorCatalogue[code].status),
          { $ref: `#/components/responses/${prefix}${nameOf(code)}` },
        ]),
      ),
    },
  }
}

function errorResponse(code: ErrorCode, schema: "Error" | "OpenAiError"): JsonSchema {
  const headers =
    errorCatalogue[code].status === 429 ? { headers: { "Retry-After": { schema: { type: "integer" } } } } : {}
  return {
    description: errorCatalogue[code].hint,
    ...headers,
    content: { "application/json": { schema: { $ref: `#/components/schemas/${schema}` } } },
  }
}

function nameOf(code: ErrorCode): string {
  return code.replaceAll(/(?:^|[._])([a-z])/g, (_, letter: string) => letter.toUpperCase())
}

function isOpen(path: string): boolean {
  return path === "/health" || path === "/ready"
}

function withoutSlash(path: string): string {
  return path.length > 1 && path.endsWith("/") ? path.slice(0, -1) : path
}

/** The TypeBox schema in one of our shapes, as plain JSON Schema. */
function schemaOf(shape: unknown): JsonSchema | null {
  if (typeof shape !== "object" || shape === null || !("schema" in shape)) return null
  return typeof shape.schema === "object" && shape.schema !== null ? plainSchema(shape.schema) : null
}

function propertiesOf(schema: JsonSchema | null): Record<string, unknown> {
  const properties = schema?.["properties"]
  return typeof properties === "object" && properties !== null ? { ...properties } : {}
}
