/**
 * What the owner is asked. Host code writes the question; what text from outside may have shaped is quoted, bounded, and shown with
 * nothing hidden in it. The answer is bound to the whole call, by its fingerprint, also where the middle of a long one is not shown.
 */
import { preview } from "../event.ts"
import type { AskedCall } from "./approvals.ts"
import { LOOKALIKES } from "./view-letters.ts"

/** Arguments as the question shows them: the beginning and the end, for what matters may stand in either. */
const HEAD_CHARACTERS = 1_000
const TAIL_CHARACTERS = 500
/** Of each text among the arguments, tried one after the other until all of it fits. */
const TEXT_CHARACTERS = [1_200, 600, 300, 150, 75]
/** A tool that words its own question has bounded it, so that the owner sees all of it. */
const WORDED_CHARACTERS = 12_000
/** Enough to show that there is something, and where. */
const MAX_DOUBTFUL = 5
const MAX_DOUBTFUL_CHARACTERS = 60

export function questionOf(call: AskedCall, redact: (text: string) => string): string {
  const whole = redact(call.shown ?? JSON.stringify(call.arguments, null, 1) ?? "{}")
  const shown = visibleText(whole)
  const quoted =
    call.shown === undefined
      ? ends(visibleText(withShortTexts(whole)), HEAD_CHARACTERS, TAIL_CHARACTERS)
      : ends(shown, WORDED_CHARACTERS, 0)
  const hand = call.labels.includes("untrusted")
    ? `\nText from outside had a hand in it: ${visibleLine(preview(call.source)) || "its source is not known"}.`
    : ""
  const reach = call.destination === "" ? "" : `\nIt reaches: ${visibleLine(call.destination)}`
  const words = doubtfulWords(`${call.destination} ${shown}`)
  const doubt =
    words.length === 0 ? "" : `\nCareful, letters of another alphabet that look like Latin ones: ${words.join(", ")}`
  return `May ${visibleLine(call.principal)} run ${call.tool}?\n${call.why}.${hand}${reach}${doubt}\nThe exact call: ${quoted}`
}

/**
 * Arguments that are too long to be shown whole, each of their texts by both its ends: between two long ones a short one would else be
 * lost, such as one more to send to. Given redacted, so that no secret is cut in two before it is found.
 */
function withShortTexts(json: string): string {
  let shortest = json
  for (const max of TEXT_CHARACTERS) {
    if (visibleText(shortest).length <= HEAD_CHARACTERS + TAIL_CHARACTERS) break
    try {
      const shorten = (_key: string, value: unknown): unknown =>
        typeof value === "string" ? ends(value, (max * 2) / 3, max / 3) : value
      shortest = JSON.stringify(JSON.parse(json), shorten, 1)
    } catch {
      return json // what was redacted is no JSON any more: it is cut as any text
    }
  }
  return shortest
}

/**
 * Control, format and bidi characters as their code points, so that nothing in a question can hide or reorder itself; so too what is a
 * letter or mark by its class and yet is not seen: fillers, joiners, variation selectors, the blank Braille pattern.
 */
export function visibleText(text: string): string {
  return text.replace(
    /[\p{Cc}\p{Cf}\p{Co}\p{Cn}\p{Cs}\u2028\u2029\u115f\u1160\u2800\u3164\uffa0]|\u034f|\u17b4|\u17b5|[\u180b-\u180f]|[\ufe00-\ufe0e]|[\u{e0100}-\u{e01ef}]/gu,
    (char) => (char === "\n" ? "\n" : `⟨U+${(char.codePointAt(0) ?? 0).toString(16).toUpperCase().padStart(4, "0")}⟩`),
  )
}

/** For a place in a line of ours: what is quoted there cannot begin another one. */
export function visibleLine(text: string): string {
  return visibleText(text).replaceAll("\n", "⟨U+000A⟩")
}

function ends(text: string, head: number, tail: number): string {
  if (text.length <= head + tail) return text
  const left = text.length - head - tail
  const end = tail === 0 ? "" : text.slice(-tail).toWellFormed()
  return `${text.slice(0, head).toWellFormed()}… [${left} of ${text.length} characters are not shown] …${end}`
}

/** Words of Latin letters with some that only look so, each such letter by its code point. */
function doubtfulWords(text: string): string[] {
  const words = new Set<string>()
  for (const [word] of text.matchAll(/[\p{L}\p{N}._-]+/gu)) {
    if (!/[A-Za-z]/.test(word)) continue
    const spelled = Array.from(word.slice(0, MAX_DOUBTFUL_CHARACTERS), (letter) =>
      letter in LOOKALIKES
        ? `${letter}⟨U+${letter.charCodeAt(0).toString(16).toUpperCase().padStart(4, "0")}⟩`
        : letter,
    ).join("")
    if (spelled.includes("⟨")) words.add(spelled)
    if (words.size === MAX_DOUBTFUL) break
  }
  return [...words]
}
