/** Which texts are taken for a master key, and which made-up ones are not. */
import { describe, expect, test } from "bun:test"
import { AppError } from "#core/errors.ts"
import { newKeyText, parseKey } from "#core/secrets/key-text.ts"

const hex = "9f1c04d7e3a86b52f0917de4c83b25a6017f9eb4d2683c5af7108e9bc64d3e21"
const bytes = Uint8Array.fromHex(hex)
const refusal = (text: string) => {
  try {
    parseKey(text, "SECRETS_MASTER_KEY")
    return null
  } catch (error) {
    return error
  }
}

describe("a master key", () => {
  test("is read from hex and from base64 in both alphabets, padded or not, with a line break behind it", () => {
    const standard = Buffer.from(bytes).toString("base64")
    const url = Buffer.from(bytes).toString("base64url")
    for (const text of [hex, hex.toUpperCase(), standard, standard.replace("=", ""), url, `${hex}\n`]) {
      expect(parseKey(text, "x").toHex()).toBe(hex)
    }
  })

  test("that we make is always one that we take, and never the same twice", () => {
    const made = Array.from({ length: 500 }, newKeyText)
    for (const text of made) expect(parseKey(text, "x")).toHaveLength(32)
    expect(new Set(made).size).toBe(500)
  })

  const base64 = (text: string) => Buffer.from(text, "latin1").toString("base64")
  const weak: Record<string, string> = {
    empty: "",
    "spaces alone": "   ",
    "32 letters a": "a".repeat(32),
    "32 letters a in hex": "61".repeat(32),
    "32 letters a in base64": base64("a".repeat(32)),
    zeros: "00".repeat(32),
    "01 sixteen times": "01".repeat(16),
    "01 thirty-two times": "01".repeat(32),
    "16 random bytes": hex.slice(0, 32),
    "one digit too few": hex.slice(1),
    "one digit too many": `${hex}0`,
    "not hex": hex.replace("9", "g"),
    "16 bytes twice": hex.slice(0, 32).repeat(2),
    "counting up": Array.from({ length: 32 }, (_, n) => n.toString(16).padStart(2, "0")).join(""),
    "counting down by three": Array.from({ length: 32 }, (_, n) => (250 - 3 * n).toString(16).padStart(2, "0")).join(
      "",
    ),
    "a passphrase": "correct horse battery staple 123",
    "a passphrase in base64": base64("correct horse BATTERY staple 1234".slice(0, 32)),
    "0123456789abcdef in hex": "0123456789abcdef".repeat(4),
  }
  for (const [name, text] of Object.entries(weak)) {
    test(`is refused where it is ${name}, without being quoted`, () => {
      const error = refusal(text)
      expect(error).toBeInstanceOf(AppError)
      if (!(error instanceof AppError)) return
      expect(error.code).toBe("key.weak")
      expect(error.message).toContain("SECRETS_MASTER_KEY")
      if (text.trim() !== "") expect(error.message).not.toContain(text)
    })
  }
})
