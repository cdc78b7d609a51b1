/** /api/turns: how a turn stands, for those who poll. */
import { Elysia } from "elysia"
import { AppError } from "#core/errors.ts"
import { isId } from "#core/id.ts"
import { t } from "#core/schema.ts"
import type { Calls } from "../caller.ts"
import type { GatewayDeps } from "../deps.ts"
import { query } from "../shape.ts"

const GetQuery = t.Object(
  { wait: t.Optional(t.Boolean({ description: "Answer when it finished or needs an approval" })) },
  { additionalProperties: false },
)

export function turnRoutes({ agent }: GatewayDeps, calls: Calls) {
  return new Elysia({ prefix: "/api/turns" }).get(
    "/:id",
    async ({ params: { id }, query: { wait = false }, request }) => {
      if (!isId("trn", id)) throw new AppError("not_found", `There is no turn "${id.slice(0, 80)}"`)
      if (!wait) return agent.outcome(id)
      calls.of(request).meta.holdOpen()
      return agent.wait(id, request.signal)
    },
    { query: query(GetQuery), detail: { operationId: "turns.get", summary: "How a turn stands, with its reply" } },
  )
}
