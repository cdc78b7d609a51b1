/**
 * When a call goes on record as started: before it runs where it has an effect, else only once it takes long. A quick look is on record in
 * one commit, its start before its end, and a crash in those few milliseconds costs nothing: what only reads is done again.
 */
import type { Clock } from "../clock.ts"

/** What is faster needs no sign that it is under way, and a commit of its own would take as long. */
const QUICK_MS = 5

export type CallStart = {
  /** Puts it on record, where it is not yet. */
  now(): Promise<void>
  /** Rejects as soon as it could not be put on record. */
  failed: Promise<never>
  /** The call is over. `untold`: its start is not on record, and goes there with its end. */
  end(): Promise<"on record" | "untold">
}

/** `waits`: not before it has taken {@link QUICK_MS}. */
export function startCall(record: () => Promise<void>, { clock, waits }: { clock: Clock; waits: boolean }): CallStart {
  const failed = Promise.withResolvers<never>()
  failed.promise.catch(() => {}) // whoever waits for the call is told
  let onRecord: Promise<void> | null = null
  const now = () => {
    if (onRecord === null) {
      onRecord = record()
      onRecord.catch(failed.reject)
    }
    return onRecord
  }
  const cancel = waits ? clock.after(QUICK_MS, () => void now().catch(() => {})) : () => {} // told by `failed`
  if (!waits) void now().catch(() => {}) // as above
  return {
    now,
    failed: failed.promise,
    async end() {
      cancel()
      if (onRecord === null) return "untold"
      await onRecord
      return "on record"
    },
  }
}
