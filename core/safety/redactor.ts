/**
 * Takes out of a text what must not be shown: whatever looks like a secret (leaks.ts), and the values of the secrets that this house
 * holds, however they are written (known-values.ts).
 */
import { createKnownSearch, type KnownFound, type KnownValue, namedForms } from "./known-values.ts"
import type { TextFilter } from "./links.ts"

export type RedactorDeps = {
  /** By form, without knowing any value. */
  leaks: (text: string) => string
  /** By value; the same list as long as nothing changed. */
  secretValues: () => readonly KnownValue[]
}

export function createRedactor({ leaks, secretValues }: RedactorDeps): (text: string) => string {
  const values = createValueRedactor({ secretValues })
  // Values first: their names say more than the form does, and a form may cover only a part of the value.
  return (text) => leaks(values.whole(text))
}

export type ValueRedactor = {
  whole(text: string): string
  /**
   * The same for a text that comes in pieces: what may still become a value is held back. A value that other characters split up is
   * found in the whole text only.
   */
  stream(): TextFilter
}

/** By value alone: for texts that may well show what only looks like a secret, such as a password that the owner asked for. */
export function createValueRedactor({ secretValues }: Pick<RedactorDeps, "secretValues">): ValueRedactor {
  const find = createValueFinder(secretValues)
  const stream = whileSame(secretValues, streamSearchFor)
  return {
    whole(text) {
      let clean = ""
      let from = 0
      for (const { name, start, end } of find(text)) {
        clean += `${text.slice(from, start)}[redacted: ${name}]`
        from = end
      }
      return clean + text.slice(from)
    },
    stream: () => streamBy(stream()),
  }
}

/** The values of the house in a text. */
export function createValueFinder(secretValues: RedactorDeps["secretValues"]): (text: string) => KnownFound[] {
  const search = whileSame(secretValues, createKnownSearch)
  return (text) => search()(text)
}

/** What is made of the values, made again where the list is another one. */
function whileSame<Made>(
  secretValues: RedactorDeps["secretValues"],
  make: (values: readonly KnownValue[]) => Made,
): () => Made {
  let last: { values: readonly KnownValue[]; made: Made } | null = null
  return () => {
    const values = secretValues()
    if (last?.values !== values) last = { values, made: make(values) }
    return last.made
  }
}

function streamBy(search: StreamSearch | null): TextFilter {
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

type StreamSearch = {
  pattern: RegExp
  names: ReadonlyMap<string, string>
  /** Where, from `at` on, the text ends with the beginning of a value; its length where it does not. */
  openEnd: (text: string, at: number) => number
}

/** Null where there is nothing to look for. */
function streamSearchFor(values: readonly KnownValue[]): StreamSearch | null {
  const names = namedForms(values)
  if (names.size === 0) return null
  // The longest first, so that a value that begins like another one is taken out whole.
  const longestFirst = [...names.keys()].toSorted((a, b) => b.length - a.length)
  const longest = longestFirst[0]?.length ?? 0
  const byFirst = Map.groupBy(longestFirst, (form) => form.charAt(0))
  return {
    pattern: new RegExp(longestFirst.map((form) => RegExp.escape(form)).join("|"), "g"),
    names,
    openEnd(text, at) {
      for (let end = Math.max(at, text.length - longest + 1); end < text.length; end++) {
        const forms = byFirst.get(text.charAt(end))
        if (!forms) continue
        const rest = text.slice(end)
        if (forms.some((form) => form.length > rest.length && form.startsWith(rest))) return end
      }
      return text.length
    },
  }
}
