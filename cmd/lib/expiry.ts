/** How long a yes lasts, as people write it: `12h`, `7d`, `2w`, or a time. */
import { AppError } from "#core/errors.ts"

const unitMs: Readonly<Record<string, number>> = { m: 60_000, h: 3_600_000, d: 86_400_000, w: 604_800_000 }

/** The ISO time that `text` means. Throws `usage.wrong`. */
export function expiryTime(text: string, nowMs: number): string {
  const span = /^(\d{1,5})([mhdw])$/.exec(text)
  const ms = span ? nowMs + Number(span[1]) * (unitMs[span[2] ?? ""] ?? 0) : Date.parse(text)
  if (Number.isNaN(ms) || ms <= nowMs)
    throw new AppError("usage.wrong", `--expires takes a time to come, such as 12h, 7d or 2030-01-31, not "${text}"`)
  return new Date(ms).toISOString()
}
