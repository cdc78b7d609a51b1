/**
 * Question: did the claimed sender sign these exact bytes, now?
 * Fails closed by: no secret, a short one, no signature, more than one, another form, another time or another byte is a refusal; nothing
 * of a body is read before.
 * Known limits: a scheme without a time lets a request be played again once its receipt is forgotten after a day, and `token` signs
 * nothing: whoever reads one request can write others. What the sender's network lets its users write is not judged here.
 * Source: RFC 2104, RFC 8032; the published schemes of GitHub, Slack, Discord and Telegram; Standard Webhooks 1.0; the advisories in
 * which a signature was optional, or compared byte by byte.
 */
import { createHmac, createPublicKey, timingSafeEqual, verify } from "node:crypto"
import { LEAST_SECRET_CHARACTERS } from "#channels/channel.ts"
import type { Signature } from "#sandbox/channel-manifest.ts"

export type WebhookVerdict = { verdict: "allow" } | { verdict: "deny"; why: string }

const TOLERANCE_SECONDS = 300

/** `secret`: null where the owner has not set it. `body`: as it came. */
export function judgeWebhook({
  signature,
  secret,
  headers,
  body,
  nowMs,
}: {
  signature: Signature
  secret: string | null
  headers: Pick<Headers, "get">
  body: Uint8Array
  nowMs: number
}): WebhookVerdict {
  if (secret === null || secret === "") return deny("Its secret is not set")
  if (secret.length < LEAST_SECRET_CHARACTERS)
    return deny(`Its secret has fewer than ${LEAST_SECRET_CHARACTERS} characters`)
  const given = headers.get(signature.header)
  if (given === null || given === "") return deny(`There is no header ${signature.header}`)
  if (signature.type === "token")
    return isSame(Buffer.from(given), Buffer.from(secret)) ? ALLOWED : deny("The token is another")

  const time = signature.timestamp ? judgeTime(signature.timestamp, { headers, nowMs }) : ""
  if (time === null) return deny("The time is missing, too old or to come")
  if (signature.type === "ed25519") return judgeEd25519(given, { key: secret, signed: [Buffer.from(time), body] })

  const { encoding = "hex", prefix = "", signed = "{body}" } = signature
  if (!given.startsWith(prefix)) return deny("The signature has another form")
  const claimed = bytesOf(given.slice(prefix.length), encoding)
  if (claimed === null) return deny("The signature has another form")
  const [before = "", after = ""] = signed.slice(0, -"{body}".length).split("{timestamp}")
  const head = signed.includes("{timestamp}") ? `${before}${time}${after}` : before
  const right = createHmac("sha256", secret).update(head).update(body).digest()
  return isSame(claimed, right) ? ALLOWED : deny("The signature is another")
}

const ALLOWED: WebhookVerdict = { verdict: "allow" }
const deny = (why: string): WebhookVerdict => ({ verdict: "deny", why })

/** The text of the time as it is signed, or null. Seconds, or milliseconds where there are thirteen digits. */
function judgeTime(
  { header, tolerance_seconds: tolerance = TOLERANCE_SECONDS }: { header: string; tolerance_seconds?: number },
  { headers, nowMs }: { headers: Pick<Headers, "get">; nowMs: number },
): string | null {
  const text = headers.get(header) ?? ""
  if (!/^(?:\d{10}|\d{13})$/.test(text)) return null
  const ms = text.length === 10 ? Number(text) * 1_000 : Number(text)
  return Math.abs(nowMs - ms) <= tolerance * 1_000 ? text : null
}

function judgeEd25519(given: string, { key, signed }: { key: string; signed: Uint8Array[] }): WebhookVerdict {
  const claimed = bytesOf(given, "hex", 64)
  if (claimed === null || !/^[0-9a-f]{64}$/i.test(key)) return deny("The signature, or the key, has another form")
  const publicKey = createPublicKey({
    key: { kty: "OKP", crv: "Ed25519", x: Buffer.from(key, "hex").toString("base64url") },
    format: "jwk",
  })
  return verify(null, Buffer.concat(signed), publicKey, claimed) ? ALLOWED : deny("The signature is another")
}

/** Exactly so many bytes in exactly this form, or null: decoders skip what they do not know. */
function bytesOf(text: string, encoding: "hex" | "base64", length = 32): Buffer | null {
  const bytes = Buffer.from(text, encoding)
  const isForm = encoding === "hex" ? bytes.toString("hex") === text.toLowerCase() : bytes.toString("base64") === text
  return isForm && bytes.length === length ? bytes : null
}

function isSame(a: Buffer, b: Buffer): boolean {
  return a.length === b.length && timingSafeEqual(a, b)
}
