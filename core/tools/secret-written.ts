/**
 * Why a write on the owner's own machine is asked about although it may run: it carries a secret, or the mark that stands where one was
 * redacted. A question of its own, to which no standing grant is an answer. A false alarm costs a question, and no task fails over it
 * silently.
 */

/** Null: nothing in it. `redact` is how the house finds secrets, by value and by form. */
export function secretWritten(input: unknown, redact: (text: string) => string): string | null {
  const text = JSON.stringify(input) ?? ""
  if (MARK.test(text)) return 'It would write "[redacted: …]" in the place of a secret that the assistant was not shown'
  const clean = redact(text)
  return clean === text ? null : `It would keep what looks like a secret (${MARK.exec(clean)?.[1] ?? "unnamed"})`
}

const MARK = /\[redacted: ([^\]]{1,80})\]/
