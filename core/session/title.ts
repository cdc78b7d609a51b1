/** A title for a session that was given none: the first words of its first message. Whoever stores it gives it that message's labels. */

const MAX_TITLE_CHARACTERS = 60 // one column of a list on an 80-column terminal
const MAX_LOOKED_AT = 2_000 // a title needs no more of a message of 4 MiB

/** The first line that says something, without Markdown marks, cut at a word. "" where there is none (a picture alone). */
export function titleFrom(text: string): string {
  for (const line of text.slice(0, MAX_LOOKED_AT).split(/[\r\n]+/)) {
    const words = plainLine(line)
    if (/[\p{L}\p{N}]/u.test(words)) return cutAtWord(words)
  }
  return ""
}

/** A title as a person gave it: one line, bounded, nothing invisible in it. */
export function tidyTitle(title: string): string {
  const line = visible(title).trim()
  return line.length <= 200 ? line : `${line.slice(0, 199).toWellFormed()}…` // 200: what an event's preview may hold
}

function plainLine(line: string): string {
  return visible(line)
    .replace(/^[\s#>*+`~-]+/, "")
    .replace(/[\s*`~]+$/, "")
}

/** White space as single blanks; control and direction marks go, for they could make a list lie. */
function visible(text: string): string {
  return text
    .toWellFormed()
    .replace(/\s+/g, " ")
    .replace(/[\p{Cc}\u200b-\u200f\u202a-\u202e\u2060-\u2069\ufeff]/gu, "")
}

function cutAtWord(words: string): string {
  if (words.length <= MAX_TITLE_CHARACTERS) return words
  const head = words.slice(0, MAX_TITLE_CHARACTERS - 1)
  const lastBlank = head.lastIndexOf(" ")
  // Text without blanks (Chinese, a long address) is cut where it stands, but never through a surrogate pair.
  const cut = lastBlank > MAX_TITLE_CHARACTERS / 2 ? head.slice(0, lastBlank) : head.replace(/[\ud800-\udbff]$/, "")
  return `${cut}…`
}
