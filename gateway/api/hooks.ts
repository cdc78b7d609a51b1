/** /api/hooks: the owner's own programs and URLs that may rewrite or refuse. Adding and removing one need proof of presence: a refusal that is gone lets something through. */
import { Elysia, status } from "elysia"
import { AppError } from "#core/errors.ts"
import { hookPoints } from "#core/hooks.ts"
import type { AskedHook } from "#core/hooks/desk.ts"
import { wayOut } from "#core/hooks/plugged.ts"
import { type NewHook, wordsForForm } from "#core/hooks/store.ts"
import { visibleLine } from "#core/safety/approval-question.ts"
import { int, t } from "#core/schema.ts"
import type { Calls } from "../caller.ts"
import type { GatewayDeps } from "../deps.ts"
import { type Prove, presenceField } from "../presence.ts"
import { body } from "../shape.ts"

const strict = { additionalProperties: false }
/** One or more; without the field, all. */
const names = (description: string) =>
  t.Optional(t.Array(t.String({ minLength: 1, maxLength: 100 }), { minItems: 1, maxItems: 50, description }))

const AddBody = t.Object(
  {
    name: t.String({ pattern: "^[a-z][a-z0-9-]{0,39}$", description: "What it is called" }),
    point: t.Union(
      hookPoints.map((point) => t.Literal(point)),
      { description: "Where it is asked" },
    ),
    argv: t.Optional(
      t.Array(t.String({ maxLength: 2_000 }), {
        minItems: 1,
        maxItems: 50,
        description: "A program by its whole path, and its arguments; no shell reads them",
      }),
    ),
    url: t.Optional(t.String({ minLength: 1, maxLength: 2_000, description: "An https URL, instead of a program" })),
    local: t.Optional(t.Boolean({ description: "The URL is on a machine or network of the owner's own" })),
    tools: names("Only for calls of these tools; at tool.call"),
    channels: names("Only on these channels"),
    agents: names("Only for these agents"),
    position: t.Optional(
      int({ minimum: 0, maximum: 1_000, description: "Lower is asked earlier (default 100); then by name" }),
    ),
    ...presenceField,
  },
  strict,
)
const RemoveBody = t.Object({ ...presenceField }, strict)
const TestBody = t.Object(
  {
    text: t.Optional(t.String({ minLength: 1, maxLength: 100_000, description: "The text it is asked about" })),
    tool: t.Optional(t.String({ minLength: 1, maxLength: 100, description: "The tool it is asked about" })),
    arguments: t.Optional(t.Record(t.String(), t.Unknown(), { description: "The arguments it is asked about" })),
  },
  strict,
)

export function hookRoutes(
  { hooks, tools, agents }: Pick<GatewayDeps, "hooks" | "tools" | "agents">,
  { prove, calls }: { prove: Prove; calls: Calls },
) {
  /** A filter that names what is not there would never be asked. */
  async function checkNames({ tools: asked, agents: named }: AskedHook): Promise<void> {
    const tool = asked?.find((name) => !tools().some((card) => card.name === name))
    if (tool !== undefined) throw new AppError("not_found", `There is no tool called "${tool}"`)
    const known = await agents()
    const agent = named?.find((name) => !known.includes(name))
    if (agent !== undefined) throw new AppError("not_found", `There is no agent called "${agent}"`)
  }

  return new Elysia({ prefix: "/api/hooks" })
    .get("/", async () => ({ items: await hooks.list() }), {
      detail: { operationId: "hooks.list", summary: "The owner's hooks in the order in which they are asked" },
    })
    .post(
      "/",
      async ({ body: { presence, argv = null, url = null, local = false, ...given }, request }) => {
        const { name, point, tools: forTools = null, channels = null, agents: forAgents = null, position = 100 } = given
        const asked: AskedHook = {
          name,
          point,
          position,
          argv,
          url,
          local,
          tools: forTools,
          channels,
          agents: forAgents,
        }
        await checkNames(asked)
        const hook = await hooks.prepare(asked)
        const challenge = prove(
          request,
          { verb: "hook.add", subject: name, details: hook, words: wordsForAdding(hook) },
          presence,
        )
        if (challenge) return status(202, { challenge })
        return status(201, { hook: await hooks.add(hook) })
      },
      {
        body: body(AddBody),
        detail: {
          operationId: "hooks.add",
          summary: "Set a program or URL that may rewrite or refuse; 202 with a challenge where a code is to be typed",
        },
      },
    )
    .delete(
      "/:name",
      async ({ params: { name }, body: { presence }, request }) => {
        const hook = (await hooks.list()).find((one) => one.name === name)
        if (!hook) throw new AppError("not_found", `There is no hook "${name.slice(0, 80)}"`)
        if (hook.from === "plugin")
          throw new AppError("conflict", `${name} comes with a plugin, and goes with it`, {
            hint: `\`${wayOut(name)}\` stops it.`,
          })
        const challenge = prove(
          request,
          {
            verb: "hook.remove",
            subject: name,
            details: { name },
            words: `Take the hook "${name}" away${hook.hook ? ` from ${hook.hook.point}` : ""}: what it refused is refused no more.`,
          },
          presence,
        )
        if (challenge) return status(202, { challenge })
        await hooks.remove(name)
        return status(200, { removed: true as const, name })
      },
      {
        body: body(RemoveBody),
        detail: {
          operationId: "hooks.remove",
          summary: "Take a hook away; 202 with a challenge where a code is to be typed",
        },
      },
    )
    .post(
      "/:name/test",
      async ({ params: { name }, body: sample, request }) => {
        if (calls.of(request).caller.scope !== "owner")
          throw new AppError("client.forbidden", "This token may not run a hook")
        return hooks.test(name, sample)
      },
      {
        body: body(TestBody),
        detail: { operationId: "hooks.test", summary: "Ask one hook about something made up, and see what it says" },
      },
    )
}

function wordsForAdding({ name, point, position, form, tools, channels, agents }: NewHook): string {
  const only = [
    ...(tools ? [`the tools ${tools.join(", ")}`] : []),
    ...(channels ? [`the channels ${visibleLine(channels.join(", "))}`] : []),
    ...(agents ? [`the agents ${agents.join(", ")}`] : []),
  ]
  return [
    `Ask the hook "${name}" at ${point}${only.length > 0 ? `, only for ${only.join("; ")}` : ""} (position ${position}).`,
    form.kind === "program"
      ? `It runs as you, outside of every jail: ${wordsForForm(form)}`
      : `All that passes there is sent to: ${wordsForForm(form)}`,
    ...(form.kind === "program" ? form.files.map(({ path, sha256 }) => `${path} is ${sha256}`) : []),
  ].join("\n")
}
