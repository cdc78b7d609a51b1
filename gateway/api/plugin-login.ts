/**
 * /api/plugins/:name/login: the owner logging in at a provider for a plugin, and for all others of that provider. Beginning and ending it
 * need proof of presence; what a browser brings back is judged by the state that was given to it, and chooses nothing.
 */
import { Elysia, status } from "elysia"
import { sha256Hex } from "#core/safety/fingerprint.ts"
import { int, t } from "#core/schema.ts"
import { type Calls, demandHome } from "../caller.ts"
import type { GatewayDeps } from "../deps.ts"
import { presenceField, type ProveInUse } from "../presence.ts"
import { body } from "../shape.ts"

const strict = { additionalProperties: false }
const ClientBody = t.Object(
  {
    clientId: t.String({ minLength: 1, maxLength: 500 }),
    clientSecret: t.Optional(t.String({ minLength: 1, maxLength: 500, description: "Where the provider gave one" })),
    ...presenceField,
  },
  strict,
)
const BeginBody = t.Object(
  {
    way: t.Union([t.Literal("loopback"), t.Literal("public"), t.Literal("paste")], {
      description: "Where the answer goes: to a port of this machine, to the public address, or brought by the owner",
    }),
    ...presenceField,
  },
  strict,
)
const WaitBody = t.Object({ waitMs: t.Optional(int({ minimum: 0, maximum: 20_000 })) }, strict)
const PasteBody = t.Object({ address: t.String({ minLength: 1, maxLength: 8_192 }) }, strict)
const EndBody = t.Object({ forget: t.Optional(t.Boolean({ description: "The client too" })), ...presenceField }, strict)

export function pluginLoginRoutes(
  { loginDesk }: Pick<GatewayDeps, "loginDesk">,
  { calls, proveInUse }: { calls: Calls; proveInUse: ProveInUse },
) {
  return new Elysia({ prefix: "/api/plugins" })
    .get("/:name/login", async ({ params: { name } }) => ({ login: await loginDesk.status(name) }), {
      detail: { operationId: "plugins.login", summary: "The login that a plugin uses; null where it has none" },
    })
    .put(
      "/:name/login/client",
      async ({ params: { name }, body: { clientId, clientSecret = null, presence }, request }) => {
        demandHome(calls.of(request), "Setting a client")
        const prepared = await loginDesk.prepareClient(name, { clientId, clientSecret })
        const { provider, tokenHost, state } = prepared.status
        const change = {
          verb: "plugin.login.client",
          subject: name,
          details: { name, sha256: prepared.pin.sha256, client: sha256Hex(JSON.stringify([clientId, clientSecret])) },
          words: `Keep this as your client at ${provider}; its secret goes to ${tokenHost} and nowhere else.${state === "in" ? " The login that there is ends here." : ""}`,
        }
        const challenge = await proveInUse(request, change, presence)
        if (challenge) return status(202, { challenge })
        return status(200, { login: await loginDesk.setClient(prepared) })
      },
      {
        body: body(ClientBody),
        detail: {
          operationId: "plugins.login.client",
          summary: "Keep the owner's own client at a provider; 202 with a challenge where a code is to be typed",
        },
      },
    )
    .post(
      "/:name/login",
      async ({ params: { name }, body: { way, presence }, request }) => {
        demandHome(calls.of(request), "Logging in")
        const prepared = await loginDesk.prepare(name, way)
        const { pin, status: about, redirect } = prepared
        const change = {
          verb: "plugin.login",
          subject: name,
          details: { name, sha256: pin.sha256, way, scopes: about.scopes, plugins: about.plugins },
          words: [
            `Log in to ${about.provider} at ${about.authorizationHost}, for ${about.plugins.join(", ")}, with these rights:`,
            ...about.scopes.map((scope) => `  ${scope}`),
            `The answer comes ${way === "paste" ? "by your hand" : `to ${redirect}`}, and tokens from ${about.tokenHost}.`,
          ].join("\n"),
        }
        const challenge = await proveInUse(request, change, presence)
        if (challenge) return status(202, { challenge })
        return status(201, { begun: await loginDesk.begin(prepared) })
      },
      {
        body: body(BeginBody),
        detail: {
          operationId: "plugins.login.begin",
          summary:
            "Begin a login: the address for the owner's browser; 202 with a challenge where a code is to be typed",
        },
      },
    )
    .post(
      "/:name/login/:id/wait",
      async ({ params: { id }, body: { waitMs = 0 }, request }) => {
        demandHome(calls.of(request), "Logging in")
        return { outcome: await loginDesk.outcome(id, { waitMs, signal: request.signal }) }
      },
      {
        body: body(WaitBody),
        detail: { operationId: "plugins.login.wait", summary: "How a login ended, or that it is still open" },
      },
    )
    .post(
      "/:name/login/:id/paste",
      async ({ params: { id }, body: { address }, request }) => {
        demandHome(calls.of(request), "Logging in")
        return { outcome: await loginDesk.paste(id, address) }
      },
      {
        body: body(PasteBody),
        detail: {
          operationId: "plugins.login.paste",
          summary: "The address to which the provider sent a browser on another machine",
        },
      },
    )
    .delete(
      "/:name/login",
      async ({ params: { name }, body: { forget = false, presence }, request }) => {
        demandHome(calls.of(request), "Ending a login")
        const { login, tokenHost, plugins } = await loginDesk.prepareEnd(name, { forget })
        const change = {
          verb: forget ? "plugin.login.forget" : "plugin.login.revoke",
          subject: name,
          details: { provider: login.provider, version: login.version },
          words: `${forget ? "Delete the login and your client at" : "End the login to"} ${login.provider} (${tokenHost}).${plugins.length === 0 ? "" : ` These plugins are without it then: ${plugins.join(", ")}.`}`,
        }
        const challenge = await proveInUse(request, change, presence)
        if (challenge) return status(202, { challenge })
        if (forget) return status(200, { login: await loginDesk.forget(name), toldProvider: false })
        const { status: left, toldProvider } = await loginDesk.revoke(name, request.signal)
        return status(200, { login: left, toldProvider })
      },
      {
        body: body(EndBody),
        detail: {
          operationId: "plugins.login.end",
          summary:
            "End a login, at its provider too, or forget it here; 202 with a challenge where a code is to be typed",
        },
      },
    )
}
