/**
 * The master key in a file that only a passphrase opens: argon2id makes a key of the passphrase, and AES-256-GCM under it seals the
 * master key, with the whole header as associated data, so that nothing of it can be changed unseen.
 * A wrong passphrase and a changed file give one and the same error: more than "it does not open" nobody is told.
 */
import { argon2 } from "node:crypto"
import { promisify } from "node:util"
import { gcm } from "@noble/ciphers/aes.js"
import type { Clock } from "../clock.ts"
import { judgePassphrase } from "../db/backup-cipher.ts"
import { AppError } from "../errors.ts"
import { describeProblems, int, judgeShape, type Static, t } from "../schema.ts"

const FORMAT = 1
const SALT_BYTES = 16
const KEY_BYTES = 32
const NONCE_BYTES = 12 // as NIST SP 800-38D wants them: random, and a passphrase seals very few keys
const SEALED_BYTES = KEY_BYTES + 16 // the key and GCM's tag

/** The second recommended choice of RFC 9106: 64 MiB, 4 lanes; at least 3 passes, and more until it takes {@link WANTED_MS}. */
const MEMORY_KIB = 64 * 1024
const LANES = 4
const LEAST_PASSES = 3
const MOST_PASSES = 24
/** A person waits so long without noticing; who guesses waits as long for each try, on each of their machines. */
const WANTED_MS = 500

const hex = (bytes: number) => t.String({ pattern: `^[0-9a-f]{${2 * bytes}}$` })
/** What a file may ask of us before anything of it is proved: 1 GiB and some seconds. */
const Header = t.Object(
  {
    format: t.Literal(FORMAT),
    kdf: t.Literal("argon2id"),
    memoryKib: int({ minimum: 8 * 1024, maximum: 1024 * 1024 }),
    passes: int({ minimum: 1, maximum: 64 }),
    lanes: int({ minimum: 1, maximum: 16 }),
    salt: hex(SALT_BYTES),
    cipher: t.Literal("aes-256-gcm"),
    nonce: hex(NONCE_BYTES),
    /** Which key it holds, as the database knows it: public. */
    keyId: t.String({ pattern: "^[0-9a-f]{32}$" }),
  },
  { additionalProperties: false },
)
type Header = Static<typeof Header>
const SealedKey = t.Object({ header: Header, sealed: hex(SEALED_BYTES) }, { additionalProperties: false })

type Stretched = { cost: Pick<Header, "memoryKib" | "passes" | "lanes" | "salt">; key: Uint8Array }

/** One passphrase, and what was made of it: stretching costs half a second, and is done once. */
export type KeyLock = {
  /** The key, as text. Throws `key.passphrase_wrong`. */
  open(sealedText: string): Promise<string>
  /** What a file holds. `text`: the key in hex; `id`: which key it is. */
  seal(key: { text: string; id: string }): Promise<string>
}

/** Whether a key file's text is of this kind. A key in the open is hex or base64, and begins with no brace. */
export function isSealedKey(text: string): boolean {
  return text.trimStart().startsWith("{")
}

export function createKeyLock({ passphrase, clock }: { passphrase: string; clock: Clock }): KeyLock {
  let stretched: Stretched | null = null

  async function stretch(cost: Stretched["cost"]): Promise<Stretched> {
    const known = stretched?.cost
    if (stretched && known && JSON.stringify(known) === JSON.stringify(cost)) return stretched
    return (stretched = { cost, key: await derive(passphrase, cost) })
  }

  /** As many passes as this machine makes in the time that is wanted. */
  async function calibrated(): Promise<Stretched> {
    const salt = crypto.getRandomValues(new Uint8Array(SALT_BYTES)).toHex()
    const cost = (passes: number) => ({ memoryKib: MEMORY_KIB, passes, lanes: LANES, salt })
    const startedMs = clock.monotonicMs()
    const least = await stretch(cost(LEAST_PASSES))
    const tookMs = Math.max(1, clock.monotonicMs() - startedMs)
    const passes = Math.min(MOST_PASSES, Math.round((LEAST_PASSES * WANTED_MS) / tookMs))
    return passes > LEAST_PASSES ? stretch(cost(passes)) : least
  }

  return {
    async open(sealedText) {
      const { header, sealed } = parseSealed(sealedText)
      const { memoryKib, passes, lanes, salt } = header
      const { key } = await stretch({ memoryKib, passes, lanes, salt })
      try {
        return Buffer.from(cipherFor(key, header).decrypt(Uint8Array.fromHex(sealed))).toString("hex")
      } catch (cause) {
        throw new AppError("key.passphrase_wrong", "The passphrase does not open master.key of the home", { cause })
      }
    },
    async seal({ text, id }) {
      const { cost, key } = stretched ?? (await calibrated())
      const nonce = crypto.getRandomValues(new Uint8Array(NONCE_BYTES)).toHex()
      const header: Header = { format: FORMAT, kdf: "argon2id", ...cost, cipher: "aes-256-gcm", nonce, keyId: id }
      const sealed = cipherFor(key, header).encrypt(Uint8Array.fromHex(text)).toHex()
      return `${JSON.stringify({ header, sealed }, null, 2)}\n`
    },
  }
}

/** Throws `key.passphrase_weak`: what is too weak for a backup is too weak for the key of everything. */
export function judgeKeyPassphrase(passphrase: string): void {
  try {
    judgePassphrase(passphrase)
  } catch (cause) {
    if (cause instanceof AppError) throw new AppError("key.passphrase_weak", cause.message, { cause })
    throw cause
  }
}

/** What anybody can read of it. Throws `key.damaged`. */
export function sealedKeyAbout(text: string): Pick<Header, "memoryKib" | "passes"> {
  return parseSealed(text).header
}

/** Throws `key.damaged`. */
function parseSealed(text: string): Static<typeof SealedKey> {
  const judged = judgeShape(SealedKey, jsonOf(text))
  if (judged.ok) return judged.value
  throw new AppError(
    "key.damaged",
    `master.key of the home is no sealed key that this version reads (${describeProblems(judged.problems)})`,
  )
}

function jsonOf(text: string): unknown {
  try {
    return JSON.parse(text)
  } catch {
    return null // the shape says so
  }
}

/** In the header's own order, whatever the file's is. */
function cipherFor(key: Uint8Array, header: Header) {
  const { format, kdf, memoryKib, passes, lanes, salt, cipher, nonce, keyId } = header
  const about = ["ironclaw/v1/master-key", format, kdf, memoryKib, passes, lanes, salt, cipher, nonce, keyId]
  return gcm(key, Uint8Array.fromHex(nonce), Buffer.from(JSON.stringify(about)))
}

const argon2Async = promisify(argon2)

async function derive(passphrase: string, { memoryKib, passes, lanes, salt }: Stretched["cost"]): Promise<Uint8Array> {
  const derived = await argon2Async("argon2id", {
    message: Buffer.from(passphrase.normalize("NFC")), // a keyboard and a file may compose the same letters otherwise
    nonce: Buffer.from(salt, "hex"),
    memory: memoryKib,
    passes,
    parallelism: lanes,
    tagLength: KEY_BYTES,
  })
  return new Uint8Array(derived)
}
