/** Ids: a kind, an underscore, a UUIDv7 in hex, so that ids say what they name and sort by the time they were made. */

const kinds = [
  "per",
  "msg",
  "ses",
  "trn",
  "grt",
  "apr",
  "rtn",
  "job",
  "call",
  "doc",
  "chk",
  "use",
  "tok",
  "dlv",
] as const
export type IdKind = (typeof kinds)[number]
export type Id<K extends IdKind> = `${K}_${string}`

export type PersonId = Id<"per">
export type MessageId = Id<"msg">
export type SessionId = Id<"ses">
export type TurnId = Id<"trn">
export type GrantId = Id<"grt">
export type ApprovalId = Id<"apr">
export type JobId = Id<"job">
export type CallId = Id<"call">
export type DocumentId = Id<"doc">
export type ChunkId = Id<"chk">
export type UsageId = Id<"use">
export type TokenId = Id<"tok">
export type DeliveryId = Id<"dlv">

/** The time of the newest id. A clock that is set back must not put what comes next before what was: queues are read by id. */
let newestMs = 0

export function newId<K extends IdKind>(kind: K): Id<K> {
  newestMs = Math.max(newestMs, Date.now())
  return `${kind}_${Bun.randomUUIDv7("hex", newestMs).replaceAll("-", "")}`
}

export function isId<K extends IdKind>(kind: K, value: unknown): value is Id<K> {
  return (
    typeof value === "string" &&
    value.length === kind.length + 33 &&
    value.startsWith(`${kind}_`) &&
    /^[0-9a-f]{32}$/.test(value.slice(kind.length + 1))
  )
}

/** `bytes` random bytes from the system's generator, as base64url: tokens, codes, nonces. */
export function randomToken(bytes = 32): string {
  return Buffer.from(crypto.getRandomValues(new Uint8Array(bytes))).toString("base64url")
}
