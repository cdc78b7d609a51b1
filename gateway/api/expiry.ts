/** When a yes that lasts ends. */
import type { Clock } from "#core/clock.ts"
import { AppError } from "#core/errors.ts"

/** The time as rows hold it; null where it never ends. Throws `input.invalid` for what is no time to come. */
export function expiryOf(text: string | undefined, clock: Clock): string | null {
  if (text === undefined) return null
  const at = new Date(text)
  if (!/^\d{4}-\d{2}-\d{2}T/.test(text) || Number.isNaN(at.getTime()))
    throw new AppError("input.invalid", `/expiresAt: "${text}" is no ISO time such as 2027-01-31T12:00:00Z`)
  if (at.getTime() <= clock.nowMs()) throw new AppError("input.invalid", `/expiresAt: ${text} has passed`)
  return at.toISOString()
}
