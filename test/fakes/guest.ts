/** Calls of guests with everything that a test does not care about filled in. */
import { createHash } from "node:crypto"
import { join } from "node:path"
import type { Log } from "#core/log.ts"
import {
  defaultLimits,
  type GuestCall,
  type GuestCode,
  type GuestKind,
  type GuestLimits,
} from "#sandbox/child/guest.ts"

/** A child from the sources, as a compiled program starts one from itself. */
export const childCommand = [process.execPath, join(import.meta.dir, "../../cmd/ironclaw.ts"), "sandbox-child"]

export const quietLog: Log = { debug() {}, info() {}, warn() {}, error() {}, child: () => quietLog }

export function codeOf(kind: GuestKind, source: string | Uint8Array): GuestCode {
  const bytes = typeof source === "string" ? new TextEncoder().encode(source) : source
  return { kind, sha256: createHash("sha256").update(bytes).digest("hex"), read: () => Promise.resolve(bytes) }
}

export type CallOf = Omit<Partial<GuestCall>, "limits" | "input"> & {
  code: GuestCode
  name: string
  /** Sent as JSON. */
  input?: unknown
  limits?: Partial<GuestLimits>
}

export function guestCall({ limits = {}, input, ...rest }: CallOf): GuestCall {
  return {
    pluginId: "sample",
    config: {},
    host: { functions: {}, log() {} },
    signal: new AbortController().signal,
    ...rest,
    input: input === undefined ? new Uint8Array() : new TextEncoder().encode(JSON.stringify(input)),
    limits: { ...defaultLimits, ...limits },
  }
}

export function textOf(bytes: Uint8Array): string {
  return new TextDecoder().decode(bytes)
}
