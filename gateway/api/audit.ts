/** /api/audit: the record of every act, the proof that nobody changed it, and what left this machine. */
import { Elysia } from "elysia"
import { auditActs } from "#core/audit.ts"
import { AppError } from "#core/errors.ts"
import { int, t } from "#core/schema.ts"
import type { Calls } from "../caller.ts"
import type { GatewayDeps } from "../deps.ts"
import { query } from "../shape.ts"
import { given, pageFields } from "./page.ts"
import { sessionIdOf } from "./sessions.ts"

const strict = { additionalProperties: false }
/** Rows are small, and an export wants all of them. */
const MAX_ROWS = 1_000
const DEFAULT_ROWS = 50

const ListQuery = t.Object(
  {
    act: t.Optional(
      t.Union(
        auditActs.map((act) => t.Literal(act)),
        { description: "Only acts of this kind" },
      ),
    ),
    since: t.Optional(t.String({ minLength: 10, maxLength: 40, description: "ISO date or time, included" })),
    session: t.Optional(t.String({ description: "Only acts of this session" })),
    oldestFirst: t.Optional(t.Boolean({ description: "In the order of the chain; else the latest first" })),
    cursor: pageFields.cursor,
    limit: t.Optional(
      int({ minimum: 1, maximum: MAX_ROWS, description: `How many at most (default ${DEFAULT_ROWS})` }),
    ),
  },
  strict,
)
const EgressQuery = t.Object(
  {
    day: t.Optional(
      t.String({ minLength: 10, maxLength: 10, description: "One day of the owner's, such as 2026-11-22" }),
    ),
  },
  strict,
)

export function auditRoutes({ audit }: GatewayDeps, calls: Calls) {
  return new Elysia({ prefix: "/api/audit" })
    .get(
      "/",
      ({ query: { act, since, session, oldestFirst, cursor, limit = DEFAULT_ROWS } }) =>
        audit.list({
          limit,
          ...given({ act, oldestFirst, cursor }),
          ...(since === undefined ? {} : { since: isoOf(since) }),
          ...(session === undefined ? {} : { sessionId: sessionIdOf(session) }),
        }),
      { query: query(ListQuery), detail: { operationId: "audit.list", summary: "Acts with every gate's verdict" } },
    )
    .get(
      "/verify",
      ({ request }) => {
        calls.of(request).meta.holdOpen() // ten seconds for a million rows
        return audit.verify({ signal: request.signal })
      },
      { detail: { operationId: "audit.verify", summary: "Prove that no row was changed, taken away or put in" } },
    )
    .get("/egress", async ({ query: { day = null } }) => ({ items: await audit.egress({ day }) }), {
      query: query(EgressQuery),
      detail: { operationId: "audit.egress", summary: "What left this machine, to whom and why" },
    })
}

function isoOf(text: string): string {
  const ms = Date.parse(text)
  if (Number.isNaN(ms)) throw new AppError("input.invalid", `/since: "${text}" is no ISO date or time`)
  return new Date(ms).toISOString()
}
