/** What a bench gives: figures beside the bound that each must keep, as rows of one table. */

export type Figure = {
  what: string
  measured: number
  unit: string
  /** Null: told for orientation, nothing to keep. */
  bound: { kind: "at most" | "at least"; value: number } | null
}

export type Bench = (options: BenchOptions) => Promise<Figure[]>

export type BenchOptions = {
  /** A server of the machine's own to measure against; null: none could be had, and `reason` says why. */
  postgres: () => Promise<{ url: string } | { reason: string }>
  /** Tells what goes on, for those who watch. */
  tell: (words: string) => void
}

export function atMost(what: string, measured: number, { value, unit }: { value: number; unit: string }): Figure {
  return { what, measured, unit, bound: { kind: "at most", value } }
}

export function atLeast(what: string, measured: number, { value, unit }: { value: number; unit: string }): Figure {
  return { what, measured, unit, bound: { kind: "at least", value } }
}

export function told(what: string, measured: number, unit: string): Figure {
  return { what, measured, unit, bound: null }
}

export function isKept({ measured, bound }: Figure): boolean {
  if (bound === null) return true
  return bound.kind === "at most" ? measured <= bound.value : measured >= bound.value
}

/** How good a figure is against its bound: 1 is just kept, 2 is twice as good. */
export function shareOf({ measured, bound }: Figure): number | null {
  if (bound === null || measured === 0 || bound.value === 0) return null // nothing is no multiple of anything
  return bound.kind === "at most" ? bound.value / measured : measured / bound.value
}

export function table(figures: readonly Figure[]): string {
  const head = ["figure", "target", "measured", "ratio", "ok"]
  const rows = figures.map((figure) => {
    const share = shareOf(figure)
    return [
      figure.what,
      figure.bound === null
        ? ""
        : `${figure.bound.kind === "at most" ? "≤" : "≥"} ${figure.bound.value} ${figure.unit}`,
      `${shown(figure.measured)} ${figure.unit}`.trim(),
      share === null ? "" : `${share.toFixed(2)}×`,
      figure.bound === null ? "" : isKept(figure) ? "yes" : "NO",
    ]
  })
  const all = [head, ...rows]
  const widths = head.map((_, column) => Math.max(...all.map((row) => row[column]?.length ?? 0)))
  const line = (row: readonly string[]) =>
    row
      .map((cell, column) => cell.padEnd(widths[column] ?? 0))
      .join("  ")
      .trimEnd()
  return [line(head), widths.map((width) => "-".repeat(width)).join("  "), ...rows.map(line)].join("\n")
}

function shown(value: number): string {
  return value >= 100 ? value.toFixed(0) : value >= 10 ? value.toFixed(1) : value.toFixed(2)
}

/** The value below which this share of them lies; times are skewed, so never a mean. */
export function quantile(values: readonly number[], share: number): number {
  const sorted = values.toSorted((a, b) => a - b)
  return sorted[Math.min(sorted.length - 1, Math.floor(sorted.length * share))] ?? Number.NaN
}

export const median = (values: readonly number[]): number => quantile(values, 0.5)
