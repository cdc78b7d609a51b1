/** Labels: what a text is (`untrusted`, `private`, `vetted`) and how they join when texts are read together. */
import type { LabelName } from "../event.ts"

/**
 * The labels of a text that was made from all of these: untrusted if any is, private if any is, vetted only if all are.
 * A missing label reads `untrusted`.
 */
export function joinLabels(all: Iterable<readonly LabelName[] | null | undefined>): LabelName[] {
  let untrusted = false
  let isPrivate = false
  let vetted = true
  let some = false
  for (const labels of all) {
    some = true
    if (!labels) {
      untrusted = true
      vetted = false
      continue
    }
    untrusted ||= labels.includes("untrusted")
    isPrivate ||= labels.includes("private")
    vetted &&= labels.includes("vetted")
  }
  return [
    ...(untrusted ? (["untrusted"] as const) : []),
    ...(isPrivate ? (["private"] as const) : []),
    ...(some && vetted ? (["vetted"] as const) : []),
  ]
}

/** Sources of several texts as one, bounded: `a, b, … and 3 more`. */
export function joinSources(sources: Iterable<string>): string {
  // A joined one may be joined again: what it names is named once.
  const distinct = [...new Set([...sources].flatMap((source) => source.split(", ")))].filter((source) => source !== "")
  const shown = distinct.slice(0, 5).join(", ") // enough to find the hand; the rows hold the rest
  return distinct.length > 5 ? `${shown} and ${distinct.length - 5} more` : shown
}

export function isUntrusted(labels: readonly LabelName[]): boolean {
  return labels.includes("untrusted")
}
