/** Cutting a document: an exact partition at the best places. */
import { describe, expect, test } from "bun:test"
import { MAX_CHUNK_BYTES, splitText } from "#core/memory/chunk.ts"

const paragraph = (word: string) => `${`${word} `.repeat(60).trim()}.\n\n`

describe("splitText", () => {
  test.each([
    ["English in paragraphs", paragraph("alpha").repeat(30)],
    ["one endless word", "x".repeat(10_000)],
    ["Chinese without spaces", "今天我们去了北京大学。".repeat(300)],
    ["emoji, which are pairs of units", "😀".repeat(3_000)],
    ["lines of a log", "12:00 something happened\n".repeat(400)],
    ["blank lines alone", "\n".repeat(5_000)],
  ])("gives pieces that joined are the text, each of a size that fits: %s", (_, text) => {
    const pieces = splitText(text)
    expect(pieces.join("")).toBe(text)
    for (const piece of pieces) {
      expect(Buffer.byteLength(piece)).toBeLessThanOrEqual(MAX_CHUNK_BYTES)
      expect(piece).not.toBe("")
      expect(piece.isWellFormed()).toBe(true)
    }
  })

  test("cuts before a heading rather than in the middle of what follows it", () => {
    const text = `# One\n\n${paragraph("alpha").repeat(2)}## Two\n\n${paragraph("beta").repeat(3)}`
    expect(splitText(text)[1]).toStartWith("## Two")
  })

  test("cuts between paragraphs where there is no heading", () => {
    for (const piece of splitText(paragraph("alpha").repeat(20)).slice(0, -1)) expect(piece).toEndWith(".\n\n")
  })

  test("leaves a short text whole, and nothing of nothing", () => {
    expect(splitText("short\n\n# and sweet")).toEqual(["short\n\n# and sweet"])
    expect(splitText("")).toEqual([])
  })
})
