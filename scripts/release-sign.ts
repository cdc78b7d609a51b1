/** Keys of releases, and signatures by them: ed25519 over the bytes themselves, and the same key's signature as OpenSSH writes and verifies it. */
import { createHash, createPrivateKey, createPublicKey, generateKeyPairSync, type KeyObject, sign } from "node:crypto"
import { type Envelope, type Release, releaseKeyId } from "#core/release.ts"

/** What OpenSSH's signature says it is for; the install script asks for exactly this. */
export const SSH_NAMESPACE = "ironclaw-release"

export type Signer = { /** 32 bytes in base64. */ publicKey: string; key: KeyObject }

/** From a PKCS#8 PEM, as `openssl genpkey -algorithm ed25519` writes it. Throws where it is anything else. */
export function signerOf(pem: string): Signer {
  let key: KeyObject
  try {
    key = createPrivateKey(pem)
  } catch {
    throw new Error("The signing key is no PEM private key") // and no word of what it is
  }
  if (key.asymmetricKeyType !== "ed25519") throw new Error("The signing key is no ed25519 key")
  return { key, publicKey: rawPublicKey(key) }
}

export function newSigningKey(): { pem: string; publicKey: string } {
  const { privateKey } = generateKeyPairSync("ed25519")
  return { pem: String(privateKey.export({ format: "pem", type: "pkcs8" })), publicKey: rawPublicKey(privateKey) }
}

function rawPublicKey(key: KeyObject): string {
  // The last 32 bytes of the DER are the key (RFC 8410).
  return createPublicKey(key).export({ format: "der", type: "spki" }).subarray(-32).toString("base64")
}

/** The text of release.json: what is signed, and every signer's signature. Each on a line of its own, so that a shell can read it. */
export function sealRelease(release: Release, signers: readonly Signer[]): string {
  const bytes = Buffer.from(manifestText(release))
  const signatures = signers.map(({ key, publicKey }): Envelope["signatures"][number] => ({
    key: releaseKeyId(publicKey),
    ed25519: sign(null, bytes, key).toString("base64"),
    sshsig: sshSignature(bytes, { key, publicKey }).toString("base64"),
  }))
  const lines = signatures.map((signature) => JSON.stringify(signature)).join(",\n")
  return `{\n"signed":"${bytes.toString("base64")}",\n"signatures":[\n${lines}\n]}\n`
}

/** JSON with one field or file a line, for the install script, which has no JSON parser. */
export function manifestText({ files, ...head }: Release): string {
  const fields = Object.entries(head).map(([name, value]) => `${JSON.stringify(name)}:${JSON.stringify(value)},`)
  const rows = files.map(({ target, name, bytes, sha256, unpacked }) =>
    JSON.stringify({ target, name, bytes, sha256, unpacked }),
  )
  return `{\n${fields.join("\n")}\n"files":[\n${rows.join(",\n")}\n]}\n`
}

/** `ssh-ed25519 AAAA…` without its first word. */
export function sshPublicKey(publicKey: string): string {
  return sshKeyBlob(publicKey).toString("base64")
}

/** OpenSSH's PROTOCOL.sshsig, version 1. */
function sshSignature(message: Buffer, { key, publicKey }: Signer): Buffer {
  const magic = Buffer.from("SSHSIG")
  const about = [text(SSH_NAMESPACE), text(""), text("sha512")]
  const digest = createHash("sha512").update(message).digest()
  const signature = sign(null, Buffer.concat([magic, ...about, field(digest)]), key)
  const version = Buffer.from([0, 0, 0, 1])
  const signatureBlob = Buffer.concat([text("ssh-ed25519"), field(signature)])
  return Buffer.concat([magic, version, field(sshKeyBlob(publicKey)), ...about, field(signatureBlob)])
}

function sshKeyBlob(publicKey: string): Buffer {
  return Buffer.concat([text("ssh-ed25519"), field(Buffer.from(publicKey, "base64"))])
}

function text(value: string): Buffer {
  return field(Buffer.from(value))
}

/** A length in four bytes, then the bytes. */
function field(bytes: Buffer): Buffer {
  const length = Buffer.alloc(4)
  length.writeUInt32BE(bytes.byteLength)
  return Buffer.concat([length, bytes])
}
