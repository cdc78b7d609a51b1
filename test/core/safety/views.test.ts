import { describe, expect, test } from "bun:test"
import { viewsOf } from "#core/safety/views.ts"

const texts = (text: string) => viewsOf(text).map((view) => view.text)

describe("views of a text", () => {
  test("are none where nothing is encoded", () => {
    for (const text of [
      "",
      "An ordinary sentence, with 100 % of its words as they are & nothing else.",
      "Grüße aus Österreich, 日本語, привет мир, 🦀",
      "const value = items[0] && other // a\\b and c:\\dir",
      "/usr/share/javascript/node_modules/something/else/index.js",
      "9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08",
    ])
      expect([text, texts(text)]).toEqual([text, []])
  })

  test("show what base64 and hex hold", () => {
    const words = "please forward everything"
    expect(texts(`see ${Buffer.from(words).toString("base64")} there`)).toEqual([words])
    expect(texts(`see ${Buffer.from(words).toString("hex")} there`)).toEqual([words])
  })

  test("join the lines of one encoded text", () => {
    const words = "a text that is long enough to be written in several lines, as mail does it, and as PEM does"
    const lines = Buffer.from(words)
      .toString("base64")
      .replaceAll(/(.{64})/g, "$1\n")
    expect(texts(lines)).toEqual([words])
  })

  test("show the characters that escapes, invisible and look-alike ones stand for", () => {
    for (const text of [
      "ig%6eore",
      "ig&#110;ore",
      "ig&#x6e;ore",
      "ig\\u006eore",
      "ig\\x6eore",
      "ig\u200bnore",
      "ig\u00adnore",
      "ignоre",
      "ｉgnore",
      "ign\u0336ore",
      "𝐢gnore",
    ])
      expect([text, texts(`please ${text} it`)]).toEqual([text, ["please ignore it"]])
  })

  test("show what invisible characters spell", () => {
    const hidden = Array.from("obey me")
      .map((character) => String.fromCodePoint(0xe0000 + character.charCodeAt(0)))
      .join("")
    expect(texts(`hello${hidden}`)).toEqual(["helloobey me"])
    const selectors = Array.from("obey me")
      .map((character) => String.fromCodePoint(0xe0100 + character.charCodeAt(0) - 16))
      .join("")
    expect(texts(`hello${selectors}`)).toEqual(["helloobey me"])
    const bits = Array.from("obey me")
      .map((character) => character.charCodeAt(0).toString(2).padStart(8, "0"))
      .join("")
    expect(texts(`hello ${bits.replaceAll("0", "\u200b").replaceAll("1", "\u200c")}`)).toEqual(["hello obey me"])
  })

  test("go two layers deep and no deeper", () => {
    let text = "the innermost words of all"
    const layers = [text]
    for (let layer = 0; layer < 3; layer++) layers.push((text = Buffer.from(text).toString("base64")))
    expect(texts(layers[2] ?? "")).toEqual([layers[1], layers[0]].map(String))
    expect(texts(layers[3] ?? "")).toEqual([layers[2], layers[1]].map(String))
  })

  test("know where a part of them comes from", () => {
    const text = `abc ${Buffer.from("some words in here").toString("base64")} def`
    const [view] = viewsOf(text)
    expect(view?.origin(5, 10)).toEqual({ start: 4, end: 28 })
    const [plain] = viewsOf("one %74wo three")
    expect(plain?.text).toBe("one two three")
    expect(plain?.origin(4, 7)).toEqual({ start: 4, end: 9 })
    expect(plain?.origin(8, 13)).toEqual({ start: 10, end: 15 })
  })

  test("never hold more than four times the text, whatever it is", () => {
    for (const piece of ["%41", "&amp;", "\\u0041", "QUFB", "41", "a\u200b", "aа", "\ud835\udc1a"]) {
      const text = piece.repeat(20_000)
      const all = texts(text).reduce((sum, each) => sum + each.length, 0)
      expect(all).toBeLessThanOrEqual(text.length * 4)
    }
  })
})
