/** The right word for a wrong one: what a person who mistyped probably meant. */

/** The candidate fewest edits away, or null where none is near enough to be worth suggesting. */
export function nearest(word: string, candidates: readonly string[]): string | null {
  let best: string | null = null
  let fewest = Number.POSITIVE_INFINITY
  for (const candidate of candidates) {
    const edits = distance(word.toLowerCase(), candidate.toLowerCase())
    if (edits < fewest) [best, fewest] = [candidate, edits]
  }
  // A third of the word: "gatway.port" is a slip, "foo" for "run" is not. A part of a candidate is near too.
  if (best !== null && fewest <= Math.max(1, Math.floor(Math.max(word.length, best.length) / 3))) return best
  return (
    candidates.find(
      (candidate) => word.length >= 3 && (candidate.startsWith(word) || candidate.endsWith(`.${word}`)),
    ) ?? null
  )
}

/** Levenshtein's edit distance, with two neighbouring letters swapped counting as one edit. */
function distance(a: string, b: string): number {
  const rows: number[][] = [Array.from({ length: b.length + 1 }, (_, j) => j)]
  for (let i = 1; i <= a.length; i++) {
    const row = [i]
    for (let j = 1; j <= b.length; j++) {
      const substitution = (rows[i - 1]?.[j - 1] ?? 0) + (a[i - 1] === b[j - 1] ? 0 : 1)
      let least = Math.min((rows[i - 1]?.[j] ?? 0) + 1, (row[j - 1] ?? 0) + 1, substitution)
      if (i > 1 && j > 1 && a[i - 1] === b[j - 2] && a[i - 2] === b[j - 1])
        least = Math.min(least, (rows[i - 2]?.[j - 2] ?? 0) + 1)
      row.push(least)
    }
    rows.push(row)
  }
  return rows[a.length]?.[b.length] ?? 0
}
