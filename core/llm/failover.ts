/**
 * The chain: a model, tried again where that can help, then its fallbacks. Nothing is tried again once the person has seen a delta of
 * the answer, and a failure that the next model would repeat is told at once.
 */
import type { Clock } from "../clock.ts"
import type { HealthBook, Permit } from "./breaker.ts"
import { STOPPED } from "./failures.ts"
import type { ModelEvent, ModelFailure, ModelId, ModelRequest, ModelUsage } from "./model.ts"
import { retryDelayMs } from "./retry.ts"

export type Link = {
  id: ModelId
  contextTokens: number
  /** One attempt. Ends with one `finished` or `failed`. */
  attempt(request: ModelRequest, signal: AbortSignal): AsyncIterable<ModelEvent>
}

export type FailoverDeps = {
  clock: Clock
  health: HealthBook
  jitter: () => number
  /** Told of every failed try. `next` is the model that is asked after it, null where the failure is final. */
  onFailure: (failed: { model: ModelId; failure: ModelFailure; next: ModelId | null }) => void
}

type Call = { request: ModelRequest; signal: AbortSignal }

export async function* streamChain(
  chain: readonly [Link, ...Link[]],
  call: Call,
  deps: FailoverDeps,
): AsyncGenerator<ModelEvent, void, undefined> {
  const probes = new Set<ModelId>()
  const ask = (id: ModelId): Permit => {
    const permit = deps.health.ask(id)
    if (permit === "probe") probes.add(id)
    return permit
  }
  const settle = (id: ModelId, failure: ModelFailure | null) => {
    probes.delete(id)
    if (failure) deps.health.failed(id, failure)
    else deps.health.succeeded(id)
  }
  try {
    yield* runChain(chain, call, { ...deps, ask, settle })
  } finally {
    // Stopped, or the reader left: a probe without a verdict gives its place back.
    for (const id of probes) deps.health.released(id)
  }
}

type Asking = FailoverDeps & {
  ask: (id: ModelId) => Permit
  settle: (id: ModelId, failure: ModelFailure | null) => void
}

async function* runChain(
  chain: readonly [Link, ...Link[]],
  call: Call,
  asking: Asking,
): AsyncGenerator<ModelEvent, void, undefined> {
  const { clock, health, jitter, onFailure, ask, settle } = asking
  const spent: ModelUsage = { inputTokens: 0, cachedInputTokens: 0, outputTokens: 0, costUsdMicros: 0 }
  const first = chain[0]
  const start = usableFrom(chain, { at: 0, health }) ?? 0
  for (let at = start; ;) {
    const link: Link = chain[at] ?? first
    const nextAt = usableFrom(chain, { at: at + 1, health })
    const next = nextAt === null ? null : (chain[nextAt] ?? null)
    const permit = ask(link.id)
    // With nobody else to ask, a cooling model is asked all the same: a person who tries again wants it tried. An open breaker refuses.
    const mustRefuse = typeof permit === "object" && (permit.why === "open" || next !== null)
    let failure: ModelFailure | null = mustRefuse ? refusal(link.id, permit) : null
    for (let tries = 1; failure === null; tries++) {
      let hasShown = false
      for await (const event of link.attempt(call.request, call.signal)) {
        if (event.type === "finished") {
          settle(link.id, null)
          yield { ...event, usage: add(spent, event.usage) }
          return
        }
        if (event.type === "failed") {
          Object.assign(spent, add(spent, event.usage))
          failure = event.failure
          break
        }
        hasShown = true
        yield event
      }
      failure ??= {
        message: "The stream ended without an end",
        kind: "garbage",
        status: null,
        retryable: false,
        retryAfterMs: null,
      }
      if (failure.kind === "aborted") {
        yield { type: "failed", failure, model: link.id, usage: spent }
        return
      }
      if (hasShown) {
        settle(link.id, failure)
        onFailure({ model: link.id, failure, next: null })
        yield { type: "failed", failure, model: link.id, usage: spent }
        return
      }
      const delayMs = retryDelayMs(failure, { tries, jitter })
      // A longer wait is for those who have nobody else to ask.
      if (delayMs === null || (next !== null && delayMs > MAX_WAIT_WITH_OTHERS_MS)) {
        settle(link.id, failure)
        break
      }
      onFailure({ model: link.id, failure, next: link.id })
      try {
        await clock.sleep(delayMs, call.signal)
      } catch {
        // The signal's reason is the person's or the process's; for the stream it is a stop.
        yield { type: "failed", failure: STOPPED, model: link.id, usage: spent }
        return
      }
      failure = null
    }
    if (failure === null) return
    if (next === null || nextAt === null || !mayFollow(failure, { from: link, to: next })) {
      onFailure({ model: link.id, failure, next: null })
      yield { type: "failed", failure, model: link.id, usage: spent }
      return
    }
    onFailure({ model: link.id, failure, next: next.id })
    yield { type: "fallback", from: link.id, to: next.id, failure }
    at = nextAt
  }
}

/** The place of the first link from `at` on that may be asked now; null where none may. */
function usableFrom(chain: readonly Link[], { at, health }: { at: number; health: HealthBook }): number | null {
  const found = chain.findIndex((link, index) => index >= at && health.isUsable(link.id))
  return found === -1 ? null : found
}

/** With another model to ask, a person is not kept waiting for longer than this. */
const MAX_WAIT_WITH_OTHERS_MS = 5_000

function refusal(id: ModelId, permit: { refusedForMs: number }): ModelFailure {
  const seconds = Math.ceil(permit.refusedForMs / 1000)
  return {
    message: `${id} failed several times in a row and is left alone for another ${seconds} s`,
    kind: "overloaded",
    status: null,
    retryable: false,
    retryAfterMs: permit.refusedForMs,
  }
}

/** Would another model do better? A wrong request stays wrong, a long one fits where the window is larger. */
function mayFollow(failure: ModelFailure, { from, to }: { from: Link; to: Link }): boolean {
  switch (failure.kind) {
    case "context_overflow":
    case "too_large":
      return to.contextTokens > from.contextTokens
    case "bad_request":
      return failure.status === 404 // the model is not there; elsewhere another one is
    case "aborted":
    case "limit":
      return false
    default:
      return true
  }
}

function add(a: ModelUsage, b: ModelUsage): ModelUsage {
  return {
    inputTokens: a.inputTokens + b.inputTokens,
    cachedInputTokens: a.cachedInputTokens + b.cachedInputTokens,
    outputTokens: a.outputTokens + b.outputTokens,
    costUsdMicros: a.costUsdMicros + b.costUsdMicros,
  }
}
