/**
 * /api/plugins/:name/auth: which secrets a plugin needs, and setting one: tried at its vendor, then kept. A value goes in and never comes
 * out. Like every change of a secret it is made on the machine itself, with proof of presence once the assistant is in use.
 */
import { Elysia, status } from "elysia"
import { sha256Hex } from "#core/safety/fingerprint.ts"
import { t } from "#core/schema.ts"
import { type Calls, demandHome } from "../caller.ts"
import type { GatewayDeps } from "../deps.ts"
import { presenceField, type ProveInUse } from "../presence.ts"
import { body } from "../shape.ts"

const strict = { additionalProperties: false }
const secretField = {
  secret: t.Optional(
    t.String({ minLength: 1, maxLength: 64, description: "Which one; else the one that the plugin is let in by" }),
  ),
}
const SetBody = t.Object(
  {
    ...secretField,
    value: t.String({ description: "At most 64 KiB" }),
    unchecked: t.Optional(t.Boolean({ description: "Keep it without trying it" })),
    ...presenceField,
  },
  strict,
)
const ForgetBody = t.Object({ ...secretField, ...presenceField }, strict)

export function pluginAuthRoutes(
  { pluginAuth }: Pick<GatewayDeps, "pluginAuth">,
  { calls, proveInUse }: { calls: Calls; proveInUse: ProveInUse },
) {
  return new Elysia({ prefix: "/api/plugins" })
    .get("/:name/auth", async ({ params: { name } }) => ({ auth: await pluginAuth.status(name) }), {
      detail: { operationId: "plugins.auth", summary: "Which secrets a plugin needs, and which are set" },
    })
    .put(
      "/:name/auth",
      async ({ params: { name }, body: { secret = null, value, unchecked = false, presence }, request }) => {
        demandHome(calls.of(request), "Setting a secret")
        const prepared = await pluginAuth.prepare(name, { secret, value })
        const { triedAt, sharedWith, version, secret: called } = prepared
        const change = {
          verb: "plugin.auth",
          subject: name,
          details: { name, sha256: prepared.pin.sha256, secret: called, version, unchecked, value: sha256Hex(value) },
          words: [
            `${version === 0 ? "Set" : `Replace version ${version} of`} the secret ${called.toUpperCase()}, for the plugin ${name}.`,
            ...(triedAt === null ? [] : [unchecked ? "It is not tried first." : `It is tried at ${triedAt} first.`]),
            ...(sharedWith.length === 0 ? [] : [`Also given to: ${sharedWith.join(", ")}.`]),
          ].join("\n"),
        }
        const challenge = await proveInUse(request, change, presence)
        if (challenge) return status(202, { challenge })
        return status(200, { auth: await pluginAuth.save(prepared, { value, unchecked, signal: request.signal }) })
      },
      {
        body: body(SetBody),
        detail: {
          operationId: "plugins.auth.set",
          summary:
            "Try a secret of a plugin at its vendor and keep it; 202 with a challenge where a code is to be typed",
        },
      },
    )
    .delete(
      "/:name/auth",
      async ({ params: { name }, body: { secret = null, presence }, request }) => {
        demandHome(calls.of(request), "Deleting a secret")
        const prepared = await pluginAuth.prepare(name, { secret, value: null })
        const { sharedWith, version, secret: called } = prepared
        const change = {
          verb: "plugin.auth.forget",
          subject: name,
          details: { name, secret: called, version },
          words: `Delete the secret ${called.toUpperCase()}, for good.${sharedWith.length === 0 ? "" : ` These plugins are without it then, too: ${sharedWith.join(", ")}.`}`,
        }
        const challenge = await proveInUse(request, change, presence)
        if (challenge) return status(202, { challenge })
        return status(200, { auth: await pluginAuth.forget(prepared) })
      },
      {
        body: body(ForgetBody),
        detail: {
          operationId: "plugins.auth.forget",
          summary: "Delete a secret of a plugin; 202 with a challenge where a code is to be typed",
        },
      },
    )
}
