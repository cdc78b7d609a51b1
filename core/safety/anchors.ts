/**
 * One pass over a text for many patterns: each has a literal, and the pattern itself is tried only where the rarest three characters of
 * the literal stand. Cost grows with the text and with what looks like a match, hardly with the number of patterns.
 */

/** What a pattern is looked for by. */
export type Anchored = {
  /**
   * Begins every match of `pattern`; at least three characters; capital letters and small ones count as one. A list: any of them.
   */
  literal: string | readonly string[]
  /** Tried where a literal begins: sticky. Bounded repetition only, so that no text makes it slow. */
  pattern: RegExp
  /** What must stand right before the literal and belongs to the match; ends in `$`. Sees {@link BEFORE} characters. */
  before?: RegExp
  /**
   * What else must stand in the same sentence, each of these, in any order, so many characters on at most. By itself, because a pattern
   * that allows for every order of words takes too long where it does not match.
   */
  followed?: readonly RegExp[]
  /** What must not stand right before it: a letter or digit, or anything that words, paths and base64 are made of. */
  edge?: "word" | "token"
}

export type Found<Row> = {
  row: Row
  start: number
  end: number
  /** The text of the match. */
  match: string
  /** What the groups of the pattern hold. */
  groups: readonly (string | undefined)[]
}

/** A sentence: where nothing that must follow is found from one place on, nothing is from places in its first half on. */
const SENTENCE = 120
const SENTENCE_END = /[.!?;\n。！？]/

/** Enough for what comes before a literal: the scheme of a URL, a number, the dashes of a header. */
const BEFORE = 80

// Small letters, digits and the marks that literals hold get six bits each; other ASCII is 0 and ends a literal.
const KNOWN = "abcdefghijklmnopqrstuvwxyz0123456789_-:/.=@$ <>[]|#*'\"+!?~,({"
const CODES = new Uint8Array(0x10000)
for (const [at, character] of Array.from(KNOWN).entries()) {
  if (character < "\u0080") CODES[character.charCodeAt(0)] = at + 1
  CODES[character.toUpperCase().charCodeAt(0) & 127] = at + 1
}
/** Alphabets with capital letters end here; what follows has one form. */
const LAST_CASED = 0x2000
/** Beyond ASCII, many characters share a code: that only means a look for nothing now and then. Done with the first search. */
function fillCodes(): void {
  for (let code = 128; code < CODES.length; code++) {
    const small = code < LAST_CASED ? String.fromCharCode(code).toLowerCase().charCodeAt(0) : code
    CODES[code] = 32 | (small & 31)
  }
}
/** 1: a letter or digit. 2: a mark inside of paths and base64. */
const EDGES = new Uint8Array(128)
for (let code = 0; code < 128; code++) {
  const character = String.fromCharCode(code)
  if (/[A-Za-z0-9]/.test(character)) EDGES[code] = 1
  else if ("_/+-".includes(character)) EDGES[code] = 2
}
const BITS = 6
const MASK = (1 << (3 * BITS)) - 1

type Candidate<Row> = {
  row: Row
  /** The literal, a code each. */
  literal: Uint8Array
  /** How far the three characters' end is behind the literal's beginning. */
  back: number
}

/**
 * Prepares the search. `onFound` says false to have the same row tried again inside the match, or how many characters behind its
 * beginning at the earliest.
 */
export function createAnchorSearch<Row extends Anchored>(
  rows: readonly Row[],
): (text: string, onFound: (found: Found<Row>) => boolean | number | void) => void {
  if (CODES[128] === 0) fillCodes()
  const buckets = new Map<number, Candidate<Row>[]>()
  const isAnchor = new Uint8Array(MASK + 1)
  for (const row of rows) {
    for (const literal of [row.literal].flat()) {
      const at = rarest(literal)
      const key = keyOf(literal.slice(at, at + 3))
      const bucket = buckets.get(key) ?? []
      bucket.push({ row, literal: codesOf(literal), back: at + 2 })
      buckets.set(key, bucket)
      isAnchor[key] = 1
    }
  }
  return (text, onFound) => {
    // Where the last match of each row ended: a row is not tried again inside its own match.
    const ends = new Map<Row, number>()
    for (let at = nextAnchor(text, isAnchor, 0); at !== -1; at = nextAnchor(text, isAnchor, at + 1)) {
      for (const { row, literal, back } of buckets.get(keyAt(text, at)) ?? []) {
        const start = at - back
        if (start < 0 || !standsAt(text, start, literal) || start < (ends.get(row) ?? 0)) continue
        const found = matchAt(row, text, start)
        if (!found) continue
        if (row.followed && !isFollowed(text, found.end, row.followed)) ends.set(row, start + SENTENCE / 2)
        else {
          const answer = onFound(found)
          if (answer !== false) ends.set(row, typeof answer === "number" ? found.start + answer : found.end)
        }
      }
    }
  }
}

/**
 * Where the next three characters end that some literal has; -1: nowhere. By itself, so that the loop stays small enough for the
 * compiler to make it fast: nearly all the time of a search is spent here.
 */
function nextAnchor(text: string, isAnchor: Uint8Array, from: number): number {
  const length = text.length
  let key = from < 2 ? 0 : keyAt(text, from - 1)
  for (let at = from; at < length; at++) {
    const code = text.charCodeAt(at)
    key = ((key << BITS) | (CODES[code] ?? 0)) & MASK
    if (isAnchor[key] !== 0) return at
  }
  return -1
}

/** Of the three characters that end at `at`. */
function keyAt(text: string, at: number): number {
  let key = 0
  for (let place = Math.max(0, at - 2); place <= at; place++) {
    key = (key << BITS) | (CODES[text.charCodeAt(place)] ?? 0)
  }
  return key & MASK
}

function matchAt<Row extends Anchored>(row: Row, text: string, start: number): Found<Row> | null {
  if (row.edge && start > 0) {
    const code = text.charCodeAt(start - 1)
    const edge = code < 128 ? (EDGES[code] ?? 0) : 0
    if (edge === 1 || (edge === 2 && row.edge === "token")) return null
  }
  row.pattern.lastIndex = start
  const groups = row.pattern.exec(text)
  if (!groups) return null
  const end = row.pattern.lastIndex
  if (!row.before) return { row, start, end, match: groups[0], groups }
  const before = row.before.exec(text.slice(Math.max(0, start - BEFORE), start))
  if (!before) return null
  const from = start - before[0].length
  return { row, start: from, end, match: text.slice(from, end), groups }
}

function isFollowed(text: string, from: number, wanted: readonly RegExp[]): boolean {
  const rest = text.slice(from, from + SENTENCE)
  const end = rest.search(SENTENCE_END)
  const sentence = end === -1 ? rest : rest.slice(0, end)
  return wanted.every((pattern) => pattern.test(sentence))
}

/** Far cheaper than the pattern, and wrong only where characters share a code. */
function standsAt(text: string, start: number, literal: Uint8Array): boolean {
  for (let at = 0; at < literal.length; at++) if (CODES[text.charCodeAt(start + at)] !== literal[at]) return false
  return true
}

function codesOf(literal: string): Uint8Array {
  return Uint8Array.from({ length: literal.length }, (_, at) => {
    const code = CODES[literal.charCodeAt(at)]
    if (!code) throw new Error(`A literal cannot hold ${JSON.stringify(literal.charAt(at))}`)
    return code
  })
}

function keyOf(three: string): number {
  return codesOf(three).reduce((key, code) => (key << BITS) | code, 0)
}

/** Where the three characters begin that ordinary text has least: marks and digits before letters, rare letters before others. */
function rarest(literal: string): number {
  if (literal.length < 3) throw new Error(`"${literal}" is too short to look for`)
  let best = 0
  let bestWeight = Number.POSITIVE_INFINITY
  for (let at = 0; at + 3 <= literal.length; at++) {
    const weight = Array.from(literal.slice(at, at + 3).toLowerCase(), weightOf).reduce((sum, each) => sum + each, 0)
    if (weight < bestWeight) {
      best = at
      bestWeight = weight
    }
  }
  return best
}

/** Roughly how often English prose and source code have it. */
function weightOf(character: string): number {
  if ("etaoinsrhl ".includes(character)) return 10
  if ('dcumfpgwyb-/=".'.includes(character)) return 5
  return 1
}
