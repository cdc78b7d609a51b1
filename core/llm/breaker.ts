/**
 * The health of each model since the start: a circuit breaker (closed, open, half-open) against a vendor that is down, and a cooldown
 * after a refusal, so that the chain does not ask again what it has just been told. In memory: after a restart everything is tried anew.
 */
import type { Clock } from "../clock.ts"
import type { ModelFailure, ModelId, ModelStatus } from "./model.ts"

/** Failures in a row that open the breaker; one more costs each person the whole time of a try. */
export const FAILURES_TO_OPEN = 5
/** How long an open breaker refuses before one call may probe. Doubles with each probe that fails, up to the longest. */
export const OPEN_MS = 30_000
const MAX_OPEN_MS = 300_000
/** Cooldowns by kind, where the vendor names no time: limits are by the minute, keys are mended by people. */
const cooldownMs: Partial<Record<ModelFailure["kind"], number>> = {
  rate_limit: 60_000,
  overloaded: 30_000,
  auth: 300_000,
}
const MAX_COOLDOWN_MS = 3_600_000

/** The vendor's or the way's fault; the rest says nothing about whether the next call would work. */
const counts: ReadonlySet<ModelFailure["kind"]> = new Set(["overloaded", "timeout", "network", "garbage"])

/** Models that are remembered: a client of the API may name as many as it likes. */
const MAX_MODELS = 500

type Health = {
  failuresInARow: number
  openUntilMs: number | null
  openForMs: number
  probing: boolean
  coolingUntilMs: number | null
  lastFailure: string | null
}

export type Permit = "go" | "probe" | { refusedForMs: number; why: "open" | "cooling" }

export type HealthBook = {
  /** Would {@link ask} let a call through now? Takes no probe. */
  isUsable(id: ModelId): boolean
  /** May this model be asked now? A "probe" must be followed by `succeeded`, `failed` or `released`. */
  ask(id: ModelId): Permit
  succeeded(id: ModelId): void
  failed(id: ModelId, failure: ModelFailure): void
  /** The call ended without a verdict: stopped by the person. */
  released(id: ModelId): void
  status(): ModelStatus[]
}

export function createHealthBook({ clock }: { clock: Clock }): HealthBook {
  const book = new Map<ModelId, Health>()
  const of = (id: ModelId): Health => {
    let health = book.get(id)
    if (!health) {
      health = {
        failuresInARow: 0,
        openUntilMs: null,
        openForMs: OPEN_MS,
        probing: false,
        coolingUntilMs: null,
        lastFailure: null,
      }
      book.set(id, health)
      const oldest = book.size > MAX_MODELS ? book.keys().next().value : undefined
      if (oldest !== undefined) book.delete(oldest)
    }
    return health
  }
  const state = (health: Health): ModelStatus["state"] => {
    if (health.openUntilMs !== null) return "open"
    return health.coolingUntilMs !== null && health.coolingUntilMs > clock.monotonicMs() ? "cooling" : "ok"
  }
  return {
    isUsable(id) {
      const health = book.get(id)
      if (!health) return true
      const nowMs = clock.monotonicMs()
      if (health.openUntilMs !== null) return health.openUntilMs <= nowMs && !health.probing
      return health.coolingUntilMs === null || health.coolingUntilMs <= nowMs
    },
    ask(id) {
      const health = book.get(id)
      if (!health) return "go"
      const nowMs = clock.monotonicMs()
      if (health.openUntilMs !== null) {
        if (health.openUntilMs > nowMs) return { refusedForMs: health.openUntilMs - nowMs, why: "open" }
        if (health.probing) return { refusedForMs: 1_000, why: "open" } // one probe at a time; a second is soon enough
        health.probing = true
        return "probe"
      }
      if (health.coolingUntilMs !== null && health.coolingUntilMs > nowMs) {
        return { refusedForMs: health.coolingUntilMs - nowMs, why: "cooling" }
      }
      return "go"
    },
    succeeded(id) {
      const health = of(id)
      health.failuresInARow = 0
      health.openUntilMs = null
      health.openForMs = OPEN_MS
      health.probing = false
      health.coolingUntilMs = null
    },
    failed(id, failure) {
      const health = of(id)
      const nowMs = clock.monotonicMs()
      health.lastFailure = failure.message
      const coolMs = cooldownMs[failure.kind]
      if (coolMs !== undefined)
        health.coolingUntilMs = nowMs + Math.min(failure.retryAfterMs ?? coolMs, MAX_COOLDOWN_MS)
      if (!counts.has(failure.kind)) {
        health.probing = false
        // It answered, if only to refuse: it is not down.
        if (failure.kind !== "aborted") {
          health.openUntilMs = null
          health.failuresInARow = 0
        }
        return
      }
      health.failuresInARow += 1
      if (health.probing) {
        health.probing = false
        health.openForMs = Math.min(health.openForMs * 2, MAX_OPEN_MS)
        health.openUntilMs = nowMs + health.openForMs
      } else if (health.failuresInARow >= FAILURES_TO_OPEN) health.openUntilMs = nowMs + health.openForMs
    },
    released(id) {
      const health = book.get(id)
      if (health) health.probing = false
    },
    status() {
      const offsetMs = clock.nowMs() - clock.monotonicMs()
      return [...book].map(([id, health]) => {
        const untilMs = Math.max(health.openUntilMs ?? 0, health.coolingUntilMs ?? 0)
        const now = state(health)
        return {
          id,
          state: now,
          failuresInARow: health.failuresInARow,
          coolingUntil: now === "ok" ? null : new Date(untilMs + offsetMs).toISOString(),
          lastFailure: health.lastFailure,
        }
      })
    },
  }
}
