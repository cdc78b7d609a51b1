/** /api/tokens: tokens for programs that chat through /v1. Making one needs proof of presence; revoking does not. */
import { Elysia, status } from "elysia"
import { AppError } from "#core/errors.ts"
import { isId } from "#core/id.ts"
import { t } from "#core/schema.ts"
import type { GatewayDeps } from "../deps.ts"
import { type Prove, presenceField } from "../presence.ts"
import { body } from "../shape.ts"
import { expiryOf } from "./expiry.ts"

const AddBody = t.Object(
  {
    name: t.String({
      pattern: "^[A-Za-z0-9][A-Za-z0-9._-]{0,39}$",
      description: "Which program it is for; one name, one token in force",
    }),
    expiresAt: t.Optional(t.String({ maxLength: 40, description: "ISO time at which it ends (default: never)" })),
    ...presenceField,
  },
  { additionalProperties: false },
)

export function tokenRoutes({ tokens, clock }: Pick<GatewayDeps, "tokens" | "clock">, prove: Prove) {
  return new Elysia({ prefix: "/api/tokens" })
    .get("/", async () => ({ items: await tokens.list() }), {
      detail: {
        operationId: "tokens.list",
        summary: "Tokens of programs that chat, the latest first, revoked ones too; never their text",
      },
    })
    .post(
      "/",
      async ({ body: { presence, name, ...given }, request }) => {
        const expiresAt = expiryOf(given.expiresAt, clock)
        const until = expiresAt === null ? "until you revoke it" : `until ${expiresAt}`
        const words = `Make an API token for ${name}: whoever has it chats with the assistant and the models as you, ${until}.`
        const details = { name, expiresAt }
        const challenge = prove(request, { verb: "token.add", subject: name, details, words }, presence)
        if (challenge) return status(202, { challenge })
        const { token, text } = await tokens.add(details)
        return status(201, { token, text })
      },
      {
        body: body(AddBody),
        detail: {
          operationId: "tokens.add",
          summary: "Make a token that may chat and nothing else; its text is told this once",
        },
      },
    )
    .delete(
      "/:id",
      async ({ params: { id } }) => {
        if (!isId("tok", id)) throw new AppError("not_found", `There is no token "${id.slice(0, 80)}"`)
        await tokens.revoke(id)
        return { revoked: true }
      },
      { detail: { operationId: "tokens.revoke", summary: "Revoke a token; what it keeps open ends at once" } },
    )
}
