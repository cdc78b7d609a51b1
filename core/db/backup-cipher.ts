/**
 * What makes a backup readable by its passphrase alone, and makes every change to it seen.
 *
 * The key is argon2id of the passphrase and a salt of this file. The text is cut into chunks of one size, each under AES-256-GCM with
 * its number as nonce and, as associated data, the hash of the header, its number, and whether it is the last: no chunk can be changed,
 * moved, dropped, repeated, or taken from another file, and the file cannot end early (the STREAM construction of Hoang, Reyhanitabar,
 * Rogaway and Vizár, 2015).
 */
import { argon2, timingSafeEqual } from "node:crypto"
import { AppError } from "../errors.ts"
import { int, judgeShape, type Static, t } from "../schema.ts"

/** "IRONCLAW", the format as u16, the length of the header's JSON as u16, the JSON; then the chunks to the end of the file. */
const MAGIC = Buffer.from("IRONCLAW")
const FORMAT = 1
export const PREFIX_BYTES = MAGIC.length + 4
export const CHUNK_BYTES = 256 * 1024 // large enough that 16 bytes of tag are nothing, small enough to hold
export const TAG_BYTES = 16
const SALT_BYTES = 16
const KEY_BYTES = 32
const CHECK_BYTES = 16

/** The second recommended choice of RFC 9106: 64 MiB, 3 passes, 4 lanes; 0.4–0.9 s here. */
const COST = { memoryKib: 64 * 1024, passes: 3, lanes: 4 }
/** What a file may ask of us before anything of it is proved: 1 GiB and a few seconds. */
const Header = t.Object({
  kdf: t.Literal("argon2id"),
  memoryKib: int({ minimum: 8 * 1024, maximum: 1024 * 1024 }),
  passes: int({ minimum: 1, maximum: 16 }),
  lanes: int({ minimum: 1, maximum: 16 }),
  salt: t.String({ pattern: `^[0-9a-f]{${2 * SALT_BYTES}}$` }),
  /** Derived beside the key: tells a wrong passphrase from a damaged file. */
  check: t.String({ pattern: `^[0-9a-f]{${2 * CHECK_BYTES}}$` }),
  chunkBytes: int({ minimum: 4 * 1024, maximum: 16 * 1024 * 1024 }),
  /** Of the program that wrote it, and when: for people, before they know the passphrase. */
  version: t.String({ maxLength: 100 }),
  createdAt: t.String({ maxLength: 40 }),
})
export type BackupHeader = Static<typeof Header>

/** Seals and opens the chunks of one file. */
export type ChunkCipher = {
  readonly header: BackupHeader
  seal(text: Uint8Array<ArrayBuffer>, place: ChunkPlace): Promise<Uint8Array>
  /** Throws `backup.damaged`. */
  open(sealed: Uint8Array<ArrayBuffer>, place: ChunkPlace): Promise<Uint8Array<ArrayBuffer>>
}
type ChunkPlace = { index: number; last: boolean }

const LEAST_CHARACTERS = 12
const LEAST_DISTINCT = 6
/** Digits carry 3.3 bits each: a passphrase of digits alone needs more of them. */
const LEAST_DIGITS = 24

/** Throws `backup.passphrase_weak`: no estimate of strength, only what is surely too little. */
export function judgePassphrase(passphrase: string): void {
  const characters = Array.from(passphrase) // by code point: an emoji is one
  const weak = (why: string) => new AppError("backup.passphrase_weak", `The passphrase ${why}`)
  if (characters.length < LEAST_CHARACTERS) throw weak(`is shorter than ${LEAST_CHARACTERS} characters`)
  if (new Set(characters).size < LEAST_DISTINCT) throw weak(`has fewer than ${LEAST_DISTINCT} different characters`)
  if (/^\d+$/.test(passphrase) && characters.length < LEAST_DIGITS) throw weak("is digits alone, and too few of them")
  if (/^(.{1,8}?)\1+$/u.test(passphrase)) throw weak("repeats itself")
}

/** For a new file. `head` is what the file begins with. */
export async function sealingCipher(about: {
  passphrase: string
  version: string
  createdAt: string
}): Promise<{ cipher: ChunkCipher; head: Uint8Array }> {
  const { passphrase, version, createdAt } = about
  const salt = crypto.getRandomValues(new Uint8Array(SALT_BYTES)).toHex()
  const { key, check } = await deriveKey(passphrase, { ...COST, salt })
  const header: BackupHeader = {
    kdf: "argon2id",
    ...COST,
    salt,
    check: check.toString("hex"),
    chunkBytes: CHUNK_BYTES,
    version,
    createdAt,
  }
  const json = Buffer.from(JSON.stringify(header))
  const numbers = Buffer.alloc(4)
  numbers.writeUInt16BE(FORMAT, 0)
  numbers.writeUInt16BE(json.length, 2)
  const head = Buffer.concat([MAGIC, numbers, json])
  return { cipher: await cipherOf(header, { key, head }), head }
}

/** How long the header is, by the first {@link PREFIX_BYTES}. Throws `backup.not_one`, `backup.newer`. */
export function headBytes(prefix: Buffer): number {
  if (prefix.length < PREFIX_BYTES || !prefix.subarray(0, MAGIC.length).equals(MAGIC)) {
    throw new AppError("backup.not_one", "The file is no backup of ironclaw")
  }
  const format = prefix.readUInt16BE(MAGIC.length)
  if (format > FORMAT)
    throw new AppError("backup.newer", `The backup has format ${format}; this version reads up to ${FORMAT}`)
  return PREFIX_BYTES + prefix.readUInt16BE(MAGIC.length + 2)
}

/** Throws `backup.damaged`. */
export function readHeader(head: Buffer): BackupHeader {
  const parsed = judgeShape(Header, jsonOf(head.subarray(PREFIX_BYTES)))
  if (parsed.ok) return parsed.value
  throw new AppError("backup.damaged", "The header of the backup cannot be read")
}

/** For a file that is there. Throws `backup.damaged`, `backup.passphrase_wrong`. */
export async function openingCipher({ head, passphrase }: { head: Buffer; passphrase: string }): Promise<ChunkCipher> {
  const header = readHeader(head)
  const { key, check } = await deriveKey(passphrase, header)
  if (!timingSafeEqual(check, Buffer.from(header.check, "hex"))) {
    throw new AppError("backup.passphrase_wrong", "The passphrase does not open this backup")
  }
  return cipherOf(header, { key, head })
}

function jsonOf(bytes: Buffer): unknown {
  try {
    return JSON.parse(bytes.toString("utf8"))
  } catch {
    return null // no header, which the schema says to whoever asked
  }
}

type Cost = Pick<BackupHeader, "memoryKib" | "passes" | "lanes" | "salt">

/** NFC, because one person's keyboards write "é" in two ways. */
async function deriveKey(
  passphrase: string,
  { memoryKib: memory, passes, lanes: parallelism, salt }: Cost,
): Promise<{ key: Buffer; check: Buffer }> {
  const derived = await new Promise<Buffer>((resolve, reject) => {
    const parameters = {
      message: Buffer.from(passphrase.normalize("NFC")),
      nonce: Buffer.from(salt, "hex"),
      parallelism,
      memory,
      passes,
      tagLength: KEY_BYTES + CHECK_BYTES,
    }
    argon2("argon2id", parameters, (error, bytes) => (error ? reject(error) : resolve(Buffer.from(bytes))))
  })
  return { key: derived.subarray(0, KEY_BYTES), check: derived.subarray(KEY_BYTES) }
}

async function cipherOf(header: BackupHeader, { key, head }: { key: Buffer; head: Uint8Array }): Promise<ChunkCipher> {
  const aes = await crypto.subtle.importKey("raw", new Uint8Array(key), "AES-GCM", false, ["encrypt", "decrypt"])
  const headHash = new Bun.CryptoHasher("sha256").update(head).digest()

  /** The key is this file's alone, so counting gives every chunk a nonce of its own. */
  function parameters({ index, last }: ChunkPlace) {
    const iv = Buffer.alloc(12)
    iv.writeBigUInt64BE(BigInt(index), 4)
    const additionalData = Buffer.alloc(headHash.length + 9)
    additionalData.set(headHash)
    additionalData.writeBigUInt64BE(BigInt(index), headHash.length)
    additionalData[headHash.length + 8] = last ? 1 : 0
    return {
      name: "AES-GCM",
      iv: new Uint8Array(iv),
      additionalData: new Uint8Array(additionalData),
      tagLength: 8 * TAG_BYTES,
    }
  }

  return {
    header,
    seal: async (text, place) => new Uint8Array(await crypto.subtle.encrypt(parameters(place), aes, text)),
    async open(sealed, place) {
      try {
        return new Uint8Array(await crypto.subtle.decrypt(parameters(place), aes, sealed))
      } catch (cause) {
        const where = `${place.last ? "The end" : `Part ${place.index + 1}`} of the backup`
        throw new AppError("backup.damaged", `${where} is changed, cut off or out of place`, { cause })
      }
    },
  }
}
