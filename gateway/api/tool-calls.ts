/** /api/tools/:name/call: a tool by the owner's own hand. What does more than read needs proof of presence for exactly this call. */
import { Elysia, status } from "elysia"
import { AppError } from "#core/errors.ts"
import { visibleLine } from "#core/safety/approval-question.ts"
import { t } from "#core/schema.ts"
import type { Calls } from "../caller.ts"
import type { GatewayDeps } from "../deps.ts"
import { type Prove, presenceField } from "../presence.ts"
import { body } from "../shape.ts"

const CallBody = t.Object(
  {
    arguments: t.Optional(
      t.Record(t.String(), t.Unknown(), { description: "As the tool's schema says (default none)" }),
    ),
    ...presenceField,
  },
  { additionalProperties: false },
)

export function toolCallRoutes(
  { ownerCalls }: Pick<GatewayDeps, "ownerCalls">,
  { prove, calls }: { prove: Prove; calls: Calls },
) {
  return new Elysia({ prefix: "/api/tools" }).post(
    "/:name/call",
    async ({ params: { name }, body: { arguments: given = {}, presence }, request }) => {
      if (calls.of(request).caller.scope !== "owner")
        throw new AppError("client.forbidden", "This token may not call tools by hand")
      const call = { tool: name, arguments: given }
      const { principal, destination, asks } = ownerCalls.prepare(call)
      if (asks) {
        const change = {
          verb: "tool.call",
          subject: name,
          details: { ...call, principal, destination },
          words: `Run ${name} of ${principal} once, with exactly: ${JSON.stringify(given)}\n${destination === "" ? "It reaches nothing outside itself." : `It reaches: ${visibleLine(destination)}`}`,
        }
        const challenge = prove(request, change, presence)
        if (challenge) return status(202, { challenge })
      }
      return status(200, { result: await ownerCalls.run(call, { agreed: asks, signal: request.signal }) })
    },
    {
      body: body(CallBody),
      detail: {
        operationId: "tools.call",
        summary: "Call a tool once, by hand, through every gate; 202 with a challenge where a code is to be typed",
      },
    },
  )
}
