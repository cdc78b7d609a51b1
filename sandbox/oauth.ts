/**
 * What is said to a provider in an OAuth 2.1 login: the address that the owner opens, and the requests for tokens, each to the one host
 * that was agreed to. The protocol is oauth4webapi's; its requests go through the egress gate.
 * Source: RFC 6749, 7009 (revocation), 7636 (PKCE), 8252 (native apps), 8707 (resource), 9207 (issuer), and OAuth 2.1.
 */
import * as oauth from "oauth4webapi"
import { AppError } from "#core/errors.ts"
import type { Egress, EgressFetch } from "#core/safety/egress.ts"
import type { OAuth } from "./manifest-auth.ts"

export type LoginEndpoints = {
  authorizationUrl: string
  tokenUrl: string
  /** Null: what stands before the path of the authorization URL. */
  issuer: string | null
  revocationUrl: string | null
  resource: string | null
}
export type LoginClient = { clientId: string; clientSecret: string | null }
export type Tokens = {
  access: string
  refresh: string | null
  /** Null: the provider does not say. */
  expiresInSeconds: number | null
  /** Null: those that were asked for. */
  scopes: string[] | null
}

export function endpointsIn({ authorization_url, token_url, issuer, revocation_url, resource }: OAuth): LoginEndpoints {
  return {
    authorizationUrl: authorization_url,
    tokenUrl: token_url,
    issuer: issuer ?? null,
    revocationUrl: revocation_url ?? null,
    resource: resource ?? null,
  }
}

/** Whose it is and where its tokens come from; where a token is made invalid is asked of the login itself, never of a newcomer. */
export function isSameProvider(a: LoginEndpoints, b: LoginEndpoints): boolean {
  return (
    a.authorizationUrl === b.authorizationUrl &&
    a.tokenUrl === b.tokenUrl &&
    a.issuer === b.issuer &&
    a.resource === b.resource
  )
}

/** What one login is held to from beginning to end. */
export type LoginSecrets = { state: string; verifier: string; challenge: string }

/** 32 bytes each, from the system. */
export async function newLoginSecrets(): Promise<LoginSecrets> {
  const verifier = oauth.generateRandomCodeVerifier()
  return { state: oauth.generateRandomState(), verifier, challenge: await oauth.calculatePKCECodeChallenge(verifier) }
}

export function authorizationUrl({
  endpoints,
  clientId,
  scopes,
  redirectUri,
  extra,
  secrets: { state, challenge },
}: {
  endpoints: LoginEndpoints
  clientId: string
  scopes: readonly string[]
  redirectUri: string
  extra: Readonly<Record<string, string>>
  secrets: LoginSecrets
}): string {
  const url = new URL(endpoints.authorizationUrl)
  const ours = {
    ...extra,
    response_type: "code",
    client_id: clientId,
    redirect_uri: redirectUri,
    scope: scopes.join(" "),
    state,
    code_challenge: challenge,
    code_challenge_method: "S256",
    ...(endpoints.resource === null ? {} : { resource: endpoints.resource }),
  }
  for (const [name, value] of Object.entries(ours)) url.searchParams.set(name, value)
  return url.href
}

/** A provider's token answer is a few KB. */
const CAPS = { maxResponseBytes: 256 * 1024, firstByteMs: 20_000, totalMs: 30_000 }

export type OAuthWire = {
  /** Throws `login.refused`, `egress.…`. */
  exchange(of: Held & { answer: URLSearchParams; redirectUri: string; secrets: LoginSecrets }): Promise<Tokens>
  /** Throws `login.needed` where the provider ended the login, `login.refused`, `egress.…`. */
  renew(of: Held & { refresh: string }): Promise<Tokens>
  /** Throws `login.refused`, `egress.…`. */
  revoke(of: Held & { token: string }): Promise<void>
}
type Held = { endpoints: LoginEndpoints; client: LoginClient; signal: AbortSignal }

export function createOAuthWire({ egress }: { egress: Pick<Egress, "fetchFor"> }): OAuthWire {
  /** POST to this URL's host and to no other; its redirects are refused. */
  const optionsFor = (url: string, signal: AbortSignal) => {
    const { hostname, pathname } = new URL(url)
    const fetch = egress.fetchFor({
      principal: "builtin:login",
      purpose: "login",
      agentId: "main",
      allow: [{ host: hostname, methods: ["POST"], pathPrefix: pathname }],
      local: [],
      caps: CAPS,
    })
    return { [oauth.customFetch]: adapted(fetch), signal }
  }
  const resourceOf = ({ resource }: LoginEndpoints): Record<string, string> => (resource === null ? {} : { resource })

  return {
    async exchange({ endpoints, client, answer, redirectUri, secrets, signal }) {
      const server = serverOf(endpoints)
      const own = { client_id: client.clientId }
      return judged(endpoints, async () => {
        const valid = oauth.validateAuthResponse(server, own, answer, secrets.state)
        const response = await oauth.authorizationCodeGrantRequest(
          server,
          own,
          proofOf(client),
          valid,
          redirectUri,
          secrets.verifier,
          {
            ...optionsFor(endpoints.tokenUrl, signal),
            additionalParameters: resourceOf(endpoints),
          },
        )
        return tokensIn(await oauth.processAuthorizationCodeResponse(server, own, response))
      })
    },
    async renew({ endpoints, client, refresh, signal }) {
      const server = serverOf(endpoints)
      const own = { client_id: client.clientId }
      return judged(endpoints, async () => {
        const response = await oauth.refreshTokenGrantRequest(server, own, proofOf(client), refresh, {
          ...optionsFor(endpoints.tokenUrl, signal),
          additionalParameters: resourceOf(endpoints),
        })
        return tokensIn(await oauth.processRefreshTokenResponse(server, own, response))
      })
    },
    async revoke({ endpoints, client, token, signal }) {
      const { revocationUrl } = endpoints
      if (revocationUrl === null) return
      await judged(endpoints, async () => {
        const response = await oauth.revocationRequest(
          serverOf(endpoints),
          { client_id: client.clientId },
          proofOf(client),
          token,
          {
            ...optionsFor(revocationUrl, signal),
          },
        )
        await oauth.processRevocationResponse(response)
      })
    },
  }
}

function serverOf({
  authorizationUrl: url,
  tokenUrl,
  issuer,
  revocationUrl,
}: LoginEndpoints): oauth.AuthorizationServer {
  return {
    issuer: issuer ?? new URL(url).origin,
    authorization_endpoint: url,
    token_endpoint: tokenUrl,
    ...(revocationUrl === null ? {} : { revocation_endpoint: revocationUrl }),
  }
}

function proofOf({ clientSecret }: LoginClient): oauth.ClientAuth {
  return clientSecret === null ? oauth.None() : oauth.ClientSecretPost(clientSecret)
}

function tokensIn({ access_token, refresh_token, expires_in, scope, token_type }: oauth.TokenEndpointResponse): Tokens {
  if (token_type.toLowerCase() !== "bearer") throw refused("it gave a token of a kind that is not used here")
  // What goes into a header: RFC 6750 2.1.
  for (const token of [access_token, refresh_token])
    if (token !== undefined && !/^[\x21-\x7e]{1,16384}$/.test(token)) throw refused("it gave a token that is none")
  return {
    access: access_token,
    refresh: refresh_token ?? null,
    expiresInSeconds: typeof expires_in === "number" && expires_in > 0 ? Math.min(expires_in, 366 * 86_400) : null,
    scopes:
      scope === undefined
        ? null
        : scope
            .split(" ")
            .filter((one) => /^[\x21\x23-\x5b\x5d-\x7e]{1,200}$/.test(one))
            .slice(0, 100),
  }
}

/** The library's errors hold answers and parameters; what is said further is a code and words of ours. */
async function judged<T>({ tokenUrl }: LoginEndpoints, work: () => Promise<T>): Promise<T> {
  try {
    return await work()
  } catch (error) {
    if (error instanceof AppError) throw error
    const where = new URL(tokenUrl).hostname
    if (error instanceof oauth.AuthorizationResponseError)
      throw refused(
        error.error === "access_denied"
          ? "the login was declined there"
          : `the login ended with ${codeIn(error.error)}`,
      )
    if (error instanceof oauth.ResponseBodyError) {
      if (error.error === "invalid_grant")
        throw new AppError("login.needed", `${where} says that the login is not valid, or not any more (invalid_grant)`)
      throw refused(`${where} answered ${codeIn(error.error)}`)
    }
    if (error instanceof oauth.WWWAuthenticateChallengeError)
      throw refused(`${where} does not take the client (${error.status})`)
    if (error instanceof oauth.OperationProcessingError || error instanceof oauth.UnsupportedOperationError)
      throw refused(`what came back does not fit (${codeIn(error.code ?? "")})`)
    throw error
  }
}

function refused(words: string): AppError {
  return new AppError("login.refused", `The login did not work: ${words}`)
}

function codeIn(text: string): string {
  return /^[A-Za-z0-9_.-]{1,60}$/.test(text) ? text : "an error that has no name"
}

/** Bodies of token requests are forms. */
function adapted(fetch: EgressFetch) {
  return (
    url: string,
    { body, headers, method, redirect, signal }: oauth.CustomFetchOptions<string, unknown>,
  ): Promise<Response> =>
    fetch(url, {
      method,
      headers,
      redirect,
      ...(body instanceof URLSearchParams || typeof body === "string" ? { body: body.toString() } : {}),
      ...(signal ? { signal } : {}),
    })
}
