import { describe, expect, test } from "bun:test"
import { createApp } from "#gateway/app.ts"
import { createCalls } from "#gateway/caller.ts"
import { namedRoutes } from "#gateway/openapi.ts"
import { createGateway } from "#gateway/server.ts"
import { createStreams } from "#gateway/stream.ts"
import { bodyOf, gatewayHouse } from "../fakes/gateway.ts"

type Operation = {
  operationId: string
  security?: unknown[]
  parameters?: { name: string; in: string; required: boolean; schema: { type?: string; maximum?: number } }[]
  requestBody?: {
    content: {
      "application/json": {
        schema: { properties: Record<string, unknown>; required?: string[]; additionalProperties?: boolean }
      }
    }
  }
  responses: Record<string, { $ref?: string }>
}
type Document = {
  openapi: string
  paths: Record<string, Record<string, Operation>>
  components: { responses: Record<string, unknown>; schemas: Record<string, unknown> }
}

const { deps } = gatewayHouse()
const { routes } = createApp(deps, {
  calls: createCalls(),
  streams: createStreams(deps),
  readBody: async () => null,
  answerError: () => new Response(),
})
const document = await bodyOf<Document>(
  await createGateway(deps).handle(new Request("http://localhost/api/openapi.json")),
)
const operations = Object.entries(document.paths).flatMap(([path, methods]) =>
  Object.entries(methods).map(([method, operation]) => ({ path, method, ...operation })),
)

describe("the API document", () => {
  test("has every route, by the method and path that serve it", () => {
    expect(document.openapi).toBe("3.1.0")
    expect(routes.length).toBeGreaterThan(30)
    for (const { method, path } of routes) {
      const described = path
        .replace(/(.)\/$/, "$1")
        .replaceAll(/:(\w+)/g, "{$1}")
        .replace("*", "{model}")
      expect(document.paths[described]?.[method.toLowerCase()]?.operationId).toBeString()
    }
    expect(Object.keys(document.paths)).toContain("/api/openapi.json")
    expect(Object.keys(document.paths)).toContain("/api/ws")
  })

  test("gives each operation a name of its own, and describes its parameters and errors", () => {
    const names = operations.map(({ operationId }) => operationId)
    expect(new Set(names).size).toBe(names.length)
    for (const { path, parameters = [], responses } of operations) {
      const inPath = [...path.matchAll(/\{(\w+)\}/g)].map(([, name]) => name)
      expect(parameters.filter((parameter) => parameter.in === "path").map(({ name }) => name)).toEqual(
        inPath as string[],
      )
      for (const { $ref } of Object.values(responses))
        if ($ref) expect(document.components.responses).toHaveProperty($ref.split("/").at(-1) ?? "")
    }
  })

  test("says what the routes check: the same limits, the same strictness", () => {
    const list = document.paths["/api/sessions"]?.["get"]
    expect(list?.parameters?.find(({ name }) => name === "limit")?.schema).toMatchObject({
      type: "integer",
      maximum: 200,
    })
    const send =
      document.paths["/api/sessions/{id}/messages"]?.["post"]?.requestBody?.content["application/json"].schema
    expect(send?.required).toEqual(["content"])
    for (const { requestBody } of operations)
      if (requestBody) expect(requestBody.content["application/json"].schema.additionalProperties).toBe(false)
  })

  test("asks for the token everywhere but at the two open paths", () => {
    expect(operations.filter(({ security }) => security?.length === 0).map(({ path }) => path)).toEqual([
      "/health",
      "/ready",
    ])
  })
})

test("no route has a field of the same name in path, query and body, for WebSocket frames have them in one object", () => {
  for (const { name, pathFields, queryFields } of namedRoutes(routes).values()) {
    const { requestBody } = operations.find(({ operationId }) => operationId === name) ?? {}
    const all = [
      ...pathFields,
      ...queryFields,
      ...Object.keys(requestBody?.content["application/json"].schema.properties ?? {}),
    ]
    expect(all.length).toBe(new Set(all).size)
  }
})
