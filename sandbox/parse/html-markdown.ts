/** A page as Markdown, bounded by its depth, the time it takes and what comes out. Runs in a parser child, and nowhere else. */
import { streamHtmlToMarkdown } from "@mdream/js"
import type { Clock } from "#core/clock.ts"
import { createCleaner } from "./html-clean.ts"

export type Readable = { title: string; markdown: string; /** Why the end is missing, or null. */ cut: string | null }

const MAX_TIME_MS = 3_000 // 2 MiB of dense tables take 1 s; what was read by then is worth more than nothing
const PIECE_CHARACTERS = 16 * 1024 // some 10 ms each: the time is looked at between two
export const MAX_MARKDOWN_CHARACTERS = 1024 * 1024

export async function readableOf(page: { html: string; url: string; clock: Clock }): Promise<Readable> {
  const { html, url, clock } = page
  const cleaner = createCleaner({ url })
  const startedMs = clock.monotonicMs()
  let cut: string | null = null

  let at = 0
  const cleaned = new ReadableStream<string>({
    pull(controller) {
      if (at < html.length && cut === null) {
        if (!cleaner.write(html.slice(at, at + PIECE_CHARACTERS))) cut = "it is nested too deeply"
        else if (clock.monotonicMs() - startedMs > MAX_TIME_MS) cut = "it takes too long to read"
        at += PIECE_CHARACTERS
        return controller.enqueue(cleaner.take())
      }
      cleaner.end()
      controller.enqueue(cleaner.take())
      controller.close()
    },
  })

  const parts: string[] = []
  let length = 0
  for await (const part of streamHtmlToMarkdown(cleaned)) {
    parts.push(part)
    length += part.length
    if (length <= MAX_MARKDOWN_CHARACTERS) continue
    cut ??= "it is too long"
    break
  }
  const markdown = parts.join("").slice(0, MAX_MARKDOWN_CHARACTERS).toWellFormed()
  return { title: cleaner.title(), markdown: tidy(markdown), cut }
}

/** No line ends in blanks, and no more than one is empty. */
function tidy(markdown: string): string {
  return markdown
    .split("\n")
    .map((line) => line.trimEnd())
    .filter((line, index, lines) => line !== "" || lines[index - 1] !== "")
    .join("\n")
    .trim()
}
