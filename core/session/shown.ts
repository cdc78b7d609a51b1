/** How a long text of a session is shown to the model: in part, with the handle by which the rest is read. */

/** What one text may take of the model's view before it is shown head and tail. About 4,000 tokens of English. */
export const MAX_SHOWN_CHARACTERS = 16_000
const TAIL_SHARE = 0.25 // the end of a log or an answer often tells most, the beginning says what it is

/**
 * The whole text where it fits, else its head and tail with a note between that names the handle: the id of the message that holds
 * it. Counts are UTF-16 units, as `result_read` counts. No surrogate pair is split.
 */
export function headAndTail(text: string, maxCharacters: number, handle: string): string {
  if (text.length <= maxCharacters) return text
  const tailLength = Math.floor(maxCharacters * TAIL_SHARE)
  const headEnd = pairStart(text, maxCharacters - tailLength)
  const tailStart = pairEnd(text, text.length - tailLength)
  const note = `[… ${tailStart - headEnd} characters left out; read them with result_read handle=${handle} offset=${headEnd}]`
  return `${text.slice(0, headEnd)}\n${note}\n${text.slice(tailStart)}`
}

/** `at`, or one less, or one more, where it stands inside a surrogate pair. */
export function pairStart(text: string, at: number): number {
  return isInsidePair(text, at) ? at - 1 : at
}
export function pairEnd(text: string, at: number): number {
  return isInsidePair(text, at) ? at + 1 : at
}
function isInsidePair(text: string, at: number): boolean {
  return at > 0 && at < text.length && /^[\ud800-\udbff][\udc00-\udfff]$/.test(text.slice(at - 1, at + 1))
}
