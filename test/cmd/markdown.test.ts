/** Markdown for the terminal: it looks as it should, fits, and carries nothing that a terminal obeys. */
import { describe, expect, test } from "bun:test"
import { createMarkdownStream } from "#cmd/lib/markdown-stream.ts"
import { cleanText, renderMarkdown } from "#cmd/lib/markdown.ts"

const look = { width: 40, colours: false }
const coloured = { width: 40, colours: true }

/** Feeds a text in pieces of so many characters; the tail is asked for as often, as a screen does. */
function streamed(text: string, size: number, at = look): string[] {
  const stream = createMarkdownStream()
  const lines: string[] = []
  for (let from = 0; from < text.length; from += size) {
    lines.push(...stream.push(text.slice(from, from + size), at))
    for (const line of stream.tail(at)) expect(Bun.stringWidth(line)).toBeLessThanOrEqual(at.width)
  }
  return [...lines, ...stream.end(at)]
}

/** Everything but line breaks, printable characters, and colours or styles. */
function commandsIn(lines: readonly string[]): string[] {
  return lines.flatMap((line) =>
    [...line.replace(/\u001b\[[\d;]*m/g, "").matchAll(/[\p{Cc}\u202a-\u202e\u2066-\u2069\u200e\u200f]/gu)].map(
      ([found]) => found,
    ),
  )
}

const document = [
  "# Title",
  "",
  "Some **bold** text.",
  "A second line:",
  "- one",
  "- two",
  "",
  "  still two",
  "",
  "1. first",
  "2. second",
  "",
  "```ts",
  "const a = 1",
  "",
  "# no heading",
  "```",
  "",
  "| a | b |",
  "|---|---|",
  "| 宽字 | 2 |",
  "",
  "End.",
].join("\n")

describe("a whole text", () => {
  test("headings, lists, code and tables are laid out in their order", () => {
    const lines = streamed(document, 1_000)
    expect(lines).toContain("Some bold text.")
    expect(lines).toContain("A second line:")
    expect(lines).toContain("  * one")
    expect(lines).toContain("   2. second")
    expect(lines).toContain("  const a = 1")
    expect(lines).toContain("  # no heading")
    expect(lines).toContain("| 宽字 | 2   |")
    expect(lines.at(-1)).toBe("End.")
  })
  test.each([1, 3, 7])("in pieces of %d it ends as it does in one piece", (size) => {
    expect(streamed(document, size)).toEqual(streamed(document, 10_000))
  })
  test("a code block has no frame, so that it can be copied", () => {
    expect(renderMarkdown("```sh\nls -l\n```", look)).toEqual(["  sh", "  ls -l"])
  })
  test("line breaks that were written are kept, those in code too", () => {
    expect(renderMarkdown("one\ntwo", look)).toEqual(["one", "two"])
  })
  test("a long word, wide characters and long code fit the width", () => {
    for (const text of [
      "x".repeat(100),
      "宽".repeat(60),
      `\`\`\`\n${"y".repeat(100)}\n\`\`\``,
      `- ${"z".repeat(90)}`,
    ]) {
      for (const line of renderMarkdown(text, coloured)) expect(Bun.stringWidth(line)).toBeLessThanOrEqual(40)
    }
  })
  test("a style that runs over a line's end is whole on both lines", () => {
    const lines = renderMarkdown(`**${"bold ".repeat(20).trim()}** plain`, coloured)
    expect(lines.length).toBeGreaterThan(1)
    for (const line of lines) expect(line.startsWith("\u001b[1m")).toBe(true) // the last begins in bold too
    for (const line of lines) expect(line.endsWith("\u001b[0m")).toBe(true)
  })
  test("prices are no formulas and names with underscores no emphasis", () => {
    expect(renderMarkdown("It costs $5 or $10, says my_own_name.", look)).toEqual([
      "It costs $5 or $10, says my_own_name.",
    ])
  })
  test("a link's definition alone is shown as it is", () => {
    expect(renderMarkdown("[r]: https://a.example/x", look).join("")).toContain("https://a.example/x")
  })
})

describe("a text that is not finished", () => {
  test("a paragraph is given out once the blank line after it came", () => {
    const stream = createMarkdownStream()
    expect(stream.push("Some text", look)).toEqual([])
    expect(stream.tail(look)).toEqual(["Some text"])
    expect(stream.push(".\n\nNext", look)).toEqual(["Some text."])
    expect(stream.tail(look)).toEqual(["", "Next"])
  })
  test("an open code block shows its lines and keeps blank ones", () => {
    const stream = createMarkdownStream()
    expect(stream.push("```js\nlet a\n\nlet b", look)).toEqual([])
    expect(stream.tail(look)).toEqual(["  js", "  let a", "", "  let b"])
    expect(stream.push("\n```\n", look)).toEqual(["  js", "  let a", "", "  let b"])
    expect(stream.tail(look)).toEqual([])
  })
  test("a code block that never ends is given out at the end", () => {
    expect(streamed("```\nabc\n\n# def", 4)).toEqual(["  abc", "", "  # def"])
  })
  test("a fence within a fence of more marks does not end it", () => {
    expect(streamed("````\n```\ninner\n```\n````\nafter", 5)).toEqual(["  ```", "  inner", "  ```", "", "after"])
  })
  test("a table is a table as soon as its second line is there", () => {
    const stream = createMarkdownStream()
    stream.push("| a | b |\n|---|---|\n| 1 ", look)
    expect(stream.tail(look).join("\n")).toContain("+-----+-----+")
  })
  test("a list goes on over a blank line, and ends where text begins", () => {
    const stream = createMarkdownStream()
    expect(stream.push("- a\n\n- b\n\n", look)).toEqual([])
    expect(stream.push("text\n", look).filter((line) => line !== "")).toEqual(["  * a", "  * b"])
  })
  test("a very long block shows its end, and is given out whole", () => {
    const stream = createMarkdownStream()
    expect(stream.push(`\`\`\`\n${"line\n".repeat(5_000)}`, look)).toEqual([])
    expect(stream.tail(look).length).toBeLessThan(1_000)
    expect(stream.end(look).length).toBe(5_000)
  })
})

describe("a hostile text", () => {
  const attacks: Record<string, string> = {
    "clears the screen": "a\u001b[2Jb",
    "sets the title": "a\u001b]0;owned\u0007b",
    "writes to the clipboard": "\u001b]52;c;aGk=\u0007",
    "uses 8-bit controls": "a\u009b31mb\u009d0;x\u009c",
    "moves back over what was said": "safe\b\b\b\bevil\rmore",
    "turns the writing direction": "a\u202egpj.exe \u2066x\u2069",
    "is an entity": "a &#27;[2J &#x1b;]0;x&#7; &#155;2J &#8238;b &rlm; &NewLine; &#0;",
    "is an entity in a link": "[a&#27;[2Jb](https://a.example/&#27;[2J 'ti&#27;tle')",
    "is an entity with a backslash": "\\&#27;[2J &amp;#27;[2J",
    "sits in code": "`\u001b[2J &#27;[2J`\n\n```\n\u001b[2J &#27;[2J\n```",
    "sits in a table": "| a\u001b[2J | b |\n|---|---|\n| &#27;[2J | \u202e |",
    "names a language": "```\u001b[2J&#27;[2J\nx\n```",
    "is raw HTML": "<a href='\u001b[2J'>x</a>\n\n<div>\u001b[2J&#27;[2J</div>",
    "hides an escape in a link to click": "\u001b]8;;https://evil.example\u001b\\ok\u001b]8;;\u001b\\",
  }
  test.each(Object.entries(attacks))("that %s is spelled out", (_, text) => {
    for (const at of [look, coloured]) {
      expect(commandsIn(renderMarkdown(text, at))).toEqual([])
      expect(commandsIn(streamed(text, 1, at))).toEqual([])
    }
  })
  test("what was there is still seen", () => {
    expect(renderMarkdown("a\u001b[2Jb", look)).toEqual(["a\\u001b[2Jb"])
    expect(renderMarkdown("a &#27;[2J", look)).toEqual(["a &#27;[2J"])
    expect(renderMarkdown("&lt;b&gt; &amp; &#39;", look)).toEqual(["<b> & '"])
  })
  test("a link shows where it leads, once where that is its text, and an image its address", () => {
    const wide = { width: 200, colours: false }
    expect(renderMarkdown("[https://bank.example](https://evil.example/x)", wide)).toEqual([
      "https://bank.example (https://evil.example/x)",
    ])
    expect(renderMarkdown("see https://a.example/b ok", wide)).toEqual(["see https://a.example/b ok"])
    expect(renderMarkdown("![chart](https://t.example/p.png?q=1)", wide)).toEqual([
      "!chart (https://t.example/p.png?q=1)",
    ])
  })
  test("no link can be clicked by its text alone", () => {
    expect(renderMarkdown("[a](https://a.example)", coloured).join("")).not.toContain("\u001b]8")
  })
  test("text that nobody sees is made visible", () => {
    expect(cleanText("a\u{e0041}b\u061cc\u2028d")).toBe("a\\u{e0041}b\\u061cc\\u2028d")
  })
  test("emoji, accents and tabs pass", () => {
    expect(cleanText("👨‍👩‍👧 é\té\r\nñ")).toBe("👨‍👩‍👧 é    é\nñ")
  })
})
