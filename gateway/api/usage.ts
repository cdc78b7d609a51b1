/** /api/usage: what the models cost. */
import { Elysia } from "elysia"
import { AppError } from "#core/errors.ts"
import { t } from "#core/schema.ts"
import type { GatewayDeps } from "../deps.ts"
import { query } from "../shape.ts"
import { sessionIdOf } from "./sessions.ts"

const time = (description: string) => t.Optional(t.String({ minLength: 10, maxLength: 40, description }))
const UsageQuery = t.Object(
  {
    since: time("ISO date or time, included"),
    until: time("ISO date or time, not included"),
    session: t.Optional(t.String({ description: "Only calls of this session" })),
    by: t.Optional(
      t.Union([t.Literal("day"), t.Literal("model"), t.Literal("agent"), t.Literal("session"), t.Literal("purpose")], {
        description: "What to group by (default day)",
      }),
    ),
  },
  { additionalProperties: false },
)

export function usageRoutes({ usage }: GatewayDeps) {
  return new Elysia({ prefix: "/api/usage" }).get(
    "/",
    async ({ query: { since, until, session, by = "day" } }) => ({
      items: await usage.summary({
        since: isoOf(since, "since"),
        until: isoOf(until, "until"),
        by,
        ...(session === undefined ? {} : { sessionId: sessionIdOf(session) }),
      }),
    }),
    { query: query(UsageQuery), detail: { operationId: "usage.list", summary: "Model calls, tokens and costs" } },
  )
}

function isoOf(text: string | undefined, name: string): string | null {
  if (text === undefined) return null
  const ms = Date.parse(text)
  if (Number.isNaN(ms)) throw new AppError("input.invalid", `/${name}: "${text}" is no ISO date or time`)
  return new Date(ms).toISOString()
}
