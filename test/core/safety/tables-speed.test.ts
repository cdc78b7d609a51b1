/**
 * That no text makes the tables slow, without a clock: every pattern is bounded, so that one try costs no more than a constant, and tries
 * grow no faster than the text.
 */
import { describe, expect, test } from "bun:test"
import { type Anchored, createAnchorSearch } from "#core/safety/anchors.ts"
import { injectionRules } from "#core/safety/injection-rules.ts"
import { leakPatterns } from "#core/safety/leak-patterns.ts"
import { viewsOf } from "#core/safety/views.ts"

const tables: readonly { name: string; rows: readonly (Anchored & { rule: string })[] }[] = [
  { name: "leaks", rows: leakPatterns() },
  { name: "injection", rows: injectionRules() },
]

/** Repetition without an end, outside of a class: `*`, `+`, `{2,}`. */
function hasUnbounded(pattern: RegExp): boolean {
  const bare = pattern.source.replaceAll(/\\[^]/g, "_").replaceAll(/\[[^\]]*\]/g, "_")
  return /[*+]|\{\d+,\}/.test(bare)
}

describe("the tables", () => {
  for (const { name, rows } of tables) {
    test(`${name}: no pattern repeats without an end`, () => {
      for (const { rule, pattern, before, followed = [] } of rows)
        for (const each of [pattern, ...(before ? [before] : []), ...followed])
          expect([rule, each.source, hasUnbounded(each)]).toEqual([rule, each.source, false])
    })

    test(`${name}: four times the near misses are four times the tries, not more`, () => {
      let tries = 0
      const counted = rows.map((row) => {
        const pattern = new RegExp(row.pattern.source, row.pattern.flags)
        const exec = pattern.exec.bind(pattern)
        pattern.exec = (text) => {
          tries += 1
          return exec(text)
        }
        return { ...row, pattern }
      })
      const search = createAnchorSearch(counted)
      const triesOn = (text: string) => {
        tries = 0
        search(text, () => false)
        return tries
      }
      const literals = rows.flatMap(({ literal }) => [literal].flat())
      const text = `${literals.join(" a ")} ${literals.join("")} `
      const once = triesOn(text)
      expect(once).toBeGreaterThanOrEqual(rows.length)
      expect(triesOn(text.repeat(4))).toBeLessThanOrEqual(once * 4 + literals.length)
      expect(once).toBeLessThanOrEqual(text.length * 2)
    })
  }

  test("views: four times the text is four times the decoded text, however deep it is nested", () => {
    const sizeOf = (text: string) => viewsOf(text).reduce((sum, view) => sum + view.text.length, 0)
    for (const piece of [
      "%2541",
      "&amp;amp;",
      "\\u0041",
      "a\u200b",
      "\u200b",
      "a\u0300",
      "QUFB",
      "41",
      "aа",
      "：",
      "\u{e0041}",
    ]) {
      const once = sizeOf(piece.repeat(5_000))
      expect(sizeOf(piece.repeat(20_000))).toBeLessThanOrEqual(once * 4 + 100)
      expect(once).toBeLessThanOrEqual(piece.length * 5_000 * 4)
    }
  })
})
