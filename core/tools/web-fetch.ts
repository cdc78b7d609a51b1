/** web_fetch: a page of the web as Markdown, through the egress gate. Whatever it says, it is text from outside. */
import { t } from "../schema.ts"
import { mediaTypeOf, readAnswer } from "./answer-body.ts"
import { defineTool, type Tool } from "./tool.ts"
import { effectOf, judgeAddress, needOf, urlField } from "./web-address.ts"

const TIMEOUT_MS = 60_000 // the egress gate's own bound for a whole request
const MAX_PAGE_BYTES = 2 * 1024 * 1024 // more than 99 of 100 pages have as HTML
const MAX_SOURCE_CHARACTERS = 500
const ACCEPT = "text/markdown, text/html;q=0.9, application/json;q=0.8, text/*;q=0.7, */*;q=0.1"

/** `cut`: why the end is missing. */
export type PageText = { ok: true; title: string; markdown: string; cut: string | null } | { ok: false; why: string }
/** A page's HTML as Markdown, without what no reader sees; made away from this process. Never throws. */
export type ReadPage = (page: { html: string; url: string }, signal: AbortSignal) => Promise<PageText>

export function webTools({ readPage }: { readPage: ReadPage }): Tool[] {
  const fetchPage = defineTool({
    name: "web_fetch",
    description: "Read a web page as Markdown, or text and JSON as they are. Links: label (host/path).",
    input: t.Object({ url: urlField }, { additionalProperties: false }),
    problem: ({ url }) => judgeAddress(url, "GET"),
    effect: ({ url }, facts) => effectOf({ url, method: "GET" }, facts),
    // The whole host, so that a page that has moved on it is found.
    needs: ({ url }) => needOf({ url, method: "GET", path: "any" }),
    timeoutMs: TIMEOUT_MS,
    async run({ url }, { fetch, signal }) {
      const response = await fetch(url, { headers: { accept: ACCEPT }, signal })
      if (!response.ok) {
        await response.body?.cancel()
        return { failed: `${new URL(response.url).hostname} answered with the status ${response.status}` }
      }
      const answer = await readAnswer(response, MAX_PAGE_BYTES)
      const from = { labels: ["untrusted" as const], source: response.url.slice(0, MAX_SOURCE_CHARACTERS) }
      if ("what" in answer)
        return { data: `${response.url} is ${answer.what}, ${answer.bytes} bytes: no text`, ...from }
      const tooLong = answer.cut ? `it is longer than ${MAX_PAGE_BYTES} bytes` : null
      if (!isHtml(mediaTypeOf(response), answer.text))
        return { data: shown(response.url, answer.text, tooLong), ...from }
      const page = await readPage({ html: answer.text, url: response.url }, signal)
      if (!page.ok)
        return { failed: `${new URL(response.url).hostname} sent a page that could not be read: ${page.why}` }
      const titled = page.title === "" ? page.markdown : `# ${page.title}\n\n${page.markdown}`
      const text = page.markdown === "" ? `${titled}[the page has no text without its scripts]` : titled
      return { data: shown(response.url, text, page.cut ?? tooLong), ...from }
    },
  })
  return [fetchPage]
}

function isHtml(mediaType: string, text: string): boolean {
  if (mediaType === "text/html" || mediaType === "application/xhtml+xml") return true
  return mediaType === "" && /^\s*(?:<!doctype html|<html[\s>])/i.test(text.slice(0, 500))
}

function shown(url: string, text: string, cut: string | null): string {
  return `${url}\n\n${text}${cut === null ? "" : `\n\n[the end is missing: ${cut}]`}`
}
