/** /api/doctor: what only whoever holds the database and the keys can say of how the house is, for `ironclaw doctor` to judge. */
import { Elysia } from "elysia"
import { t } from "#core/schema.ts"
import { type Calls, demandHome } from "../caller.ts"
import type { GatewayDeps } from "../deps.ts"
import { body } from "../shape.ts"

/** A report has two hundred lines of the log, of 4 KB at most. */
const MAX_TEXT = 1_000_000
const RedactBody = t.Object(
  { text: t.String({ maxLength: MAX_TEXT, description: "What is to be shown to others" }) },
  { additionalProperties: false },
)

export function doctorRoutes({ doctor }: Pick<GatewayDeps, "doctor">, calls: Calls) {
  return new Elysia({ prefix: "/api/doctor" })
    .get(
      "/",
      ({ request }) => {
        demandHome(calls.of(request), "Examining the house") // it names every weak spot
        return doctor.examine()
      },
      {
        detail: {
          operationId: "doctor.examine",
          summary: "Facts for `ironclaw doctor`: names, counts and times alone",
        },
      },
    )
    .post(
      "/redact",
      ({ body: { text }, request }) => {
        demandHome(calls.of(request), "Redacting a report") // whoever may ask it about guesses finds values out
        return { text: doctor.redact(text) }
      },
      {
        body: body(RedactBody),
        detail: { operationId: "doctor.redact", summary: "Take the values of secrets out of a text" },
      },
    )
}
