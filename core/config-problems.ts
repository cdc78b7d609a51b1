/** What is wrong with a value in ways that a schema cannot say, in plain words; null where nothing is. */
import { isAbsolute } from "node:path"

export function timeZoneProblem(value: string): string | null {
  try {
    new Intl.DateTimeFormat("en", { timeZone: value })
    return null
  } catch {
    return `"${value}" is not a time zone; it should look like Europe/Vienna or UTC`
  }
}

export function absolutePathProblem(value: string): string | null {
  return isAbsolute(value) ? null : `"${value}" is not an absolute path`
}

export function hostProblem(value: string): string | null {
  return /^[a-z0-9](?:[a-z0-9.-]*[a-z0-9])?(?::\d{1,5})?$/i.test(value) ? null : `"${value}" is not a host name`
}

export function ipProblem(value: string): string | null {
  const isV4 = /^(?:(?:25[0-5]|2[0-4]\d|1?\d?\d)(?:\.(?!$)|$)){4}$/.test(value)
  return isV4 || (value.includes(":") && URL.canParse(`http://[${value}]`)) ? null : `"${value}" is not an IP address`
}

export function modelIdProblem(value: string): string | null {
  return /^[a-z0-9_-]+\/\S+$/i.test(value) ? null : `"${value}" should be written as vendor/model`
}

export function originProblem(value: string): string | null {
  const url = URL.parse(value)
  if (url === null || !isHttp(url)) return `"${value}" is not an address such as http://127.0.0.1:11434`
  return url.pathname === "/" && url.search === "" && url.hash === "" && url.username === ""
    ? null
    : `"${value}" should be scheme, host and port alone: ${url.origin}`
}

/** Scheme and host alone, by https: browsers are sent there with the code of a login. */
export function publicUrlProblem(value: string): string | null {
  const problem = originProblem(value)
  if (problem !== null) return problem
  return URL.parse(value)?.protocol === "https:" ? null : `"${value}" does not begin with https://`
}

export function httpUrlProblem(value: string): string | null {
  const url = URL.parse(value)
  return url !== null && isHttp(url)
    ? null
    : `"${withoutPassword(value)}" is not an address that starts with http:// or https://`
}

/** Releases come by https; a server on this very machine may do without. */
export function releaseUrlProblem(value: string): string | null {
  const url = URL.parse(value)
  const isOwn = url !== null && /^(localhost|127\.0\.0\.1|\[::1\])$/.test(url.hostname)
  const right = url !== null && (url.protocol === "https:" || (url.protocol === "http:" && isOwn))
  if (!right) return `"${withoutPassword(value)}" is not an address that starts with https://`
  return url.search === "" && url.hash === "" && url.username === ""
    ? null
    : `"${withoutPassword(value)}" should be an address alone, such as https://example.org/ironclaw`
}

/** The text of an ed25519 public key: 32 bytes in base64. */
export function releaseKeyProblem(value: string): string | null {
  return /^[A-Za-z0-9+/]{43}=$/.test(value)
    ? null
    : `"${value.slice(0, 60)}" is no ed25519 public key: 32 bytes in base64 are 44 characters`
}

export function databaseUrlProblem(value: string): string | null {
  const url = URL.parse(value)
  const right = url !== null && (url.protocol === "postgres:" || url.protocol === "postgresql:")
  return right ? null : `"${withoutPassword(value)}" is not an address such as postgres://user@host:5432/name`
}

function isHttp(url: URL): boolean {
  return url.protocol === "http:" || url.protocol === "https:"
}

/** Query parameters that libpq and vendors' APIs take a credential from. */
const SECRET_PARAMETER = /(?:password|passwd|secret|token|apikey|(?:^|[_-])(?:pwd|key|sig|signature))$/i

export function urlHoldsSecret(value: string): boolean {
  const url = URL.parse(value)
  if (url === null) return /:[^/@\s]*@/.test(value)
  return url.password !== "" || [...url.searchParams.keys()].some((name) => SECRET_PARAMETER.test(name))
}

/** A URL as it may be shown: credentials replaced. Other texts come back as they are. */
export function withoutPassword(value: string): string {
  const url = URL.parse(value)
  if (url === null) return value.replace(/:[^/@\s]*@/, ":***@")
  if (!urlHoldsSecret(value)) return value
  if (url.password !== "") url.password = "***"
  for (const name of url.searchParams.keys()) if (SECRET_PARAMETER.test(name)) url.searchParams.set(name, "***")
  return url.href
}
