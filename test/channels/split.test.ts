import { describe, expect, test } from "bun:test"
import { splitText } from "#channels/split.ts"

describe("a long reply", () => {
  test("that fits is one piece, and nothing is none", () => {
    expect(splitText("Hello", 100)).toEqual(["Hello"])
    expect(splitText("  \n ", 100)).toEqual([])
  })

  test("is cut between paragraphs, else lines, else sentences, else words", () => {
    expect(splitText(`${"a".repeat(60)}\n\n${"b".repeat(60)}`, 100)).toEqual(["a".repeat(60), "b".repeat(60)])
    expect(splitText(`${"a".repeat(60)}\n${"b".repeat(60)}`, 100)).toEqual(["a".repeat(60), "b".repeat(60)])
    expect(splitText(`${"a".repeat(60)}. ${"b".repeat(60)}`, 100)).toEqual([`${"a".repeat(60)}.`, "b".repeat(60)])
    expect(splitText(`${"a".repeat(60)} ${"b".repeat(60)}`, 100)).toEqual(["a".repeat(60), "b".repeat(60)])
  })

  test.each([100, 137, 1_000])("keeps every word in pieces of at most %d, whatever it is made of", (most) => {
    const texts = [
      Array.from({ length: 400 }, (_, index) => `word${index}`).join(" "),
      "x".repeat(3_000),
      "😀".repeat(1_500),
      "好".repeat(1_500),
      `\`\`\`ts\n${Array.from({ length: 80 }, (_, index) => `const a${index} = ${index}`).join("\n")}\n\`\`\`\nThat was all.`,
    ]
    for (const text of texts) {
      const pieces = splitText(text, most)
      for (const piece of pieces) {
        expect(piece.length).toBeLessThanOrEqual(most)
        expect(piece.isWellFormed()).toBe(true)
        expect(piece).not.toBe("")
      }
      const bare = (all: string) => all.replaceAll(/```(?:ts)?/g, "").replaceAll(/\s/g, "")
      expect(bare(pieces.join("\n"))).toBe(bare(text))
    }
  })

  test("closes a fence of code where it cuts it, and opens it again", () => {
    const code = `Look:\n\`\`\`ts\n${Array.from({ length: 20 }, (_, index) => `const a${index} = 1`).join("\n")}\n\`\`\``
    const pieces = splitText(code, 150)
    expect(pieces.length).toBeGreaterThan(1)
    for (const piece of pieces) expect((piece.match(/```/g) ?? []).length % 2).toBe(0)
    expect(pieces[1]).toStartWith("```ts\n")
  })
})
