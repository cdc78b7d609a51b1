/** /api/secrets: names and when they were set and used. A value goes in and never comes out. */
import { Elysia, status } from "elysia"
import { t } from "#core/schema.ts"
import { type Calls, demandHome } from "../caller.ts"
import type { GatewayDeps } from "../deps.ts"
import { body } from "../shape.ts"

const strict = { additionalProperties: false }
const SetBody = t.Object(
  {
    value: t.String({ description: "At most 64 KiB" }),
    mustExist: t.Optional(t.Boolean({ description: "Only replace a value that is there" })),
  },
  strict,
)
const RotateBody = t.Object(
  {
    key: t.Optional(
      t.String({
        maxLength: 200,
        description: "The new master key, where the old one is in SECRETS_MASTER_KEY; else one is made",
      }),
    ),
  },
  strict,
)

export function secretRoutes({ secrets }: GatewayDeps, calls: Calls) {
  return new Elysia({ prefix: "/api/secrets" })
    .get("/", async () => ({ items: await secrets.list() }), {
      detail: { operationId: "secrets.list", summary: "Names of secrets, never values" },
    })
    .put(
      "/:name",
      async ({ params, body: { value, mustExist = false }, request }) => {
        demandHome(calls.of(request), "Setting a secret")
        const set = await secrets.set({ name: params.name, value, mustExist })
        return status(set.version === 1 ? 201 : 200, set)
      },
      {
        body: body(SetBody),
        detail: { operationId: "secrets.set", summary: "Set a secret, or give it another value" },
      },
    )
    .delete(
      "/:name",
      async ({ params, request }) => {
        demandHome(calls.of(request), "Deleting a secret")
        await secrets.delete(params.name)
        return { deleted: true }
      },
      { detail: { operationId: "secrets.delete", summary: "Delete a secret" } },
    )
    .post(
      "/rotate-master-key",
      ({ body: { key = null }, request }) => {
        demandHome(calls.of(request), "Another master key")
        return secrets.rotateMaster({ key })
      },
      {
        body: body(RotateBody),
        detail: { operationId: "secrets.rotate-master-key", summary: "Seal every secret under a new master key" },
      },
    )
}
