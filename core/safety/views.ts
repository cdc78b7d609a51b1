/**
 * What a text says once it is decoded: not a gate, but what the leak and the injection gate look through. What cannot be decoded stays
 * as it is, and the gates see the text itself in any case.
 *
 * Known limits: base64, hex, percent, HTML entities, \u and \x escapes, invisible characters, look-alike letters; two layers, and no
 * more decoded text than four times the text. Ciphers, reversed or split text, compression and images are not decoded.
 * After RFC 4648, RFC 3986, the HTML standard's character references, Unicode TR 36 and TR 39, the Unicode tag block.
 */

import { ENTITIES, LOOKALIKES } from "./view-letters.ts"
import { decodeRun, mayBeText, printable, runsOf, type Stretch } from "./view-runs.ts"

export type View = {
  text: string
  /** Where a part of the view comes from in the text that was given. */
  origin(start: number, end: number): { start: number; end: number }
}

/** What is hidden deeper than this was hidden from a person too, and is found by exact value or not at all. */
const MAX_DEPTH = 2
/** Times the length of the text: decoding shrinks, so only a text that is made to grow comes near. */
const MAX_GROWTH = 4
/** Every view that differs from the text. The text itself is none of them. */
export function viewsOf(text: string): View[] {
  const views: View[] = []
  let left = text.length * MAX_GROWTH
  const expand = (source: string, depth: number, originOf: View["origin"]): void => {
    for (const build of decode(source)) {
      left -= build.text.length
      if (left < 0) return
      const view: View = {
        text: build.text,
        origin(start, end) {
          const inner = build.origin(start, end)
          return originOf(inner.start, inner.end)
        },
      }
      views.push(view)
      if (depth < MAX_DEPTH) expand(view.text, depth + 1, view.origin)
    }
  }
  expand(text, 1, (start, end) => ({ start, end }))
  return views
}

/** At most two: the characters as they are meant, where some are not, and what the encoded stretches hold. */
function decode(text: string): View[] {
  const windows = windowsOf(text)
  const runs = runsOf(text)
  const plain = windows.length > 0 ? rewrite(text, windows) : null
  const decoded = runs.length > 0 ? decodeRuns(text, runs) : null
  return [plain, decoded].filter((view) => view !== null)
}

/** The stretches around characters that are not what they seem. */
function windowsOf(text: string): Stretch[] {
  const windows: [start: number, end: number][] = []
  let window: [start: number, end: number] | null = null
  for (let at = nextMark(text, 0); at !== -1; at = nextMark(text, at + 1)) {
    if (!isMeantOtherwise(text, at)) continue
    const start = Math.max(0, at - CONTEXT)
    if (window && start <= window[1]) window[1] = at + CONTEXT
    else windows.push((window = [start, at + CONTEXT]))
  }
  return windows
}

/** By itself, as nextAnchor in anchors.ts is: a small loop over the whole text. */
function nextMark(text: string, from: number): number {
  const length = text.length
  for (let at = from; at < length; at++) if (MARKS[text.charCodeAt(at)] !== 0) return at
  return -1
}

/** What is looked at on either side of a character that is not what it seems: a key, or a sentence. */
const CONTEXT = 160

function isMeantOtherwise(text: string, at: number): boolean {
  const code = text.charCodeAt(at)
  // A letter that looks like another counts only beside a Latin one: a word of one alphabet is what it is.
  if (code >= 128)
    return MARKS[code] !== LOOKALIKE || isLetter(text.charCodeAt(at - 1)) || isLetter(text.charCodeAt(at + 1))
  const next = text.charCodeAt(at + 1) | 32 // capital letters as small ones; digits stay
  if (code === 92) return next === 117 || next === 120 // \u \x
  if (code === 38) return next === 35 || (next >= 97 && next <= 122) // &# &a
  return (next >= 48 && next <= 57) || (next >= 97 && next <= 102) // %0 %a
}

function isLetter(code: number): boolean {
  return (code | 32) >= 97 && (code | 32) <= 122
}

/** A text put together from pieces of another, with where each came from. */
function createPieces() {
  const texts: string[] = []
  // Of each piece: where it begins in the new text, and what it stands for in the old one. Numbers alone, because there may be many.
  const starts: number[] = []
  const froms: number[] = []
  const tos: number[] = []
  let length = 0
  return {
    add(text: string, from: number, to: number): void {
      if (text === "") return
      texts.push(text)
      starts.push(length)
      froms.push(from)
      tos.push(to)
      length += text.length
    },
    view(): View {
      /** The piece that holds this place. */
      const pieceAt = (place: number): number => {
        let low = 0
        let high = starts.length - 1
        while (low < high) {
          const middle = (low + high + 1) >> 1
          if ((starts[middle] ?? 0) <= place) low = middle
          else high = middle - 1
        }
        return low
      }
      /** Where `place` in a piece comes from; null where the piece was decoded and has no places of its own. */
      const exactly = (piece: number, place: number): number | null => {
        const from = froms[piece] ?? 0
        return texts[piece]?.length === (tos[piece] ?? 0) - from ? from + place - (starts[piece] ?? 0) : null
      }
      return {
        text: texts.join(""),
        origin(start, end) {
          const first = pieceAt(start)
          const last = pieceAt(Math.max(start, end - 1))
          return {
            start: exactly(first, start) ?? froms[first] ?? 0,
            end: exactly(last, end) ?? tos[last] ?? 0,
          }
        },
      }
    },
  }
}

// Escapes that stand for a character, then what is not seen, then letters that look like others. Every repetition is of one class.
const ESCAPE_FORMS = String.raw`(?:%[0-9a-fA-F]{2}){1,64}|(?:&(?:#[xX][0-9a-fA-F]{1,6}|#\d{1,7}|[a-z]{2,6});){1,64}|(?:\\u[0-9a-fA-F]{4}){1,64}|\\u\{[0-9a-fA-F]{1,6}\}|(?:\\x[0-9a-fA-F]{2}){1,64}`
const INVISIBLE_FORMS = String.raw`[\u00ad\u034f\u061c\u115f\u1160\u17b4\u17b5\u180b-\u180f\u200b-\u200f\u202a-\u202e\u2060-\u206f\ufe00-\ufe0f\ufeff\u{e0000}-\u{e01ef}]+`
const DRESSED_FORMS = String.raw`[\u0300-\u036f\u20d0-\u20ff]+|[\uff01-\uff5e\u{1d400}-\u{1d7ff}\u2460-\u24ff]+`
const ALL = new RegExp(`${ESCAPE_FORMS}|${INVISIBLE_FORMS}|${DRESSED_FORMS}`, "uy")

const DRESSED = 1
const LOOKALIKE = 2
const ESCAPE = 3
const VANISHING = 4
/**
 * What a character may be that is not what it seems: dressed and vanishing always, a look-alike and an escape by what stands beside it.
 * Vanishing ones are not seen, or only as a dot or a stroke on the letter before.
 */
const MARKS = new Uint8Array(0x10000)
for (const character of "%&\\") MARKS[character.charCodeAt(0)] = ESCAPE
for (const [from, to, mark] of [
  [0xad, 0xad, VANISHING],
  [0x300, 0x36f, VANISHING],
  [0x61c, 0x61c, VANISHING],
  [0x115f, 0x1160, VANISHING],
  [0x17b4, 0x17b5, VANISHING],
  [0x180b, 0x180f, VANISHING],
  [0x200b, 0x200f, VANISHING],
  [0x202a, 0x202e, VANISHING],
  [0x2060, 0x206f, VANISHING],
  [0x20d0, 0x20ff, VANISHING],
  [0x2460, 0x24ff, DRESSED],
  [0xd835, 0xd835, DRESSED], // the first half of mathematical letters
  [0xdb40, 0xdb40, DRESSED], // and of tags and variation selectors
  [0xfe00, 0xfe0f, DRESSED],
  [0xfeff, 0xfeff, VANISHING],
  [0xff01, 0xff5e, DRESSED],
] as const)
  MARKS.fill(mark, from, to + 1)
for (const letter of Object.keys(LOOKALIKES)) MARKS[letter.charCodeAt(0)] = LOOKALIKE
/** What each of them stands for; 0: itself. */
const MEANT = new Uint16Array(0x10000)
for (const [letter, latin] of Object.entries(LOOKALIKES)) MEANT[letter.charCodeAt(0)] = latin.charCodeAt(0)

/** With Latin letters for those that look so; as long as it was. */
function withLatin(text: string): string {
  const units = new Uint16Array(text.length)
  let changed = false
  for (let at = 0; at < text.length; at++) {
    const code = text.charCodeAt(at)
    const meant = MEANT[code] ?? 0
    if (meant !== 0) changed = true
    units[at] = meant === 0 ? code : meant
  }
  return changed ? Buffer.from(units.buffer).toString("utf16le") : text
}

/** Null where nothing changes. */
function rewrite(text: string, windows: readonly Stretch[]): View | null {
  const pieces = createPieces()
  let changed = false
  for (const [start, end] of windows) {
    const given = text.slice(start, end)
    const source = withLatin(given)
    if (changed) pieces.add("\n", start, start + 1)
    let from = 0
    let own = source !== given
    for (let at = nextMark(source, 0); at !== -1; at = nextMark(source, at)) {
      const form = formAt(source, at)
      const meant = form === "" ? "" : meaningOf(form)
      if (meant === form) {
        at += Math.max(1, form.length)
        continue
      }
      own = true
      pieces.add(source.slice(from, at), start + from, start + at)
      pieces.add(meant, start + at, start + at + form.length)
      at += form.length
      from = at
    }
    if (!own) continue
    changed = true
    pieces.add(source.slice(from), start + from, start + source.length)
  }
  return changed ? pieces.view() : null
}

/** What begins at a mark and stands for something; empty: it stands for itself. */
function formAt(text: string, at: number): string {
  const mark = MARKS[text.charCodeAt(at)]
  if (mark === LOOKALIKE) return ""
  if (mark === VANISHING) {
    let end = at + 1
    while (MARKS[text.charCodeAt(end)] === VANISHING) end += 1
    const next = MARKS[text.charCodeAt(end)]
    // What goes on in other invisible characters may spell something together with them.
    if (next !== DRESSED) return text.slice(at, end)
  }
  ALL.lastIndex = at
  return ALL.exec(text)?.[0] ?? ""
}

function meaningOf(form: string): string {
  const first = form.charCodeAt(0)
  // The most frequent ones by themselves: one byte of ASCII, one full-width letter, a few characters that are not seen.
  if (form.length === 3 && first === 37) {
    const byte = Number.parseInt(form.slice(1), 16)
    return byte < 128 ? String.fromCharCode(byte) : "\ufffd"
  }
  if (form.length === 1 && first >= 0xff01 && first <= 0xff5e) return String.fromCharCode(first - 0xfee0)
  if (form.length < LEAST_SMUGGLED && MARKS[first] === VANISHING) return ""
  if (form.startsWith("%")) return Buffer.from(form.replaceAll("%", ""), "hex").toString("utf8")
  if (form.startsWith("&") && !form.includes(";&")) return referenceOf(form.slice(1, -1))
  if (form.startsWith("&")) return form.slice(1, -1).split(";&").map(referenceOf).join("")
  if (form.startsWith("\\u{")) return characterOf(Number.parseInt(form.slice(3, -1), 16))
  if (form.startsWith("\\u")) return String.fromCharCode(...unitsOf(form, 6))
  if (form.startsWith("\\x")) return Buffer.from(unitsOf(form, 4)).toString("utf8")
  if ((first >= 0x2460 && first <= 0x24ff) || first === 0xd835 || (first >= 0xff01 && first <= 0xff5e))
    return form.normalize("NFKC")
  // Fewer spell nothing, but for a tag: the halves of the first of those say so.
  return form.length < LEAST_SMUGGLED && first !== 0xdb40 ? "" : smuggled(form)
}

/** The numbers in a row of escapes that are `width` characters each. */
function unitsOf(form: string, width: number): number[] {
  return Array.from({ length: form.length / width }, (_, at) =>
    Number.parseInt(form.slice(at * width + 2, (at + 1) * width), 16),
  )
}

function referenceOf(name: string): string {
  if (!name.startsWith("#")) return ENTITIES[name] ?? `&${name};`
  return characterOf(/^#[xX]/.test(name) ? Number.parseInt(name.slice(2), 16) : Number.parseInt(name.slice(1), 10))
}

function characterOf(code: number): string {
  return code > 0 && code <= 0x10ffff ? String.fromCodePoint(code) : ""
}

/** Four bytes as variation selectors. */
const LEAST_SMUGGLED = 4
const TAGS = 0xe0000
const SELECTORS = 0xe0100

/** What a row of invisible characters spells: tag letters, variation selectors as bytes, or two of them as bits. Else nothing. */
function smuggled(form: string): string {
  const codes = Array.from(form).map((character) => character.codePointAt(0) ?? 0)
  const tags = codes.filter((code) => code >= TAGS + 0x20 && code <= TAGS + 0x7e)
  if (tags.length > 0) return String.fromCharCode(...tags.slice(0, 4096).map((code) => code - TAGS))
  const bytes = codes.flatMap((code) => {
    if (code >= 0xfe00 && code <= 0xfe0f) return [code - 0xfe00]
    return code >= SELECTORS && code <= SELECTORS + 0xef ? [code - SELECTORS + 16] : []
  })
  if (bytes.length > 3) return printable(Buffer.from(bytes)) ?? ""
  const kinds = [...new Set(codes)]
  const [zero, one] = kinds
  if (kinds.length !== 2 || zero === undefined || one === undefined || codes.length < 32) return ""
  for (const bits of [codes.map((code) => (code === one ? 1 : 0)), codes.map((code) => (code === one ? 0 : 1))]) {
    const spelled = Buffer.from(
      Array.from({ length: bits.length >> 3 }, (_, at) =>
        bits.slice(at * 8, at * 8 + 8).reduce<number>((byte, bit) => byte * 2 + bit, 0),
      ),
    )
    const text = printable(spelled)
    if (text !== null) return text
  }
  return ""
}

function decodeRuns(text: string, runs: readonly Stretch[]): View | null {
  const pieces = createPieces()
  let found = false
  let before = -1
  for (const [start, end] of runs) {
    if (!mayBeText(text, start, end)) continue
    const decoded = decodeRun(text.slice(start, end))
    if (decoded === null) continue
    // Lines of one encoded text go on where the one before ended.
    const goesOn = before !== -1 && start - before <= 2 && /^\r?\n$/.test(text.slice(before, start))
    if (!goesOn && found) pieces.add("\n", start, start + 1)
    pieces.add(decoded, start, end)
    before = end
    found = true
  }
  return found ? pieces.view() : null
}
