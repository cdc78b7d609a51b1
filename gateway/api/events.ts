/** /api/events: what happens, as server-sent events; `id:` is the event's seq. */
import { Elysia } from "elysia"
import { AppError } from "#core/errors.ts"
import { int, t } from "#core/schema.ts"
import type { Calls } from "../caller.ts"
import type { GatewayDeps } from "../deps.ts"
import { query } from "../shape.ts"
import type { Streams } from "../stream.ts"
import { sessionIdOf } from "./sessions.ts"

const EventsQuery = t.Object(
  {
    session: t.Optional(
      t.String({ description: "Only events of this session, and the running turn's text from its beginning" }),
    ),
    after: t.Optional(
      int({ minimum: 0, description: "Everything after this seq first; the Last-Event-ID header says the same" }),
    ),
  },
  { additionalProperties: false },
)

export function eventRoutes({ sessions }: GatewayDeps, { calls, streams }: { calls: Calls; streams: Streams }) {
  return new Elysia({ prefix: "/api/events" }).get(
    "/",
    async ({ query: { session, after }, request }) => {
      const sessionId = session === undefined ? null : (await sessions.get(sessionIdOf(session))).id
      calls.of(request).meta.holdOpen()
      const stream = streams.open({ after: lastEventId(request) ?? after ?? null, sessionId, signal: request.signal })
      return new Response(stream, {
        headers: {
          "Content-Type": "text/event-stream; charset=utf-8",
          "Cache-Control": "no-cache, no-store",
          "X-Accel-Buffering": "no",
        },
      })
    },
    {
      query: query(EventsQuery),
      detail: { operationId: "events.subscribe", summary: "What happens, as it happens (server-sent events)" },
    },
  )
}

function lastEventId(request: Request): number | null {
  const text = request.headers.get("last-event-id")
  if (text === null || text === "") return null
  if (!/^\d{1,15}$/.test(text)) throw new AppError("input.invalid", "Last-Event-ID is not a whole number")
  return Number(text)
}
