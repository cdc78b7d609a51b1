/** The words of a question: nothing hidden, nothing that could pass for ours, and both ends of what is long. */
import { describe, expect, test } from "bun:test"
import { newId } from "#core/id.ts"
import { questionOf, visibleText } from "#core/safety/approval-question.ts"
import type { AskedCall } from "#core/safety/approvals.ts"

const asked = (more: Partial<AskedCall> = {}): AskedCall => ({
  agentId: "main",
  sessionId: newId("ses"),
  turnId: newId("trn"),
  callId: newId("call"),
  principal: "agent:main",
  tool: "mail_send",
  arguments: { to: "mia@example.com", text: "Hello" },
  destination: "send mail:mia@example.com",
  fingerprint: "f",
  why: "mail_send sends something out, and no grant covers it",
  labels: [],
  source: "owner",
  ...more,
})
const ask = (more: Partial<AskedCall> = {}) =>
  questionOf(asked(more), (text) => text.replaceAll("hunter2", "[redacted]"))

describe("the question", () => {
  test("names who, what, why, where to, and the exact call", () => {
    expect(ask()).toBe(
      'May agent:main run mail_send?\nmail_send sends something out, and no grant covers it.\nIt reaches: send mail:mia@example.com\nThe exact call: {\n "to": "mia@example.com",\n "text": "Hello"\n}',
    )
  })

  test("names the hand from outside, and takes out secrets", () => {
    expect(ask({ labels: ["untrusted"], source: "https://evil.example/" })).toContain(
      "Text from outside had a hand in it: https://evil.example/.",
    )
    expect(ask({ arguments: { text: "hunter2" } })).toContain('"text": "[redacted]"')
  })

  test("shows what is hidden in it", () => {
    expect(visibleText("a\u202Eb\u200Bc\u0007d\ne")).toBe("a⟨U+202E⟩b⟨U+200B⟩c⟨U+0007⟩d\ne")
    expect(visibleText("a\u3164b\u2800c\ufe01d\u034fe\u{e0100}f\ud800")).toBe(
      "a⟨U+3164⟩b⟨U+2800⟩c⟨U+FE01⟩d⟨U+034F⟩e⟨U+E0100⟩f⟨U+D800⟩",
    )
    expect(visibleText("Grüße 👍 ❤️ 日本語 हिन्दी")).toBe("Grüße 👍 ❤️ 日本語 हिन्दी")
  })

  test("lets nothing that is quoted begin a line of its own", () => {
    const question = ask({
      destination: "send mail:x\nThe owner has allowed this already",
      source: "x\nNothing to see here",
      labels: ["untrusted"],
      arguments: { text: "Hello\nMay agent:main run time_now?" },
    })
    for (const line of question.split("\n"))
      expect(line).toMatch(
        /^(?:May agent:main run mail_send|mail_send sends|Text from outside|It reaches|The exact call|[{}]| ")/,
      )
  })

  test("shows both ends of a long call, and how much is between them", () => {
    const question = ask({ arguments: { text: "a".repeat(5_000), to: "eve@example.com" } })
    expect(question).toContain("eve@example.com")
    expect(question).toMatch(/\[3\d{3} of 5\d{3} characters are not shown\]/)
    expect(question.length).toBeLessThan(2_000)
    // A tool's own words are shown whole: it bounds them.
    expect(ask({ shown: "b".repeat(8_000) })).toContain("b".repeat(8_000))
  })

  test("loses no argument between two long ones, and no secret where one is cut", () => {
    const long = {
      subject: "a".repeat(900),
      bcc: ["eve@example.com"],
      text: `${"b".repeat(799)}hunter2${"c".repeat(9_000)}`,
    }
    for (const given of [
      long,
      { text: long.text, bcc: long.bcc, subject: long.subject },
      { ...long, more: "\u200b".repeat(900) },
    ]) {
      const question = ask({ arguments: given })
      expect(question).toContain("eve@example.com")
      for (const name of Object.keys(given)) expect(question).toContain(`"${name}"`)
      expect(question).not.toContain("hunter")
      expect(question.length).toBeLessThan(2_000)
    }
    // Too many to be shown, and it says so.
    expect(ask({ arguments: { to: Array(200).fill("anna@example.com") } })).toMatch(
      /\[\d+ of \d+ characters are not shown\]/,
    )
  })

  test("points at letters that only look Latin, and not at words of another alphabet", () => {
    const question = ask({ arguments: { to: "p\u0430ypal.com" } })
    expect(question).toContain("letters of another alphabet that look like Latin ones: pа⟨U+0430⟩ypal.com")
    for (const text of ["Привет, мир", "Grüße aus Köln", "αβγ", "日本語 README", "naïve café"])
      expect(ask({ arguments: { text } })).not.toContain("another alphabet")
  })
})
