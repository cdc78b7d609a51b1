/** The date as the model is told it. */

// Making a format costs as much as a database trip, and there is one for each time zone of the owner's life.
let format: { timeZone: string; of: Intl.DateTimeFormat } | null = null

/** "Sunday 22 November 2026 (Europe/Berlin)". */
export function todayText(nowMs: number, timeZone: string): string {
  if (format?.timeZone !== timeZone)
    format = { timeZone, of: new Intl.DateTimeFormat("en-GB", { dateStyle: "full", timeZone }) }
  return `${format.of.format(nowMs)} (${timeZone})`
}
