/** /health, /ready, /api/status, /api/tools, /api/agents: is it there, can it work, what is in it. */
import { Elysia, status } from "elysia"
import type { GatewayDeps } from "../deps.ts"
import { plainSchema } from "../shape.ts"

export function statusRoutes({ ready, status: serviceStatus, tools, agents }: GatewayDeps) {
  return new Elysia()
    .get("/health", () => ({ status: "ok" }), { detail: { operationId: "health", summary: "The process answers" } })
    .get(
      "/ready",
      async () => {
        const readiness = await ready()
        return status(readiness.ready ? 200 : 503, readiness)
      },
      { detail: { operationId: "ready", summary: "Database, model and channels can work" } },
    )
    .get("/api/status", () => serviceStatus(), {
      detail: { operationId: "status.get", summary: "What runs, where, since when" },
    })
    .get(
      "/api/tools",
      () => ({
        items: tools().map(({ name, provider, description, input, timeoutMs }) => ({
          name,
          provider,
          description,
          input: plainSchema(input),
          timeoutMs,
        })),
      }),
      { detail: { operationId: "tools.list", summary: "Tools that the model may ask for" } },
    )
    .get("/api/agents", async () => ({ items: (await agents()).map((name) => ({ name })) }), {
      detail: { operationId: "agents.list", summary: "Agents by name" },
    })
}
