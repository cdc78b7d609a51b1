/** Keys for the tests of the leak tables. No key stands in a file: every one is put together when a test asks for it. */

export const ALNUM = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789"
export const LETTERS = ALNUM.slice(0, 52)
export const LOWER = ALNUM.slice(26)
export const UPPER = ALNUM.slice(0, 26) + "0123456789"
export const BASE32 = "ABCDEFGHIJKLMNOPQRSTUVWXYZ234567"
export const BASE58 = "123456789ABCDEFGHJKLMNPQRSTUVWXYZabcdefghijkmnopqrstuvwxyz"
export const BECH32 = "QPZRY9X8GF2TVDW0S3JN54KHCE6MUA7L"
export const HEX = "0123456789abcdef"
export const DIGITS = "0123456789"

export type Random = (alphabet: string, length: number) => string
/** The same letters for the same seed: a linear congruential generator, of which the high bits are used. */
export function randomOf(seed: number): Random {
  let state = seed * 2_654_435_761
  return (alphabet, length) =>
    Array.from({ length }, () => {
      state = (Math.imul(state, 1_103_515_245) + 12_345) >>> 0
      return alphabet[(state >>> 8) % alphabet.length]
    }).join("")
}

export type Fixture = { rule: string; make: (random: Random) => string; near: (random: Random) => string[] }
/** Near misses of a prefix and a filling: too short a filling, and another prefix. */
export const plain = (rule: string, prefix: readonly string[], alphabet: string, length: number): Fixture => {
  const whole = prefix.join("")
  return {
    rule,
    make: (random) => whole + random(alphabet, length),
    near: (random) => [
      whole + random(alphabet, 5),
      `q${whole.slice(0, 1)}${whole.slice(2)}${random(alphabet, Math.min(length, 30))}`,
    ],
  }
}
export const made = (rule: string, make: Fixture["make"], near: Fixture["near"]): Fixture => ({ rule, make, near })

/** A piece that stands as it is, or so many letters of an alphabet. */
export type Piece = string | readonly [alphabet: string, length: number]

const spelled = (pieces: readonly Piece[], random: Random) =>
  pieces.map((piece) => (typeof piece === "string" ? piece : random(...piece))).join("")

/** Near misses of a prefix and several pieces: only the beginning of them, and another prefix. */
export const shaped = (rule: string, prefix: readonly string[], ...pieces: readonly Piece[]): Fixture => {
  const whole = prefix.join("")
  return made(
    rule,
    (random) => whole + spelled(pieces, random),
    (random) => [
      `${whole}${spelled(pieces, random).slice(0, 5)} `,
      `q${whole.slice(0, 1)}${whole.slice(2)}${spelled(pieces, random)}`,
    ],
  )
}

export const UUID: readonly Piece[] = [[HEX, 8], "-", [HEX, 4], "-", [HEX, 4], "-", [HEX, 4], "-", [HEX, 12]]
