/** /api/approvals: what waits for the owner's answer, and the answer. A yes needs proof that the owner is there; a no does not. */
import { Elysia, status } from "elysia"
import { AppError } from "#core/errors.ts"
import { type ApprovalId, isId } from "#core/id.ts"
import type { Answer } from "#core/safety/approvals.ts"
import { int, t } from "#core/schema.ts"
import type { GatewayDeps } from "../deps.ts"
import { type Prove, presenceField } from "../presence.ts"
import { body, query } from "../shape.ts"
import { expiryOf } from "./expiry.ts"
import { sessionIdOf } from "./sessions.ts"

const strict = { additionalProperties: false }
const ListQuery = t.Object(
  {
    state: t.Optional(
      t.Union(
        (["open", "allowed", "denied", "expired", "used"] as const).map((state) => t.Literal(state)),
        { description: "Only these (default all)" },
      ),
    ),
    session: t.Optional(t.String({ maxLength: 100, description: "Only those of this session" })),
    limit: t.Optional(
      int({ minimum: 1, maximum: 200, description: "How many at most (default 50), the latest first" }),
    ),
  },
  strict,
)
const AllowBody = t.Object(
  {
    how: t.Optional(
      t.Union([t.Literal("once"), t.Literal("session"), t.Literal("always")], {
        description:
          "This call (default); or from now on in this session, or always, for exactly this tool and destination",
      }),
    ),
    evenUntrusted: t.Optional(
      t.Boolean({ description: "From now on also where text from outside had a hand in the call" }),
    ),
    expiresAt: t.Optional(t.String({ maxLength: 40, description: "ISO time at which the yes for later ends" })),
    ...presenceField,
  },
  strict,
)
const DenyBody = t.Object(
  { reason: t.Optional(t.String({ maxLength: 500, description: "Told to the model, so that it finds another way" })) },
  strict,
)

export function approvalIdOf(text: string): ApprovalId {
  if (isId("apr", text)) return text
  throw new AppError("not_found", `There is no approval "${text.slice(0, 80)}"`)
}

export function approvalRoutes({ approvals, clock }: Pick<GatewayDeps, "approvals" | "clock">, prove: Prove) {
  return new Elysia({ prefix: "/api/approvals" })
    .get(
      "/",
      async ({ query: { state = null, session, limit = 50 } }) => ({
        items: await approvals.list({
          state,
          limit,
          ...(session === undefined ? {} : { sessionId: sessionIdOf(session) }),
        }),
      }),
      {
        query: query(ListQuery),
        detail: { operationId: "approvals.list", summary: "Questions to the owner, the latest first" },
      },
    )
    .get("/:id", ({ params }) => approvals.get(approvalIdOf(params.id)), {
      detail: { operationId: "approvals.get", summary: "One question, with its answer" },
    })
    .post(
      "/:id/allow",
      async ({ params, body: { presence, how = "once", evenUntrusted = false, expiresAt }, request }) => {
        const approval = await approvals.get(approvalIdOf(params.id))
        if (approval.state !== "open") throw new AppError("conflict", `${approval.id} is ${approval.state} already`)
        if (how === "once" && (evenUntrusted || expiresAt !== undefined))
          throw new AppError(
            "input.invalid",
            "evenUntrusted and expiresAt are for a yes that lasts: how session or always",
          )
        const until = expiryOf(expiresAt, clock)
        const answer: Answer =
          how === "once" ? { answer: "allow", how } : { answer: "allow", how, evenUntrusted, expiresAt: until }
        const details = { fingerprint: approval.fingerprint, ...answer }
        const words = `${wordsFor(answer)}\n${approval.question}`
        const challenge = prove(request, { verb: "approval.allow", subject: approval.id, details, words }, presence)
        if (challenge) return status(202, { challenge })
        return status(200, { approval: await approvals.answer(approval.id, answer) })
      },
      {
        body: body(AllowBody),
        detail: {
          operationId: "approvals.allow",
          summary: "Say yes; answers 202 with a challenge where a code is to be typed",
        },
      },
    )
    .post(
      "/:id/deny",
      async ({ params, body: { reason = "" } }) => ({
        approval: await approvals.answer(approvalIdOf(params.id), { answer: "deny", reason }),
      }),
      {
        body: body(DenyBody),
        detail: { operationId: "approvals.deny", summary: "Say no, with a reason for the model" },
      },
    )
}

function wordsFor(answer: Answer & { answer: "allow" }): string {
  if (answer.how === "once") return "Allow this call, once."
  const where = answer.how === "session" ? "for the rest of this session" : "always"
  const until = answer.expiresAt === null ? "" : `, until ${answer.expiresAt}`
  const also = answer.evenUntrusted ? ", ALSO WHEN TEXT FROM OUTSIDE HAD A HAND IN IT" : ""
  return `Allow this call now, and ${where}${until} every call of the same tool to the same destination${also}.`
}
