/** What a check of the doctor's is: one question about the house, why it matters, and what it finds in the facts. */
import type { Facts } from "./facts.ts"

/** `skipped`: it could not be looked at, and another check says why. `note`: nothing is wrong, and the owner may want to know. `warning`: it works, and will cost one day. `failure`: it does not work, or is open to others. */
export type Level = "ok" | "skipped" | "note" | "warning" | "failure"

export type Finding = {
  level: Level
  /** What was found, in one line. */
  found: string
  /** What to do about it; absent where there is nothing to do. */
  todo?: string
  /** Mends it without touching any data; tells what it changed. */
  fix?: { what: string; run: () => Promise<string> | string }
}

export type Check = {
  /** `group.what`, stable: scripts rely on it. */
  id: string
  /** Why it matters, in one sentence. */
  why: string
  /** Pure but for the looks that it takes itself; what it throws is told as "could not be looked at". */
  judge: (facts: Facts) => Finding | Promise<Finding>
}

export const ok = (found: string): Finding => ({ level: "ok", found })
export const note = (found: string, todo?: string): Finding => finding("note", found, todo)
export const warning = (found: string, todo?: string): Finding => finding("warning", found, todo)
export const failure = (found: string, todo?: string): Finding => finding("failure", found, todo)

/** Nothing is said of it: another check says what is in the way. */
export const skipped = (why: string): Finding => finding("skipped", `Not looked at: ${why}`, undefined)

function finding(level: Level, found: string, todo: string | undefined): Finding {
  return { level, found, ...(todo === undefined ? {} : { todo }) }
}

/** A list as a person reads it, cut where it is long. */
export function listText(names: readonly string[], most = 5): string {
  const shown = names.slice(0, most).join(", ")
  return names.length > most ? `${shown} and ${names.length - most} more` : shown
}

const DAY_MS = 24 * 3_600_000

export function daysSince(iso: string, nowMs: number): number {
  return Math.floor((nowMs - Date.parse(iso)) / DAY_MS)
}

export function daysText(days: number): string {
  return days <= 0 ? "today" : days === 1 ? "a day ago" : `${days} days ago`
}
