/**
 * The owner's standing instructions: sentences that are meant to hold from now on. Compaction quotes them word for word, because a
 * summary that drops an "ask first" has cost people their mailboxes. Too many is cheap, one missed is not: the markers are broad.
 */

/** Words by which people say that something is to hold. One alternative a line; languages by what people write to assistants in. */
const MARKERS = new RegExp(
  [
    // English
    /\b(always|never(?!\s*mind)|remember(?!\s+when\b)|from\s+now\s+on|going\s+forward|in\s+future|as\s+a\s+rule|by\s+default)\b/,
    /\b(whenever|every\s+time|each\s+time|until\s+I\s+(say|tell)|unless\s+I\s+(say|tell|ask)|no\s+matter\s+what)\b/,
    /\b(ask|check\s+with|confirm\s+with|tell|wait\s+for)\s+me\b.{0,30}\b(first|before|beforehand)\b|\bask\s+first\b|\b(wait|ask)\s+for\s+my\b/,
    /\bwithout\s+(asking|my|telling|checking|confirm)|\bbefore\s+you\s+(send|delete|buy|pay|post|publish|run|change)\b/,
    /\b(don['’]?t|do\s+not|must\s+not|mustn['’]?t|may\s+not|you\s+must|make\s+sure|keep\s+in\s+mind|only\s+ever)\b/,
    /\b(call\s+me|my\s+name\s+is|I\s+prefer|I['’]?d\s+prefer|please\s+use|stop\s+(using|doing|sending|asking))\b/,
    // German
    /\b(immer|nie|niemals|ab\s+jetzt|ab\s+sofort|von\s+nun\s+an|künftig|in\s+zukunft|merk(e)?\s+dir|denk\s+daran|grundsätzlich|frag(e)?\s+(mich\s+)?(vorher|zuerst|erst))\b/,
    // French, Spanish, Italian, Portuguese, Dutch
    /\b(toujours|jamais|désormais|dorénavant|souviens-toi|rappelle-toi|retiens|demande(-moi)?\s+(d['’]abord|avant))\b/,
    /\b(siempre|nunca|jamás|a\s+partir\s+de\s+ahora|recuerda|acuérdate|pregúntame|no\s+olvides)\b/,
    /\b(sempre|d['’]ora\s+in\s+poi|ricorda(ti)?|non\s+dimenticare|chiedimi|a\s+partir\s+de\s+agora|lembre-se|lembra)\b/,
    /\b(altijd|nooit|vanaf\s+nu|onthoud|vraag\s+(me\s+)?eerst)\b/,
    // Russian, Chinese, Japanese, Korean: \b knows only Latin letters
    /всегда|никогда|отныне|впредь|запомни|не\s+забывай|сначала\s+спроси/,
    /总是|始终|永远|从不|从现在|以后都|记住|务必|不要|必须|總是|永遠|記住|必須/,
    /必ず|常に|いつも|決して|今後|これから|覚えて|しないで|항상|절대|앞으로|기억해/,
  ]
    .map(({ source }) => source)
    .join("|"),
  "iu",
)

const MAX_INSTRUCTION_CHARACTERS = 1_200 // of one message: instructions are short, what they are pasted into is not
const MAX_LOOKED_AT = 50_000 // of one message, from its beginning

/** The heading under which they stand in a summary; written by us alone, so that what follows it can be found again. */
export const STANDING_HEADING = "## The owner's standing instructions, word for word"

export type OwnMessage = { id: string; text: string }

/** The parts of one message that stand, verbatim: the whole of a short message, else the lines and sentences with a marker. */
export function standingParts(text: string): string[] {
  const whole = text.trim()
  if (!MARKERS.test(whole.slice(0, MAX_LOOKED_AT))) return []
  if (whole.length <= 400) return [whole] // a short message is quoted with its context: "Yes. But never on Sundays."
  const sentences = whole.slice(0, MAX_LOOKED_AT).match(/[^\n.!?。！？]+(?:[.!?。！？]+|\n|$)/gu) ?? []
  const parts: string[] = []
  let characters = 0
  for (const sentence of sentences) {
    const part = sentence.trim()
    if (part === "" || !MARKERS.test(part)) continue
    characters += part.length
    if (characters > MAX_INSTRUCTION_CHARACTERS) break
    parts.push(part)
  }
  return parts
}

/**
 * The standing instructions of these messages as one quoted text, oldest first, for a summary that cannot drop them. Where they are
 * more than `maxCharacters`, the newest stay, and a line names the handles of the others. "" where there are none.
 */
export function quoteStanding(messages: readonly OwnMessage[], { maxCharacters }: { maxCharacters: number }): string {
  const seen = new Set<string>()
  const kept: string[] = []
  const left: string[] = []
  let characters = 0
  for (const { id, text } of messages.toReversed()) {
    const quotes = standingParts(text)
      .filter((part) => !seen.has(part))
      .map((part) => {
        seen.add(part)
        return quote(part)
      })
    if (quotes.length === 0) continue
    const block = quotes.join("\n>\n")
    if (characters + block.length > maxCharacters) left.push(id)
    else {
      characters += block.length
      kept.push(block)
    }
  }
  if (kept.length === 0 && left.length === 0) return ""
  const more =
    left.length === 0
      ? []
      : [
          `(${left.length} older ones are not quoted for want of room; read them with result_read: ${left.slice(0, 10).join(", ")})`,
        ]
  return [STANDING_HEADING, ...more, ...kept.toReversed()].join("\n\n")
}

function quote(text: string): string {
  return text
    .split("\n")
    .map((line) => `> ${line}`.trimEnd())
    .join("\n")
}
