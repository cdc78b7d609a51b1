/** Stretches of a text that are written in base64 or hex: where they are, whether they hold text, and which. */

const MIN_BASE64 = 20
const MIN_HEX = 24

const BASE64 = new Uint8Array(128)
for (const character of "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/-_")
  BASE64[character.charCodeAt(0)] = 1

export type Stretch = readonly [start: number, end: number]

/** Runs of base64's letters that are long enough. One of so many characters is looked at: no run falls in between. */
export function runsOf(text: string): Stretch[] {
  const runs: Stretch[] = []
  const length = text.length
  let end = 0
  for (let at = MIN_BASE64 - 1; at < length; at += MIN_BASE64) {
    if (!isBase64(text, at)) continue
    let start = at
    while (start > end && isBase64(text, start - 1)) start -= 1
    let after = at + 1
    while (after < length && isBase64(text, after)) after += 1
    if (after - start >= MIN_BASE64) runs.push([start, after + paddingAt(text, after)])
    end = after
    // The next look is where a run that begins behind this one would reach at the earliest.
    at = after - 1
  }
  return runs
}

function isBase64(text: string, at: number): boolean {
  const code = text.charCodeAt(at)
  return code < 128 && BASE64[code] === 1
}

/** The signs of equality that fill up the last group of four. */
function paddingAt(text: string, at: number): number {
  if (text.charCodeAt(at) !== 61) return 0
  return text.charCodeAt(at + 1) === 61 ? 2 : 1
}

/**
 * A look at the beginning that spares most words, paths and hashes. A byte of ASCII has its highest bit clear, so the first letter of
 * each group of four stands for less than 32: A to Z and a to f. One in five may be a letter beyond ASCII.
 */
export function mayBeText(text: string, start: number, end: number): boolean {
  let fitting = 0
  for (let at = start; at < start + 20; at += 4) {
    const code = text.charCodeAt(at)
    if ((code >= 65 && code <= 90) || (code >= 97 && code <= 102)) fitting += 1
  }
  if (fitting >= 4 && beginsAsText(text, start)) return true
  if (end - start < MIN_HEX) return false
  for (let at = start; at < start + MIN_HEX; at++) {
    const code = text.charCodeAt(at) | 32
    if (!((code >= 48 && code <= 57) || (code >= 97 && code <= 102))) return false
  }
  return true
}

/** The place of each letter in base64's alphabet; both of its ways to write the last two. */
const SEXTETS = new Uint8Array(128)
for (const [place, character] of Array.from(
  "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/",
).entries())
  SEXTETS[character.charCodeAt(0)] = place
SEXTETS["-".charCodeAt(0)] = 62
SEXTETS["_".charCodeAt(0)] = 63

/** Whether the first bytes are UTF-8 without control characters, but for one that a text may hold by chance. Makes no string of them. */
function beginsAsText(text: string, start: number): boolean {
  let bits = 0
  let held = 0
  let odd = 0
  let following = 0
  for (let at = start; at < start + MIN_BASE64; at++) {
    held = ((held << 6) | (SEXTETS[text.charCodeAt(at)] ?? 0)) & 0xffff
    bits += 6
    if (bits < 8) continue
    bits -= 8
    const byte = (held >> bits) & 0xff
    if (following > 0) {
      if (byte >> 6 !== 2) odd += 1
      following -= 1
    } else if (byte >= 0xc2 && byte <= 0xf4) following = byte < 0xe0 ? 1 : byte < 0xf0 ? 2 : 3
    else if (byte >= 0x7f || (byte < 32 && byte !== 9 && byte !== 10 && byte !== 13)) odd += 1
  }
  return odd <= 1
}

/** Null where it is no encoded text: an identifier, a path, a hash, a key. */
export function decodeRun(run: string): string | null {
  if (run.length >= MIN_HEX && run.length % 2 === 0 && /^[0-9a-fA-F]+$/.test(run))
    return printable(Buffer.from(run, "hex"))
  // A look at the beginning spares long runs that are something else.
  if (printable(Buffer.from(run.slice(0, 24), "base64")) === null) return null
  return printable(Buffer.from(run, "base64"))
}

/** The bytes as text where nearly all of them are; an end that is cut off in the middle of a character is no fault. */
export function printable(bytes: Buffer): string | null {
  let odd = 0
  for (const byte of bytes) if ((byte < 32 && byte !== 9 && byte !== 10 && byte !== 13) || byte === 127) odd += 1
  if (bytes.length === 0 || odd * 20 > bytes.length) return null
  const text = bytes.toString("utf8")
  const broken = text.split("\ufffd").length - 1
  return broken * 20 > text.length ? null : text
}
