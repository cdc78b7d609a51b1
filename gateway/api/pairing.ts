/** /api/pairing: who may talk with the assistant by a channel. Letting somebody in needs proof of presence; turning away does not. */
import { Elysia, status } from "elysia"
import { visibleText } from "#core/safety/approval-question.ts"
import { AppError } from "#core/errors.ts"
import { t } from "#core/schema.ts"
import type { Calls } from "../caller.ts"
import type { GatewayDeps } from "../deps.ts"
import { type Prove, presenceField } from "../presence.ts"
import { body } from "../shape.ts"

const strict = { additionalProperties: false }
const channel = t.String({ minLength: 1, maxLength: 40, description: "The channel's name" })
const ApproveBody = t.Object(
  {
    channel,
    code: t.String({ minLength: 1, maxLength: 40, description: "The code that they were told" }),
    as: t.Optional(
      t.Union([t.Literal("known"), t.Literal("owner")], {
        description: "known (default): answered as a guest. owner: this is you",
      }),
    ),
    ...presenceField,
  },
  strict,
)
const DenyBody = t.Object(
  { channel, id: t.String({ minLength: 1, maxLength: 200, description: "Their id there" }) },
  strict,
)

export function pairingRoutes(
  { pairing }: Pick<GatewayDeps, "pairing">,
  { prove, calls }: { prove: Prove; calls: Calls },
) {
  function assertOwner(request: Request): void {
    if (calls.of(request).caller.scope !== "owner")
      throw new AppError("client.forbidden", "This token may not say who is known")
  }

  return new Elysia({ prefix: "/api/pairing" })
    .get("/", () => pairing.list(), {
      detail: { operationId: "pairing.list", summary: "Who asks to be let in, and who is known; never a code" },
    })
    .post(
      "/approve",
      async ({ body: { channel: name, code, as = "known", presence }, request }) => {
        assertOwner(request)
        const asking = await pairing.find({ channel: name, code })
        const change = {
          verb: "pairing.approve",
          subject: `${asking.channel}:${asking.externalId}`,
          details: { channel: asking.channel, externalId: asking.externalId, as },
          words: wordsFor(asking, as),
        }
        const challenge = prove(request, change, presence)
        if (challenge) return status(202, { challenge })
        await pairing.approve(asking, as)
        return status(200, { channel: asking.channel, id: asking.externalId, name: asking.name, as })
      },
      {
        body: body(ApproveBody),
        detail: {
          operationId: "pairing.approve",
          summary: "Let in who was told this code; 202 with a challenge where a code is to be typed",
        },
      },
    )
    .post(
      "/deny",
      async ({ body: { channel: name, id }, request }) => {
        assertOwner(request)
        await pairing.deny({ channel: name, externalId: id })
        return { denied: true as const, channel: name, id }
      },
      {
        body: body(DenyBody),
        detail: { operationId: "pairing.deny", summary: "Turn somebody away, or take back that they are known" },
      },
    )
}

function wordsFor(
  { channel: name, externalId, name: called }: { channel: string; externalId: string; name: string },
  as: "owner" | "known",
): string {
  const who = `whoever has the id ${visibleText(externalId)} on ${name}${called === "" ? "" : ` (they call themselves ${visibleText(called)})`}`
  return as === "owner"
    ? `Take ${who} for YOURSELF.\nWhat is written there are your own words from then on, with all that you may do but approvals. The plugin ${name} could write them too.`
    : `Let ${who} talk with the assistant, as a guest: it answers, and knows and does nothing of yours.`
}
