/** Hours and local days as spans of time. A day begins at local midnight, or at the first moment of a day whose midnight is skipped. */

export type Span = { fromMs: number; untilMs: number }

const HOUR_MS = 3_600_000
const DAY_MS = 24 * HOUR_MS

/** The clock hour, the same everywhere that counts time zones in whole hours; elsewhere it begins at a quarter or at half past. */
export function hourOf(nowMs: number): Span {
  const fromMs = Math.floor(nowMs / HOUR_MS) * HOUR_MS
  return { fromMs, untilMs: fromMs + HOUR_MS }
}

const formats = new Map<string, Intl.DateTimeFormat>()
const days = new Map<string, Span>()

/** The local day that holds `nowMs`. 23 to 25 hours long where summer time changes. */
export function dayOf(nowMs: number, timeZone: string): Span {
  const known = days.get(timeZone)
  if (known && known.fromMs <= nowMs && nowMs < known.untilMs) return known
  const { year, month, day } = localDate(nowMs, timeZone)
  const span = { fromMs: startOf(year, month, day, timeZone), untilMs: startOf(year, month, day + 1, timeZone) }
  days.set(timeZone, span)
  return span
}

/** The first moment of a local date. Offsets lie within a day of UTC, so the moment is searched between two bounds, not computed. */
function startOf(year: number, month: number, day: number, timeZone: string): number {
  const wanted = Date.UTC(year, month - 1, day)
  let low = wanted - DAY_MS // surely the day before
  let high = wanted + DAY_MS // surely that day or the next
  while (high - low > 1000) {
    const middle = Math.floor((low + high) / 2000) * 1000
    const local = localDate(middle, timeZone)
    if (Date.UTC(local.year, local.month - 1, local.day) >= wanted) high = middle
    else low = middle
  }
  return high
}

function localDate(ms: number, timeZone: string): { year: number; month: number; day: number } {
  let format = formats.get(timeZone)
  if (!format) {
    format = new Intl.DateTimeFormat("en-US", {
      timeZone,
      calendar: "gregory",
      year: "numeric",
      month: "numeric",
      day: "numeric",
    })
    formats.set(timeZone, format)
  }
  const parts = new Map(format.formatToParts(ms).map(({ type, value }) => [type, Number(value)]))
  return { year: parts.get("year") ?? 1970, month: parts.get("month") ?? 1, day: parts.get("day") ?? 1 }
}
