/** Whether a value may stand for a key, and if not, why, in words that say what would be right. */
import type { ConfigSource } from "./config.ts"
import { type ConfigKey, specOf } from "./config-keys.ts"
import { AppError } from "./errors.ts"
import { judgeShape } from "./schema.ts"

/** What is wrong with a value for this key, in one line; null where nothing is. Credentials may only come from the environment. */
export function judgeValue(key: ConfigKey, value: unknown, source: ConfigSource): string | null {
  const where = source.name === "" ? "" : `${source.name}: `
  const { schema, problem, holdsSecret } = specOf(key)
  if (source.from !== "environment" && source.from !== ".env" && holdsSecret(value)) {
    throw new AppError(
      "config.secret",
      `${where}${key} holds a password or key`,
      key === "database.url"
        ? {}
        : {
            hint: "Secrets are never configuration. Put the address into the environment or the .env file of the home.",
          },
    )
  }
  const parsed = judgeShape(schema, value)
  if (!parsed.ok) return `${where}${key} is ${shown(value)}, but it should be ${expectation(schema)}`
  const said = problem(value)
  return said === null ? null : `${where}${key}: ${said}`
}

function shown(value: unknown): string {
  const text = JSON.stringify(value) ?? String(value)
  return text.length <= 80 ? text : `${text.slice(0, 79)}…`
}

/** What a schema accepts, in words, from the few kinds that the table uses. */
function expectation(schema: { [name: string]: unknown }): string {
  const { type, anyOf, minimum, maximum, minLength, maxLength, maxItems, pattern } = schema
  const choices = Array.isArray(anyOf) ? anyOf : null
  if (choices)
    return choices
      .map((one: Record<string, unknown>) => ("const" in one ? String(one["const"]) : expectation(one)))
      .join(" or ")
  if (type === "integer") return `a whole number from ${String(minimum)} to ${String(maximum)}`
  if (type === "number") return `a number from ${String(minimum)} to ${String(maximum)}`
  if (type === "array") return `a list of at most ${String(maxItems)} texts`
  return `a text of ${String(minLength)} to ${String(maxLength)} characters${typeof pattern === "string" ? ` like ${pattern}` : ""}`
}
