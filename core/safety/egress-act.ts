/** One request through the egress gate as a thing of its own: who asks, within which bounds, and the record that remains of it. */
import type { Clock } from "../clock.ts"
import { AppError } from "../errors.ts"
import { preview } from "../event.ts"
import { asEgressError, isRefusal, refusal, whyOf } from "./egress-record.ts"
import type { HostRule, LocalEndpoint } from "./hosts.ts"

export type EgressCaps = {
  maxRequestBytes: number
  /** On the wire, and again after decoding. */
  maxResponseBytes: number
  /** Decoded bytes per byte on the wire, once more than 1 MiB was decoded. */
  maxRatio: number
  connectMs: number
  /** From sending a request to the head of its answer, connecting included. */
  firstByteMs: number
  /** Between two pieces of a body; also how long a caller may leave a body unread. */
  idleMs: number
  /** From the call to the last byte. Null for streams, which `idleMs` bounds. */
  totalMs: number | null
  /** Requests of one principal at a time; one more is refused at once. */
  maxInFlight: number
}

/** What fits a tool that calls a web API. A model's stream wants a longer `firstByteMs`, no `totalMs`, and more in flight. */
export const defaultCaps: EgressCaps = {
  maxRequestBytes: 10_485_760, // 10 MiB: a photo as base64
  maxResponseBytes: 10_485_760, // 10 MiB: more than any page or API answer that a model could use
  maxRatio: 200, // gzip tops out at 1032; real JSON and HTML stay below 50
  connectMs: 10_000, // three SYN retransmissions
  firstByteMs: 30_000, // a slow API; a model that thinks needs more
  idleMs: 30_000,
  totalMs: 60_000,
  maxInFlight: 16,
}

/** Put into the first request by the gate, after the caller's own bytes were scanned, toward this origin only: see egress-credentials.ts. */
export type EgressCredential = {
  /** Or `https://*.example.com`: every host below it. */
  origin: string
  value: string
  secretName: string
  /** The secret itself, where `value` holds it in another form: it is kept out of answers too. */
  secret?: string
} & (
  | { header: string }
  /** The parameter's name; a caller's own of that name is refused. */
  | { query: string }
  /** The caller writes `{NAME}` in the path. */
  | { placeholder: string }
)

export type EgressCaller = {
  principal: string
  agentId: string
  sessionId?: string
  turnId?: string
  /** Why, in a word or two: "model", "tool:http_request", "mcp". Goes into the record. */
  purpose: string
  allow: readonly HostRule[]
  local: readonly LocalEndpoint[]
  caps?: Partial<EgressCaps>
  credentials?: readonly EgressCredential[]
}

/** Everything that the audit row of one request needs; the caller of `createEgress` makes it one. Redirects are part of the same act. */
export type EgressRecord = {
  principal: string
  agentId: string
  sessionId: string | null
  turnId: string | null
  purpose: string
  method: string
  scheme: string
  host: string
  port: number
  /** The address connected to; null where a pooled connection was used or none was made. */
  address: string | null
  /** Path with query names but no values, at most 200 characters. */
  path: string
  /** Hosts of the redirects that were followed. */
  hops: string[]
  status: number | null
  outcome: EgressOutcome
  why: string
  /** Gate → allow, or deny and why. */
  verdicts: Record<string, string>
  secretNames: string[]
  bytesOut: number
  bytesIn: number
  durationMs: number
}
type EgressOutcome = "done" | "refused" | "failed"

export type Act = {
  readonly who: EgressCaller
  readonly caps: EgressCaps
  readonly record: EgressRecord
  readonly startedAtMs: number
  /** Ends the act from outside: the caller's signal, a timeout, a lockdown. */
  readonly stop: AbortController
  /** Records a denial by this gate, and gives the error to throw. */
  refuse(gate: string, why: string): AppError
  /** Runs `work` `afterMs` from now unless cancelled: every timeout of an act stops it with an AppError. */
  timeout(afterMs: number, message: string): () => void
  /** The error to show for what was thrown: the reason of the stop where there was one. */
  errorOf(thrown: unknown): unknown
  finish(why: string): Promise<void>
  /** Records `thrown` as the end, and gives the error to show. */
  fail(thrown: unknown): Promise<unknown>
}

type ActDeps = { clock: Clock; onEnd: (act: Act, record: EgressRecord) => void | Promise<void> }

export function beginAct(
  who: EgressCaller,
  caps: EgressCaps,
  method: string,
  signal: AbortSignal | null,
  { clock, onEnd }: ActDeps,
): Act {
  const stop = new AbortController()
  const startedAtMs = clock.monotonicMs()
  const record = blankRecord(who, method)
  const onAbort = () => stop.abort(signal?.reason)
  let ended: Promise<void> | null = null

  function timeout(afterMs: number, message: string): () => void {
    return clock.after(afterMs, () => stop.abort(new AppError("egress.timeout", message)))
  }
  function end(outcome: EgressOutcome, why: string): Promise<void> {
    ended ??= (async () => {
      cancelTotal()
      signal?.removeEventListener("abort", onAbort)
      const durationMs = Math.round(clock.monotonicMs() - startedAtMs)
      await onEnd(act, { ...record, outcome, why: preview(why), durationMs })
    })()
    return ended
  }
  const act: Act = {
    who,
    caps,
    record,
    startedAtMs,
    stop,
    timeout,
    refuse(gate, why) {
      record.verdicts[gate] = `deny: ${why}`
      return refusal(why)
    },
    errorOf(thrown) {
      const reason: unknown = stop.signal.reason
      return stop.signal.aborted ? reason : asEgressError(thrown, record.host || "the other side")
    },
    finish: (why) => end("done", why),
    async fail(thrown) {
      const error = act.errorOf(thrown)
      await end(isRefusal(error) ? "refused" : "failed", whyOf(error))
      return error
    },
  }
  const { totalMs } = caps
  const cancelTotal = totalMs === null ? () => {} : timeout(totalMs, `The request was not finished in ${totalMs} ms`)
  signal?.addEventListener("abort", onAbort, { once: true })
  return act
}

function blankRecord(who: EgressCaller, method: string): EgressRecord {
  return {
    principal: who.principal,
    agentId: who.agentId,
    sessionId: who.sessionId ?? null,
    turnId: who.turnId ?? null,
    purpose: who.purpose,
    method: preview(method, 20), // a method that was refused may be anything
    scheme: "",
    host: "",
    port: 0,
    address: null,
    path: "",
    hops: [],
    status: null,
    outcome: "failed",
    why: "",
    verdicts: {},
    secretNames: [],
    bytesOut: 0,
    bytesIn: 0,
    durationMs: 0,
  }
}
