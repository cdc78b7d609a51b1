/**
 * Why a call is asked about although it may run: it carries a secret, or the mark that stands where one was redacted, into a file or the
 * memory, or to foreign code that sends, which can wrap it so that no scan of what leaves would find it. A question of its own, to which
 * no standing grant is an answer. A false alarm costs a question, and no task fails over it silently.
 */
import { type Effect, reachesOut } from "../safety/capability.ts"

/** How the house finds secrets, by value and by form. */
type Redact = (text: string) => string

/** Null: nothing in it, or nothing comes of it. What builtin tools send is scanned whole as it leaves, and blocked. */
export function secretCarried(
  call: { input: unknown; effect: Effect; provider: string },
  redact: Redact,
): string | null {
  if (call.effect === "write-local") return secretWritten(call.input, redact)
  return reachesOut(call.effect) && call.provider !== "builtin" ? secretWritten(call.input, redact) : null
}

/** Null: nothing in it. */
export function secretWritten(input: unknown, redact: Redact): string | null {
  const text = JSON.stringify(input) ?? ""
  if (MARK.test(text)) return 'It would write "[redacted: …]" in the place of a secret that the assistant was not shown'
  const clean = redact(text)
  return clean === text ? null : `It would hand on what looks like a secret (${MARK.exec(clean)?.[1] ?? "unnamed"})`
}

const MARK = /\[redacted: ([^\]]{1,80})\]/
