/**
 * The record of who was turned away at the door: a client, a sender, or anybody during a lockdown. Whoever is refused can try again at
 * once, so the record is bounded: so many rows at a time, and the next one says how many were left out.
 */
import type { Clock } from "../clock.ts"
import type { Writer } from "../db/db.ts"
import { preview } from "../event.ts"
import type { Log } from "../log.ts"

export type DoorGate = "client" | "sender" | "webhook" | "lockdown"
export type Refusal = {
  gate: DoorGate
  /** Our own words, no text of whoever was refused. */
  why: string
  /** Whom, as far as it was proved: an address, a token's or a person's id. */
  who: string
  /** What they wanted: a route without its query, or a place to talk at. */
  what: string
  agentId?: string
}
/** Never throws, and never waits: a refusal must not depend on the database. */
export type NoteRefusal = (refusal: Refusal) => void

/** Everything a person does wrong within a minute; a script that runs wild leaves 120 rows an hour. */
const BURST = 20
const REFILL_MS = 30_000

export function createRefusals({ writer, clock, log }: { writer: Writer; clock: Clock; log: Log }): NoteRefusal {
  let left = BURST
  let atMs = clock.monotonicMs()
  let leftOut = 0

  return function note({ gate, why, who, what, agentId = "main" }) {
    const nowMs = clock.monotonicMs()
    left = Math.min(BURST, left + (nowMs - atMs) / REFILL_MS)
    atMs = nowMs
    if (left < 1) {
      leftOut += 1
      return
    }
    left -= 1
    const more = leftOut === 0 ? "" : ` (and ${leftOut} more before it, of which there is no row)`
    leftOut = 0
    const from = { agentId, labels: ["untrusted" as const], source: preview(who, 100) }
    writer
      .commit({
        statements: [],
        events: [{ type: "message.refused", gate, detail: preview(why + more), ...from }],
        audit: [
          {
            ...from,
            act: "message.in",
            principal: preview(who, 100),
            subject: preview(what, 100),
            outcome: "refused",
            preview: preview(why + more),
            verdicts: { [gate]: `deny: ${preview(why, 120)}` },
          },
        ],
      })
      .catch((error: unknown) => log.warn("A refusal was not recorded", { error }))
  }
}
