/**
 * Question: does this text carry a secret?
 * Fails closed by: where a scan is needed and throws, its caller refuses (egress) or shows nothing (logs).
 * Known limits: a first table of vendors' formats; encoded, split and context-named values are not seen yet.
 * Source: leak-patterns.ts names each vendor's own description of its format.
 */
import { leakPatterns } from "./leak-patterns.ts"

/** `start` and `end` count UTF-16 units of the text scanned. */
export type Leak = { rule: string; start: number; end: number }

/** All secrets in `text`, in order, overlapping ones joined. */
export function findLeaks(text: string): Leak[] {
  const lower = text.toLowerCase()
  const found: Leak[] = []
  for (const { rule, literal, pattern } of leakPatterns) {
    if (!lower.includes(literal)) continue
    for (const match of text.matchAll(pattern))
      found.push({ rule, start: match.index, end: match.index + match[0].length })
  }
  found.sort((a, b) => a.start - b.start || b.end - a.end)
  const joined: Leak[] = []
  for (const leak of found) {
    const last = joined.at(-1)
    if (last && leak.start < last.end) last.end = Math.max(last.end, leak.end)
    else joined.push({ ...leak })
  }
  return joined
}

/** The text with every secret replaced by `[redacted: rule]`. */
export function redactLeaks(text: string): string {
  const leaks = findLeaks(text)
  if (leaks.length === 0) return text
  let clean = ""
  let from = 0
  for (const { rule, start, end } of leaks) {
    clean += `${text.slice(from, start)}[redacted: ${rule}]`
    from = end
  }
  return clean + text.slice(from)
}
