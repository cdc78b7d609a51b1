/** How a plugin's owner gets it what it needs to be let in somewhere: secrets to set, a token to make by hand, or a login at a provider. */
import { coversHost, isHostRule } from "#core/safety/hosts.ts"
import { int, type Static, t } from "#core/schema.ts"
import type { Http } from "./manifest-http.ts"
import { SecretName } from "./manifest-http.ts"

const strict = { additionalProperties: false } as const
/** On one line: it stands in questions to the owner, and may not look like another line of them. */
const line = (maxLength: number) =>
  t.String({ minLength: 1, maxLength, pattern: "^[^\\x00-\\x1f\\x7f-\\x9f\\u2028\\u2029]*$" })
const httpsUrl = t.String({ maxLength: 500, pattern: "^https://[\\x21-\\x7e]+$" })

export const Secrets = t.Array(
  t.Object({ name: SecretName, hint: line(300), url: t.Optional(httpsUrl), optional: t.Optional(t.Boolean()) }, strict),
  { maxItems: 10 },
)

const OAuth = t.Object(
  {
    authorization_url: httpsUrl,
    token_url: httpsUrl,
    issuer: t.Optional(httpsUrl),
    revocation_url: t.Optional(httpsUrl),
    resource: t.Optional(httpsUrl),
    // RFC 6749 3.3.
    scopes: t.Array(t.String({ pattern: "^[\\x21\\x23-\\x5b\\x5d-\\x7e]{1,200}$" }), { minItems: 1, maxItems: 40 }),
    extra_params: t.Optional(
      t.Record(
        t.String({ pattern: "^[a-z][a-z0-9_]{0,39}$" }),
        t.String({ maxLength: 200, pattern: "^[\\x21-\\x7e]*$" }),
        {
          maxProperties: 10,
          additionalProperties: false,
        },
      ),
    ),
  },
  strict,
)
export type OAuth = Static<typeof OAuth>

export const Auth = t.Object(
  {
    secret_name: SecretName,
    display_name: line(80),
    instructions: t.Optional(line(600)),
    setup_url: t.Optional(httpsUrl),
    token_hint: t.Optional(line(100)),
    provider: t.Optional(t.String({ pattern: "^[a-z][a-z0-9_]{0,23}$" })),
    validation_endpoint: t.Optional(
      t.Object(
        {
          url: httpsUrl,
          method: t.Optional(t.Union([t.Literal("GET"), t.Literal("HEAD"), t.Literal("POST")])),
          success_status: t.Optional(int({ minimum: 200, maximum: 299 })),
        },
        strict,
      ),
    ),
    oauth: t.Optional(OAuth),
  },
  strict,
)
export type Auth = Static<typeof Auth>

type Asked = { auth?: Auth; secrets?: Static<typeof Secrets>; http?: Static<typeof Http>; webhookSecret?: string }

/** Ours to set: a manifest that could would choose where the answer goes, or what it is bound to. */
const ownParameters = [
  "client_id",
  "client_secret",
  "redirect_uri",
  "response_type",
  "response_mode",
  "scope",
  "state",
  "code_challenge",
  "code_challenge_method",
  "nonce",
  "request",
  "request_uri",
  "resource",
]

/** What is wrong beyond its shape; each as a path of the manifest and words. */
export function problemsOfAuth({ auth, secrets = [], http, webhookSecret }: Asked): { path: string; words: string }[] {
  const problems: { path: string; words: string }[] = []
  const at = (path: string, words: string) => void problems.push({ path, words })
  const credentials = Object.values(http?.credentials ?? {})
  const uses = (name: string) => credentials.filter((one) => one.secret_name.toLowerCase() === name.toLowerCase())
  for (const [index, { name, url }] of secrets.entries()) {
    // Asking a person for a key that the host would never use is fishing for it.
    if (uses(name).length === 0 && name !== webhookSecret)
      at(`secrets/${index}/name`, `no credential of it puts ${name} anywhere`)
    if (url !== undefined) ofUrl(`secrets/${index}/url`, url)
  }
  if (auth === undefined) return problems
  const { secret_name: secret, setup_url: setup, validation_endpoint: check, oauth, provider } = auth
  const own = uses(secret)
  if (own.length === 0) at("auth/secret_name", `no credential of it puts ${secret} anywhere`)
  if (setup !== undefined) ofUrl("auth/setup_url", setup)
  if (check) {
    const host = ofUrl("auth/validation_endpoint/url", check.url)
    if (host !== null && !own.some(({ host_patterns: hosts }) => hosts.some((rule) => coversHost(rule, host))))
      at("auth/validation_endpoint/url", `no credential of it puts ${secret} into requests to ${host}`)
  }
  if (oauth) {
    if (provider === undefined) at("auth/provider", "a login needs the provider's name")
    // What a provider gives may not become a key of the house's own: whose key a model is called with decides who reads along.
    if (!/_token$/i.test(secret))
      at("auth/secret_name", "a login brings a token, and the name of its secret ends in _token")
    if (secret.length > 48) at("auth/secret_name", "a login's secret has at most 48 characters")
    const urls = { authorization_url: oauth.authorization_url, token_url: oauth.token_url, issuer: oauth.issuer }
    const all = { ...urls, revocation_url: oauth.revocation_url, resource: oauth.resource }
    for (const [name, url] of Object.entries(all)) if (url !== undefined) ofUrl(`auth/oauth/${name}`, url)
    for (const name of Object.keys(oauth.extra_params ?? {}))
      if (ownParameters.includes(name))
        at(`auth/oauth/extra_params/${name}`, "this parameter is not the plugin's to set")
    if (own.some(({ location }) => location.type !== "bearer"))
      at("auth/secret_name", "a token of a login goes out as bearer and in no other way")
  } else if (provider !== undefined) at("auth/provider", "only a login has a provider")
  return problems

  /** Its host, where it is one that may be named. */
  function ofUrl(path: string, text: string): string | null {
    const url = URL.parse(text)
    if (url && url.port === "" && url.username === "" && url.hash === "" && isHostRule(url.hostname))
      return url.hostname
    at(path, `"${text.slice(0, 100)}" is no https address of a public host`)
    return null
  }
}
