/**
 * A part of a longer text, without the secrets that reach into it: judged with what stands around it, for half a key at a border is
 * found by no pattern, and the other half stands on the next page.
 */
import { findLeaks } from "./leaks.ts"
import { createValueFinder, type RedactorDeps } from "./redactor.ts"

/** In order, none overlapping another. */
export type SecretSpan = { rule: string; start: number; end: number }
export type FindSecrets = (text: string) => SecretSpan[]

/** Characters, or bytes, on each side: more than any key that is found, in any encoding of it. */
export const NEIGHBOURHOOD = 64 * 1024
/** How far before a part a private key may begin whose end reaches into it: a block of this size holds any key that is in use. */
export const LONGEST_KEY = 1024 * 1024
const KEY_WORDS = "PRIVATE KEY"
const KEY_HEAD = 64 // what stands before these words in the line that begins a block

/** By form, and by the values that this house holds. */
export function createSecretFinder({ secretValues }: Pick<RedactorDeps, "secretValues">): FindSecrets {
  const values = createValueFinder(secretValues)
  return (text) => {
    const found: SecretSpan[] = values(text).map(({ name, start, end }) => ({ rule: name, start, end }))
    found.push(...findLeaks(text))
    found.sort((a, b) => a.start - b.start || b.end - a.end)
    const joined: SecretSpan[] = []
    for (const span of found) {
      const last = joined.at(-1)
      if (last && span.start < last.end) last.end = Math.max(last.end, span.end)
      else joined.push({ ...span })
    }
    return joined
  }
}

/** `text.slice(start, end)`, with a mark in the place of every secret that lies in it or reaches into it. */
export function sliceWithoutSecrets(
  text: string,
  { start, end }: { start: number; end: number },
  find: FindSecrets,
): string {
  const from = Math.min(Math.max(0, start - NEIGHBOURHOOD), keyStart(text, start) ?? start)
  const spans = find(text.slice(from, end + NEIGHBOURHOOD))
  return withoutSpans(
    text,
    { start, end },
    spans.map((span) => ({ ...span, start: span.start + from, end: span.end + from })),
  )
}

/** The same where the spans of the whole text are known. */
export function withoutSpans(
  text: string,
  { start, end }: { start: number; end: number },
  spans: readonly SecretSpan[],
): string {
  let clean = ""
  let at = start
  for (const span of spans) {
    if (span.end <= start || span.start >= end) continue
    clean += `${text.slice(at, Math.max(at, span.start))}[redacted: ${span.rule}]`
    at = Math.min(span.end, end)
  }
  return clean + text.slice(at, end)
}

/** Where the line begins that may open a private key which is not closed before `at`; null: there is none. Of texts and of bytes. */
export function keyStart(text: string | Buffer, at: number): number | null {
  const opened = text.lastIndexOf(KEY_WORDS, at)
  if (opened === -1 || opened < at - LONGEST_KEY) return null
  const closed = text.indexOf("-----END", opened)
  return closed === -1 || closed >= at ? Math.max(0, opened - KEY_HEAD) : null
}
