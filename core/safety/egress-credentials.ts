/**
 * Question: which of the owner's secrets goes into this request, and where? Asked after the caller's own bytes were scanned, of the first
 * request to the origin that a secret is for, and of no redirect.
 * Fails closed by: a parameter that the caller set too, a value that a parser would read as another path, and a redirect to a URL that
 * holds a secret are refused.
 * Known limits: an echo in a form that is not listed here is left to the leak scan of the result; a header of the caller is replaced.
 * Source: RFC 3986; IronClaw's five credential locations; bot tokens in the URLs of logs (GHSA-xwcj-hwhf-h378).
 */
import type { Act, EgressCredential } from "./egress-act.ts"
import type { Outgoing } from "./egress-exchange.ts"
import { coversHost } from "./hosts.ts"

/** What is put into the URL stands in `wirePath`, which only the socket reads: records, errors and answers speak of the caller's own URL. */
export function injectCredentials(act: Act, outgoing: Outgoing): Outgoing {
  const { url } = outgoing
  const headers = new Headers(outgoing.headers)
  let { pathname: path, search } = url
  for (const credential of act.who.credentials ?? []) {
    if (!isToward(credential.origin, url)) continue
    if ("header" in credential) headers.set(credential.header, credential.value)
    else if ("query" in credential) {
      if (url.searchParams.has(credential.query))
        throw act.refuse("egress", `the parameter ${credential.query} is for the owner's secret, and not the caller's`)
      search += `${search === "" ? "?" : "&"}${encodeURIComponent(credential.query)}=${encodeURIComponent(credential.value)}`
    } else {
      const mark = placeholderInPath(credential.placeholder)
      if (!path.includes(mark)) continue
      path = path.replaceAll(mark, () => pathForm(credential.value))
    }
    act.record.secretNames.push(credential.secretName)
  }
  const wirePath = path + search
  // A value that a parser would read as another path goes nowhere.
  if (path !== url.pathname && URL.parse(wirePath, url.origin)?.pathname !== path)
    throw act.refuse("egress", "the secret cannot stand in a path")
  return wirePath === url.pathname + url.search ? { ...outgoing, headers } : { ...outgoing, headers, wirePath }
}

/** What was put into the headers. The URL of a redirect is the server's, and held against {@link carriesSecret}. */
export function stripCredentials(headers: Headers, credentials: readonly EgressCredential[] = []): void {
  for (const credential of credentials) if ("header" in credential) headers.delete(credential.header)
}

/** Whether a server sends back, as the address of a redirect, what it was just given. */
export function carriesSecret(act: Act, location: string): boolean {
  const given = [location, decodedOf(location)].map((text) => text.toLowerCase())
  return usedSecrets(act).some(
    (secret) => secret.length >= 4 && given.some((text) => text.includes(secret.toLowerCase())),
  )
}

/** Every way in which a server may echo a secret that it was given in this act. */
export function usedSecrets(act: Act): string[] {
  const used = (act.who.credentials ?? []).filter(({ secretName }) => act.record.secretNames.includes(secretName))
  const plain = used.flatMap(({ value, secret }) => [
    value,
    // "Bearer x" is put in whole; a server that echoes only x gives away as much.
    value.replace(/^\S+ +/, ""),
    ...(secret === undefined ? [] : [secret]),
  ])
  return [...new Set(plain.flatMap(formsOf))]
}

function formsOf(value: string): string[] {
  const encoded = encodeURIComponent(value)
  const escaped = [encoded, pathForm(value), encoded.replaceAll("%20", "+")]
  return [
    value,
    ...escaped,
    ...escaped.map((text) => text.replaceAll(/%[0-9A-F]{2}/g, (byte) => byte.toLowerCase())),
    value.replaceAll("/", "\\/"), // as some write JSON
  ]
}

/** `https://*.example.com` stands for every host below example.com. */
function isToward(origin: string, url: URL): boolean {
  const below = /^https:\/\/(\*\.[^/:]+)$/.exec(origin)?.[1]
  return below === undefined
    ? origin === url.origin
    : url.protocol === "https:" && url.port === "" && coversHost(below, url.hostname)
}

/** `{NAME}` as the URL parser leaves it. */
function placeholderInPath(name: string): string {
  return `%7B${name}%7D`
}

/** RFC 3986 3.3: a segment may hold these as they are, and some servers do not decode them. */
function pathForm(value: string): string {
  return encodeURIComponent(value).replaceAll(/%(?:3A|40|24|26|2B|2C|3B|3D)/g, decodeURIComponent)
}

function decodedOf(text: string): string {
  try {
    return decodeURIComponent(text)
  } catch {
    return text // judged as it is written
  }
}
