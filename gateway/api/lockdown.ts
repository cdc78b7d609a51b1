/** /api/lockdown: stop everything, and let it go on. Stopping takes the owner's token alone; going on takes the owner at a terminal here. */
import { Elysia, status } from "elysia"
import { AppError } from "#core/errors.ts"
import { t } from "#core/schema.ts"
import type { Calls } from "../caller.ts"
import type { GatewayDeps } from "../deps.ts"
import { type Prove, presenceField } from "../presence.ts"
import { body } from "../shape.ts"

const strict = { additionalProperties: false }
const LockBody = t.Object({ reason: t.Optional(t.String({ maxLength: 200, description: "For the record" })) }, strict)
const LiftBody = t.Object({ ...presenceField }, strict)

/** May this request be looked at while everything is stopped? Watching is allowed here; what changes anything is not. */
export function mayPassLockdown({
  path,
  method,
  via,
}: {
  path: string
  method: string
  via: "tcp" | "socket" | "process"
}): boolean {
  if (path === "/health" || path === "/ready") return true
  if (method === "GET" && (path === "/api/status" || path === "/api/lockdown")) return true
  if (method === "POST" && path === "/api/lockdown") return true // again is nothing new
  if (via === "tcp") return false
  // A report of what is wrong is wanted just then, and takes only things out of a text.
  return method === "GET" || path === "/api/lockdown/lift" || path === "/api/doctor/redact"
}

export function lockdownRoutes(
  { lockdown }: Pick<GatewayDeps, "lockdown">,
  { prove, calls }: { prove: Prove; calls: Calls },
) {
  return new Elysia({ prefix: "/api/lockdown" })
    .get("/", () => lockdown.state(), {
      detail: { operationId: "lockdown.get", summary: "Whether everything is stopped, and since when" },
    })
    .post("/", ({ body: { reason = "" } }) => lockdown.lock(reason), {
      body: body(LockBody),
      detail: {
        operationId: "lockdown.lock",
        summary: "Stop every turn, job, request out and stream, and revoke API tokens",
      },
    })
    .post(
      "/lift",
      async ({ body: { presence }, request }) => {
        if (calls.of(request).meta.via === "tcp")
          throw new AppError("presence.no_terminal", "A lockdown is lifted on the machine itself, not over the network")
        const { active, since } = lockdown.state()
        if (!active) throw new AppError("conflict", "There is no lockdown to lift")
        const words = `Lift the lockdown${since ? ` of ${since}` : ""}: turns, jobs and requests may run again.`
        const challenge = prove(
          request,
          { verb: "lockdown.lift", subject: "lockdown", details: { since }, words },
          presence,
        )
        if (challenge) return status(202, { challenge })
        return status(200, { lockdown: await lockdown.lift() })
      },
      {
        body: body(LiftBody),
        detail: { operationId: "lockdown.lift", summary: "Let it go on; at a terminal of this machine only" },
      },
    )
}
