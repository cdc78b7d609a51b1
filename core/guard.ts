/**
 * Question: does whoever opens a connection, resolves a name, listens, or starts a process hold the pass for it?
 * Fails closed by: every way out that script code has is replaced by a refusal; a pass opens its doors only while its holder is on
 * the stack; what cannot be replaced (`Bun.fetch` and what is built on it) is sent to a proxy that does not exist.
 * Known limits: it holds against code that forgets, not against code that attacks from inside this process: bun:ffi, process.dlopen,
 * an inspector, `fetch` with `proxy: false` reached through `Bun.fetch`, and the runtime's built-in `ws` module stay open (nothing
 * here imports the last; foreign code runs in locked children). It binds the thread it is installed in: a Worker's entry must install
 * it too. It must run before anything else loads: whoever imported a function of node:dns by name before keeps the old one.
 * Source: ARCHITECTURE law 2; what can be replaced in Bun 1.4.5 was measured, 2026-11, in scripts and in a compiled binary.
 */
import { Socket } from "node:net"
import { AppError } from "./errors.ts"

/** What a pass can open; no pass opens `nobody`. `fetch` is the runtime's own client, and reaches only our own service. */
type DoorKind = "connect" | "resolve" | "listen" | "datagram" | "spawn" | "worker" | "fetch" | "nobody"

/** The exemptions, by name: who may do what. Each name is claimed once, by the module that it names. */
const doors = {
  egress: ["connect", "resolve"], // core/safety/egress-pool.ts
  "own-service": ["connect", "fetch"], // the typed client, over the Unix socket or loopback
  listener: ["listen"], // the gateway's port and socket
  "login-listener": ["listen"], // gateway/login-callback.ts: loopback, for one login
  "database-worker": ["worker"], // the embedded database's thread
  "sandbox-child": ["spawn"], // locked children of our own binary
  "exec-jail": ["spawn"], // commands in an OS jail
  "hook-program": ["spawn"], // core/hooks/program.ts: what the owner set, as they set it
  "new-version": ["spawn"], // cmd/lib/new-version.ts: a verified update of this program, tried, and started again as the service
  "system-service": ["spawn"], // systemctl, launchctl, the owner's browser: on the owner's command
} as const satisfies Record<string, readonly DoorKind[]>

type DoorName = keyof typeof doors
/** Runs `work` with the doors open until it returns: what it starts must be started before its first await. */
export type Pass = <T>(work: () => T) => T

const open = new Map<DoorKind, number>()
const claimed = new Set<DoorName>()
const databases = new Set<string>()
const refusals: { kind: DoorKind; what: string }[] = []
const steered: string[] = []
let installed = false

const MAX_REFUSALS = 100 // enough to see who tries; a loop cannot fill memory

/** Nobody listens on port 0, on any machine, so what goes there goes nowhere. */
const NOWHERE = "http://0.0.0.0:0"
const proxyNames = ["HTTP_PROXY", "HTTPS_PROXY", "http_proxy", "https_proxy"]

/** Give the result to nobody: keep it in a module-level constant. */
export function claimPass(name: DoorName): Pass {
  if (installed && claimed.has(name)) throw new AppError("guard.refused", `The pass "${name}" is already held`)
  claimed.add(name)
  return (work) => withOpen(doors[name], work)
}

function withOpen<T>(kinds: readonly DoorKind[], work: () => T): T {
  for (const kind of kinds) open.set(kind, (open.get(kind) ?? 0) + 1)
  try {
    return work()
  } finally {
    for (const kind of kinds) open.set(kind, (open.get(kind) ?? 0) - 1)
  }
}

/** The configured Postgres: its driver opens sockets by itself, so its address is exempt instead of its code. */
export function allowDatabase(target: { host: string; port: number } | { path: string }): void {
  databases.add("path" in target ? target.path : `${target.host.toLowerCase()}:${target.port}`)
}

/** What was refused since the start, oldest first: kind and a short description, never an address's query or content. */
export function guardRefusals(): readonly { kind: DoorKind; what: string }[] {
  return refusals
}

/** Names of variables that were taken out of our environment at the start: the runtime itself had read some of them before. */
export function steeringNames(): readonly string[] {
  return steered
}

/** Call it first, before any module that could reach out is loaded. A second call does nothing. */
export function installGuard(): void {
  if (installed) return
  installed = true
  steered.push(...cleanEnvironment(process.env))
  for (const name of proxyNames) process.env[name] = NOWHERE
  guardGlobals()
  guardBun()
  guardSockets()
  guardNames()
  guardProcesses()
}

/** Variables that choose proxies, or make a runtime or a linker run or trust something else. */
const steering =
  /^(.*_proxy|bun_.*|node_.*|npm_config_.*|ld_.*|dyld_.*|bash_env|env|shellopts|bashopts|ps4|sslkeylogfile)$/i
const harmless = new Set(["NODE_ENV", "NODE_EXTRA_CA_CERTS"]) // the second is how an owner trusts a private authority

/** Takes them out of `env`, which is changed, and gives the names of those that were not empty: our own at start, so that no child inherits them, and any that is made for a child. */
export function cleanEnvironment(env: Record<string, string | undefined>): string[] {
  const names = Object.keys(env).filter((name) => steering.test(name) && !harmless.has(name))
  const set = names.filter((name) => env[name])
  for (const name of names) delete env[name]
  return set
}

function guardGlobals(): void {
  const real = globalThis.fetch
  const guarded = (input: string | URL | Request, init: RequestInit = {}): Promise<Response> => {
    if (!isOpen("fetch")) return Promise.reject(refused("fetch", hostOf(input)))
    // Our own service is on this machine: never by way of the proxy that leads nowhere.
    const direct: RequestInit & { proxy: false } = { ...init, proxy: false }
    return real(input, direct)
  }
  replace(globalThis, "fetch", Object.assign(guarded, { preconnect: () => {} }))
  replaceClass(globalThis, "WebSocket", "connect")
  replaceClass(globalThis, "EventSource", "connect")
  replaceClass(globalThis, "Worker", "worker")
}

function guardBun(): void {
  wrap(Bun, "connect", "connect")
  wrap(Bun, "udpSocket", "datagram")
  wrap(Bun, "listen", "listen")
  wrap(Bun, "serve", "listen")
  for (const name of ["spawn", "spawnSync"]) wrapSpawn(Bun, name, withOwnEnvironment)
  for (const name of ["$", "openInEditor", "cron"]) wrap(Bun, name, "nobody")
  for (const name of ["SQL", "S3Client", "RedisClient", "FetchSession", "Terminal"]) replaceClass(Bun, name, "nobody")
  for (const name of ["sql", "postgres", "s3", "redis"]) replace(Bun, name, undefined)
  for (const name of namesIn(Bun.dns)) if (isQuestion(name)) wrap(Bun.dns, name, "resolve")
}

function guardSockets(): void {
  const net = builtin("node:net")
  wrap(prototypeOf(net, "Socket"), "connect", "connect", databaseOf)
  wrap(prototypeOf(net, "Server"), "listen", "listen")
  const datagrams = prototypeOf(builtin("node:dgram"), "Socket")
  for (const name of ["bind", "connect", "send", "sendto"]) wrap(datagrams, name, "datagram")
}

function guardNames(): void {
  const dns = builtin("node:dns")
  const promises = dns["promises"]
  const places = [dns, promises, prototypeOf(dns, "Resolver"), prototypeOf(promises, "Resolver")]
  for (const place of places) for (const name of namesIn(place)) if (isQuestion(name)) wrap(place, name, "resolve")
}

function guardProcesses(): void {
  const processes = builtin("node:child_process")
  // spawn, exec, execFile and fork all end in the first; the names too, so that a refusal is thrown where the call is.
  wrapSpawn(prototypeOf(processes, "ChildProcess"), "spawn")
  for (const name of ["spawn", "exec", "execFile", "fork", "spawnSync", "execSync", "execFileSync"]) {
    wrapSpawn(processes, name)
  }
  wrap(process, "execve", "nobody")
  replaceClass(builtin("node:worker_threads"), "Worker", "worker")
}

/** Puts a check in front of a function; `exempt` may find in the arguments what makes this one call right. */
function wrap(owner: unknown, name: string, kind: DoorKind, exempt: (args: unknown[]) => boolean = () => false): void {
  const real = member(owner, name)
  if (typeof real !== "function") return
  const guarded = function (this: unknown, ...args: unknown[]): unknown {
    if (isOpen(kind)) return Reflect.apply(real, this, args)
    if (!exempt(args)) {
      const error = refused(kind, name)
      // A socket tells by its error event, which its owner expects; a throw inside a driver's timer would end the process.
      if (this instanceof Socket) return this.destroy(error)
      throw error
    }
    // The driver's own look-up of the database's name happens inside this call.
    return withOpen(["resolve"], (): unknown => Reflect.apply(real, this, args))
  }
  // Statics like `lookup.__promisify__`, or `$.env`, stay where callers look for them.
  replace(owner, name, Object.defineProperties(guarded, Object.getOwnPropertyDescriptors(real)))
}

/** What is started inherits our environment without the proxies that lead nowhere; an environment made for it is left alone. */
function wrapSpawn(owner: unknown, name: string, prepare: (args: unknown[]) => unknown[] = (args) => args): void {
  const real = member(owner, name)
  if (typeof real !== "function") return
  wrap(owner, name, "spawn")
  const checked = member(owner, name)
  if (typeof checked !== "function") return
  replace(owner, name, function (this: unknown, ...args: unknown[]): unknown {
    for (const proxy of proxyNames) delete process.env[proxy]
    try {
      const result: unknown = Reflect.apply(checked, this, prepare(args))
      return result
    } finally {
      for (const proxy of proxyNames) process.env[proxy] = NOWHERE
    }
  })
}

/** Bun's spawn passes on the environment the process was born with, whatever `process.env` says now: so it is always told. */
function withOwnEnvironment(args: unknown[]): unknown[] {
  const at = Array.isArray(args[0]) ? 1 : 0
  const options = typeof args[at] === "object" && args[at] !== null ? args[at] : {}
  return args.slice(0, at).concat({ ...options, env: member(options, "env") ?? { ...process.env } })
}

/** The same for a class: `new` is checked, `instanceof`, statics and subclasses go on working. */
function replaceClass(owner: unknown, name: string, kind: DoorKind): void {
  const real = member(owner, name)
  if (typeof real !== "function") return
  replace(
    owner,
    name,
    new Proxy(real, {
      construct(_target, args: unknown[], made) {
        if (!isOpen(kind)) throw refused(kind, name)
        const object: unknown = Reflect.construct(real, args, made)
        if (typeof object !== "object" || object === null) throw refused(kind, name)
        return object
      },
      apply(_target, self, args: unknown[]): unknown {
        if (!isOpen(kind)) throw refused(kind, name)
        return Reflect.apply(real, self, args)
      },
    }),
  )
}

function isOpen(kind: DoorKind): boolean {
  return (open.get(kind) ?? 0) > 0
}

function refused(kind: DoorKind, what: string): AppError {
  if (refusals.length === MAX_REFUSALS) refusals.shift()
  refusals.push({ kind, what })
  return new AppError("guard.refused", `Only the gates may do this: ${kind} (${what})`)
}

/** `socket.connect(port, host)`, `(path)`, `(options)`, or the array of these that node:net passes to itself. */
function databaseOf(args: unknown[]): boolean {
  const given: unknown[] = Array.isArray(args[0]) ? args[0] : args
  const [first, second] = given
  if (typeof first === "object" && first !== null) {
    // TLS over a socket that is connected already: what it may be connected to was judged then.
    if (member(first, "socket") instanceof Socket) return true
    const path = member(first, "path")
    if (typeof path === "string") return databases.has(path)
    const host = member(first, "host")
    return databases.has(
      `${typeof host === "string" ? host.toLowerCase() : "localhost"}:${Number(member(first, "port"))}`,
    )
  }
  if (typeof first === "string" && !/^\d+$/.test(first)) return databases.has(first)
  return databases.has(`${typeof second === "string" ? second.toLowerCase() : "localhost"}:${Number(first)}`)
}

/** What asks a name server, or the system, about a name or an address. */
function isQuestion(name: string): boolean {
  return /^(lookup|resolve|reverse|prefetch)/.test(name)
}

function hostOf(input: string | URL | Request): string {
  return URL.parse(input instanceof Request ? input.url : String(input))?.host ?? "no URL"
}

/** The CommonJS face of a built-in module: what it holds now is what a later `import` of it gets. */
function builtin(name: string): Record<string, unknown> {
  // Typed by name where it is used; here only members are looked up, each checked before use.
  return process.getBuiltinModule(name) as unknown as Record<string, unknown>
}

function member(owner: unknown, name: string): unknown {
  return (typeof owner === "object" && owner !== null) || typeof owner === "function"
    ? Reflect.get(owner, name)
    : undefined
}

function prototypeOf(owner: unknown, name: string): unknown {
  return member(member(owner, name), "prototype")
}

function namesIn(owner: unknown): string[] {
  return typeof owner === "object" && owner !== null ? Object.getOwnPropertyNames(owner) : []
}

/** Fails loudly where the runtime no longer lets go of a name: a guard with a hole must not start. */
function replace(owner: unknown, name: string, value: unknown): void {
  if ((typeof owner !== "object" && typeof owner !== "function") || owner === null) return
  if (!Reflect.set(owner, name, value) || Reflect.get(owner, name) !== value) {
    throw new AppError("guard.refused", `The runtime does not let ${name} be guarded`)
  }
}
