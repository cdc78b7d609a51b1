/** /api/config: every key with its value and where that comes from. Secrets are never configuration. */
import { Elysia } from "elysia"
import { AppError } from "#core/errors.ts"
import { isSafetyKey } from "#core/config-keys.ts"
import { t } from "#core/schema.ts"
import { type Calls, demandHome } from "../caller.ts"
import type { GatewayDeps } from "../deps.ts"
import { body } from "../shape.ts"

const SetBody = t.Object(
  { value: t.String({ maxLength: 10_000, description: "As it would be written on the command line" }) },
  { additionalProperties: false },
)

export function configRoutes({ config }: GatewayDeps, calls: Calls) {
  const judgeChange = (request: Request, key: string) => {
    if (isSafetyKey(key)) demandHome(calls.of(request), `A change of ${key}`)
  }

  return new Elysia({ prefix: "/api/config" })
    .get("/", () => ({ items: config.list() }), {
      detail: { operationId: "config.list", summary: "Every key with its value and source" },
    })
    .get("/schema", () => config.schema(), {
      detail: { operationId: "config.schema", summary: "What each key accepts, as JSON Schema" },
    })
    .get(
      "/:key",
      ({ params }) => {
        const entry = config.list().find(({ key }) => key === params.key)
        if (entry) return entry
        throw new AppError("config.unknown_key", `"${params.key.slice(0, 80)}" is no configuration key`)
      },
      { detail: { operationId: "config.get", summary: "One key" } },
    )
    .put(
      "/:key",
      ({ params, body: { value }, request }) => {
        judgeChange(request, params.key)
        return config.set(params.key, value)
      },
      {
        body: body(SetBody),
        detail: { operationId: "config.set", summary: "Set a key in config.toml" },
      },
    )
    .delete(
      "/:key",
      ({ params, request }) => {
        judgeChange(request, params.key)
        return config.unset(params.key)
      },
      {
        detail: { operationId: "config.unset", summary: "Take a key out of config.toml" },
      },
    )
}
