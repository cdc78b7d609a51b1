/** What a database URL says, in the words of libpq: host, port, user, TLS. Environment variables are not read here. */
import { readFileSync } from "node:fs"
import type { ConnectionOptions } from "node:tls"
import { AppError } from "../errors.ts"

/** As libpq: "prefer" takes what the server offers, "require" encrypts, "verify-ca" also checks who signed, "verify-full" also the name. */
const sslModes = ["disable", "allow", "prefer", "require", "verify-ca", "verify-full"] as const
type SslMode = (typeof sslModes)[number]

export type PostgresTarget = {
  host: string
  port: number
  /** A folder with the server's socket; then host and port only name it. */
  socketPath: string | undefined
  database: string
  user: string
  password: string
  connectTimeoutSeconds: number
  ssl: false | "prefer" | ConnectionOptions
}

const DEFAULT_PORT = 5432
const CONNECT_TIMEOUT_SECONDS = 10 // libpq waits for ever; a person does not

/** Parameters that mean something here. An unknown one is refused: ignoring `sslmod=verify-full` would be worse than an error. */
const known = [
  "sslmode",
  "sslrootcert",
  "host",
  "port",
  "user",
  "password",
  "dbname",
  "connect_timeout",
  "application_name",
]

/** Throws `db.bad_url`. The message never holds the URL, for it may hold a password. */
export function readPostgresUrl({ url, caFile }: { url: string; caFile?: string | undefined }): PostgresTarget {
  let parsed: URL
  try {
    // libpq allows an empty host ("postgres://user@/db?host=/var/run/postgresql"), the URL standard does not.
    parsed = new URL(url.replace(/^(postgres(?:ql)?:\/\/(?:[^/?#]*@)?)(?=[/?]|$)/, "$1localhost"))
  } catch (cause) {
    throw new AppError("db.bad_url", "The database URL is not a URL", {
      cause: cause instanceof TypeError ? undefined : cause,
    })
  }
  if (parsed.protocol !== "postgres:" && parsed.protocol !== "postgresql:") {
    throw new AppError("db.bad_url", `The database URL begins with "${parsed.protocol}", not with "postgres:"`)
  }
  const query = parsed.searchParams
  for (const name of query.keys()) {
    if (!known.includes(name))
      throw new AppError("db.bad_url", `The database URL has the parameter "${name}", which is not known here`)
  }
  const mode = query.get("sslmode") ?? "prefer"
  if (!isSslMode(mode)) throw new AppError("db.bad_url", `sslmode is "${mode}"; it may be ${sslModes.join(", ")}`)
  const host = query.get("host") ?? (decode(parsed.hostname.replace(/^\[|\]$/g, "")) || "localhost")
  const user = query.get("user") ?? decode(parsed.username)
  if (user === "") throw new AppError("db.bad_url", "The database URL names no user")
  const port = Number(query.get("port") ?? (parsed.port || DEFAULT_PORT))
  if (!Number.isInteger(port) || port < 1 || port > 65_535)
    throw new AppError("db.bad_url", "The port in the database URL is no port")
  const timeout = Number(query.get("connect_timeout") ?? CONNECT_TIMEOUT_SECONDS)
  return {
    host,
    port,
    socketPath: host.startsWith("/") ? `${host}/.s.PGSQL.${port}` : undefined,
    database: query.get("dbname") ?? (decode(parsed.pathname.slice(1)) || user),
    user,
    password: query.get("password") ?? decode(parsed.password),
    connectTimeoutSeconds: Number.isFinite(timeout) && timeout > 0 ? timeout : CONNECT_TIMEOUT_SECONDS,
    ssl: host.startsWith("/") ? false : tlsOf({ mode, host, caFile: query.get("sslrootcert") ?? caFile }),
  }
}

function isSslMode(mode: string): mode is SslMode {
  return sslModes.some((each) => each === mode)
}

function decode(text: string): string {
  try {
    return decodeURIComponent(text)
  } catch {
    // Not percent-encoded at all: what stands there is meant as it stands.
    return text
  }
}

type TlsOf = { mode: SslMode; host: string; caFile: string | undefined }

function tlsOf({ mode, host, caFile }: TlsOf): PostgresTarget["ssl"] {
  if (mode === "disable") return false
  if (mode === "allow" || mode === "prefer") return "prefer"
  const ca = caFile === undefined || caFile === "system" ? undefined : readAuthority(caFile)
  // libpq: "require" with a root certificate checks it like "verify-ca".
  if (mode === "require" && ca === undefined) return { rejectUnauthorized: false }
  const verified: ConnectionOptions = { rejectUnauthorized: true, ...(ca === undefined ? {} : { ca }) }
  if (mode === "verify-full") return { ...verified, host }
  return { ...verified, checkServerIdentity: () => undefined }
}

function readAuthority(path: string): string {
  try {
    return readFileSync(path, "utf8")
  } catch (cause) {
    throw new AppError("db.tls_failed", `The certificate file "${path}" cannot be read`, { cause })
  }
}
