/**
 * Takes out of a text what must not be shown: whatever looks like a secret (leaks.ts), and the exact values of the secrets that this
 * house holds, also as they stand in JSON, in a URL or in base64.
 */
import type { TextFilter } from "./links.ts"

export type RedactorDeps = {
  /** By form, without knowing any value. */
  leaks: (text: string) => string
  /** By value; the same list as long as nothing changed. */
  secretValues: () => readonly { name: string; value: string }[]
}

/** A shorter value stands in ordinary text by chance: "admin" or "1234" would take words out of every sentence. */
const LEAST_CHARACTERS = 8

export function createRedactor({ leaks, secretValues }: RedactorDeps): (text: string) => string {
  const values = createValueRedactor({ secretValues })
  // Values first: their names say more than the form does, and a form may cover only a part of the value.
  return (text) => leaks(values.whole(text))
}

export type ValueRedactor = {
  whole(text: string): string
  /** The same for a text that comes in pieces: what may still become a value is held back. */
  stream(): TextFilter
}

/** By value alone: for texts that may well show what only looks like a secret, such as a password that the owner asked for. */
export function createValueRedactor({ secretValues }: Pick<RedactorDeps, "secretValues">): ValueRedactor {
  let known: readonly { name: string; value: string }[] | null = null
  let search: Search | null = null
  const current = () => {
    const values = secretValues()
    if (values !== known) {
      search = searchFor(values)
      known = values
    }
    return search
  }
  return {
    whole(text) {
      const found = current()
      return found ? text.replace(found.pattern, (form) => `[redacted: ${found.names.get(form) ?? "secret"}]`) : text
    },
    stream: () => streamBy(current()),
  }
}

function streamBy(search: Search | null): TextFilter {
  if (!search) return { push: (text) => text, end: () => "" }
  const { pattern, names, openEnd } = search
  let held = ""
  function run(isLast: boolean): string {
    let out = ""
    let at = 0
    for (;;) {
      const settled = isLast ? held.length : openEnd(held, at)
      pattern.lastIndex = at
      const found = pattern.exec(held)
      if (!found || found.index >= settled) {
        out += held.slice(at, settled)
        held = held.slice(settled)
        return out
      }
      out += `${held.slice(at, found.index)}[redacted: ${names.get(found[0]) ?? "secret"}]`
      at = found.index + found[0].length
    }
  }
  return {
    push(text) {
      held += text
      return run(false)
    },
    end: () => run(true),
  }
}

type Search = {
  pattern: RegExp
  names: ReadonlyMap<string, string>
  /** Where, from `at` on, the text ends with the beginning of a value; its length where it does not. */
  openEnd: (text: string, at: number) => number
}

/** Null where there is nothing to look for. */
function searchFor(values: readonly { name: string; value: string }[]): Search | null {
  const names = new Map<string, string>()
  for (const { name, value } of values) for (const form of formsOf(value)) names.set(form, name)
  if (names.size === 0) return null
  // The longest first, so that a value that begins like another one is taken out whole.
  const longestFirst = [...names.keys()].toSorted((a, b) => b.length - a.length)
  const longest = longestFirst[0]?.length ?? 0
  return {
    pattern: new RegExp(longestFirst.map((form) => RegExp.escape(form)).join("|"), "g"),
    names,
    openEnd(text, at) {
      for (let end = Math.max(at, text.length - longest + 1); end < text.length; end++) {
        const rest = text.slice(end)
        if (longestFirst.some((form) => form.length > rest.length && form.startsWith(rest))) return end
      }
      return text.length
    },
  }
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
