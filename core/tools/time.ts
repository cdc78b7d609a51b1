/** time_now: the time where the owner is, or in another zone. */
import type { Clock } from "../clock.ts"
import { t } from "../schema.ts"
import { defineTool, type Tool } from "./tool.ts"

/** `timeZone`: the owner's, an IANA name, asked for at each call so that a change of the configuration counts at once. */
export function timeTools({ clock, timeZone }: { clock: Clock; timeZone: () => string }): Tool[] {
  const now = defineTool({
    name: "time_now",
    description: "The current date, time and weekday.",
    input: t.Object(
      {
        timeZone: t.Optional(
          t.String({ maxLength: 60, description: 'IANA name, e.g. "Europe/Paris" (default: the owner\'s)' }),
        ),
      },
      { additionalProperties: false },
    ),
    effect: () => "read",
    needs: () => [],
    timeoutMs: 1_000, // no waiting in it
    async run(input) {
      const zone = input.timeZone ?? timeZone()
      const at = new Date(clock.nowMs())
      const parts = partsIn(zone, at)
      if (!parts) return { failed: "There is no such time zone; use an IANA name such as Europe/Paris or UTC" }
      const { year, month, day, hour, minute, second, weekday, timeZoneName } = parts
      const offset = timeZoneName?.replace("GMT", "") || "+00:00"
      const data = {
        local: `${year}-${month}-${day}T${hour}:${minute}:${second}${offset}`,
        weekday,
        timeZone: zone,
        utc: at.toISOString(),
        unixSeconds: Math.floor(at.getTime() / 1000),
      }
      return { data, labels: [], source: "clock" }
    },
  })
  return [now]
}

function partsIn(timeZone: string, at: Date): Partial<Record<Intl.DateTimeFormatPartTypes, string>> | null {
  try {
    const format = new Intl.DateTimeFormat("en-GB", {
      timeZone,
      weekday: "long",
      year: "numeric",
      month: "2-digit",
      day: "2-digit",
      hour: "2-digit",
      minute: "2-digit",
      second: "2-digit",
      hourCycle: "h23",
      timeZoneName: "longOffset",
    })
    return Object.fromEntries(format.formatToParts(at).map(({ type, value }) => [type, value]))
  } catch {
    // Intl throws for one reason: it does not know the zone.
    return null
  }
}
