/** All routes as one Elysia app. It routes and types; who may call, bodies, errors and headers are the server's, around it. */
import { Elysia } from "elysia"
import { AppError } from "#core/errors.ts"
import { auditRoutes } from "./api/audit.ts"
import { approvalRoutes } from "./api/approvals.ts"
import { backupRoutes } from "./api/backups.ts"
import { channelRoutes } from "./api/channels.ts"
import { configRoutes } from "./api/config.ts"
import { doctorRoutes } from "./api/doctor.ts"
import { eventRoutes } from "./api/events.ts"
import { grantRoutes } from "./api/grants.ts"
import { hookRoutes } from "./api/hooks.ts"
import { lockdownRoutes } from "./api/lockdown.ts"
import { memoryRoutes } from "./api/memory.ts"
import { modelRoutes } from "./api/models.ts"
import { pluginAuthRoutes } from "./api/plugin-auth.ts"
import { pluginConfigRoutes } from "./api/plugin-config.ts"
import { pluginLoginRoutes } from "./api/plugin-login.ts"
import { pairingRoutes } from "./api/pairing.ts"
import { pluginRoutes } from "./api/plugins.ts"
import { secretRoutes } from "./api/secrets.ts"
import { sessionRoutes } from "./api/sessions.ts"
import { statusRoutes } from "./api/status.ts"
import { toolCallRoutes } from "./api/tool-calls.ts"
import { tokenRoutes } from "./api/tokens.ts"
import { turnRoutes } from "./api/turns.ts"
import { updateRoutes } from "./api/update.ts"
import { usageRoutes } from "./api/usage.ts"
import { loginCallbackRoutes } from "./login-callback.ts"
import type { Calls } from "./caller.ts"
import type { GatewayDeps } from "./deps.ts"
import { openAiRoutes } from "./openai.ts"
import { createProve, createProveInUse } from "./presence.ts"
import { readQuery } from "./shape.ts"
import type { Streams } from "./stream.ts"

export type AppParts = {
  calls: Calls
  streams: Streams
  /** The body as the server's limits let it through. */
  readBody: (request: Request) => Promise<unknown>
  answerError: (error: unknown, request: Request) => Response
}

export function createApp(deps: GatewayDeps, { calls, streams, readBody, answerError }: AppParts) {
  const prove = createProve({ presence: deps.presence, calls })
  const proveInUse = createProveInUse({ prove, hasActed: deps.hasActed })
  return (
    new Elysia({
      normalize: false, // an unknown field is a problem, not something to drop
      handler: { standardHostname: false }, // else a short Host header shifts where routing looks for the path
    })
      .onParse({ as: "global" }, ({ request }) => readBody(request))
      // Elysia splits texts at commas and parses what looks like JSON; a query is text.
      .onTransform({ as: "global" }, (context) => {
        Reflect.set(context, "query", readQuery(context.request.url))
      })
      .onError({ as: "global" }, ({ error, code, request }) =>
        answerError(code === "NOT_FOUND" ? noRoute(request) : code === "PARSE" ? error.cause : error, request),
      )
      .use(statusRoutes(deps))
      .use(sessionRoutes(deps, calls))
      .use(turnRoutes(deps, calls))
      .use(eventRoutes(deps, { calls, streams }))
      .use(memoryRoutes(deps))
      .use(usageRoutes(deps))
      .use(modelRoutes(deps, calls))
      .use(configRoutes(deps, { calls, proveInUse }))
      .use(secretRoutes(deps, { calls, proveInUse }))
      .use(backupRoutes(deps, { calls, prove }))
      .use(updateRoutes(deps, calls))
      .use(doctorRoutes(deps, calls))
      .use(auditRoutes(deps, calls))
      .use(approvalRoutes(deps, prove))
      .use(grantRoutes(deps, prove))
      .use(hookRoutes(deps, { prove, calls }))
      .use(pluginRoutes(deps, { prove, proveInUse, calls }))
      .use(pluginConfigRoutes(deps, { prove }))
      .use(pluginAuthRoutes(deps, { calls, proveInUse }))
      .use(pluginLoginRoutes(deps, { calls, proveInUse }))
      .use(loginCallbackRoutes(deps))
      .use(channelRoutes(deps))
      .use(pairingRoutes(deps, { prove, calls }))
      .use(toolCallRoutes(deps, { prove, calls }))
      .use(tokenRoutes(deps, prove))
      .use(lockdownRoutes(deps, { prove, calls }))
      .use(openAiRoutes(deps, calls))
  )
}

export type App = ReturnType<typeof createApp>

function noRoute(request: Request): AppError {
  return new AppError("not_found", `There is no ${request.method} ${pathOf(request.url).slice(0, 200)}`, {
    hint: "GET /api/openapi.json lists every route.",
  })
}

/** The path exactly as routing sees it. */
export function pathOf(url: string): string {
  const start = url.indexOf("/", url.indexOf("//") + 2)
  if (start === -1) return "/"
  const end = url.indexOf("?", start)
  return end === -1 ? url.slice(start) : url.slice(start, end)
}
