/** What a manifest asks for on the network: hosts, and which of the owner's secrets go there, in which place of a request. */
import { BACKUP_SECRET } from "#core/secrets/vault.ts"
import { coversHost, isHostRule } from "#core/safety/hosts.ts"
import { int, type Static, t } from "#core/schema.ts"

const strict = { additionalProperties: false } as const
const text = (maxLength: number, description: string) => t.String({ minLength: 1, maxLength, description })
/** As the vault has them. */
export const SecretName = t.String({ pattern: "^[A-Za-z][A-Za-z0-9_]{0,63}$" })
const methodNames = ["GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"] as const

const Location = t.Union([
  t.Object({ type: t.Literal("bearer") }, strict),
  t.Object({ type: t.Literal("basic"), username: t.String({ maxLength: 200, pattern: "^[^:\\x00-\\x1f]*$" }) }, strict),
  t.Object(
    {
      type: t.Literal("header"),
      name: t.String({ pattern: "^[A-Za-z][A-Za-z0-9-]{0,63}$" }),
      prefix: t.Optional(t.String({ maxLength: 40, pattern: "^[\\x20-\\x7e]*$" })),
    },
    strict,
  ),
  t.Object({ type: t.Literal("query_param"), name: t.String({ pattern: "^[A-Za-z0-9_.-]{1,64}$" }) }, strict),
  // With its braces or without.
  t.Object(
    {
      type: t.Literal("url_path"),
      placeholder: t.String({ pattern: "^(?:[A-Z][A-Z0-9_]{0,63}|\\{[A-Z][A-Z0-9_]{0,63}\\})$" }),
    },
    strict,
  ),
])
export type CredentialLocation = Static<typeof Location>

const Credential = t.Object(
  {
    secret_name: SecretName,
    location: Location,
    host_patterns: t.Array(text(253, "A host of the allowlist, or *.name as it stands there"), {
      minItems: 1,
      maxItems: 20,
    }),
  },
  strict,
)
export type Credential = Static<typeof Credential>

export const Http = t.Object(
  {
    allowlist: t.Array(
      t.Object(
        {
          host: text(253, "A name, or *.name"),
          path_prefix: t.Optional(t.String({ pattern: "^/[\\x21-\\x7e]{0,199}$" })),
          methods: t.Optional(
            t.Array(t.Union(methodNames.map((name) => t.Literal(name))), { minItems: 1, maxItems: 7 }),
          ),
        },
        strict,
      ),
      { maxItems: 50 },
    ),
    credentials: t.Optional(
      t.Record(t.String({ pattern: "^[a-z][a-z0-9_-]{0,39}$" }), Credential, {
        maxProperties: 10,
        additionalProperties: false,
      }),
    ),
    rate_limit: t.Optional(
      t.Object(
        {
          requests_per_minute: t.Optional(int({ minimum: 1, maximum: 10_000 })),
          requests_per_hour: t.Optional(int({ minimum: 1, maximum: 100_000 })),
        },
        strict,
      ),
    ),
    max_request_bytes: t.Optional(int({ minimum: 0, maximum: 4 * 1024 * 1024 })),
    max_response_bytes: t.Optional(int({ minimum: 1, maximum: 10 * 1024 * 1024 })),
    timeout_secs: t.Optional(int({ minimum: 1, maximum: 60 })),
  },
  strict,
)
type Http = Static<typeof Http>

/** Framing and cookies are not for secrets. */
const refusedHeaders = ["host", "content-length", "transfer-encoding", "connection", "cookie"]

/** What is wrong beyond its shape; each as a path below `http/` and words. */
export function problemsOfHttp({ allowlist, credentials = {} }: Http): { path: string; words: string }[] {
  return [
    ...allowlist.flatMap(({ host }, index) =>
      isHostRule(host) ? [] : [{ path: `allowlist/${index}/host`, words: `"${host}" is no public host name` }],
    ),
    ...Object.entries(credentials).flatMap(([id, { host_patterns: hosts, location, secret_name: secret }]) => [
      ...(/_(?:refresh_token|oauth_client_id|oauth_client_secret)$/i.test(secret)
        ? [
            {
              path: `credentials/${id}/secret_name`,
              words: `"${secret}" is the kind of secret that only a login's provider gets`,
            },
          ]
        : []),
      ...(secret.toUpperCase() === BACKUP_SECRET
        ? [{ path: `credentials/${id}/secret_name`, words: `"${secret}" opens the backups, and goes to no host` }]
        : []),
      ...hosts.flatMap((host) => {
        const words = problemOfCredentialHost(host, allowlist)
        return words === null ? [] : [{ path: `credentials/${id}/host_patterns`, words }]
      }),
      ...(location.type === "header" && refusedHeaders.includes(location.name.toLowerCase())
        ? [{ path: `credentials/${id}/location/name`, words: `"${location.name}" is no header for a secret` }]
        : []),
    ]),
  ]
}

function problemOfCredentialHost(host: string, allowlist: Http["allowlist"]): string | null {
  if (!isHostRule(host) || host.slice(1).includes("*"))
    return `"${host}" is no host name: a secret goes to hosts by their names`
  if (host.startsWith("*."))
    return allowlist.some((rule) => nameOf(rule.host) === nameOf(host))
      ? null
      : `"${host}" is not in the allowlist: a secret goes to every host below a name only where that rule stands there too`
  return allowlist.some((rule) => coversHost(rule.host, nameOf(host))) ? null : `"${host}" is not in the allowlist`
}

/** Where a secret may go, as the egress gate takes it: an origin, or `https://*.name`. */
export function originOf(host: string): string {
  return `https://${nameOf(host)}`
}

/** A rule in the one spelling that URLs have. Only for what {@link isHostRule} let through. */
function nameOf(host: string): string {
  const below = host.startsWith("*.")
  return `${below ? "*." : ""}${URL.parse(`https://${below ? host.slice(2) : host}`)?.hostname ?? host}`
}

/** The name that stands in the guest's URL between braces. */
export function placeholderOf({ placeholder }: Extract<CredentialLocation, { type: "url_path" }>): string {
  return placeholder.replaceAll(/[{}]/g, "")
}
