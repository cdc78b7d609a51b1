/** Signatures of publishers: raw ed25519, minisign's two forms, and everything that is nearly one. */
import { createHash, createPrivateKey, generateKeyPairSync, sign } from "node:crypto"
import { describe, expect, test } from "bun:test"
import { judgeSignature, readPublisherKey } from "#sandbox/publisher.ts"
import { makePublisher } from "../fakes/publisher.ts"

const bytes = new TextEncoder().encode("the bytes of a plugin")
const mia = makePublisher()
const other = makePublisher()
const SIGNED = null

describe("a signature", () => {
  test("of the publisher over these bytes is right, in each form", () => {
    for (const signature of [mia.sign(bytes), mia.minisign(bytes), mia.minisign(bytes, { hashed: true })])
      expect(judgeSignature(bytes, { signature, key: mia.key })).toBe(SIGNED)
    expect(judgeSignature(bytes, { signature: mia.minisign(bytes).replaceAll("\n", "\r\n"), key: mia.key })).toBe(
      SIGNED,
    )
  })

  test("made by minisign itself is right", () => {
    const key = readPublisherKey("RWQf6LRCGA9i53mlYecO4IzT51TGPpvWucNSCh1CBM0QTaLn73Y7GFO3") ?? ""
    const signature = [
      "untrusted comment: signature from minisign secret key",
      "RUQf6LRCGA9i559r3g7V1qNyJDApGip8MfqcadIgT9CuhV3EMhHoN1mGTkUidF/z7SrlQgXdy8ofjb7bNJJylDOocrCo8KLzZwo=",
      "trusted comment: timestamp:1633700835\tfile:test\tprehashed",
      "wLMDjy9FLAuxZ3q4NlEvkgtyhrr0gtTu6KC4KBJdITbbOeAi1zBIYo0v4iTgt8jJpIidRJnp94ABQkJAgAooBQ==",
    ].join("\n")
    expect(judgeSignature(Buffer.from("test"), { signature, key })).toBe(SIGNED)
    expect(judgeSignature(Buffer.from("tesT"), { signature, key })).toContain("other bytes")
  })

  test("over other bytes, by another key, or cut, is none", () => {
    const changed = Uint8Array.from(bytes)
    changed[0] = (changed[0] ?? 0) ^ 1
    for (const make of [mia.sign, mia.minisign, (given: Uint8Array) => mia.minisign(given, { hashed: true })]) {
      const signature = make(bytes)
      expect(judgeSignature(changed, { signature, key: mia.key })).toBeString()
      expect(judgeSignature(bytes, { signature, key: other.key })).toBeString()
      expect(judgeSignature(new Uint8Array(), { signature, key: mia.key })).toBeString()
      expect(judgeSignature(bytes, { signature: signature.slice(0, -10), key: mia.key })).toBeString()
      expect(judgeSignature(bytes, { signature: make(changed), key: mia.key })).toBeString()
    }
  })

  test("whose trusted comment was changed is none: it says what is signed", () => {
    const signature = mia.minisign(bytes)
    expect(judgeSignature(bytes, { signature: signature.replace("version 1", "version 2"), key: mia.key })).toBeString()
    const lines = signature.split("\n")
    expect(judgeSignature(bytes, { signature: lines.slice(0, 2).join("\n"), key: mia.key })).toContain("neither")
    expect(judgeSignature(bytes, { signature: lines.slice(0, 3).join("\n"), key: mia.key })).toContain("neither")
    // Its first line is nobody's word.
    expect(
      judgeSignature(bytes, {
        signature: signature.replace("untrusted comment: x", "untrusted comment: y"),
        key: mia.key,
      }),
    ).toBe(SIGNED)
  })

  test("of one form is not taken for the other", () => {
    // A hashed signature is one over 64 bytes: those bytes themselves must not pass for the file.
    const hash = createHash("blake2b512").update(bytes).digest()
    const plain = mia.minisign(hash)
    expect(judgeSignature(bytes, { signature: relabelled(plain, "ED"), key: mia.key })).toBe(SIGNED)
    expect(
      judgeSignature(hash, { signature: relabelled(mia.minisign(bytes, { hashed: true }), "Ed"), key: mia.key }),
    ).toBe(SIGNED)
    expect(judgeSignature(bytes, { signature: relabelled(mia.minisign(bytes), "XX"), key: mia.key })).toContain("kind")
    expect(judgeSignature(bytes, { signature: relabelled(mia.minisign(bytes), "ED"), key: mia.key })).toBeString()
  })

  test("is nothing else that somebody could send", () => {
    for (const signature of [
      "",
      " ",
      "AAAA",
      "A".repeat(88),
      "=".repeat(88),
      "\0".repeat(64),
      "-----BEGIN PGP SIGNATURE-----",
      "A".repeat(4_000),
      `${mia.sign(bytes)}\n${mia.sign(bytes)}`,
    ])
      expect(judgeSignature(bytes, { signature, key: mia.key })).toBeString()
  })

  test("never holds for a key that everybody can sign for, for that is none", () => {
    const identity = [1, ...Buffer.alloc(31)]
    const signature = Buffer.from([...identity, ...Buffer.alloc(32)]).toString("base64")
    // What the refusal is for: to the library this is a right signature of any bytes.
    expect(judgeSignature(bytes, { signature, key: Buffer.from(identity).toString("base64") })).toBe(SIGNED)
    const order8 = Buffer.from("26e8958fc2b227b045c3f489f2ef98f0d5dfac05d3c63339b13802886d53fc05", "hex")
    const signed = Buffer.from(order8)
    signed[31] = (signed[31] ?? 0) | 0x80
    for (const point of [
      Buffer.from(identity),
      Buffer.alloc(32),
      order8,
      signed,
      Buffer.from([...identity.slice(0, 31), 0x80]),
    ]) {
      expect(readPublisherKey(point.toString("base64"))).toBeNull()
      const line = Buffer.concat([Buffer.from("Ed"), Buffer.alloc(8), point]).toString("base64")
      expect(readPublisherKey(line)).toBeNull()
    }
  })
})

describe("a key", () => {
  test("is read from 32 bytes, from minisign's line and from its file", () => {
    for (const text of [
      mia.key,
      ` ${mia.key}\n`,
      mia.minisignKey,
      `untrusted comment: minisign public key\n${mia.minisignKey}\n`,
    ])
      expect(readPublisherKey(text)).toBe(mia.key)
  })
  test("is nothing else", () => {
    for (const text of [
      "",
      "AAAA",
      mia.key.slice(1),
      `${mia.key}A`,
      `${mia.key}\n${mia.key}`,
      mia.sign(bytes),
      "ssh-ed25519 AAAA",
      mia.key.replace(/=$/, ""),
    ])
      expect(readPublisherKey(text)).toBeNull()
    // The last character has two bits that no byte needs: another spelling of the same key would be another key to whoever compares texts.
    const last = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/"
    const at = last.indexOf(mia.key[42] ?? "")
    expect(readPublisherKey(`${mia.key.slice(0, 42)}${last[at + 1] ?? "B"}=`)).toBeNull()
  })
})

/** The same signatures under another name of the way. The second one covers the first, not its name. */
function relabelled(signature: string, way: string): string {
  const lines = signature.split("\n")
  const blob = Buffer.from(lines[1] ?? "", "base64")
  blob.write(way, 0, "latin1")
  return lines.with(1, blob.toString("base64")).join("\n")
}

test("the fake publisher signs as node does", () => {
  const { privateKey, publicKey } = generateKeyPairSync("ed25519")
  const key = publicKey.export({ format: "der", type: "spki" }).subarray(-32).toString("base64")
  const own = createPrivateKey(privateKey.export({ format: "pem", type: "pkcs8" }))
  expect(judgeSignature(bytes, { signature: sign(null, bytes, own).toString("base64"), key })).toBe(SIGNED)
})
