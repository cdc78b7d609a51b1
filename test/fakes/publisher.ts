/** A publisher of plugins with a key of their own, who signs as people do: plainly, and as minisign writes it. */
import { createHash, generateKeyPairSync, sign } from "node:crypto"

export function makePublisher() {
  const { privateKey, publicKey } = generateKeyPairSync("ed25519")
  const raw = publicKey.export({ format: "der", type: "spki" }).subarray(-32)
  const id = createHash("sha256").update(raw).digest().subarray(0, 8)
  const signed = (bytes: Uint8Array) => sign(null, bytes, privateKey)
  return {
    key: raw.toString("base64"),
    minisignKey: Buffer.concat([Buffer.from("Ed"), id, raw]).toString("base64"),
    sign: (bytes: Uint8Array) => signed(bytes).toString("base64"),
    minisign(bytes: Uint8Array, { hashed = false } = {}): string {
      const own = signed(hashed ? createHash("blake2b512").update(bytes).digest() : bytes)
      const trusted = "plugin version 1"
      return [
        "untrusted comment: x",
        Buffer.concat([Buffer.from(hashed ? "ED" : "Ed"), id, own]).toString("base64"),
        `trusted comment: ${trusted}`,
        signed(Buffer.concat([own, Buffer.from(trusted)])).toString("base64"),
      ].join("\n")
    },
  }
}
