/** What an approval and an audit row are bound to: a hash of principal, tool and arguments in one canonical form. */
import { sha256 } from "@noble/hashes/sha2.js"
import { bytesToHex, utf8ToBytes } from "@noble/hashes/utils.js"

/** JSON with keys in code-unit order at every depth, as RFC 8785 orders them: equal values give equal text. */
export function canonicalJson(value: unknown): string {
  return JSON.stringify(value, (_key, inner: unknown) =>
    inner !== null && typeof inner === "object" && !Array.isArray(inner)
      ? Object.fromEntries(Object.entries(inner).sort(([a], [b]) => (a < b ? -1 : 1)))
      : inner,
  )
}

/** sha256 in hex. The three are joined as a JSON array, so that no field can run into the next. */
export function fingerprint(call: { principal: string; tool: string; arguments: unknown }): string {
  return sha256Hex(canonicalJson([call.principal, call.tool, call.arguments ?? null]))
}

export function sha256Hex(text: string): string {
  return bytesToHex(sha256(utf8ToBytes(text)))
}
