/** /api/plugins: code that nobody here vetted. Installing, granting and enabling it need proof of presence; taking away does not. */
import { Elysia, status } from "elysia"
import { AppError } from "#core/errors.ts"
import { visibleText } from "#core/safety/approval-question.ts"
import { t } from "#core/schema.ts"
import type { Prepared } from "#sandbox/install.ts"
import type { Calls } from "../caller.ts"
import type { GatewayDeps } from "../deps.ts"
import { type Prove, presenceField } from "../presence.ts"
import { body } from "../shape.ts"

const strict = { additionalProperties: false }
const InstallBody = t.Object(
  {
    path: t.String({
      minLength: 1,
      maxLength: 4_000,
      description: "Absolute path, on the machine of the service, of a folder or of a .wasm, .ts or .js file",
    }),
    ...presenceField,
  },
  strict,
)
const PresenceBody = t.Object({ ...presenceField }, strict)

export function pluginRoutes(
  { plugins }: Pick<GatewayDeps, "plugins">,
  { prove, calls }: { prove: Prove; calls: Calls },
) {
  /** Reading a path and running what is there to be described is for the owner, before any code was typed. */
  function assertOwner(request: Request): void {
    if (calls.of(request).caller.scope !== "owner")
      throw new AppError("client.forbidden", "This token may not change plugins")
  }

  return new Elysia({ prefix: "/api/plugins" })
    .get("/", async () => ({ items: await plugins.list() }), {
      detail: { operationId: "plugins.list", summary: "What is in the plugins folder, and how far each got" },
    })
    .get("/:name", async ({ params: { name } }) => ({ plugin: await plugins.get(name) }), {
      detail: { operationId: "plugins.get", summary: "One plugin: what it asks for, and what changed" },
    })
    .post(
      "/",
      async ({ body: { path, presence }, request }) => {
        assertOwner(request)
        const prepared = await plugins.prepareInstall(path, request.signal)
        const change = {
          verb: "plugin.install",
          subject: prepared.name,
          details: { name: prepared.name, sha256: prepared.sha256, changes: prepared.changes },
          words: `Install ${aboutOf(prepared)}\n${isAgreed(prepared) ? "It asks for nothing that you have not granted, and is active at once." : "It stays inactive until you grant what it asks for."}`,
        }
        const challenge = prove(request, change, presence)
        if (challenge) return status(202, { challenge })
        return status(201, { plugin: await plugins.install(prepared), asks: prepared.asks, changes: prepared.changes })
      },
      {
        body: body(InstallBody),
        detail: {
          operationId: "plugins.install",
          summary: "Put a plugin into its folder, inactive; 202 with a challenge where a code is to be typed",
        },
      },
    )
    .post(
      "/:name/grant",
      async ({ params: { name }, body: { presence }, request }) => {
        assertOwner(request)
        const prepared = await plugins.prepareGrant(name, request.signal)
        const change = {
          verb: "plugin.grant",
          subject: name,
          details: { name, sha256: prepared.sha256, manifest: prepared.manifest, tools: prepared.tools },
          words: `Let ${aboutOf(prepared)}`,
        }
        const challenge = prove(request, change, presence)
        if (challenge) return status(202, { challenge })
        return status(200, { plugin: await plugins.grant(prepared) })
      },
      {
        body: body(PresenceBody),
        detail: {
          operationId: "plugins.grant",
          summary: "Agree to what a plugin asks for; 202 with a challenge where a code is to be typed",
        },
      },
    )
    .post(
      "/:name/enable",
      async ({ params: { name }, body: { presence }, request }) => {
        const { version, sha256 } = await plugins.get(name)
        const change = {
          verb: "plugin.enable",
          subject: name,
          details: { name, sha256 },
          words: `Enable the plugin ${name} ${version} again, with all that you granted it.`,
        }
        const challenge = prove(request, change, presence)
        if (challenge) return status(202, { challenge })
        return status(200, { plugin: await plugins.enable(name) })
      },
      {
        body: body(PresenceBody),
        detail: {
          operationId: "plugins.enable",
          summary: "Let a disabled plugin run again; 202 with a challenge where a code is to be typed",
        },
      },
    )
    .post(
      "/:name/disable",
      async ({ params: { name }, request }) => {
        assertOwner(request)
        return { plugin: await plugins.disable(name) }
      },
      {
        detail: { operationId: "plugins.disable", summary: "Stop a plugin at once; what was granted stays on record" },
      },
    )
    .delete(
      "/:name",
      async ({ params: { name }, request }) => {
        assertOwner(request)
        await plugins.remove(name)
        return { removed: true as const, name }
      },
      { detail: { operationId: "plugins.remove", summary: "Take a plugin away: its files, its grant, its children" } },
    )
}

const isAgreed = ({ changes }: Prepared) => changes !== null && changes.length === 0

function aboutOf({ name, version, sha256, manifest, tools, asks, changes }: Prepared): string {
  return [
    `the plugin ${name} ${version} (sha256 ${sha256}):`,
    ...(manifest.description ? [`  It says of itself: ${visibleText(manifest.description)}`] : []),
    ...asks.map((line) => `  - ${line}`),
    ...tools.map((tool) => `  ${tool.name} says of itself: ${visibleText(tool.description)}`),
    ...(changes && changes.length > 0
      ? ["Different from what you granted:", ...changes.map((line) => `  ${line}`)]
      : []),
  ].join("\n")
}
