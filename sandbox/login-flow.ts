/**
 * Question: is this the answer to a login that the owner began, and to which one?
 * Fails closed by: an answer without the state of an open login is nothing; the state is 32 random bytes, good once, for five minutes, on
 * the way that the login was begun for, and it alone says which provider, which plugin, which redirect and which rights are meant.
 * Known limits: open logins are in this process alone, so a restart ends them; who can read the owner's browser can take the code, and
 * without the verifier, which never leaves this process, cannot use it.
 * Source: RFC 9700 (OAuth security), RFC 8252 7.3 and 8.10 (loopback), attacks on state and callbacks in IronClaw's own history.
 */
import type { Cancel, Clock } from "#core/clock.ts"
import { AppError } from "#core/errors.ts"
import { randomToken } from "#core/id.ts"
import { sha256Hex } from "#core/safety/fingerprint.ts"
import type { LoginEndpoints, LoginSecrets } from "./oauth.ts"

/** `loopback`: a listener of its own. `public`: the gateway's callback. `paste`: the owner brings the address from another machine. */
export type LoginWay = "loopback" | "public" | "paste"

/** What a login was begun for: fixed then, and nothing that comes back can change it. */
export type OpenLogin = {
  plugin: string
  sha256: string
  provider: string
  endpoints: LoginEndpoints
  scopes: readonly string[]
  redirectUri: string
  way: LoginWay
  secrets: LoginSecrets
}

export type LoginOutcome = { state: "waiting" } | { state: "done"; words: string } | { state: "failed"; words: string }

export type LoginFlows = {
  /** Throws `login.too_many`. `onEnd` is called once, whatever ended it. */
  open(login: OpenLogin, onEnd: () => void): { id: string; expiresAt: string }
  /** The login that this state belongs to, which it opens no second time; null where there is none. */
  take(state: string | null, way: LoginWay): { id: string; login: OpenLogin } | null
  /** For the answer that the owner brings: its redirect must be this login's. */
  find(id: string): OpenLogin | null
  settle(id: string, outcome: Exclude<LoginOutcome, { state: "waiting" }>): void
  /** Once it is settled, or after `waitMs`. Throws `not_found`. */
  outcome(id: string, how: { waitMs: number; signal: AbortSignal }): Promise<LoginOutcome>
  close(): void
}

const LIFETIME_MS = 5 * 60_000
/** A person logs in to one thing at a time, and leaves some half done. */
const MAX_OPEN = 8
const MAX_KNOWN = 64

type Known = {
  login: OpenLogin
  /** Null once it was used. */
  stateHash: string | null
  untilMs: number
  outcome: LoginOutcome
  settled: PromiseWithResolvers<void>
  cancel: Cancel
  onEnd: () => void
}

export function createLoginFlows({ clock }: { clock: Clock }): LoginFlows {
  const known = new Map<string, Known>()
  const open = () => [...known.values()].filter(({ outcome }) => outcome.state === "waiting")

  function settle(id: string, outcome: LoginOutcome): void {
    const one = known.get(id)
    if (!one || one.outcome.state !== "waiting") return
    one.outcome = outcome
    one.stateHash = null
    one.cancel()
    one.settled.resolve()
    one.onEnd()
  }

  return {
    open(login, onEnd) {
      if (open().length >= MAX_OPEN)
        throw new AppError("login.too_many", "Too many logins are open; each ends five minutes after it was begun", {
          retryAfterSeconds: LIFETIME_MS / 1_000,
        })
      // What is over is remembered for whoever still asks, the oldest not for ever.
      for (const [id, { outcome }] of known)
        if (known.size >= MAX_KNOWN && outcome.state !== "waiting") known.delete(id)
      const id = randomToken(16)
      const cancel = clock.after(LIFETIME_MS, () =>
        settle(id, { state: "failed", words: "Nobody answered within five minutes" }),
      )
      const stateHash = sha256Hex(login.secrets.state)
      const untilMs = clock.nowMs() + LIFETIME_MS
      known.set(id, {
        login,
        stateHash,
        untilMs,
        outcome: { state: "waiting" },
        settled: Promise.withResolvers(),
        cancel,
        onEnd,
      })
      return { id, expiresAt: new Date(untilMs).toISOString() }
    },
    take(state, way) {
      if (state === null || !/^[A-Za-z0-9_-]{43}$/.test(state)) return null
      // By hash, so that how long a look takes says nothing of a state.
      const hash = sha256Hex(state)
      for (const [id, one] of known) {
        // Also where a machine that slept has not ended it yet.
        if (one.stateHash !== hash || one.login.way !== way || clock.nowMs() >= one.untilMs) continue
        one.stateHash = null
        return { id, login: one.login }
      }
      return null
    },
    find: (id) => known.get(id)?.login ?? null,
    settle,
    async outcome(id, { waitMs, signal }) {
      const one = known.get(id)
      if (!one) throw new AppError("not_found", "There is no such login")
      if (one.outcome.state === "waiting" && waitMs > 0)
        await Promise.race([one.settled.promise, clock.sleep(waitMs, signal)])
      return one.outcome
    },
    close() {
      for (const [id, { outcome }] of known)
        if (outcome.state === "waiting") settle(id, { state: "failed", words: "The service stopped" })
    },
  }
}
