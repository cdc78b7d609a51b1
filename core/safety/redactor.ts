/**
 * Takes out of a text what must not be shown: whatever looks like a secret (leaks.ts), and the exact values of the secrets that this
 * house holds, also as they stand in JSON, in a URL or in base64.
 */

export type RedactorDeps = {
  /** By form, without knowing any value. */
  leaks: (text: string) => string
  /** By value; the same list as long as nothing changed. */
  secretValues: () => readonly { name: string; value: string }[]
}

/** A shorter value stands in ordinary text by chance: "admin" or "1234" would take words out of every sentence. */
const LEAST_CHARACTERS = 8

export function createRedactor({ leaks, secretValues }: RedactorDeps): (text: string) => string {
  let known: readonly { name: string; value: string }[] | null = null
  let search: { pattern: RegExp; names: ReadonlyMap<string, string> } | null = null
  return (text) => {
    const values = secretValues()
    if (values !== known) {
      search = searchFor(values)
      known = values
    }
    // Values first: their names say more than the form does, and a form may cover only a part of the value.
    const { pattern, names } = search ?? {}
    const clean =
      pattern && names ? text.replace(pattern, (found) => `[redacted: ${names.get(found) ?? "secret"}]`) : text
    return leaks(clean)
  }
}

/** Null where there is nothing to look for. */
function searchFor(
  values: readonly { name: string; value: string }[],
): { pattern: RegExp; names: Map<string, string> } | null {
  const names = new Map<string, string>()
  for (const { name, value } of values) for (const form of formsOf(value)) names.set(form, name)
  if (names.size === 0) return null
  // The longest first, so that a value that begins like another one is taken out whole.
  const longestFirst = [...names.keys()].toSorted((a, b) => b.length - a.length)
  return { pattern: new RegExp(longestFirst.map((form) => RegExp.escape(form)).join("|"), "g"), names }
}

function formsOf(value: string): string[] {
  const trimmed = value.trim()
  const base64 = Buffer.from(trimmed).toString("base64")
  const forms = [
    value,
    trimmed,
    JSON.stringify(trimmed).slice(1, -1),
    encodeURIComponent(trimmed),
    base64,
    base64.replace(/=+$/, ""),
    Buffer.from(trimmed).toString("base64url"),
  ]
  return trimmed.length < LEAST_CHARACTERS ? [] : [...new Set(forms)]
}
