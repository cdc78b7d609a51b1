/**
 * /api/plugins: code that nobody here vetted. Installing, granting and enabling it need proof of presence; taking away does not, but for
 * one that judges what passes: a refusal that is gone lets something through. What is
 * named to be installed is looked at only after that proof: a token alone neither reads a path of this machine nor runs what lies there.
 * What is inside this program, unchanged, can be set up by a script as long as nobody has talked with the assistant.
 */
import { Elysia, status } from "elysia"
import { AppError } from "#core/errors.ts"
import { judgedPoints } from "#core/hooks.ts"
import { visibleLine, visibleText } from "#core/safety/approval-question.ts"
import { type Static, t } from "#core/schema.ts"
import type { Prepared } from "#sandbox/install.ts"
import { type Asked, isUrl, type PluginSource, wordsOf } from "#sandbox/source.ts"
import type { Calls } from "../caller.ts"
import type { GatewayDeps } from "../deps.ts"
import { type Prove, presenceField, type ProveInUse } from "../presence.ts"
import { body, optionalBody } from "../shape.ts"

const strict = { additionalProperties: false }
const InstallBody = t.Object(
  {
    path: t.Optional(
      t.String({
        minLength: 1,
        maxLength: 4_000,
        description:
          "Absolute path, on the machine of the service, of a folder, an archive of one, or a .wasm, .ts or .js file",
      }),
    ),
    name: t.Optional(t.String({ minLength: 1, maxLength: 80, description: "Of a plugin inside this program" })),
    url: t.Optional(t.String({ minLength: 1, maxLength: 4_000, description: "https address of a file, as for path" })),
    sha256: t.Optional(
      t.String({
        minLength: 1,
        maxLength: 100,
        description: "In hex: of the file, or of the folder as plugins.get has it",
      }),
    ),
    signature: t.Optional(
      t.String({
        minLength: 1,
        maxLength: 4_000,
        description: "Over the file's bytes: ed25519 in base64, a file of minisign's, or its https address",
      }),
    ),
    key: t.Optional(
      t.String({
        minLength: 1,
        maxLength: 300,
        description:
          "The publisher's public key in base64, or minisign's; it is kept with the plugin once that is granted",
      }),
    ),
    ...presenceField,
  },
  strict,
)
const PresenceBody = t.Object({ ...presenceField }, strict)

export function pluginRoutes(
  { plugins }: Pick<GatewayDeps, "plugins">,
  { prove, proveInUse, calls }: { prove: Prove; proveInUse: ProveInUse; calls: Calls },
) {
  function assertOwner(request: Request): void {
    if (calls.of(request).caller.scope !== "owner")
      throw new AppError("client.forbidden", "This token may not change plugins")
  }

  /** Null: nothing is let through by it, or the owner is there. */
  async function proveWithout(
    { name, verb, request }: { name: string; verb: "plugin.disable" | "plugin.remove"; request: Request },
    presence: Static<typeof PresenceBody>["presence"],
  ) {
    const { version, sha256, hooks, state } = await plugins.get(name)
    const points = state === "disabled" ? [] : judgedPoints.filter((point) => hooks.includes(point))
    if (points.length === 0) return null
    const words = `${verb === "plugin.remove" ? "Take away" : "Stop"} the plugin ${name} ${version}, which judges what passes (${points.join(", ")}): what it refused is refused no more.`
    return prove(request, { verb, subject: name, details: { name, sha256 }, words }, presence)
  }

  /** `isOwn`: it is inside this program, unchanged. */
  function proofOf(request: Request, { isOwn }: { isOwn: boolean }): Prove | ProveInUse {
    return isOwn && calls.of(request).meta.via !== "tcp" ? proveInUse : prove
  }

  return new Elysia({ prefix: "/api/plugins" })
    .get("/", async () => ({ items: await plugins.list(), available: await plugins.available() }), {
      detail: {
        operationId: "plugins.list",
        summary: "What is in the plugins folder, and how far each got; and what can be installed by name",
      },
    })
    .get("/:name", async ({ params: { name } }) => ({ plugin: await plugins.get(name) }), {
      detail: { operationId: "plugins.get", summary: "One plugin: what it asks for, and what changed" },
    })
    .post(
      "/",
      async ({ body: { presence, ...given }, request }) => {
        const asked = askedOf(given)
        plugins.judgeAsked(asked)
        const change = {
          verb: "plugin.install",
          subject: wordsOf(asked.source),
          details: asked,
          words: `Install the plugin ${aboutAsked(asked)}. It stays inactive until you grant what it asks for; a new version of one that you granted is active at once where it asks for nothing more${"url" in asked.source ? ", and you know its bytes by a hash or a signature" : ""}.`,
        }
        const challenge = await proofOf(request, { isOwn: "name" in asked.source })(request, change, presence)
        if (challenge) return status(202, { challenge })
        calls.of(request).meta.holdOpen() // fetching takes its time
        const prepared = await plugins.prepareInstall(asked, request.signal)
        const { asks, changes, replaces } = prepared
        return status(201, { plugin: await plugins.install(prepared), asks, changes, replaces })
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
        const isOwn = await plugins.isOwn(prepared)
        const challenge = await proofOf(request, { isOwn })(request, change, presence)
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
      async ({ params: { name }, body: { presence }, request }) => {
        assertOwner(request)
        const challenge = await proveWithout({ name, verb: "plugin.disable", request }, presence)
        if (challenge) return status(202, { challenge })
        return status(200, { plugin: await plugins.disable(name) })
      },
      {
        body: optionalBody(PresenceBody),
        detail: {
          operationId: "plugins.disable",
          summary:
            "Stop a plugin at once; what was granted stays on record; 202 with a challenge where it judges what passes",
        },
      },
    )
    .delete(
      "/:name",
      async ({ params: { name }, body: { presence }, request }) => {
        assertOwner(request)
        const challenge = await proveWithout({ name, verb: "plugin.remove", request }, presence)
        if (challenge) return status(202, { challenge })
        await plugins.remove(name)
        return status(200, { removed: true as const, name })
      },
      {
        body: optionalBody(PresenceBody),
        detail: {
          operationId: "plugins.remove",
          summary:
            "Take a plugin away: its files, its grant, its children; 202 with a challenge where it judges what passes",
        },
      },
    )
}

type InstallFields = Omit<Static<typeof InstallBody>, "presence">

/** Exactly one source. Throws `input.invalid`. */
function askedOf({ path, url, name, ...known }: InstallFields): Asked {
  const sources: PluginSource[] = [
    ...(path === undefined ? [] : [{ path }]),
    ...(url === undefined ? [] : [{ url }]),
    ...(name === undefined ? [] : [{ name }]),
  ]
  const [source, second] = sources
  if (source && !second) return { source, known }
  throw new AppError("input.invalid", "body: it names one of path, url and name")
}

/** What the owner types a code for: nothing has been looked at yet. */
function aboutAsked({ source, known }: Asked): string {
  const from =
    "name" in source
      ? `${source.name}, which is inside this program`
      : "url" in source
        ? `that is fetched from ${source.url}`
        : `that lies at ${visibleLine(source.path)}`
  const demands = [
    known.sha256 === undefined ? null : `sha256 ${known.sha256.toLowerCase()}`,
    known.key === undefined ? null : `signed with the key ${visibleLine(known.key.trim())}`,
    known.signature === undefined
      ? null
      : isUrl(known.signature)
        ? `the signature fetched from ${known.signature}`
        : known.key === undefined
          ? "signed with the key that you gave for it before"
          : null,
  ].filter((demand) => demand !== null)
  return demands.length === 0 ? from : `${from} (${demands.join(", ")})`
}

function aboutOf({ name, version, sha256, manifest, tools, asks, changes, publisher }: Prepared): string {
  return [
    `the plugin ${name} ${version} (sha256 ${sha256}):`,
    ...(manifest.description ? [`  It says of itself: ${visibleText(manifest.description)}`] : []),
    ...(publisher === null ? [] : [`  It is signed with the key ${publisher}`]),
    ...asks.map((line) => `  - ${line}`),
    ...tools.map((tool) => `  ${tool.name} says of itself: ${visibleText(tool.description)}`),
    ...(changes && changes.length > 0
      ? ["Different from what you granted:", ...changes.map((line) => `  ${line}`)]
      : []),
  ].join("\n")
}
