import { describe, expect, test } from "bun:test"
import { estimateTextTokens, estimateTokens } from "#core/llm/tokens.ts"

/** Counted with OpenAI's o200k_base on 2026-11-22. */
const counted: [string, string, number][] = [
  [
    "German",
    "Die Bundesregierung hat am Mittwoch beschlossen, die Förderung für erneuerbare Energien in den kommenden Jahren deutlich auszubauen. Außerdem sollen Verbraucherinnen und Verbraucher entlastet werden, sofern die wirtschaftliche Lage dies zulässt. ".repeat(
      3,
    ),
    130,
  ],
  [
    "Russian",
    "Правительство в среду приняло решение значительно расширить поддержку возобновляемых источников энергии в ближайшие годы. Кроме того, планируется снизить нагрузку на потребителей. ".repeat(
      3,
    ),
    115,
  ],
  [
    "Chinese",
    "政府周三决定在未来几年大幅增加对可再生能源的支持。此外，如果经济形势允许，消费者的负担也将减轻。他说，这一措施将从明年开始实施。".repeat(
      3,
    ),
    132,
  ],
  [
    "Japanese",
    "政府は水曜日、今後数年間で再生可能エネルギーへの支援を大幅に拡大することを決定した。また、経済状況が許せば消費者の負担も軽減される。".repeat(
      3,
    ),
    165,
  ],
  ["emoji", "Great 🎉🎉 see you 👋🏽 at 5 🕔 ok 👍 ".repeat(20), 381],
]

describe("the estimate lies between 0.8 and 1.5 times the count", () => {
  for (const [what, text, tokens] of counted) {
    test(what, () => {
      const ratio = estimateTextTokens(text, "openai") / tokens
      expect(ratio).toBeGreaterThan(0.8)
      expect(ratio).toBeLessThan(1.5)
    })
  }
})

test("a long text is judged by samples, and about as well", () => {
  const text = "The quick brown fox, 42 of them; 敏捷的棕色狐狸。 ".repeat(20_000)
  const whole = estimateTextTokens(text.slice(0, 19_000)) / 19_000
  expect(estimateTextTokens(text) / text.length).toBeCloseTo(whole, 1)
})

test("families that make more tokens of a text are counted so, and nothing is nothing", () => {
  expect(estimateTextTokens("hello world", "anthropic")).toBeGreaterThan(estimateTextTokens("hello world", "openai"))
  expect(estimateTextTokens("")).toBe(0)
})

test("a message counts its text, calls and images", () => {
  const text = estimateTokens({ role: "user", content: [{ type: "text", text: "hi" }] })
  const image = estimateTokens({
    role: "user",
    content: [
      { type: "text", text: "hi" },
      { type: "image", mediaType: "image/png", base64: "x".repeat(1_000_000) },
    ],
  })
  expect(image - text).toBe(1_600)
  const called = estimateTokens({
    role: "assistant",
    text: "",
    toolCalls: [{ id: "a", name: "look_up", arguments: { word: "tree" } }],
  })
  expect(called).toBeGreaterThan(15)
  expect(
    estimateTokens({ role: "tool", toolCallId: "a", toolName: "look_up", text: "x".repeat(400), isError: false }),
  ).toBeGreaterThan(100)
})
