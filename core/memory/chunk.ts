/** Cuts a document into pieces for search. The pieces are an exact partition: joined, they are the document again. */

/**
 * At most this many bytes of UTF-8 a piece: about 375 tokens of English, of which Chroma's "Evaluating Chunking Strategies for
 * Retrieval" (July 2024) found 200 to 400 to serve best, and below the 512 that small embedding models read. Bytes and not characters,
 * because a Chinese character is three bytes and about a token.
 */
export const MAX_CHUNK_BYTES = 1500
/** A piece ends no earlier than here, so that a page of short paragraphs does not become a hundred pieces. */
const MIN_CHUNK_BYTES = 500

/** Where a piece may end, best first: before a heading, after a paragraph, a line, a sentence, a word. */
const BREAKS: readonly RegExp[] = [/\n(?=#{1,6} )/g, /\n[ \t]*\n+/g, /\n/g, /[.!?。！？]["'”’)]?\s+|[。！？]/g, /\s+/g]

export function splitText(text: string): string[] {
  const pieces: string[] = []
  let start = 0
  while (start < text.length) {
    const latest = fits(text, { start, bytes: MAX_CHUNK_BYTES })
    const end =
      latest === text.length
        ? latest
        : breakBetween(text, { start, earliest: fits(text, { start, bytes: MIN_CHUNK_BYTES }), latest })
    pieces.push(text.slice(start, end))
    start = end
  }
  return pieces
}

/** The furthest end of a slice from `start` that has at most `bytes` bytes and cuts no surrogate pair. */
function fits(text: string, { start, bytes }: { start: number; bytes: number }): number {
  let left = bytes
  let end = start
  while (end < text.length) {
    const point = text.codePointAt(end) ?? 0
    left -= point < 0x80 ? 1 : point < 0x800 ? 2 : point < 0x10000 ? 3 : 4
    if (left < 0) break
    end += point < 0x10000 ? 1 : 2
  }
  return end
}

function breakBetween(
  text: string,
  { start, earliest, latest }: { start: number; earliest: number; latest: number },
): number {
  const window = text.slice(start, latest)
  for (const pattern of BREAKS) {
    let end = 0
    for (const match of window.matchAll(pattern)) {
      const at = start + match.index + match[0].length
      if (at >= earliest) end = at
    }
    if (end > start) return end
  }
  return latest
}
