/** /api/plugins/:name/config: what can be set of a plugin, and what the owner set. A change needs proof of presence: it may be an address of their own network. */
import { Elysia, status } from "elysia"
import { visibleText } from "#core/safety/approval-question.ts"
import { t } from "#core/schema.ts"
import type { GatewayDeps } from "../deps.ts"
import { type Prove, presenceField } from "../presence.ts"
import { body } from "../shape.ts"

const PatchBody = t.Object(
  {
    values: t.Record(
      t.String({ minLength: 1, maxLength: 64 }),
      t.Union([t.String({ maxLength: 4_000 }), t.Number(), t.Boolean(), t.Null()]),
      {
        minProperties: 1,
        maxProperties: 50,
        description: "By key; a text stands for what the setting is; null unsets",
      },
    ),
    ...presenceField,
  },
  { additionalProperties: false },
)

export function pluginConfigRoutes({ plugins }: Pick<GatewayDeps, "plugins">, { prove }: { prove: Prove }) {
  return new Elysia({ prefix: "/api/plugins" })
    .get("/:name/config", async ({ params: { name } }) => ({ items: [...(await plugins.get(name)).settings] }), {
      detail: { operationId: "plugins.config", summary: "What can be set of a plugin, and what is" },
    })
    .patch(
      "/:name/config",
      async ({ params: { name }, body: { values, presence }, request }) => {
        const prepared = await plugins.prepareConfig(name, values)
        const lines = Object.keys(values).map((key) => {
          const value = Object.hasOwn(prepared.values, key) ? prepared.values[key] : undefined
          return `  ${key}: ${value === undefined ? "unset" : visibleText(JSON.stringify(value))}`
        })
        const change = {
          verb: "plugin.configure",
          subject: name,
          details: { name, sha256: prepared.sha256, values: prepared.values },
          words: [`Set of the plugin ${name}:`, ...lines].join("\n"),
        }
        const challenge = prove(request, change, presence)
        if (challenge) return status(202, { challenge })
        return status(200, { items: [...(await plugins.configure(prepared)).settings] })
      },
      {
        body: body(PatchBody),
        detail: {
          operationId: "plugins.configure",
          summary: "Set and unset settings of a plugin; 202 with a challenge where a code is to be typed",
        },
      },
    )
}
