/** A page as Markdown: parsed in a locked child of the built program, beside the same parser in this process. */
import { systemClock } from "#core/clock.ts"
import { createSandbox } from "#sandbox/child/sandbox.ts"
import { readableOf } from "#sandbox/parse/html-markdown.ts"
import { createReadPage } from "#sandbox/parser.ts"
import { quietLog } from "#test/fakes/guest.ts"
import { join } from "node:path"
import { binaryPath } from "../freshness.mjs"
import { type Bench, told } from "./figure.ts"

const ROUNDS = 40
const COLD = 5
const PAGE_CHARACTERS = 200_000
const url = "https://example.com/news"

export const pages: Bench = async ({ tell }) => {
  tell(`pages: ${ROUNDS} pages of ${PAGE_CHARACTERS} characters, here and in a child, one after the other`)
  const command = [binaryPath(join(import.meta.dir, "../..")), "sandbox-child"]
  const html = pageOf(PAGE_CHARACTERS)
  const signal = new AbortController().signal
  const cold: number[] = []
  for (let round = 0; round < COLD; round++) {
    const box = createSandbox({ command, clock: systemClock, log: quietLog })
    cold.push(await timed(async () => void (await createReadPage({ sandbox: box })({ html, url }, signal))))
    await box.stopAll()
  }
  const box = createSandbox({ command, clock: systemClock, log: quietLog })
  try {
    const readPage = createReadPage({ sandbox: box })
    const here: number[] = []
    const there: number[] = []
    for (let round = 0; round < ROUNDS; round++) {
      here.push(await timed(async () => void (await readableOf({ html, url, clock: systemClock }))))
      there.push(
        await timed(async () => {
          if (!(await readPage({ html, url }, signal)).ok) throw new Error("A page could not be read")
        }),
      )
    }
    return [
      told("a page of 200 KB in a warm child, p50", median(there), "ms"),
      told("the same page in this process, p50", median(here), "ms"),
      told("the first page, with the start of its child, p50", median(cold), "ms"),
    ]
  } finally {
    await box.stopAll()
  }
}

async function timed(work: () => Promise<void>): Promise<number> {
  const fromMs = performance.now()
  await work()
  return performance.now() - fromMs
}

function median(all: readonly number[]): number {
  return all.toSorted((a, b) => a - b)[Math.floor(all.length / 2)] ?? 0
}

/** As pages are: scripts, styles and menus around an article with headings, links, lists and tables. */
function pageOf(characters: number): string {
  const styles = ".a{color:red} .b .c{margin:0}".repeat(400)
  const scripts = "var a=1;".repeat(3_000)
  const menu = "<li><a href='/x'>menu</a></li>".repeat(200)
  const parts = [
    `<!doctype html><html><head><title>News</title><style>${styles}</style><script>${scripts}</script></head><body><nav>${menu}</nav><article>`,
  ]
  for (let length = parts[0]?.length ?? 0, n = 0; length < characters; n++) {
    const text = `Rain number ${n} falls on Berlin while trains run late &amp; the fox is quick. `
    const part = `<h2 class="t">Part ${n}</h2><p data-id="${n}">${text.repeat(6)}<a href="/a/${n}">more of ${n}</a></p><ul><li>one<li>two</ul><table><tr><td>${n}<td>b</table>`
    parts.push(part)
    length += part.length
  }
  return `${parts.join("")}</article></body></html>`
}
