/**
 * Question: did the publisher whose key the owner gave sign these exact bytes?
 * Fails closed by: a key or a signature of another form, of other bytes, or by another key is a refusal; nothing in them is a choice of
 * what is checked.
 * Known limits: who holds the key can sign anything; a key does not expire, and is taken back by giving another one. An old version that
 * was signed once can be sent again: one with a lower number is not active by itself (sentences.ts).
 * Source: RFC 8032; the format of minisign (its signatures, its comments, its hashed form).
 */
import { createHash, createPublicKey, verify } from "node:crypto"

const KEY_BYTES = 32
const SIGNATURE_BYTES = 64
const ID_BYTES = 8
/** The DER of an ed25519 public key without its 32 bytes (RFC 8410). */
const SPKI_HEAD = Buffer.from("302a300506032b6570032100", "hex")
/** Minisign's two ways: over the bytes, and over their BLAKE2b of 512 bits. */
const PLAIN = "Ed"
const HASHED = "ED"
const COMMENT = "untrusted comment: "
const TRUSTED = "trusted comment: "

/**
 * Points of small order (the list of libsodium, without the bit of the sign): everybody can make a signature that holds for them.
 */
const ANYBODYS = new Set([
  "00".repeat(32),
  `01${"00".repeat(31)}`,
  "26e8958fc2b227b045c3f489f2ef98f0d5dfac05d3c63339b13802886d53fc05",
  "c7176a703d4dd84fba3c0b760d10670f2a2053fa2c39ccc64ec7fd7792ac037a",
  `ec${"ff".repeat(30)}7f`,
  `ed${"ff".repeat(30)}7f`,
  `ee${"ff".repeat(30)}7f`,
])

/** 32 bytes in base64, from that, from minisign's line, or from its file of two lines. Null: it is no key. */
export function readPublisherKey(text: string): string | null {
  const lines = linesOf(text)
  const line =
    lines.length === 2 && lines[0]?.startsWith(COMMENT) ? lines[1] : lines.length === 1 ? lines[0] : undefined
  const bytes = fromBase64(line ?? "")
  const isMinisign = bytes?.length === 2 + ID_BYTES + KEY_BYTES && bytes.toString("latin1", 0, 2) === PLAIN
  const key = isMinisign ? bytes.subarray(2 + ID_BYTES) : bytes
  return key?.length === KEY_BYTES && !isAnybodys(key) ? key.toString("base64") : null
}

function isAnybodys(key: Buffer): boolean {
  const point = Buffer.from(key)
  point[KEY_BYTES - 1] = (point[KEY_BYTES - 1] ?? 0) & 0x7f
  return ANYBODYS.has(point.toString("hex"))
}

/** Null: it is right. `signature` is 64 bytes in base64, or a file of minisign's. `key` as {@link readPublisherKey} gave it. */
export function judgeSignature(
  bytes: Uint8Array,
  { signature, key }: { signature: string; key: string },
): string | null {
  const lines = linesOf(signature)
  const raw = lines.length === 1 ? fromBase64(lines[0] ?? "") : null
  if (raw?.length === SIGNATURE_BYTES) return isSignedBy(key, bytes, raw) ? null : wrong
  const [comment = "", signed = "", trusted = "", global = ""] = lines
  const blob = fromBase64(signed)
  const over = fromBase64(global)
  const isMinisign =
    lines.length === 4 &&
    comment.startsWith(COMMENT) &&
    trusted.startsWith(TRUSTED) &&
    blob?.length === 2 + ID_BYTES + SIGNATURE_BYTES &&
    over?.length === SIGNATURE_BYTES
  if (!isMinisign) return "the signature is neither 64 bytes in base64 nor a file of minisign's"
  const way = blob.toString("latin1", 0, 2)
  if (way !== PLAIN && way !== HASHED) return "the signature is of a kind that is not known here"
  const own = blob.subarray(2 + ID_BYTES)
  const message = way === PLAIN ? bytes : createHash("blake2b512").update(bytes).digest()
  const comments = Buffer.concat([own, Buffer.from(trusted.slice(TRUSTED.length))])
  return isSignedBy(key, message, own) && isSignedBy(key, comments, over) ? null : wrong
}

const wrong = "the signature is not by that key, or of other bytes"

function linesOf(text: string): string[] {
  return text.trim().split(/\r?\n/)
}

function fromBase64(text: string): Buffer | null {
  const trimmed = text.trim()
  if (!/^[A-Za-z0-9+/]+={0,2}$/.test(trimmed)) return null
  const bytes = Buffer.from(trimmed, "base64")
  // One spelling for the same bytes.
  return bytes.toString("base64") === trimmed ? bytes : null
}

function isSignedBy(key: string, bytes: Uint8Array, signature: Uint8Array): boolean {
  try {
    const der = Buffer.concat([SPKI_HEAD, Buffer.from(key, "base64")])
    return verify(null, bytes, createPublicKey({ key: der, format: "der", type: "spki" }), signature)
  } catch {
    return false // a key that is no point of the curve signs nothing
  }
}
