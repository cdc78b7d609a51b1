/** Notices a model that goes round in circles: the same call with the same result, again and again within one turn. */
import { sha256Hex } from "../safety/fingerprint.ts"

/** Twice may be a retry; a third time with the same result teaches nothing. */
const NUDGE_AT = 3
const STOP_AT = 5

export type Repetition = { advice: "go on" } | { advice: "nudge" | "stop"; tool: string; times: number }

export function createRepetitionWatch() {
  const seen = new Map<string, number>()
  return {
    /** Notes one finished call; says what to do about the worst repetition so far. */
    note(call: { tool: string; fingerprint: string; text: string }): Repetition {
      const key = `${call.fingerprint} ${sha256Hex(call.text)}`
      const times = (seen.get(key) ?? 0) + 1
      seen.set(key, times)
      if (times >= STOP_AT) return { advice: "stop", tool: call.tool, times }
      if (times >= NUDGE_AT) return { advice: "nudge", tool: call.tool, times }
      return { advice: "go on" }
    },
  }
}
