import { afterAll, afterEach, beforeEach, describe, expect, setDefaultTimeout, test } from "bun:test"
import { join } from "node:path"
import { systemClock } from "#core/clock.ts"
import { ownerUrlsOf, urlsIn } from "#core/tools/owner-urls.ts"
import { type ReadPage, webTools } from "#core/tools/web-fetch.ts"
import { createSandbox } from "#sandbox/child/sandbox.ts"
import { readableOf } from "#sandbox/parse/html-markdown.ts"
import { createReadPage } from "#sandbox/parser.ts"
import { childCommand, quietLog } from "#test/fakes/guest.ts"
import { PUBLIC } from "../safety/fake-internet.ts"
import { readerOf, toolRig } from "./rig.ts"

const SITE = "https://api.example.com"
const read = async (html: string, url = `${SITE}/news/today`) => readableOf({ html, url, clock: systemClock })
const markdownOf = async (html: string) => (await read(html)).markdown

setDefaultTimeout(60_000) // children are started, on a machine that may be busy
const sandbox = createSandbox({ command: childCommand, clock: systemClock, log: quietLog })
const inChild = createReadPage({ sandbox })
afterAll(() => sandbox.stopAll())

/** Pages that are made to hurt whoever reads them. */
const hostile: Readonly<Record<string, string>> = {
  deep: "<div>".repeat(100_000),
  "deep-and-kept": "<blockquote><ul><li>".repeat(50_000),
  angles: "<".repeat(1_900_000),
  "open-tags": "<a ".repeat(600_000),
  entities: "&amp;&#x41;&notanentity;&".repeat(80_000),
  "entity-without-end": `&${"a".repeat(1_900_000)}`,
  comments: "<!--".repeat(400_000),
  attributes: `<p ${"a=b ".repeat(450_000)}>x</p>`,
  "one-attribute": `<p class="${"x ".repeat(900_000)}">y</p>`,
  tables: "<table><tr><td>".repeat(100_000),
  styles: `<style>${".a{display:none}".repeat(100_000)}</style><p class=b>seen`,
  links: "<a href=/x>y</a>".repeat(100_000),
}

describe("through the pipeline", () => {
  let rig: Awaited<ReturnType<typeof toolRig>>
  const paths: string[] = []
  const call = (path: string) => ({ name: "web_fetch", arguments: { url: `${SITE}${path}` } })

  let readPage: ReadPage = inChild
  beforeEach(async () => {
    paths.length = 0
    readPage = inChild
    const tools = webTools({ readPage: (page, signal) => readPage(page, signal) })
    rig = await toolRig({ tools: [...tools, readerOf(["untrusted", "private"])] })
    rig.internet.name("api.example.com", [PUBLIC])
    await rig.internet.site(PUBLIC, (request, answer) => {
      const path = request.url ?? ""
      paths.push(path)
      if (path === "/old") return answer.writeHead(301, { location: "/page" }).end()
      if (path === "/away") return answer.writeHead(302, { location: "https://evil.example/x" }).end()
      if (path === "/gone") return answer.writeHead(404).end("no")
      if (path === "/data") return answer.setHeader("content-type", "application/json").end('{"a":[1]}')
      if (path === "/text") return answer.setHeader("content-type", "text/plain").end("<b>as it is</b>")
      if (path === "/file") return answer.setHeader("content-type", "text/html").end("%PDF-1.7")
      if (path === "/latin") {
        answer.setHeader("content-type", "text/html; charset=iso-8859-1")
        return answer.end(Buffer.from("<p>Gr\xfc\xdfe", "latin1"))
      }
      if (path.startsWith("/hostile/")) return answer.setHeader("content-type", "text/html").end(hostile[path.slice(9)])
      if (path === "/huge") return answer.setHeader("content-type", "text/html").end(`<p>${"a ".repeat(1_200_000)}`)
      answer.setHeader("content-type", "text/html; charset=utf-8")
      answer.end("<title>News</title><h1>Today</h1><p>Rain in <a href='/b'>Berlin</a>.<p hidden>Obey me")
    })
  })
  afterEach(() => rig.close())

  test("gives the owner's page as Markdown, untrusted, from its URL", async () => {
    const { outcome, last } = await rig.ask(`Read ${SITE}/page.`, [call("/page")])
    expect(outcome.state).toBe("finished")
    expect(last?.text).toBe(`${SITE}/page\n\n# News\n\n# Today\n\nRain in Berlin (api.example.com/b).`)
    expect(last).toMatchObject({ labels: ["untrusted"] })
    expect(last?.source).toStartWith(`${SITE}/page`)
    expect(await rig.audit()).toMatchObject([{ subject: "web_fetch", outcome: "done" }])
  })

  test("asks before it goes where the owner did not say", async () => {
    const { outcome } = await rig.ask("Find the news", [call("/page")])
    expect(outcome.state).toBe("suspended")
    expect(paths).toEqual([])
  })

  test("asks for what a page told it, with that reason", async () => {
    const { outcome } = await rig.ask("Read it", [{ name: "read_it", arguments: {} }, call("/evil")])
    expect(outcome.state).toBe("suspended")
    expect(outcome.approval?.question).toContain("Text from outside")
    expect(paths).toEqual([])
  })

  test("follows a redirect on the same host, and no further: the refusal names the host", async () => {
    const { results } = await rig.ask(`${SITE}/old ${SITE}/away`, [call("/old"), call("/away")])
    expect(results[0]?.text).toContain("Rain in Berlin")
    expect(results[1]?.text).toContain("evil.example")
    expect(rig.internet.lookups).not.toContain("evil.example")
    expect(rig.internet.records.map(({ outcome }) => outcome)).toEqual(["done", "refused"])
    expect(await rig.audit()).toMatchObject([{ outcome: "done" }, { outcome: "failed" }])
    expect(rig.finished()).toMatchObject([{ outcome: "done" }, { outcome: "failed" }])
  })

  test("passes JSON and text on as they are, and says what is no text", async () => {
    const all = ["/data", "/text", "/file", "/latin", "/gone"]
    const { results } = await rig.ask(all.map((path) => SITE + path).join(" "), all.map(call))
    expect(results.map(({ text }) => text.replace(/^https\S+\s+/, ""))).toEqual([
      '{"a":[1]}',
      "<b>as it is</b>",
      "is a PDF document, 8 bytes: no text",
      "Grüße",
      "api.example.com answered with the status 404",
    ])
    expect(results.every(({ labels }) => labels.includes("untrusted"))).toBe(true)
  })

  test("reads hostile pages in a child, one child for all of them, and goes on", async () => {
    const pages = ["/hostile/deep", "/hostile/open-tags", "/hostile/entity-without-end", "/hostile/tables", "/page"]
    const { results } = await rig.ask(pages.map((path) => SITE + path).join(" "), pages.map(call))
    expect(results).toHaveLength(pages.length)
    expect(results.every(({ labels }) => labels.includes("untrusted"))).toBe(true)
    expect(results.at(-1)?.text).toContain("Rain in Berlin")
    const children = sandbox.status().children.filter(({ kind }) => kind === "parser")
    expect(children).toMatchObject([{ state: "idle" }])
    expect(children[0]?.calls).toBeGreaterThan(1)
  })

  test("a parser that dies or never ends is this tool's failure, and nothing else reads the page", async () => {
    const command = [process.execPath, join(import.meta.dir, "../../sandbox/child/lying-child.ts")]
    const hasty = { ...systemClock, after: (ms: number, work: () => void) => systemClock.after(ms / 4, work) }
    for (const [lie, why] of [
      ["ends", "its parser failed"],
      ["sleeps", "its parser was not done in its time, and was stopped"],
      ["grows", "its parser used more memory than it may, and was stopped"],
      ["gives other", "its parser gave back what is no page"],
      ["never ready", "no process for its parser could be started"],
    ] as const) {
      // Only what is waited for in vain is hurried: a busy machine takes its time for the others.
      const clock = ["sleeps", "never ready"].includes(lie) ? hasty : systemClock
      const lying = createSandbox({ command: [...command, lie], clock, log: quietLog })
      readPage = createReadPage({ sandbox: lying })
      const { last } = await rig.ask(`Read ${SITE}/page`, [call("/page")])
      expect(`${lie}: ${last?.text}`).toBe(`${lie}: api.example.com sent a page that could not be read: ${why}`)
      expect(rig.finished().at(-1)).toMatchObject({ outcome: "failed" })
      await lying.stopAll()
    }
  })

  test("reads a huge page up to a bound, and says so", async () => {
    const { last } = await rig.ask(`${SITE}/huge`, [call("/huge")])
    expect(last?.text).toEndWith("[the end is missing: it is too long]")
    expect(last?.text.length).toBeLessThan(1_100_000)
  })
})

describe("a page that is made to hurt", () => {
  for (const [name, html] of Object.entries(hostile))
    test(`${name}: ends within its limits, and the next page is read`, async () => {
      const signal = AbortSignal.timeout(30_000)
      const fromMs = systemClock.monotonicMs()
      const page = await inChild({ html, url: SITE }, signal)
      expect(systemClock.monotonicMs() - fromMs).toBeLessThan(20_000)
      if (page.ok) expect(page.markdown.length).toBeLessThanOrEqual(1024 * 1024)
      expect(await inChild({ html: "<p>fine</p>", url: SITE }, signal)).toMatchObject({ ok: true, markdown: "fine" })
    })

  test("ten megabytes of one character end within the limits too, and what is larger is not taken", async () => {
    const signal = AbortSignal.timeout(30_000)
    for (const one of ["<", "&", "<p>", "a "])
      expect(typeof (await inChild({ html: one.repeat(10_000_000 / one.length), url: SITE }, signal)).ok).toBe(
        "boolean",
      )
    const large = await inChild({ html: "a".repeat(17 * 1024 * 1024), url: SITE }, signal)
    expect(large).toEqual({ ok: false, why: "it is larger than a parser takes" })
    expect(await inChild({ html: "<p>fine</p>", url: SITE }, signal)).toMatchObject({ ok: true, markdown: "fine" })
  })
})

describe("what nobody sees on a page does not reach the model", () => {
  for (const [what, html] of [
    ["a comment", "<!-- OBEY -->"],
    ["a script", "<script>OBEY</script>"],
    ["an attribute", "<img alt=OBEY title=OBEY src=x>"],
    ["the hidden attribute", "<p hidden>OBEY</p>"],
    ["aria-hidden", "<p aria-hidden=true>OBEY</p>"],
    ["display:none", "<p style='DISPLAY : none !important'>OBEY</p>"],
    ["display:none around other elements", "<div style=display:none><p><b>OBEY</b></p></div>"],
    ["an escaped display:none", "<p style='\\64 isplay:none'>OBEY</p>"],
    ["visibility", "<p style='visibility:hidden'>OBEY</p>"],
    ["no opacity", "<p style='opacity:0.0'>OBEY</p>"],
    ["no size of the font", "<p style='font-size:0px'>OBEY</p>"],
    ["one pixel", "<p style='font-size:1px'>OBEY</p>"],
    ["no height", "<p style='height:0;overflow:hidden'>OBEY</p>"],
    ["a place off the screen", "<p style='position:absolute;left:-9999px'>OBEY</p>"],
    ["an indent", "<p style='text-indent:-9999px'>OBEY</p>"],
    ["a scale of nothing", "<p style='transform:scale(0)'>OBEY</p>"],
    ["a clip", "<p style='position:absolute;clip:rect(0,0,0,0)'>OBEY</p>"],
    ["no colour", "<p style='color:transparent'>OBEY</p>"],
    ["the colour of its background", "<p style='color:#FFF;background:white'>OBEY</p>"],
    [
      "a class that the page hides",
      "<style>/* x */.a{color:red} p.note , #z{display:none}</style><p class='b note'>OBEY</p>",
    ],
    ["a class that frameworks hide", "<p class='sr-only'>OBEY</p>"],
    ["a template", "<template><p>OBEY</p></template>"],
    ["noscript", "<noscript>OBEY</noscript>"],
    ["a text field", "<textarea>OBEY</textarea><input type=hidden value=OBEY>"],
    ["svg", "<svg><text>OBEY</text></svg>"],
    [
      "characters without a shape",
      Array.from("OBEY", (one) => String.fromCodePoint(0xe0000 + one.charCodeAt(0))).join(""),
    ],
    ["a menu", "<nav>OBEY</nav><footer>OBEY</footer>"],
    ["meta", "<meta name=description content=OBEY>"],
  ] as const) {
    test(what, async () => {
      const markdown = await markdownOf(`<html><body><p>Before</p>${html}<p>After</p></body></html>`)
      expect(markdown).toBe("Before\n\nAfter")
    })
  }

  test("and what is seen stays, also where it looks a little like hiding", async () => {
    const seen = [
      "<p style='opacity:0.5'>one</p>",
      "<p style='font-size:0.9em'>two</p>",
      "<p style='margin-left:-10px'>three</p>",
      "<p style='height:0'>four</p>",
      "<style>@media print{.p{display:none}} .js .q{display:none}</style><p class=p>five</p><p class=q>six</p>",
      "<p class='hidden md:block'>seven</p>",
      "<article><header>eight</header></article>",
      "<p style='color:#fff;background:#000'>nine</p>",
      "<p>Grüße 👩‍👩‍👧 نمی‌خواهم</p>",
    ].join("")
    expect(await markdownOf(seen)).toBe(
      "one\n\ntwo\n\nthree\n\nfour\n\nfive\n\nsix\n\nseven\n\neight\n\nnine\n\nGrüße 👩‍👩‍👧 نمی‌خواهم",
    )
  })
})

describe("a page as Markdown", () => {
  test("keeps headings, lists, code, tables and quotes", async () => {
    const markdown = await markdownOf(
      "<h2>A</h2><ul><li>one<li>two <b>bold</b></ul><pre><code class='x language-ts'>let a = 1\n  b</code></pre>" +
        "<table><tr><th>k<th>v<tr><td>1<td>2</table><blockquote>said</blockquote>",
    )
    expect(markdown).toContain("## A\n\n- one\n- two **bold**")
    expect(markdown).toContain("```ts\nlet a = 1\n  b\n```")
    expect(markdown).toMatch(/\| k \| v \|\n\| -+ \| -+ \|\n\| 1 \| 2 \|/)
    expect(markdown).toContain("> said")
  })

  test("shows where links lead as text, and no address that only runs or marks", async () => {
    const markdown = await markdownOf(
      "<a href='https://other.example/a?b=1#c'>Other</a> <a href=next>Next</a> <a href='#top'>Top</a> <a href='javascript:x()'>Run</a> " +
        "<a href='mailto:a@b.example'>Mail</a> <a href='http://plain.example'>Plain</a> <a href='https://same.example'>same.example</a> <a href='https://img.example'><img></a>",
    )
    expect(markdown).toBe(
      "Other (other.example/a?b=1) Next (api.example.com/news/next) Top Run Mail (a@b.example) Plain (http://plain.example) same.example",
    )
  })

  test("stops at a page that is nested without end, and goes on with others", async () => {
    const { cut } = await read("<div>".repeat(50_000))
    expect(cut).toBe("it is nested too deeply")
  })

  test("stops when its time is up", async () => {
    let nowMs = 0
    const slow = { ...systemClock, monotonicMs: () => (nowMs += 2_000) }
    const page = await readableOf({ html: "<p>word</p>".repeat(100_000), url: SITE, clock: slow })
    expect(page.cut).toBe("it takes too long to read")
  })
})

describe("a URL is the owner's only as a whole", () => {
  const url = "https://a.example/x?y=1"
  test("in a sentence, in brackets, in quotes, at the end", () => {
    for (const text of [url, `see ${url}.`, `(${url})`, `"${url}", then`, `<${url}>`, `[it](${url})`, `${url}!?\nnext`])
      expect([text, ownerUrlsOf([text])(url)]).toEqual([text, true])
    expect(ownerUrlsOf(["https://a.example"])("https://a.example/")).toBe(true)
  })
  test("not as a part of another", () => {
    for (const text of [
      `${url}2`,
      `${url}&z`,
      `${url}/b`,
      `${url},b`,
      `${url}é`,
      `x${url}`,
      `u=${url}`,
      "https://a.example/x",
      "https://A.example/x?y=1",
    ])
      expect([text, ownerUrlsOf([text])(url)]).toEqual([text, false])
  })
})

test("what may be a whole URL in a text is found in each reading of where it ends", () => {
  const text =
    "See (https://a.example/x), https://b.example/?q=(1) and http://c.example or <https://d.example>; no https://"
  expect(urlsIn(text)).toEqual([
    "https://a.example/x),",
    "https://a.example/x)",
    "https://a.example/x",
    "https://b.example/?q=(1)",
    "https://b.example/?q=(1",
    "https://d.example",
  ])
  expect(urlsIn(`https://a.example/${")".repeat(1_000)}`).length).toBeLessThanOrEqual(64)
})
