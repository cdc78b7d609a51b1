/** Which of the owner's secrets a plugin's requests are given, by what they granted; and what has to be set before a request makes sense. */
import type { EgressCredential } from "#core/safety/egress.ts"
import { coversHost } from "#core/safety/hosts.ts"
import type { Manifest } from "./manifest.ts"
import { type CredentialLocation, originOf, placeholderOf } from "./manifest-http.ts"

/** Null where the owner has not set it, or where this plugin may not have it. */
export type SecretValue = (name: string) => string | null

/** Toward these hosts alone; a secret that is not set is not sent. */
export function credentialsOf({ capabilities }: Manifest, secretValue: SecretValue): EgressCredential[] {
  const credentials = Object.values(capabilities?.http?.credentials ?? {})
  return credentials.flatMap(({ secret_name: secretName, location, host_patterns: hosts }) => {
    const secret = secretValue(secretName)
    if (secret === null) return []
    return hosts.map((host) => ({ origin: originOf(host), secretName, secret, ...placeIn(location, secret) }))
  })
}

type Place = { value: string } & ({ header: string } | { query: string } | { placeholder: string })

function placeIn(location: CredentialLocation, secret: string): Place {
  switch (location.type) {
    case "bearer":
      return { header: "authorization", value: `Bearer ${secret}` }
    case "basic":
      return {
        header: "authorization",
        value: `Basic ${Buffer.from(`${location.username}:${secret}`).toString("base64")}`,
      }
    case "header":
      return { header: location.name, value: `${location.prefix ?? ""}${secret}` }
    case "query_param":
      return { query: location.name, value: secret }
    case "url_path":
      return { placeholder: placeholderOf(location), value: secret }
  }
}

/** Names of the secrets that requests to this URL need and do not have; those that the plugin can do without are not among them. */
export function missingSecrets(
  manifest: Manifest,
  { url, secretValue }: { url: string; secretValue: SecretValue },
): string[] {
  const given = secretsToward(manifest, url)
  return requiredSecrets(manifest).filter((name) => given.includes(name) && secretValue(name) === null)
}

/** Names of the secrets that requests to this URL are given. */
export function secretsToward({ capabilities }: Manifest, url: string): string[] {
  const host = URL.parse(url)?.hostname
  return Object.values(capabilities?.http?.credentials ?? {}).flatMap((one) =>
    host !== undefined && one.host_patterns.some((rule) => coversHost(rule, host)) ? [one.secret_name] : [],
  )
}

/** One of the owner's secrets that a plugin's requests are given. */
export type PluginSecret = {
  name: string
  isSet: boolean
  isRequired: boolean
  /** What it is, in the plugin's words; "" where it says nothing. */
  hint: string
  /** Where to make one. */
  url: string | null
  /** `login`: it comes from a login at the vendor, and is not set by hand. */
  way: "token" | "login"
  /** It is the one that the plugin's `auth` speaks of. */
  isMain: boolean
}

export function secretsOf(manifest: Manifest, secretValue: SecretValue): PluginSecret[] {
  const { secrets = [], auth } = manifest
  const required = requiredSecrets(manifest)
  const names = namedSecrets(manifest)
  const unique = names.filter((name, index) => names.findIndex((other) => isSame(other, name)) === index)
  return unique.map((name) => {
    const said = secrets.find((one) => isSame(one.name, name))
    const main = auth && isSame(auth.secret_name, name) ? auth : null
    return {
      name,
      isSet: secretValue(name) !== null,
      isRequired: required.includes(name),
      hint: said?.hint ?? main?.token_hint ?? "",
      url: said?.url ?? main?.setup_url ?? null,
      way: main?.oauth ? "login" : "token",
      isMain: main !== null,
    }
  })
}

function isSame(a: string, b: string): boolean {
  return a.toLowerCase() === b.toLowerCase()
}

/** By its requests, and by those that come to it. */
function namedSecrets({ capabilities }: Manifest): string[] {
  const webhook = capabilities?.channel?.webhook
  return [
    ...Object.values(capabilities?.http?.credentials ?? {}).map((one) => one.secret_name),
    ...(webhook ? [webhook.secret_name] : []),
  ]
}

/** Of those that it names: each that it does not call optional. */
export function requiredSecrets(manifest: Manifest): string[] {
  const { secrets = [] } = manifest
  const named = namedSecrets(manifest)
  const optional = secrets.filter((one) => one.optional === true).map(({ name }) => name.toLowerCase())
  return [...new Set(named)].filter((name) => !optional.includes(name.toLowerCase()))
}
