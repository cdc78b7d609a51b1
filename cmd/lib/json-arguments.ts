/** Arguments of a tool as a command line has them: one JSON object. */
import { AppError } from "#core/errors.ts"

/** Throws `usage.wrong`. */
export function readArguments(text: string): Record<string, unknown> {
  let value: unknown
  try {
    value = JSON.parse(text)
  } catch {
    value = null // said below
  }
  if (typeof value === "object" && value !== null && !Array.isArray(value)) return { ...value }
  throw new AppError("usage.wrong", "--arguments takes a JSON object", { hint: `Such as '{"method":"GET"}'.` })
}
