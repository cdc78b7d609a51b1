/** The webhook gate: what passes for a signature over these exact bytes, now, and what never does. */
import { describe, expect, test } from "bun:test"
import { createHmac, generateKeyPairSync, sign } from "node:crypto"
import { judgeWebhook } from "#gateway/webhooks.ts"
import type { Signature } from "#sandbox/channel-manifest.ts"

const SECRET = "a-secret-of-the-hook-0123456789"
const NOW_MS = 1_790_000_000_000
const at = String(NOW_MS / 1_000)
const body = new TextEncoder().encode('{"text":"hello — ünïcode"}')
const hmac = (text: string | Uint8Array, secret = SECRET) => createHmac("sha256", secret).update(text).digest()

function judge(
  signature: Signature,
  headers: Record<string, string>,
  given: { body?: Uint8Array; secret?: string | null; nowMs?: number } = {},
) {
  return judgeWebhook({
    signature,
    secret: given.secret === undefined ? SECRET : given.secret,
    headers: new Headers(headers),
    body: given.body ?? body,
    nowMs: given.nowMs ?? NOW_MS,
  }).verdict
}

const github: Signature = { type: "hmac-sha256", header: "X-Hub-Signature-256", prefix: "sha256=" }
const slack: Signature = {
  type: "hmac-sha256",
  header: "X-Slack-Signature",
  prefix: "v0=",
  timestamp: { header: "X-Slack-Request-Timestamp" },
  signed: "v0:{timestamp}:{body}",
}
const base64: Signature = { type: "hmac-sha256", header: "X-Signature", encoding: "base64" }
const telegram: Signature = { type: "token", header: "X-Telegram-Bot-Api-Secret-Token" }

const githubHeaders = { "X-Hub-Signature-256": `sha256=${hmac(body).toString("hex")}` }
const slackSigned = (time: string, of = body) => ({
  "X-Slack-Request-Timestamp": time,
  "X-Slack-Signature": `v0=${hmac(Buffer.concat([Buffer.from(`v0:${time}:`), of])).toString("hex")}`,
})

describe("a request", () => {
  test("whose bytes are signed passes, in the schemes that networks use", () => {
    expect(judge(github, githubHeaders)).toBe("allow")
    expect(judge(slack, slackSigned(at))).toBe("allow")
    expect(judge(base64, { "X-Signature": hmac(body).toString("base64") })).toBe("allow")
    expect(judge(telegram, { "X-Telegram-Bot-Api-Secret-Token": SECRET })).toBe("allow")
  })

  test("that was changed by a byte, or signed for another body, is refused", () => {
    const changed = body.slice()
    changed[3] = (changed[3] ?? 0) ^ 1
    expect(judge(github, githubHeaders, { body: changed })).toBe("deny")
    expect(judge(github, githubHeaders, { body: new Uint8Array() })).toBe("deny")
    expect(judge(github, githubHeaders, { body: new Uint8Array([...body, 32]) })).toBe("deny")
    expect(judge(slack, slackSigned(at), { body: changed })).toBe("deny")
  })

  test.each([
    ["none", {}],
    ["an empty one", { "X-Hub-Signature-256": "" }],
    ["the prefix alone", { "X-Hub-Signature-256": "sha256=" }],
    ["no prefix", { "X-Hub-Signature-256": hmac(body).toString("hex") }],
    ["one digit less", { "X-Hub-Signature-256": `sha256=${hmac(body).toString("hex").slice(1)}` }],
    ["something behind it", { "X-Hub-Signature-256": `${githubHeaders["X-Hub-Signature-256"]}zz` }],
    ["two", { "X-Hub-Signature-256": `sha256=${"0".repeat(64)}, ${githubHeaders["X-Hub-Signature-256"]}` }],
    ["another encoding", { "X-Hub-Signature-256": `sha256=${hmac(body).toString("base64")}` }],
    ["one by another secret", { "X-Hub-Signature-256": `sha256=${hmac(body, `${SECRET}!`).toString("hex")}` }],
    ["one by no secret", { "X-Hub-Signature-256": `sha256=${hmac(body, "").toString("hex")}` }],
  ])("with %s for a signature is refused", (_, headers) => {
    expect(judge(github, headers)).toBe("deny")
  })

  test("is refused where the secret is not set, empty or short, whatever it is signed with", () => {
    for (const secret of [null, "", "short", "fifteen-letters"]) {
      const signed = { "X-Hub-Signature-256": `sha256=${hmac(body, secret ?? "").toString("hex")}` }
      expect(judge(github, signed, { secret })).toBe("deny")
      expect(judge(telegram, { "X-Telegram-Bot-Api-Secret-Token": secret ?? "" }, { secret })).toBe("deny")
    }
  })

  test("is refused before and behind its time, and where the time is another than the signed one", () => {
    const seconds = Number(at)
    expect(judge(slack, slackSigned(String(seconds - 299)))).toBe("allow")
    expect(judge(slack, slackSigned(String(seconds - 301)))).toBe("deny")
    expect(judge(slack, slackSigned(String(seconds + 301)))).toBe("deny")
    expect(judge(slack, { ...slackSigned(at), "X-Slack-Request-Timestamp": String(seconds + 1) })).toBe("deny")
    for (const time of ["", "now", "-1790000000", "1e9", " 1790000000 1", "0x6ab13b80"])
      expect(judge(slack, { ...slackSigned(at), "X-Slack-Request-Timestamp": time })).toBe("deny")
    expect(
      judge(
        { ...slack, timestamp: { header: "X-Slack-Request-Timestamp", tolerance_seconds: 10 } },
        slackSigned(String(seconds - 11)),
      ),
    ).toBe("deny")
  })

  test("signed by a key passes by its public half alone", () => {
    const { publicKey, privateKey } = generateKeyPairSync("ed25519")
    const raw = publicKey.export({ format: "jwk" }).x ?? ""
    const secret = Buffer.from(raw, "base64url").toString("hex")
    const discord: Signature = {
      type: "ed25519",
      header: "X-Signature-Ed25519",
      timestamp: { header: "X-Signature-Timestamp" },
    }
    const headers = (of: Uint8Array) => ({
      "X-Signature-Timestamp": at,
      "X-Signature-Ed25519": sign(null, Buffer.concat([Buffer.from(at), of]), privateKey).toString("hex"),
    })
    expect(judge(discord, headers(body), { secret })).toBe("allow")
    expect(judge(discord, headers(new Uint8Array([1])), { secret })).toBe("deny")
    expect(judge(discord, headers(body), { secret: "0".repeat(64) })).toBe("deny")
    expect(judge(discord, headers(body), { secret: "no key at all, but long enough" })).toBe("deny")
    expect(judge(discord, headers(body), { secret, nowMs: NOW_MS + 400_000 })).toBe("deny")
  })
})
