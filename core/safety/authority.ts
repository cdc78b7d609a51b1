/** Rows that carry authority are sealed with a key outside the database: whoever can write to it can still not allow anything. */
import { createHmac, timingSafeEqual } from "node:crypto"
import { canonicalJson } from "./fingerprint.ts"

type SealKind =
  | "approval"
  | "grant"
  | "token"
  | "person"
  | "identity"
  | "lockdown"
  | "hook"
  | "plugin"
  | "plugin-signature"
  | "login"

export type AuthoritySeal = {
  /** The MAC of a row's authority, in hex. `kind` keeps a row of one table from passing for one of another. */
  mac(kind: SealKind, fields: readonly unknown[]): string
  /** Whether this is the MAC of these fields. A row without a MAC has none. */
  holds(kind: SealKind, fields: readonly unknown[], mac: string): boolean
}

/** `key`: 32 bytes derived from the master key for this purpose alone; asked each time, for a rotation changes it. HMAC-SHA256 over kind and fields as canonical JSON. */
export function createAuthoritySeal({ key }: { key: () => Uint8Array }): AuthoritySeal {
  const seal = (kind: string, fields: readonly unknown[]) =>
    createHmac("sha256", key())
      .update(canonicalJson([kind, ...fields]))
      .digest()
  return {
    mac: (kind, fields) => seal(kind, fields).toString("hex"),
    holds(kind, fields, mac) {
      const given = Buffer.from(mac, "hex")
      const right = seal(kind, fields)
      return given.length === right.length && timingSafeEqual(given, right)
    },
  }
}
