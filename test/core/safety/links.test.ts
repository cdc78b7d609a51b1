/** What stays a link in a reply, what becomes text, and that neither the pieces it came in nor a second pass change that. */
import { describe, expect, test } from "bun:test"
import { createLinkGate, defangLinks, type LinkSetting } from "#core/safety/links.ts"
import { ownerUrlsOf } from "#core/tools/owner-urls.ts"

const OWN = "https://owner.example/page?a=1"
const mayLink = ownerUrlsOf([`Read ${OWN} and https://bun.example`])
const untrusted: LinkSetting = { untrusted: true, mayLink }
const clean: LinkSetting = { untrusted: false, mayLink }
const both = [untrusted, clean]

/** [text, what it becomes where untrusted text had a hand in it, what it becomes otherwise ("" as it was)] */
const table: readonly (readonly [text: string, untrusted: string, clean: string])[] = [
  // addresses
  ["See https://evil.example/?d=secret now", "See hxxps://evil[.]example/?d=secret now", ""],
  ["HTTP://EVIL.EXAMPLE/x", "HXXP://EVIL[.]EXAMPLE/x", ""],
  [`See ${OWN}.`, "", ""],
  [`**${OWN}**, (${OWN}); "${OWN}"`, "", ""],
  ["https://bun.example and https://bun.example/", "", ""],
  [`${OWN}&d=secret`, "hxxps://owner[.]example/page?a=1&d=secret", ""],
  [`${OWN}\u00a0secret`, "hxxps://owner[.]example/page?a=1\u00a0secret", ""],
  [`${OWN}.,.,.,.,.,`, "hxxps://owner[.]example/page?a=1.,.,.,.,.,", ""],
  ["请看https://evil.example/秘密 好", "请看hxxps://evil[.]example/秘密 好", ""],
  ["https://good.com@evil.com/", "hxxps://good[.]com@evil[.]com/", ""],
  ["https://evil.example/?u=https://other.example/", "hxxps://evil[.]example/?u=hxxps://other[.]example/", ""],
  [String.raw`"https:\/\/evil.example\/x"`, String.raw`"hxxps:\/\/evil[.]example\/x"`, ""],
  ["https://https://evil.example/", "hxxps://hxxps://evil[.]example/", ""],
  ["xhttps://evil.example/", "xhttps[:]//evil[.]example/", ""],
  ["ftp://a.example file:///etc/passwd", "ftp[:]//a[.]example file[:]///etc/passwd", ""],
  ["www.evil.com/x?d=1", "www[.]evil[.]com/x?d=1", ""],
  ["evil.com/x or secret.evil.com or evil.com", "evil[.]com/x or secret[.]evil[.]com or evil.com", ""],
  ["//evil.com/x", "//evil[.]com/x", ""],
  ["mailto:a@b.example?body=secret a@b.example", "mailto[:]a@b.example?body=secret a@b.example", ""],
  ["javascript:alert(1) data:text/html,x", "javascript[:]alert(1) data[:]text/html,x", ""],
  // links
  [`[here](${OWN}), and [there](#part)`, "", ""],
  ["[here](https://evil.example/x)", "[here] (hxxps://evil[.]example/x)", ""],
  [`[${OWN}](${OWN})`, "", ""],
  [`${OWN}](secret)`, `${OWN}] (secret)`, ""],
  ["[x](//evil.example/y)", "[x] (//evil.example/y)", "[x] (//evil.example/y)"],
  [String.raw`[x](\\evil.example/y)`, String.raw`[x] (\\evil.example/y)`, String.raw`[x] (\\evil.example/y)`],
  ["[x](https:evil.example)", "[x] (https:evil.example)", "[x] (https:evil.example)"],
  ["[x](h&#116;tps:evil)", "[x] (h&amp;#116;tps:evil)", "[x] (h&#116;tps:evil)"],
  ["[x](javascript:alert(1))", "[x] (javascript[:]alert(1))", "[x] (javascript:alert(1))"],
  ["[x](\n<data:text/html,y>)", "[x] (\n< data[:]text/html,y>)", "[x] (\n< data:text/html,y>)"],
  ["[a@b.example](mailto:a@b.example)", "", ""],
  ["[x](mailto:a@b.example?body=s)", "[x] (mailto[:]a@b.example?body=s)", "[x] (mailto:a@b.example?body=s)"],
  [`<${OWN}> <a@b.example>`, "", ""],
  ["<https://evil.example/>", "< hxxps://evil[.]example/>", ""],
  ["<javascript:x>", "< javascript[:]x>", "< javascript:x>"],
  [
    "[x][1]\n\n[1]: https://evil.example/",
    "[x][1]\n\n[1] : hxxps://evil[.]example/",
    "[x][1]\n\n[1] : https://evil.example/",
  ],
  ["[1]:\n  <//evil.example>", "[1] :\n  <//evil.example>", "[1] :\n  <//evil.example>"],
  // images
  [`![x](${OWN})`, `![x] (${OWN})`, `![x] (${OWN})`],
  ["![a [b] c](pic.png)", "![a [b] c] (pic.png)", "![a [b] c] (pic.png)"],
  [`[![x](p.png)](${OWN})`, `[![x] (p.png)] (${OWN})`, `[![x] (p.png)] (${OWN})`],
  [`![x]\n\n[y](${OWN})`, "", ""],
  // HTML
  ["<img src=x>", "< img src=x>", "< img src=x>"],
  ["<a\nhref='//evil.example'>y</a>", "< a\nhref='//evil.example'>y</a>", "< a\nhref='//evil.example'>y</a>"],
  ["<script>x</script>", "< script>x</script>", "< script>x</script>"],
  ['<div style="background:url(//e)">', '< div style="background:url(//e)">', ""],
  ["a<b, <b>bold</b>, <br>", "", ""],
  // code
  ["`curl https://evil.example/`", "`curl hxxps://evil[.]example/`", ""],
  [
    "```html\n<img src=x>\n```\n<img src=x>",
    "```html\n< img src=x>\n```\n< img src=x>",
    "```html\n<img src=x>\n```\n< img src=x>",
  ],
  ["- ```\n<img src=x>", "- ```\n< img src=x>", "- ```\n< img src=x>"],
  ["`std::vector<std::string>` and `run.turn.id`", "", ""],
  // near misses
  ["arr[0](x), a[1]: int, vec![1, 2], [key: string]: unknown, Map<string, number>", "", ""],
  ["core/safety/links.ts:12, README.md, node.js/express, v1.2.3, e.g. this/that, 10:30", "", ""],
  ["C:\\Users\\me, data: the rest, file: none, a && b, AT&T; x ? y : z", "", ""],
  ["hxxps://evil[.]example/path", "", ""],
  ["", "", ""],
]

describe("the links gate", () => {
  test("leaves what is allowed and makes text of the rest", () => {
    for (const [text, whenUntrusted, whenClean] of table) {
      expect([text, defangLinks(text, untrusted)]).toEqual([text, whenUntrusted || text])
      expect([text, defangLinks(text, clean)]).toEqual([text, whenClean || text])
    }
  })

  test("changes nothing a second time", () => {
    for (const [text] of table)
      for (const setting of both) {
        const once = defangLinks(text, setting)
        expect(defangLinks(once, setting)).toBe(once)
      }
  })

  test("gives the same for a text however it is cut", () => {
    const all = table.map(([text]) => text).join(" ")
    for (const text of [...table.map(([text]) => text), all])
      for (const setting of both) {
        const whole = defangLinks(text, setting)
        for (let at = 0; at <= text.length; at += text === all ? 17 : 1) {
          const gate = createLinkGate(setting)
          const joined = gate.push(text.slice(0, at)) + gate.push(text.slice(at)) + gate.end()
          if (joined !== whole) expect([text, at, joined]).toEqual([text, at, whole])
        }
        const gate = createLinkGate(setting)
        expect(Array.from(text, (character) => gate.push(character)).join("") + gate.end()).toBe(whole)
      }
  })

  test("gives the same for random texts of what it looks for, cut at random, and changes nothing a second time", () => {
    const parts = [
      ...Array.from("[]()<>!:/.`\n &#\\\\"),
      "https",
      "www.",
      "evil.com",
      "data:a/b",
      "img ",
      "![",
      "](",
      "]:",
      "```",
      OWN,
      "x",
    ]
    let seed = 7
    const next = (below: number) => (seed = (seed * 48_271) % 2_147_483_647) % below
    for (let round = 0; round < 3_000; round++) {
      const text = Array.from({ length: 1 + next(24) }, () => parts[next(parts.length)]).join("")
      const setting = both[round % 2] ?? clean
      const gate = createLinkGate(setting)
      let joined = ""
      for (let at = 0; at < text.length;) {
        const to = at + 1 + next(5)
        joined += gate.push(text.slice(at, to))
        at = to
      }
      joined += gate.end()
      const whole = defangLinks(text, setting)
      expect([text, joined]).toEqual([text, whole])
      expect([text, defangLinks(whole, setting)]).toEqual([text, whole])
    }
  })

  test("tells words as they come, and holds back what may still be an address, up to a bound", () => {
    const gate = createLinkGate(untrusted)
    expect(gate.push("Hello there, ")).toBe("Hello there, ")
    expect(gate.push("你好，世界")).toBe("你好，世界")
    expect(gate.push(" see https://evil.exam")).toBe(" see ")
    expect(gate.push("ple/x now")).toBe("hxxps://evil[.]example/x ")
    expect(gate.end()).toBe("now")
    const long = `https://evil.example/${"a".repeat(10_000)}`
    let told = 0
    for (let at = 0; at < long.length; at++) {
      told += gate.push(long.charAt(at)).length
      expect(at + 1 - told).toBeLessThan(2_100)
    }
  })

  test("an allowed address that is longer than any person reads is none", () => {
    const long = `https://owner.example/${"a".repeat(3_000)}`
    expect(defangLinks(long, { untrusted: true, mayLink: ownerUrlsOf([long]) })).toStartWith(
      "hxxps://owner[.]example/a",
    )
  })

  test("takes bounded time for text that is made to be slow", () => {
    for (const piece of ["](", "<a:", "https://", "](https://a", "a.", "[x]: \n", "`", "![", "//a."]) {
      const text = piece.repeat(5_000)
      expect(defangLinks(text, untrusted).length).toBeGreaterThanOrEqual(text.length)
    }
  })
})
