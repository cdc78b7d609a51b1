import { describe, expect, test } from "bun:test"
import { isUntrusted, joinLabels, joinSources } from "#core/safety/labels.ts"

describe("labels", () => {
  test("join to untrusted or private where any is, and to vetted only where all are", () => {
    expect(joinLabels([[], ["untrusted"]])).toEqual(["untrusted"])
    expect(joinLabels([["private"], ["untrusted"]])).toEqual(["untrusted", "private"])
    expect(joinLabels([["vetted"], ["vetted"]])).toEqual(["vetted"])
    expect(joinLabels([["vetted"], []])).toEqual([])
    expect(joinLabels([["vetted"], ["vetted", "untrusted"]])).toEqual(["untrusted", "vetted"])
    expect(joinLabels([])).toEqual([])
  })

  test("that are missing read untrusted, and take vetted away", () => {
    expect(joinLabels([null])).toEqual(["untrusted"])
    expect(joinLabels([["vetted", "private"], undefined])).toEqual(["untrusted", "private"])
  })

  test("do not depend on the order in which texts come", () => {
    const all = [["private"], ["untrusted"], ["vetted"], null, []] as const
    expect(joinLabels(all)).toEqual(joinLabels(all.toReversed()))
  })

  test("say whether a text is from outside", () => {
    expect(isUntrusted(["private", "untrusted"])).toBeTrue()
    expect(isUntrusted(["private"])).toBeFalse()
  })

  test("have sources that are named once, and counted where they are many", () => {
    expect(joinSources(["a", "b", "a", ""])).toBe("a, b")
    expect(joinSources(["a", "b", "c", "d", "e", "f", "g"])).toBe("a, b, c, d, e and 2 more")
  })
})
