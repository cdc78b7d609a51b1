/**
 * Where a text holds values that this house knows: as they are, in JSON, in a URL, in base64 at any offset, in hex, reversed, and with
 * anything put between their characters. Needs no pattern: a value is found because it is that value.
 */
import { viewsOf } from "./views.ts"

export type KnownValue = { name: string; value: string }
/** `start` and `end` count UTF-16 units of the text; where a value was encoded, they are of the encoded stretch. */
export type KnownFound = { name: string; start: number; end: number }

/** A shorter value stands in ordinary text by chance: "admin" or "1234" would take words out of every sentence. */
const LEAST_CHARACTERS = 8
/** So many letters and digits are looked for whatever stands between them; fewer may come together in a sentence by chance. */
const LEAST_SCATTERED = 14
/** The search keeps four characters in mind; base64 of eight bytes has nine that do not depend on what is around. */
const LEAST_FORM = 8

/** Every way to write these values without a break, with the names of them; too short ones are left out. */
export function namedForms(values: readonly KnownValue[]): Map<string, string> {
  const names = new Map<string, string>()
  for (const { name, value } of values) {
    const trimmed = value.trim()
    if (trimmed.length >= LEAST_CHARACTERS) for (const form of formsOf(trimmed)) names.set(form, name)
  }
  return names
}

/** Prepares the search for these values; it finds nothing where all of them are too short. */
export function createKnownSearch(values: readonly KnownValue[]): (text: string) => KnownFound[] {
  const plain = namedForms(values)
  const scattered = new Map<string, string>()
  const spaced = new Map<string, string>()
  for (const [form, name] of plain) {
    const letters = lettersOf(form)
    if (isScatterable(letters)) scattered.set(letters, name)
    else spaced.set(withoutSpace(form), name)
  }
  if (plain.size === 0) return () => []
  const searches = [
    { search: createExactSearch(plain), squeeze: null },
    { search: createExactSearch(scattered), squeeze: SEPARATORS },
    { search: createExactSearch(spaced), squeeze: SPACES },
  ] as const
  const find = (text: string, onFound: (found: KnownFound) => void) => {
    for (const { search, squeeze } of searches) {
      if (squeeze === null) search(text, onFound)
      else searchSqueezed({ text, squeeze, search }, onFound)
    }
  }
  return (text) => {
    const found: KnownFound[] = []
    find(text, (each) => void found.push(each))
    for (const view of viewsOf(text))
      find(view.text, ({ name, start, end }) => void found.push({ name, ...view.origin(start, end) }))
    return joined(found)
  }
}

/** In order, overlapping ones as one, by the name of the one that begins first and is longest. */
function joined(found: KnownFound[]): KnownFound[] {
  found.sort((a, b) => a.start - b.start || b.end - a.end)
  const all: KnownFound[] = []
  for (const each of found) {
    const last = all.at(-1)
    if (last && each.start < last.end) last.end = Math.max(last.end, each.end)
    else all.push({ ...each })
  }
  return all
}

/** Everything that is no letter and no digit: what a value is split by, and what differs between two ways to write one. */
const SEPARATORS = /[^A-Za-z0-9]+/g
const SPACES = /[\s\u00ad\u200b-\u200f\u202a-\u202e\u2060-\u206f\ufeff]+/g

const lettersOf = (text: string) => text.replaceAll(SEPARATORS, "")
const withoutSpace = (text: string) => text.replaceAll(SPACES, "")

function isScatterable(letters: string): boolean {
  return letters.length >= LEAST_SCATTERED && /\d/.test(letters) && /[A-Za-z]/.test(letters)
}

/** The ways to write a value that views.ts does not undo, or that it would undo only where enough of a text is around. */
function formsOf(value: string): Set<string> {
  const bytes = Buffer.from(value)
  const hex = bytes.toString("hex")
  const written = [value, JSON.stringify(value).slice(1, -1), encodeURIComponent(value)]
  const coded = [hex, hex.toUpperCase(), ...base64Forms(bytes)].filter((form) => form.length >= LEAST_FORM)
  return new Set([...written, ...coded].flatMap((form) => [form, reversed(form)]))
}

/** Base64 of the value in the middle of something, in both alphabets: what is the same whatever stands before and behind. */
function base64Forms(bytes: Buffer): string[] {
  return [0, 1, 2].flatMap((offset) => {
    const whole = Buffer.concat([Buffer.alloc(offset), bytes])
      .toString("base64")
      .replace(/=+$/, "")
    // Of the first group, 0, 2 or 3 letters hold bits of what stands before; the last letter may hold bits of what follows.
    const cut = whole.slice([0, 2, 3][offset], (offset + bytes.length) % 3 === 0 ? undefined : -1)
    return [cut, cut.replaceAll("+", "-").replaceAll("/", "_")]
  })
}

function reversed(text: string): string {
  return Array.from(text).toReversed().join("")
}

type Search = (text: string, onFound: (found: KnownFound) => void) => void

/** Many exact strings in one pass: a table of the four characters that any of them begins with says where it is worth to compare. */
function createExactSearch(names: ReadonlyMap<string, string>): Search {
  const starts = new Uint8Array(1 << KEY_BITS)
  const buckets = new Map<number, string[]>()
  for (const form of names.keys()) {
    let key = 0
    for (let at = 0; at < KEY_LENGTH; at++) key = nextKey(key, form.charCodeAt(at))
    starts[key] = 1
    buckets.set(
      key,
      [...(buckets.get(key) ?? []), form].toSorted((a, b) => b.length - a.length),
    )
  }
  return (text, onFound) => {
    if (names.size === 0) return
    let key = 0
    for (let at = 0; at < text.length; at++) {
      key = nextKey(key, text.charCodeAt(at))
      if (starts[key] === 0) continue
      const start = at - KEY_LENGTH + 1
      const form = buckets.get(key)?.find((each) => text.startsWith(each, start))
      if (form !== undefined) onFound({ name: names.get(form) ?? "", start, end: start + form.length })
    }
  }
}

const KEY_LENGTH = 4
const KEY_BITS = 16
/** Each character moves the ones before it by four bits, so that after four more it is gone. */
function nextKey(key: number, code: number): number {
  return ((key << 4) ^ code ^ (code >> 8)) & ((1 << KEY_BITS) - 1)
}

/** What is between the characters is taken out first. Where each of them was is worked out only where something is found. */
function searchSqueezed(
  { text, squeeze, search }: { text: string; squeeze: RegExp; search: Search },
  onFound: (found: KnownFound) => void,
): void {
  const squeezed = text.replaceAll(squeeze, "")
  if (squeezed.length === text.length) return
  let places: Uint32Array | null = null
  search(squeezed, ({ name, start, end }) => {
    places ??= placesOf(text, { squeeze, length: squeezed.length })
    onFound({ name, start: places[start] ?? 0, end: (places[end - 1] ?? 0) + 1 })
  })
}

/** Where each character of the squeezed text stands in the text. */
function placesOf(text: string, { squeeze, length }: { squeeze: RegExp; length: number }): Uint32Array {
  const places = new Uint32Array(length)
  let from = 0
  let count = 0
  const take = (to: number) => {
    while (from < to) places[count++] = from++
  }
  for (const match of text.matchAll(squeeze)) {
    take(match.index)
    from = match.index + match[0].length
  }
  take(text.length)
  return places
}
