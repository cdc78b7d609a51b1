/** One connection to a server, by postgres.js. It is used by one caller at a time and never used again once anything broke it. */
import { Socket } from "node:net"
import postgres from "postgres"
import type { Clock } from "../clock.ts"
import { AppError } from "../errors.ts"
import { errorOfFault, faultOf } from "./faults.ts"
import type { PostgresTarget } from "./postgres-url.ts"
import type { WireResult, WireStatement } from "./values.ts"

export type PostgresConnection = {
  /** One transaction in one round trip: begin, the statements and commit go out together. */
  run(statements: readonly WireStatement[]): Promise<WireResult[]>
  /** Statements as they are, inside whatever transaction is open. */
  step(statements: readonly WireStatement[]): Promise<WireResult[]>
  alive(): boolean
  /** It prepared so many different statements that the server's memory is better given back. */
  wornOut(): boolean
  close(): void
}

export type ConnectDeps = {
  target: PostgresTarget
  clock: Clock
  countTrip: () => void
  onNotification: (payload: string) => void
  /** Called once, when an open connection is gone for whatever reason but {@link PostgresConnection.close}. */
  onLost: (connection: PostgresConnection) => void
}

const OLDEST_SERVER = 150_000 // server_version_num of 15.0
const MAX_PREPARED = 1000 // some 20 KB each at the server
const BEGIN: WireStatement = { sql: "begin", params: [] }
/** Also without parameters: the simple protocol would take several statements in one text. Its types do not know the option. */
const EXTENDED: postgres.UnsafeQueryOptions & { simple: boolean } = { prepare: true, simple: false }
const COMMIT: WireStatement = { sql: "commit", params: [] }
/** For one transaction: a third less of the server's time for a turn's commits (1.6 ms to 1.1, measured 2026-11-22). */
const REUSE_PLANS: WireStatement = { sql: "set local plan_cache_mode = auto", params: [] }
/** Search by words or by vectors, whose plan must fit the values. */
const SEARCHES = /@@|<=>|<->|<#>/

// What must be so in every session, in the same trip as the version. Settings are made here and not at connecting, where poolers refuse
// what they do not know. Plans are always made for the values at hand: a generic plan made filtered vector search 17 times slower
// (measured 2026-11-22). Iterative scans exist from pgvector 0.8; without them a filter leaves too few rows.
const SETTINGS = `select current_setting('server_version_num')::int as version,
  set_config('timezone', 'UTC', false), set_config('datestyle', 'ISO, YMD', false), set_config('intervalstyle', 'iso_8601', false),
  set_config('bytea_output', 'hex', false), set_config('extra_float_digits', '1', false),
  set_config('standard_conforming_strings', 'on', false),
  set_config('lock_timeout', '30s', false), set_config('idle_in_transaction_session_timeout', '60s', false),
  set_config('plan_cache_mode', 'force_custom_plan', false),
  (select set_config('hnsw.iterative_scan', 'relaxed_order', false) from pg_extension
    where extname = 'vector' and string_to_array(extversion, '.')::int[] >= '{0,8}')`

export async function connectPostgres({
  target,
  clock,
  countTrip,
  onNotification,
  onLost,
}: ConnectDeps): Promise<PostgresConnection> {
  let dialled = false
  let lost = false
  let open = false
  let mine = false
  /** Those who wait for an answer. A promise of the loss that lives as long as the connection would keep every answer raced against it. */
  const asking = new Set<(error: AppError) => void>()

  // Everything that could otherwise come from PG… variables of the environment is said here.
  const options = {
    database: target.database,
    username: target.user,
    password: target.password,
    ssl: target.ssl,
    sslnegotiation: null,
    max: 1,
    max_lifetime: null, // a connection lives until it breaks
    idle_timeout: 0,
    connect_timeout: target.connectTimeoutSeconds,
    max_pipeline: 10_000, // a batch goes out whole
    fetch_types: false, // one trip less; values.ts reads arrays itself
    prepare: true,
    debug: false,
    keep_alive: 60, // seconds
    backoff: () => 0, // a client that failed is thrown away
    // Left to itself, postgres.js connects again and again to a server that hangs up before it has said anything.
    socket: () => {
      if (dialled) throw new AppError("db.unreachable", `The server ${nameOf(target)} closed the connection at once`)
      dialled = true
      return dial(target)
    },
    onnotice: () => {},
    onnotify: (_channel: string, payload: string) => onNotification(payload),
    connection: { application_name: "ironclaw" },
    onclose() {
      lost = true
      for (const reject of asking) reject(new AppError("db.connection_lost", `The server ${nameOf(target)} went away`))
      if (open && !mine) onLost(connection)
    },
  }
  const client = postgres(options)
  // Parameters and rows travel as Postgres' own text (values.ts); postgres.js would turn JSON text into JSON of a string.
  for (const table of [client.options.parsers, client.options.serializers]) {
    for (const type of Object.keys(table)) Reflect.deleteProperty(table, type)
  }
  const stop = () => void client.end({ timeout: 0 }).catch(() => {}) // it may be gone already, which is what is wanted

  // postgres.js has a timer of its own, but it does not end every wait for a server that never says anything.
  let giveUp: (error: AppError) => void = () => {}
  const deadline = new Promise<never>((_, reject) => (giveUp = reject))
  const cancelDeadline = clock.after(target.connectTimeoutSeconds * 1000, () =>
    giveUp(
      new AppError(
        "db.unreachable",
        `Postgres at ${nameOf(target)} did not answer in ${target.connectTimeoutSeconds} s`,
      ),
    ),
  )

  let reserved: postgres.ReservedSql
  try {
    countTrip()
    const [settings] = await Promise.race([client.unsafe(SETTINGS), deadline])
    const version = Number(settings?.["version"])
    if (version < OLDEST_SERVER) {
      throw new AppError(
        "db.too_old",
        `The server ${nameOf(target)} is PostgreSQL ${Math.floor(version / 10_000)}; 15 is the oldest that works`,
      )
    }
    reserved = await client.reserve()
  } catch (error) {
    stop()
    throw error instanceof AppError ? error : errorOfConnecting(error, target)
  } finally {
    cancelDeadline()
  }

  async function orLoss<T>(answers: Promise<T>): Promise<T> {
    const { promise, resolve, reject } = Promise.withResolvers<T>()
    asking.add(reject)
    answers.then(resolve, reject)
    try {
      return await promise
    } finally {
      asking.delete(reject)
    }
  }

  const seen = new Set<string>()
  async function send(statements: readonly WireStatement[], firstIndex = 0): Promise<WireResult[]> {
    if (lost) throw new AppError("db.connection_lost", `The server ${nameOf(target)} went away`)
    countTrip()
    const answers = statements.map(async ({ sql, params }) => {
      // The first time, postgres.js asks for the types of the parameters, and waits for them.
      if (params.length > 0 && !seen.has(sql)) countTrip()
      seen.add(sql)
      return reserved.unsafe(sql, params, EXTENDED).values()
    })
    const settled = await orLoss(Promise.allSettled(answers))
    return settled.map((each, index) => {
      if (each.status === "rejected") throw errorOfStatement({ error: each.reason, index: index - firstIndex, target })
      const { columns, command, count } = each.value
      return {
        columns: (columns ?? []).map(({ name, type }) => ({ name, type })),
        rows: [...each.value],
        tag: count === null ? command : `${command} ${count}`,
      }
    })
  }

  const connection: PostgresConnection = {
    async run(statements) {
      if (statements.length === 1) return send(statements)
      try {
        const before = statements.some(({ sql }) => SEARCHES.test(sql)) ? [BEGIN] : [BEGIN, REUSE_PLANS]
        return (await send([...before, ...statements, COMMIT], before.length)).slice(before.length, -1)
      } catch (error) {
        throw atCommit(error, statements.length)
      }
    },
    step: (statements) => send(statements),
    alive: () => !lost,
    wornOut: () => seen.size > MAX_PREPARED,
    close() {
      mine = true
      stop()
    },
  }
  open = true
  if (lost) throw new AppError("db.connection_lost", `The server ${nameOf(target)} went away`)
  return connection
}

async function dial({ host, port, socketPath }: PostgresTarget): Promise<Socket> {
  const socket = new Socket()
  await new Promise<void>((resolve, reject) => {
    socket.once("error", reject)
    socket.once("connect", () => {
      socket.off("error", reject)
      resolve()
    })
    if (socketPath === undefined) socket.connect(port, host)
    else socket.connect(socketPath)
  })
  return Object.assign(socket, { host }) // postgres.js names the server in TLS by this field
}

/** A refusal of the commit itself is no statement's fault. */
function atCommit(error: unknown, count: number): unknown {
  const fault = faultOf(error)
  if (fault?.statement !== count) return error
  const { sqlState, constraint } = fault
  return errorOfFault({ sqlState, message: fault.message.replace(`${sqlState}: `, ""), constraint })
}

export function nameOf({ host, port, socketPath }: PostgresTarget): string {
  return socketPath ?? `${host.includes(":") ? `[${host}]` : host}:${port}`
}

/** What postgres.js throws: a server's refusal has `severity`, everything else a `code` of its own or of the system. */
type Thrown = { code: string; message: string; severity: string | undefined; constraint: string | undefined }

function readThrown(error: unknown): Thrown {
  const field = (name: string) => {
    const value: unknown = typeof error === "object" && error !== null ? Reflect.get(error, name) : undefined
    return typeof value === "string" ? value : undefined
  }
  return {
    code: field("code") ?? "",
    message: field("message") ?? "",
    severity: field("severity"),
    constraint: field("constraint_name"),
  }
}

function errorOfStatement({
  error,
  index,
  target,
}: {
  error: unknown
  index: number
  target: PostgresTarget
}): AppError {
  const { code, message, severity, constraint } = readThrown(error)
  if (severity === undefined)
    return new AppError("db.connection_lost", `The connection to ${nameOf(target)} broke (${code || "unknown"})`)
  return errorOfFault({ sqlState: code, message, constraint, statement: index })
}

function errorOfConnecting(error: unknown, target: PostgresTarget): AppError {
  const { code, message, severity } = readThrown(error)
  const server = nameOf(target)
  const cause = new Error(`${code}: ${severity === undefined ? message : ""}`)
  if (code === "28P01" || code === "28000") {
    return new AppError(
      "db.auth_failed",
      `The server ${server} does not let the user "${target.user}" in with this password`,
      { cause },
    )
  }
  if (code === "3D000") {
    const command = `createdb -O ${target.user} ${target.database}`
    return new AppError(
      "db.no_database",
      `The server ${server} has no database "${target.database}". Make it with: ${command}`,
      { cause },
    )
  }
  if (code === "57P03") {
    return new AppError("db.unreachable", `The server ${server} is starting or stopping`, {
      cause,
      retryAfterSeconds: 2,
    })
  }
  if (severity !== undefined && !code.startsWith("53")) return errorOfFault({ sqlState: code, message })
  if (message.includes("before secure TLS")) {
    return new AppError("db.tls_failed", `The server ${server} offers no encryption, and sslmode demands it`, { cause })
  }
  if (/CERT|SSL|TLS|SELF_SIGNED|UNABLE_TO/.test(code)) {
    return new AppError("db.tls_failed", `The encrypted connection to ${server} was refused by us (${code})`, { cause })
  }
  return new AppError("db.unreachable", `No answer from Postgres at ${server} (${code || "connection failed"})`, {
    cause,
  })
}
