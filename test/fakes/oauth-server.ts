/** A provider of logins, as the RFCs describe one: it issues codes and tokens, and looks at everything that it is sent. */
import { createHash } from "node:crypto"
import type { IncomingMessage, ServerResponse } from "node:http"
import type { FakeInternet } from "#test/core/safety/fake-internet.ts"

type Code = { challenge: string; redirectUri: string; scopes: string; resource: string | null }

/** `host`: a name below example.org, whose certificate the fake internet has. It serves /authorize for {@link visit}, /token and /revoke. */
export function startOAuthServer(
  internet: FakeInternet,
  { host, address, client }: { host: string; address: string; client: { id: string; secret: string } },
) {
  const codes = new Map<string, Code>()
  const access = new Map<string, { scopes: string }>()
  const refreshes = new Map<string, { scopes: string }>()
  const seen: { path: string; form: Record<string, string> }[] = []
  let serial = 0
  const server = {
    host,
    seen,
    codes,
    access,
    refreshes,
    issuer: `https://${host}`,
    /** Set by a test, for the next requests. */
    say: {
      /** Answers all token requests so. */
      token: null as null | { status: number; body: unknown },
      /** Waits before a token is given. */
      delayMs: 0,
      /** Rights that are given in place of those asked for. */
      scopes: null as string | null,
      expiresIn: 3600 as number | null,
      rotates: true,
      withoutRefresh: false,
    },
    oauth(scopes: string[]) {
      return {
        authorization_url: `https://${host}/authorize`,
        token_url: `https://${host}/token`,
        revocation_url: `https://${host}/revoke`,
        issuer: `https://${host}`,
        scopes,
      }
    },
    /** What the owner's browser is sent to after they said yes to this address. */
    visit(url: string, more: Record<string, string> = {}): URL {
      const asked = new URL(url)
      const of = (name: string) => asked.searchParams.get(name) ?? ""
      if (asked.origin !== `https://${host}` || asked.pathname !== "/authorize") throw new Error(`Not ours: ${url}`)
      if (of("client_id") !== client.id || of("response_type") !== "code") throw new Error("No such client")
      if (of("code_challenge_method") !== "S256" || of("code_challenge").length !== 43) throw new Error("No PKCE")
      const code = `code-${host}-${++serial}`
      codes.set(code, {
        challenge: of("code_challenge"),
        redirectUri: of("redirect_uri"),
        scopes: of("scope"),
        resource: asked.searchParams.get("resource"),
      })
      const back = new URL(of("redirect_uri"))
      for (const [name, value] of Object.entries({ code, state: of("state"), ...more }))
        back.searchParams.set(name, value)
      return back
    },
    /** Whether a host of this provider takes this token now. */
    takes: (authorization: string | undefined) => access.has((authorization ?? "").replace(/^Bearer /, "")),
  }

  async function answer(request: IncomingMessage, reply: ServerResponse): Promise<void> {
    let body = ""
    for await (const part of request) body += String(part)
    const form = Object.fromEntries(new URLSearchParams(body))
    const path = request.url ?? ""
    seen.push({ path, form })
    if (server.say.delayMs > 0) await Bun.sleep(server.say.delayMs)
    const send = (status: number, value: unknown) => {
      reply.writeHead(status, { "content-type": "application/json" })
      reply.end(JSON.stringify(value))
    }
    if (path === "/revoke") {
      refreshes.delete(form["token"] ?? "")
      access.clear()
      return send(200, {})
    }
    if (path !== "/token" || request.method !== "POST") return send(404, {})
    if (server.say.token) return send(server.say.token.status, server.say.token.body)
    if (form["client_id"] !== client.id || form["client_secret"] !== client.secret)
      return send(401, { error: "invalid_client" })
    if (form["grant_type"] === "authorization_code") {
      const code = codes.get(form["code"] ?? "")
      codes.delete(form["code"] ?? "")
      const challenge = createHash("sha256")
        .update(form["code_verifier"] ?? "")
        .digest("base64url")
      if (!code || code.challenge !== challenge || code.redirectUri !== form["redirect_uri"])
        return send(400, { error: "invalid_grant" })
      if ((form["resource"] ?? null) !== code.resource) return send(400, { error: "invalid_target" })
      return send(200, issue(server.say.scopes ?? code.scopes))
    }
    const held = refreshes.get(form["refresh_token"] ?? "")
    if (form["grant_type"] !== "refresh_token" || !held) return send(400, { error: "invalid_grant" })
    if (server.say.rotates) refreshes.delete(form["refresh_token"] ?? "")
    return send(200, issue(held.scopes))
  }

  function issue(scopes: string) {
    const { expiresIn, rotates, withoutRefresh } = server.say
    const token = `access-${host}-${++serial}-abcdefgh`
    access.clear() // one at a time, so that an old one is known
    access.set(token, { scopes })
    const refresh = `refresh-${host}-${serial}-abcdefgh`
    const gives = !withoutRefresh && (rotates || refreshes.size === 0)
    if (gives) refreshes.set(refresh, { scopes })
    return {
      access_token: token,
      token_type: "Bearer",
      scope: scopes,
      ...(expiresIn === null ? {} : { expires_in: expiresIn }),
      ...(gives ? { refresh_token: refresh } : {}),
    }
  }

  return {
    ...server,
    start: async () => {
      await internet.site(address, answer)
      internet.name(host, [address])
    },
  }
}
