/** What is asked of a guest, what it may use, and what came of it: the words between those who call foreign code and the children it runs in. */

/** `ts` is turned into `js` before it reaches a child. */
export type GuestKind = "wasm" | "js" | "ts"

export type GuestCode = {
  kind: GuestKind
  /** SHA-256 of the bytes, in hex. What `read` gives is held against it: other bytes never run. */
  sha256: string
  /** Called only when a child has to load the code. */
  read(): Promise<Uint8Array>
}

export type GuestLimits = {
  memoryMb: number
  /** The guest's own time. It stands still while a host function works. */
  timeoutMs: number
  /** Loop heads and function entries that it may pass. */
  fuel: number
  maxInputBytes: number
  maxOutputBytes: number
  /** HTTP requests in one call. */
  maxRequests: number
  /** Calls of other tools in one call. */
  maxToolCalls: number
  /** What one host function may take before its signal aborts and the guest is told so. */
  hostTimeoutMs: number
}

const MIB = 1024 * 1024

export const defaultLimits: GuestLimits = {
  memoryMb: 32,
  timeoutMs: 10_000,
  // Fuel is not time: for most code the deadline comes first, and this ends what finds a way around the clock.
  fuel: 2_000_000_000,
  maxInputBytes: MIB,
  maxOutputBytes: 4 * MIB,
  maxRequests: 50,
  maxToolCalls: 20,
  hostTimeoutMs: 60_000,
}

export type GuestRequest = { method: string; url: string; headers: Record<string, string>; body: Uint8Array }
/** Header names in lower case. */
export type GuestResponse = { status: number; headers: Readonly<Record<string, string>>; body: Uint8Array }

export type HostContext = {
  /** Aborts when the call ends, whatever ended it, or when the function has had its time. */
  signal: AbortSignal
}

/** Names under which a guest finds what it may ask of the host, besides HTTP: JSON in, JSON out. */
export const hostFunctionNames = [
  "memory_read",
  "memory_write",
  "memory_list",
  "secret_exists",
  "tool_invoke",
  "message_emit",
  "pairing_request",
] as const
export type HostFunctionName = (typeof hostFunctionNames)[number]

/** `payload` is JSON that the guest wrote: a host function parses it by a schema before it believes anything. */
export type HostFunction = (payload: unknown, context: HostContext) => Promise<unknown>

/**
 * What the host does for a guest during one call; what is absent is refused. A function that throws a HostRefusal is answered with its
 * words, which the guest can read and act on. Anything else that it throws ends the call.
 */
export type HostFunctions = {
  http?: (request: GuestRequest, context: HostContext) => Promise<GuestResponse>
  functions: Readonly<Partial<Record<HostFunctionName, HostFunction>>>
  /** Lines that the guest logs, control characters and all; bounded in number and length. */
  log(level: "debug" | "info" | "warn" | "error", line: string): void
}

/** No, in words for the guest's author: never a secret, never a path of ours. */
export class HostRefusal extends Error {}

export type GuestCall = {
  /** Whose code it is: a child serves one plugin and one version of it. */
  pluginId: string
  code: GuestCode
  /** The exported function. */
  name: string
  input: Uint8Array
  /** What `config_get` finds: never a secret. */
  config: Readonly<Record<string, string>>
  limits: GuestLimits
  host: HostFunctions
  signal: AbortSignal
  /** The call of another guest waits for it: where no child is free it is refused at once. */
  isNested?: boolean
  /** It asks nothing of the host and so waits for nobody, while calls of plugins may wait for it: it has places that they cannot take. */
  isHook?: boolean
}

/** Bytes of a foreign format, for a parser of ours in a child that can do nothing else. */
export type ParseCall = {
  format: string
  /** What is known of them from elsewhere, such as where they come from. */
  about: Readonly<Record<string, string>>
  input: Uint8Array
  limits: Pick<GuestLimits, "memoryMb" | "timeoutMs" | "maxInputBytes" | "maxOutputBytes">
  /** Whether the child ends with this call, so that no input has a hand in what comes of the next. */
  once: boolean
  signal: AbortSignal
}

export type FailureReason =
  /** It was not done in its time, and was killed. */
  | "deadline"
  | "fuel"
  /** It asked for more memory than it may have, or its process grew beyond it. */
  | "memory"
  /** It threw, trapped, or overflowed its stack: its own fault, in its own words. */
  | "trap"
  /** Its output, or an input for it, is larger than allowed. */
  | "size"
  /** It used up its requests or its tool calls. */
  | "quota"
  /** The code cannot be run: refused by the meter, other bytes than agreed, no such export. */
  | "code"
  /** A host function failed, or refused a stock HTTP request. */
  | "host"
  /** The child said what no child says: it was killed. */
  | "protocol"
  | "crashed"
  /** The caller's signal, or the plugin was stopped. */
  | "cancelled"
  /** No child could be had. */
  | "unavailable"

export type GuestUsage = {
  /** Waiting for a child, its start and loading included. */
  waitedMs: number
  /** From the call's start to its end, without host functions. */
  ranMs: number
  /** In host functions. */
  hostMs: number
  /** Null where the child did not live to tell. */
  fuel: number | null
  requests: number
  toolCalls: number
}

/** `words` may hold the guest's own text: untrusted, bounded to some 2,000 characters, to be shown with care. */
export type GuestOutcome = { usage: GuestUsage } & (
  | { ok: true; output: Uint8Array }
  | { ok: false; reason: FailureReason; words: string }
)

/** What the lock of the children is worth on this machine, found out by trying. */
export type LockState =
  | { state: "untried" }
  | { state: "locked"; parts: readonly string[] }
  /** Processes, fuel and deadlines hold; these parts of the lock do not. */
  | { state: "partial" | "unlocked"; parts: readonly string[]; missing: readonly string[] }

export type SandboxStatus = {
  lock: LockState
  children: {
    pluginId: string | null
    kind: "wasm" | "js" | "parser"
    state: "warm" | "busy" | "idle"
    calls: number
    pid: number
  }[]
  waiting: number
}

export type Sandbox = {
  /** Never throws: what went wrong is an outcome. */
  call(call: GuestCall): Promise<GuestOutcome>
  /** As `call`. */
  parse(call: ParseCall): Promise<GuestOutcome>
  /** Starts and locks a child of each kind, so that the next call finds one; and finds out what the lock is worth. */
  warm(): Promise<LockState>
  /** Ends this plugin's children. Calls under way are cancelled, or, with `drain`, finished first; later ones start new children. */
  stop(pluginId: string, how?: { sha256?: string; drain?: boolean }): Promise<void>
  /** Ends all; afterwards every call is "cancelled". */
  stopAll(): Promise<void>
  status(): SandboxStatus
}
