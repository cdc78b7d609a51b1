/** What a channel's manifest may say, and what its owner reads of it. */
import { describe, expect, test } from "bun:test"
import { judgeManifest } from "#sandbox/manifest.ts"
import { sentencesFor } from "#sandbox/sentences.ts"

const webhook = { secret_name: "hook_secret", signature: { type: "hmac-sha256", header: "X-Signature" } }
function judge(channel: unknown, more: Record<string, unknown> = {}, capabilities: Record<string, unknown> = {}) {
  const manifest = {
    name: "chat",
    version: "1.0.0",
    kind: "channel",
    entry: "plugin.ts",
    capabilities: { ...(channel === undefined ? {} : { channel }), ...capabilities },
    ...more,
  }
  return judgeManifest(new TextEncoder().encode(JSON.stringify(manifest)))
}
function problems(...given: Parameters<typeof judge>): string {
  const judged = judge(...given)
  return judged.ok ? "" : judged.problems.join("\n")
}

describe("a channel's manifest", () => {
  test.each([
    ["polls", { allow_polling: true }],
    ["hears at a path", { allowed_paths: ["/webhooks/chat", "/webhooks/chat/events"], webhook }],
    [
      "has a time signed",
      {
        allowed_paths: ["/webhooks/chat"],
        webhook: {
          ...webhook,
          signature: { ...webhook.signature, timestamp: { header: "X-Time" }, signed: "v0:{timestamp}:{body}" },
        },
      },
    ],
  ])("that %s is right", (_, channel) => {
    expect(problems(channel)).toBe("")
  })

  test.each([
    ["says nothing", undefined, "where it hears from"],
    ["hears nothing", {}, "hears nothing"],
    ["has a path that is not signed", { allowed_paths: ["/webhooks/chat"] }, "has to be signed"],
    ["signs and has no path", { allow_polling: true, webhook }, "no path for any"],
    ["takes another's path", { allowed_paths: ["/webhooks/other"], webhook }, "not below it"],
    ["takes a name that begins like its own", { allowed_paths: ["/webhooks/chat2"], webhook }, "not below it"],
    ["takes a path of the API", { allowed_paths: ["/api/pairing"], webhook }, "allowed_paths"],
    ["climbs", { allowed_paths: ["/webhooks/chat/../other"], webhook }, "allowed_paths"],
    ["polls too often", { allow_polling: true, min_poll_interval_ms: 100 }, "min_poll_interval_ms"],
    [
      "hands in without bound",
      { allow_polling: true, emit_rate_limit: { messages_per_minute: 1e9 } },
      "messages_per_minute",
    ],
    [
      "has a time that is not signed",
      {
        allowed_paths: ["/webhooks/chat"],
        webhook: { ...webhook, signature: { ...webhook.signature, timestamp: { header: "X-Time" } } },
      },
      "not signed can be changed",
    ],
    [
      "signs a time that nobody sends",
      {
        allowed_paths: ["/webhooks/chat"],
        webhook: { ...webhook, signature: { ...webhook.signature, signed: "{timestamp}{body}" } },
      },
      "no header says where",
    ],
    [
      "signs nothing of the body",
      { allowed_paths: ["/webhooks/chat"], webhook: { ...webhook, signature: { ...webhook.signature, signed: "x" } } },
      "/webhook/signature",
    ],
    [
      "knows a scheme that nobody does",
      { allowed_paths: ["/webhooks/chat"], webhook: { ...webhook, signature: { type: "md5" } } },
      "signature",
    ],
  ])("that %s is refused with what is wrong", (_, channel, words) => {
    expect(problems(channel)).toContain(words)
  })

  test("asks for nothing that only tools may have, and a tool's for nothing of a channel's", () => {
    const polls = { allow_polling: true }
    expect(problems(polls, {}, { tool_invoke: { aliases: { mail: "mail_send" } } })).toContain(
      "/capabilities/tool_invoke",
    )
    expect(problems(polls, {}, { workspace: { allowed_prefixes: ["notes/"] } })).toContain("/capabilities/workspace")
    expect(problems(polls, { effects: { x: "read" } })).toContain("/effects")
    expect(problems(polls, { kind: "tool" })).toContain("only a plugin of kind channel")
    expect(problems(polls, { kind: "both" })).not.toBe("")
  })

  test("is read by its owner as sentences", () => {
    const judged = judge({
      allowed_paths: ["/webhooks/chat"],
      webhook: { secret_name: "bot_secret", signature: { type: "token", header: "X-Bot-Secret" } },
      allow_polling: true,
      min_poll_interval_ms: 15_000,
      emit_rate_limit: { messages_per_minute: 10, messages_per_hour: 100 },
    })
    if (!judged.ok) throw new Error(judged.problems.join())
    expect(sentencesFor({ manifest: judged.manifest, tools: [] }).slice(0, 6)).toEqual([
      "carry messages of people to the assistant, and what it answers to them, as the channel chat",
      "say which of the people you let in on chat a message is from, those whom you let in before this version too",
      "receive requests at /webhooks/chat, each with your bot_secret in the header X-Bot-Secret",
      "look for news by itself, at most every 15 s",
      "hand in at most 10 messages a minute and 100 an hour",
      "remember up to 1 MB of its own between calls, which nobody else reads",
    ])
  })
})
