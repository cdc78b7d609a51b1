/**
 * /api/secrets: names and when they were set and used. A value goes in and never comes out. Every change is made on the machine itself
 * and needs proof of presence: whose key a model is called with decides who reads the conversation. Before anybody has talked with the
 * assistant there is nothing to guard, so a script can set it up.
 */
import { Elysia, status } from "elysia"
import { sha256Hex } from "#core/safety/fingerprint.ts"
import { t } from "#core/schema.ts"
import { type Calls, demandHome } from "../caller.ts"
import type { GatewayDeps } from "../deps.ts"
import { presenceField, type ProveInUse } from "../presence.ts"
import { body } from "../shape.ts"

const strict = { additionalProperties: false }
const SetBody = t.Object(
  {
    value: t.String({ description: "At most 64 KiB" }),
    mustExist: t.Optional(t.Boolean({ description: "Only replace a value that is there" })),
    ...presenceField,
  },
  strict,
)
const DeleteBody = t.Object({ ...presenceField }, strict)
const RotateBody = t.Object(
  {
    key: t.Optional(
      t.String({
        maxLength: 200,
        description: "The new master key, where the old one is in SECRETS_MASTER_KEY; else one is made",
      }),
    ),
    ...presenceField,
  },
  strict,
)

export function secretWords({ name, version }: { name: string; version: number }): string {
  return version === 0 ? `Set the secret ${name}.` : `Replace version ${version} of the secret ${name}.`
}

export function secretRoutes(
  { secrets }: Pick<GatewayDeps, "secrets">,
  { calls, proveInUse }: { calls: Calls; proveInUse: ProveInUse },
) {
  return new Elysia({ prefix: "/api/secrets" })
    .get("/", async () => ({ items: await secrets.list() }), {
      detail: { operationId: "secrets.list", summary: "Names of secrets, never values" },
    })
    .put(
      "/:name",
      async ({ params, body: { value, mustExist = false, presence }, request }) => {
        demandHome(calls.of(request), "Setting a secret")
        const { name, version } = await secrets.judge({ name: params.name, value, mustExist }) // before a code is typed for it
        const words = secretWords({ name, version })
        const details = { version, value: sha256Hex(value) }
        const challenge = await proveInUse(request, { verb: "secret.set", subject: name, details, words }, presence)
        if (challenge) return status(202, { challenge })
        const set = await secrets.set({ name, value, mustExist })
        return status(set.version === 1 ? 201 : 200, set)
      },
      {
        body: body(SetBody),
        detail: {
          operationId: "secrets.set",
          summary: "Set a secret, or give it another value; 202 with a challenge where a code is to be typed",
        },
      },
    )
    .delete(
      "/:name",
      async ({ params, body: { presence }, request }) => {
        demandHome(calls.of(request), "Deleting a secret")
        const { name, version } = await secrets.judge({ name: params.name, value: null, mustExist: true })
        const words = `Delete the secret ${name}, for good.`
        const change = { verb: "secret.delete", subject: name, details: { version }, words }
        const challenge = await proveInUse(request, change, presence)
        if (challenge) return status(202, { challenge })
        await secrets.delete(name)
        return status(200, { deleted: true as const, name })
      },
      {
        body: body(DeleteBody),
        detail: {
          operationId: "secrets.delete",
          summary: "Delete a secret; 202 with a challenge where a code is to be typed",
        },
      },
    )
    .post(
      "/rotate-master-key",
      async ({ body: { key = null, presence }, request }) => {
        demandHome(calls.of(request), "Another master key")
        const words = "Seal every secret under a new master key."
        const details = { key: key === null ? null : sha256Hex(key) }
        const change = { verb: "secret.rotate-master-key", subject: "master key", details, words }
        const challenge = await proveInUse(request, change, presence)
        if (challenge) return status(202, { challenge })
        return status(200, await secrets.rotateMaster({ key }))
      },
      {
        body: body(RotateBody),
        detail: {
          operationId: "secrets.rotate-master-key",
          summary: "Seal every secret under a new master key; 202 with a challenge where a code is to be typed",
        },
      },
    )
}
