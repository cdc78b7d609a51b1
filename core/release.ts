/**
 * Question: did the makers sign these exact bytes, are they still current, and are they no step back?
 * Fails closed by: not a byte of what is signed is read before a known key's signature over all of it was verified; no known key, an
 * expired date, a clock that is plainly wrong, a lower number than one that was seen: each is a refusal.
 * Known limits: who holds a signing key can sign anything; a server that keeps showing one release is noticed only when that expires;
 * what has expired is told by this machine's clock.
 * Source: The Update Framework 1.0 (rollback, freeze and mix-and-match attacks); DSSE, for signing bytes and not a reading of them; RFC 8032.
 */
import { createHash, createPublicKey, verify } from "node:crypto"
import { releaseKeyProblem } from "./config-problems.ts"
import { AppError } from "./errors.ts"
import pins from "./release-pins.json"
import { int, judgeShape, type Static, t } from "./schema.ts"

/** Where releases are and who signs them, as this build was made: the same lines stand in the install scripts. */
export const releasePins: { readonly url: string | null; readonly keys: readonly string[] } = pins

/** The one file that is asked for by name. Everything else is named, with its hash, in it. */
export const RELEASE_FILE = "release.json"
/** A release of seven targets takes 4 KB. */
export const MAX_RELEASE_BYTES = 65_536

const sha256 = t.String({ pattern: "^[0-9a-f]{64}$" })
const FileSchema = t.Object(
  {
    /** `linux-x64`, or `any` for what is not a program. */
    target: t.String({ pattern: "^[a-z0-9-]{1,40}$" }),
    name: t.String({ pattern: "^[A-Za-z0-9][A-Za-z0-9._-]{0,99}$" }),
    bytes: int({ minimum: 1, maximum: 1_000_000_000 }),
    sha256,
    /** Size of the program that is in it; 0 where it is no program. */
    unpacked: int({ minimum: 0, maximum: 1_000_000_000 }),
  },
  { additionalProperties: false },
)
const ReleaseSchema = t.Object(
  {
    product: t.Literal("ironclaw"),
    version: t.String({ pattern: "^\\d+\\.\\d+\\.\\d+(-[0-9A-Za-z.-]{1,40})?$" }),
    /** Grows with every release. */
    number: int({ minimum: 1, maximum: 1_000_000_000 }),
    /** ISO times. */
    created: t.String({ maxLength: 40 }),
    expires: t.String({ maxLength: 40 }),
    files: t.Array(FileSchema, { minItems: 1, maxItems: 100 }),
  },
  { additionalProperties: false },
)
export type ReleaseFile = Static<typeof FileSchema>
export type Release = Static<typeof ReleaseSchema>

/** Signatures beside what they sign, as base64: one file, so that nobody can meet the one without the other. */
const EnvelopeSchema = t.Object({
  signed: t.String({ pattern: "^[A-Za-z0-9+/]+={0,2}$" }),
  signatures: t.Array(
    t.Object({
      key: t.String({ pattern: "^[0-9a-f]{16}$" }),
      ed25519: t.String({ pattern: "^[A-Za-z0-9+/]{86}==$" }),
      /** The same key's signature in OpenSSH's form, for machines whose openssl knows no ed25519. */
      sshsig: t.String({ pattern: "^[A-Za-z0-9+/]+={0,2}$" }),
    }),
    { minItems: 1, maxItems: 8 },
  ),
})
export type Envelope = Static<typeof EnvelopeSchema>

/** The DER of an ed25519 public key without its 32 bytes (RFC 8410); sixteen whole base64 characters, so that texts can be joined. */
const SPKI_HEAD = "MCowBQYDK2VwAyEA"
/** How far ahead of this clock a release may have been made: a clock that runs behind a little is no attack. */
const CLOCK_SLACK_MS = 24 * 3_600_000

/** By which a signature names its key: the first 64 bits of the hash of the 32 bytes. */
export function releaseKeyId(key: string): string {
  return createHash("sha256").update(Buffer.from(key, "base64")).digest("hex").slice(0, 16)
}

export type ReleaseQuestion = {
  /** Of {@link RELEASE_FILE}, as it came. */
  text: string
  /** Public keys, 32 bytes each, in base64. */
  keys: readonly string[]
  nowMs: number
  /** The highest number that was ever seen here. */
  newestSeen: number
}

/** Throws `release.unsigned`, `release.expired`, `release.older`. */
export function judgeRelease({ text, keys, nowMs, newestSeen }: ReleaseQuestion): Release {
  const bytes = verifiedBytes(text, keys)
  const parsed = judgeShape(ReleaseSchema, jsonOf(bytes.toString()))
  if (!parsed.ok) throw unsigned("What is signed is no description of a release that this version understands")
  const release = parsed.value
  const created = Date.parse(release.created)
  const expires = Date.parse(release.expires)
  if (!(created < expires)) throw unsigned("What is signed says no time in which it holds")
  if (created > nowMs + CLOCK_SLACK_MS)
    throw new AppError(
      "release.expired",
      `The release was made at ${release.created}, which is in this machine's future`,
    )
  if (expires <= nowMs)
    throw new AppError(
      "release.expired",
      `What the release server says of its newest release held until ${release.expires}`,
    )
  if (release.number < newestSeen)
    throw new AppError(
      "release.older",
      `The release server shows release ${release.number} (${release.version}), and release ${newestSeen} was seen here already`,
    )
  return release
}

function verifiedBytes(text: string, keys: readonly string[]): Buffer {
  if (keys.length === 0)
    throw new AppError("release.no_key", "No public key is known by which a release could be verified")
  const envelope = text.length > MAX_RELEASE_BYTES * 2 ? null : readEnvelope(text)
  if (envelope === null) throw unsigned("What the server sent is no signed release")
  const bytes = Buffer.from(envelope.signed, "base64")
  const known = new Map(keys.filter((key) => releaseKeyProblem(key) === null).map((key) => [releaseKeyId(key), key]))
  const right = envelope.signatures.some(({ key: id, ed25519 }) => {
    const key = known.get(id)
    return key !== undefined && isSignedBy(key, bytes, Buffer.from(ed25519, "base64"))
  })
  if (right) return bytes
  const names = envelope.signatures.map(({ key }) => key).join(", ")
  throw unsigned(
    envelope.signatures.some(({ key }) => known.has(key))
      ? "The signature of the release is wrong"
      : `The release is signed by ${names}, which is no key that is known here`,
  )
}

function readEnvelope(text: string): Envelope | null {
  const judged = judgeShape(EnvelopeSchema, jsonOf(text))
  return judged.ok ? judged.value : null
}

function jsonOf(text: string): unknown {
  try {
    return JSON.parse(text)
  } catch {
    return null // a page of a hotel's network, half a file: whatever it is, it has no shape of ours
  }
}

function isSignedBy(key: string, bytes: Buffer, signature: Buffer): boolean {
  try {
    const publicKey = createPublicKey({ key: Buffer.from(SPKI_HEAD + key, "base64"), format: "der", type: "spki" })
    return verify(null, bytes, publicKey, signature)
  } catch {
    return false // a key that is no point of the curve signs nothing
  }
}

function unsigned(why: string): AppError {
  return new AppError("release.unsigned", why)
}

/** The program for this kind of machine. Throws `release.no_target`. */
export function releaseFileFor(release: Release, target: string): ReleaseFile {
  const file = release.files.find((each) => each.target === target && each.unpacked > 0)
  if (file) return file
  const targets = release.files.filter(({ unpacked }) => unpacked > 0).map((each) => each.target)
  throw new AppError(
    "release.no_target",
    `Release ${release.version} has no program for ${target}; it has ${targets.join(", ")}`,
  )
}

/** Where a file of a release is, under the address of all of them. */
export function releasePath(release: Release, file: ReleaseFile): string {
  return `${release.version}/${file.name}`
}
