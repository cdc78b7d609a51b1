/** One sealed value: opens in its own place alone, and any change is seen. */
import { describe, expect, test } from "bun:test"
import { createCipheriv, hkdfSync } from "node:crypto"
import { openSecret, sealSecret } from "#core/secrets/sealed.ts"

const key = Uint8Array.fromHex("9f1c04d7e3a86b52f0917de4c83b25a6017f9eb4d2683c5af7108e9bc64d3e21")
const place = { name: "A_KEY", version: 2 }

describe("a sealed value", () => {
  test("opens under its key in its place, whatever it holds, and is never sealed the same way twice", () => {
    for (const value of ["x", "sk-1234", "-----BEGIN KEY-----\nü 🧑‍🚀\n", "a".repeat(65_536)]) {
      const [one, two] = [sealSecret(key, { ...place, value }), sealSecret(key, { ...place, value })]
      expect(openSecret(key, { ...place, ...one })).toBe(value)
      expect(one.ciphertext).not.toEqual(two.ciphertext)
      expect(one.nonce).toHaveLength(12)
    }
  })

  test("is AES-256-GCM with HKDF-SHA256 and its place as associated data, as another implementation makes it", () => {
    const nonce = Uint8Array.fromHex("000102030405060708090a0b")
    const info = Buffer.from('["ironclaw/v1/secret","A_KEY",2]')
    const cipher = createCipheriv("aes-256-gcm", Buffer.from(hkdfSync("sha256", key, "", info, 32)), nonce)
    cipher.setAAD(info)
    const ciphertext = Buffer.concat([cipher.update("sk-1234"), cipher.final(), cipher.getAuthTag()])
    expect(openSecret(key, { ...place, nonce, ciphertext: new Uint8Array(ciphertext) })).toBe("sk-1234")
  })

  test("does not open under another name, version, key or nonce, nor with one bit changed or cut off", () => {
    const sealed = sealSecret(key, { ...place, value: "sk-1234" })
    const flip = (bytes: Uint8Array, at: number) => bytes.map((byte, index) => (index === at ? byte ^ 1 : byte))
    const wrong: [Uint8Array, Parameters<typeof openSecret>[1]][] = [
      [key, { ...sealed, name: "B_KEY", version: 2 }],
      [key, { ...sealed, name: "A_KEY", version: 1 }],
      [flip(key, 31), { ...sealed, ...place }],
      [key, { ...place, ...sealed, nonce: flip(sealed.nonce, 0) }],
      [key, { ...place, ...sealed, nonce: sealed.nonce.slice(0, 8) }],
      [key, { ...place, ...sealed, nonce: new Uint8Array(0) }],
      [key, { ...place, ...sealed, ciphertext: new Uint8Array(0) }],
      [key, { ...place, ...sealed, ciphertext: sealed.ciphertext.slice(0, -1) }],
      ...Array.from(sealed.ciphertext, (_, at): [Uint8Array, Parameters<typeof openSecret>[1]] => [
        key,
        { ...place, ...sealed, ciphertext: flip(sealed.ciphertext, at) },
      ]),
    ]
    for (const [under, row] of wrong)
      expect(() => openSecret(under, row)).toThrow(expect.objectContaining({ code: "secret.unreadable" }))
  })
})
