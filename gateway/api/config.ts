/** /api/config: every key with its value and where that comes from. What makes a difference to safety needs proof of presence. */
import { Elysia, status } from "elysia"
import { AppError } from "#core/errors.ts"
import type { ConfigChange } from "#core/config-edit.ts"
import { isSafetyKey } from "#core/config-keys.ts"
import { visibleLine } from "#core/safety/approval-question.ts"
import { sha256Hex } from "#core/safety/fingerprint.ts"
import type { SafetyChange } from "#core/safety/presence.ts"
import { t } from "#core/schema.ts"
import { type Calls, demandHome } from "../caller.ts"
import type { GatewayDeps } from "../deps.ts"
import { presenceField, type ProveInUse } from "../presence.ts"
import { body } from "../shape.ts"
import { secretWords } from "./secrets.ts"

const SetBody = t.Object(
  {
    value: t.Union([t.String({ maxLength: 10_000 }), t.Null()], {
      description: "As it would be written on the command line; null takes the key out of the file",
    }),
    ...presenceField,
  },
  { additionalProperties: false },
)

const TogetherBody = t.Object(
  {
    values: t.Record(t.String({ maxLength: 100 }), t.Union([t.String({ maxLength: 10_000 }), t.Null()]), {
      maxProperties: 20,
      description: "By key, as in a change of one",
    }),
    secret: t.Optional(t.Object({ name: t.String(), value: t.String() }, { additionalProperties: false })),
    ...presenceField,
  },
  { additionalProperties: false },
)

/** What the owner is asked. `now`: the value in force, where it is known. */
export function configChangeOf({ key, value, now }: { key: string; value: string | null; now: unknown }): SafetyChange {
  const change = value === null ? `Take ${key} out of the configuration` : `Set ${key} to ${visibleLine(value)}`
  const words = `${change}${now === undefined ? "" : ` (it is ${JSON.stringify(now)} now)`}.`
  return { verb: "config.set", subject: key, details: { value }, words }
}

export function configRoutes(
  { config, secrets }: Pick<GatewayDeps, "config" | "secrets">,
  { calls, proveInUse }: { calls: Calls; proveInUse: ProveInUse },
) {
  const valueNow = (key: string) => config.list().find((entry) => entry.key === key)?.value
  const change = (key: string, value: string | null) => (value === null ? config.unset(key) : config.set(key, value))

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
          const challenge = await proveInUse(request, configChangeOf({ key, value, now: valueNow(key) }), presence)
          if (challenge) return status(202, { challenge })
        }
        return status(200, await change(key, value))
      },
      {
        body: body(SetBody),
        detail: {
          operationId: "config.set",
          summary: "Set a key in config.toml, or take it out; 202 with a challenge where a code is to be typed",
        },
      },
    )
    .post(
      "/",
      async ({ body: { values, secret, presence }, request }) => {
        demandHome(calls.of(request), "A change of several settings")
        const entries = Object.entries(values)
        for (const [key, value] of entries) config.judge(key, value)
        const safety = entries.filter(([key]) => isSafetyKey(key))
        const judged = secret ? await secrets.judge({ ...secret, mustExist: false }) : null
        const words = [
          ...(judged ? [secretWords(judged)] : []),
          ...safety.map(([key, value]) => configChangeOf({ key, value, now: valueNow(key) }).words),
        ]
        if (words.length > 0) {
          const details = { values: safety, secret: secret ? { ...judged, value: sha256Hex(secret.value) } : null }
          const subject = [...(judged ? [judged.name] : []), ...safety.map(([key]) => key)].join(", ")
          const asked = { verb: "config.set", subject, details, words: words.join("\n") }
          const challenge = await proveInUse(request, asked, presence)
          if (challenge) return status(202, { challenge })
        }
        if (secret) await secrets.set(secret) // first: a setting that needs a key which is not there would fail
        const changed: ConfigChange[] = []
        for (const [key, value] of entries) changed.push(await change(key, value))
        return status(200, { changed })
      },
      {
        body: body(TogetherBody),
        detail: {
          operationId: "config.setTogether",
          summary: "Set several keys, and the secret that goes with them, by one word of the owner",
        },
      },
    )
}
