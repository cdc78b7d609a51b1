/** What Postgres can hold of a text: no NUL, no half of a surrogate pair. Texts from outside may have both. */

/** The text with U+FFFD where it holds what cannot be stored. */
export function storableText(text: string): string {
  return text.toWellFormed().replaceAll("\0", "\uFFFD")
}

export function isStorableText(text: string): boolean {
  return !text.includes("\0") && text.isWellFormed()
}

// In the text that JSON.stringify makes, an odd backslash before u0000 or uD800–uDFFF is a NUL or half a surrogate pair:
// whole pairs and everything else beyond ASCII stand there as they are.
const UNSTORABLE_ESCAPE = /(?<!\\)(?:\\\\)*\\u(?:0000|d[89a-f])/

/** Whether jsonb can hold this text, which JSON.stringify has made. */
export function isStorableJson(json: string): boolean {
  return !json.includes("\\u") || !UNSTORABLE_ESCAPE.test(json)
}
