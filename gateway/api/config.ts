/** /api/config: every key with its value and where that comes from. What makes a difference to safety needs proof of presence. */
import { Elysia, status } from "elysia"
import { AppError } from "#core/errors.ts"
import { isSafetyKey } from "#core/config-keys.ts"
import type { SafetyChange } from "#core/safety/presence.ts"
import { t } from "#core/schema.ts"
import { type Calls, demandHome } from "../caller.ts"
import type { GatewayDeps } from "../deps.ts"
import { type Prove, presenceField } from "../presence.ts"
import { body } from "../shape.ts"

const SetBody = t.Object(
  {
    value: t.Union([t.String({ maxLength: 10_000 }), t.Null()], {
      description: "As it would be written on the command line; null takes the key out of the file",
    }),
    ...presenceField,
  },
  { additionalProperties: false },
)

/** What the owner is asked. `now`: the value in force, where it is known. */
export function configChangeOf({ key, value, now }: { key: string; value: string | null; now: unknown }): SafetyChange {
  const change = value === null ? `Take ${key} out of the configuration` : `Set ${key} to ${value}`
  const words = `${change}${now === undefined ? "" : ` (it is ${JSON.stringify(now)} now)`}.`
  return { verb: "config.set", subject: key, details: { value }, words }
}

export function configRoutes(
  { config }: Pick<GatewayDeps, "config">,
  { calls, prove }: { calls: Calls; prove: Prove },
) {
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
      async ({ params: { key }, body: { value, presence }, request }) => {
        if (isSafetyKey(key)) {
          demandHome(calls.of(request), `A change of ${key}`)
          config.judge(key, value) // what cannot be is said before anybody types a code for it
          const now = config.list().find((entry) => entry.key === key)?.value
          const challenge = prove(request, configChangeOf({ key, value, now }), presence)
          if (challenge) return status(202, { challenge })
        }
        return status(200, await (value === null ? config.unset(key) : config.set(key, value)))
      },
      {
        body: body(SetBody),
        detail: {
          operationId: "config.set",
          summary: "Set a key in config.toml, or take it out; 202 with a challenge where a code is to be typed",
        },
      },
    )
}
