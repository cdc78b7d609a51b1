/**
 * One value under AES-256-GCM: a key of its own by HKDF, and its name and version as associated data, so that a row whose columns were
 * taken from another row, or from another version of itself, does not open.
 * Known limit: whoever can write to the database can put back a whole former row, name and version included.
 */
import { gcm } from "@noble/ciphers/aes.js"
import { hkdf } from "@noble/hashes/hkdf.js"
import { sha256 } from "@noble/hashes/sha2.js"
import { AppError } from "../errors.ts"

export type Sealed = { nonce: Uint8Array; ciphertext: Uint8Array }
export type SecretPlace = { name: string; version: number }

/** As NIST SP 800-38D wants them: 96 random bits; each key seals one value or, in a race, very few. */
const NONCE_BYTES = 12
const KEY_BYTES = 32

export function sealSecret(key: Uint8Array, { value, ...place }: SecretPlace & { value: string }): Sealed {
  const nonce = crypto.getRandomValues(new Uint8Array(NONCE_BYTES))
  return { nonce, ciphertext: cipherFor(key, place, nonce).encrypt(Buffer.from(value)) }
}

/** Throws `secret.unreadable`: another key, another row, or changed bytes; which of them, nobody can tell. */
export function openSecret(key: Uint8Array, { nonce, ciphertext, ...place }: SecretPlace & Sealed): string {
  try {
    if (nonce.length !== NONCE_BYTES) throw new Error("The nonce has another length than ours")
    return new TextDecoder("utf-8", { fatal: true }).decode(cipherFor(key, place, nonce).decrypt(ciphertext))
  } catch (cause) {
    throw new AppError("secret.unreadable", `The secret "${place.name}" does not open`, { cause })
  }
}

function cipherFor(key: Uint8Array, { name, version }: SecretPlace, nonce: Uint8Array) {
  const place = Buffer.from(JSON.stringify(["ironclaw/v1/secret", name, version]))
  return gcm(hkdf(sha256, key, undefined, place, KEY_BYTES), nonce, place)
}
