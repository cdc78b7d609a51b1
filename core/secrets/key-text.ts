/**
 * The master key as text. Accepted: 64 hex digits, or 32 bytes in base64 (ordinary or URL alphabet, padded or not), as
 * `openssl rand -hex 32` and `openssl rand -base64 32` print them. Whatever a person or a template could have made up is refused:
 * the key is used as it is, without the slow stretching that a passphrase needs.
 */
import { AppError } from "../errors.ts"

const KEY_BYTES = 32

// 32 random bytes hold 30 different ones on average; fewer than 16 happens once in 3 × 10^10 keys.
const LEAST_DISTINCT = 16
// Differences between neighbours of a counted sequence are few; of random bytes they are as many as the bytes.
const LEAST_DISTINCT_STEPS = 8
// Texts that repeat themselves, up to half the key: 01×16 as bytes, "abcdefgh"×4, a UUID twice.
const LONGEST_PERIOD = KEY_BYTES / 2

/** Throws `key.weak` with what is wrong, never with the text. `name` is where the text was found. */
export function parseKey(text: string, name: string): Uint8Array {
  const trimmed = text.trim()
  if (trimmed === "") throw weak(name, "is set, but empty")
  const bytes = decode(trimmed)
  if (bytes === null)
    throw weak(name, `has ${trimmed.length} characters that are neither 64 hex digits nor 32 bytes in base64`)
  const why = weakness(bytes)
  if (why !== null) throw weak(name, why)
  return bytes
}

export function newKeyText(): string {
  return crypto.getRandomValues(new Uint8Array(KEY_BYTES)).toHex()
}

function decode(text: string): Uint8Array | null {
  if (/^[0-9a-f]{64}$/i.test(text)) return Uint8Array.fromHex(text)
  if (/^[A-Za-z0-9+/]{43}=?$/.test(text) || /^[A-Za-z0-9_-]{43}=?$/.test(text)) {
    return new Uint8Array(Buffer.from(text, "base64url")) // reads both alphabets
  }
  return null
}

function weakness(bytes: Uint8Array): string | null {
  const distinct = new Set(bytes).size
  if (distinct < LEAST_DISTINCT)
    return `has only ${distinct} different bytes of ${KEY_BYTES}: it was not made at random`
  for (let period = 1; period <= LONGEST_PERIOD; period++) {
    if (bytes.every((byte, at) => at < period || byte === bytes[at - period]))
      return "repeats itself: it was not made at random"
  }
  const steps = new Set(bytes.slice(1).map((byte, at) => (byte - (bytes[at] ?? 0)) & 0xff))
  if (steps.size < LEAST_DISTINCT_STEPS) return "is a sequence: it was not made at random"
  // All 32 bytes printable: once in 6 × 10^13 random keys, always for a passphrase that was put into hex or base64.
  if (bytes.every((byte) => byte >= 0x20 && byte <= 0x7e)) return "is text in disguise, not random bytes"
  return null
}

function weak(name: string, why: string): AppError {
  return new AppError("key.weak", `The master key in ${name} ${why}`)
}
