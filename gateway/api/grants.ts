/** /api/grants: the owner's standing yes to one tool and destination. Adding one needs proof of presence; revoking does not. */
import { Elysia, status } from "elysia"
import { AppError } from "#core/errors.ts"
import { isId } from "#core/id.ts"
import { visibleLine } from "#core/safety/approval-question.ts"
import { PLAN_TOOL } from "#core/safety/approvals.ts"
import type { NewGrant } from "#core/safety/grants.ts"
import { t } from "#core/schema.ts"
import { actsAs } from "#core/tools/tool.ts"
import type { GatewayDeps } from "../deps.ts"
import { type Prove, presenceField } from "../presence.ts"
import { body } from "../shape.ts"
import { expiryOf } from "./expiry.ts"
import { sessionIdOf } from "./sessions.ts"

const strict = { additionalProperties: false }
const AddBody = t.Object(
  {
    agent: t.Optional(t.String({ pattern: "^[a-z][a-z0-9-]{0,39}$", description: "For this agent (default main)" })),
    principal: t.Optional(
      t.String({
        minLength: 1,
        maxLength: 200,
        description: "Who may act (default the agent itself, for a plugin's tool the plugin)",
      }),
    ),
    tool: t.String({ minLength: 1, maxLength: 100, description: "Name of the tool" }),
    destination: t.String({
      maxLength: 500,
      description: "Where it may reach, in the words of the question (`It reaches: …`); empty: nowhere outside itself",
    }),
    session: t.Optional(t.String({ maxLength: 100, description: "Only in this session" })),
    evenUntrusted: t.Optional(t.Boolean({ description: "Also where text from outside had a hand in the call" })),
    expiresAt: t.Optional(t.String({ maxLength: 40, description: "ISO time at which it ends" })),
    ...presenceField,
  },
  strict,
)

export function grantRoutes(
  { grants, tools, clock, sessions }: Pick<GatewayDeps, "grants" | "tools" | "clock" | "sessions">,
  prove: Prove,
) {
  return new Elysia({ prefix: "/api/grants" })
    .get("/", async () => ({ items: await grants.list() }), {
      detail: {
        operationId: "grants.list",
        summary: "What may run without asking, the latest first, revoked ones too",
      },
    })
    .post(
      "/",
      async ({ body: { presence, agent = "main", session, ...given }, request }) => {
        const { tool, destination, evenUntrusted = false } = given
        if (tool === PLAN_TOOL) throw new AppError("input.invalid", "/tool: a plan is always asked about")
        const card = tools().find(({ name }) => name === tool)
        if (!card) throw new AppError("not_found", `There is no tool called "${tool}"`)
        const principal = given.principal ?? actsAs(`agent:${agent}`, card)
        const sessionId = session === undefined ? null : (await sessions.get(sessionIdOf(session))).id
        const expiresAt = expiryOf(given.expiresAt, clock)
        const grant: NewGrant = { agentId: agent, principal, tool, destination, evenUntrusted, sessionId, expiresAt }
        const challenge = prove(
          request,
          { verb: "grant.add", subject: tool, details: grant, words: wordsFor(grant) },
          presence,
        )
        if (challenge) return status(202, { challenge })
        return status(201, { grant: await grants.add(grant) })
      },
      {
        body: body(AddBody),
        detail: {
          operationId: "grants.add",
          summary: "Let a tool reach a destination without asking; 202 with a challenge where a code is to be typed",
        },
      },
    )
    .delete(
      "/:id",
      async ({ params: { id } }) => {
        if (!isId("grt", id)) throw new AppError("not_found", `There is no grant "${id.slice(0, 80)}"`)
        await grants.revoke(id)
        return { revoked: true }
      },
      { detail: { operationId: "grants.revoke", summary: "Take a grant back; the row stays for the record" } },
    )
}

function wordsFor({ principal, tool, destination, evenUntrusted, sessionId, expiresAt }: NewGrant): string {
  return [
    `Let ${visibleLine(principal)} run ${tool} without asking${sessionId ? ` in ${sessionId}` : ""}${expiresAt ? `, until ${expiresAt}` : ""}.`,
    destination === "" ? "It reaches nothing outside itself." : `It reaches: ${visibleLine(destination)}`,
    ...(evenUntrusted ? ["ALSO WHEN TEXT FROM OUTSIDE HAD A HAND IN IT."] : []),
  ].join("\n")
}
