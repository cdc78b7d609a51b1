/** The body of an answer from outside, bounded: as text, or as the name of what it is. */
import { judgeFileKind, KIND_BYTES } from "./file-kind.ts"

/** `cut`: it was longer. `isPart`: it is a range of the whole, without the half words at its borders. */
export type AnswerBody = { text: string; cut: boolean; isPart: boolean } | { what: string; bytes: number }

/** A longer run without a space is no word, and no key that is found by its form: it stays as it is. */
const MAX_WORD = 4_096

/** Reads at most `maxBytes`, and ends the transfer there. */
export async function readAnswer(response: Response, maxBytes: number): Promise<AnswerBody> {
  const { bytes, cut } = await readBounded(response.body, maxBytes)
  const kind = judgeFileKind(bytes.subarray(0, KIND_BYTES))
  if (!kind.text) return { what: kind.what, bytes: Number(response.headers.get("content-length")) || bytes.length }
  const range = rangeOf(response)
  const text = decode(bytes, charsetOf(response, bytes))
  const whole = withoutHalfWords(text, {
    first: range !== null && range.start > 0,
    last: cut || range?.goesOn === true,
  })
  return { text: whole, cut, isPart: range !== null }
}

/** Which part of the whole a server says it sent; null: all of it. What it does not say is taken for the middle. */
function rangeOf(response: Response): { start: number; goesOn: boolean } | null {
  if (response.status !== 206) return null
  const [, start = "1", end = "0", total = "*"] =
    /^bytes (\d{1,15})-(\d{1,15})\/(\d{1,15}|\*)$/.exec(response.headers.get("content-range") ?? "") ?? []
  return { start: Number(start), goesOn: total === "*" || Number(end) + 1 < Number(total) }
}

/** Half a key at a border is none that anybody finds, and the other half may come with the next part. */
function withoutHalfWords(text: string, { first, last }: { first: boolean; last: boolean }): string {
  const start = first ? text.slice(0, MAX_WORD).search(/\s/) : 0
  const tail = last ? text.slice(-MAX_WORD) : ""
  const kept = tail.trimEnd() === tail ? tail.replace(/\S+$/, "") : tail
  const end = last && kept !== "" ? text.length - tail.length + kept.length : text.length
  return text.slice(Math.max(0, start), Math.max(start, end))
}

export function mediaTypeOf(response: Response): string {
  return (response.headers.get("content-type") ?? "").split(";")[0]?.trim().toLowerCase() ?? ""
}

type Bounded = { bytes: Uint8Array; cut: boolean }

async function readBounded(body: ReadableStream<Uint8Array> | null, maxBytes: number): Promise<Bounded> {
  const parts: Uint8Array[] = []
  let length = 0
  for await (const part of body ?? []) {
    parts.push(part)
    length += part.length
    if (length > maxBytes) break // which ends the transfer
  }
  const bytes = Buffer.concat(parts)
  return { bytes: bytes.subarray(0, maxBytes), cut: bytes.length > maxBytes }
}

/** From the header, else from the document's own first kilobyte, where HTML says it must stand. */
function charsetOf(response: Response, bytes: Uint8Array): string {
  const said = /charset\s*=\s*"?([\w-]+)/i
  const head = Buffer.from(bytes.subarray(0, 1_024)).toString("latin1")
  const inHead = mediaTypeOf(response).includes("html") ? /<meta\b[^>]*?charset\s*=\s*["']?([\w-]+)/i.exec(head) : null
  return said.exec(response.headers.get("content-type") ?? "")?.[1] ?? inHead?.[1] ?? "utf-8"
}

function decode(bytes: Uint8Array, charset: string): string {
  try {
    // The constructor judges the label: it throws for one that it does not know.
    return new TextDecoder(charset as Bun.Encoding).decode(bytes)
  } catch {
    // A charset that nobody knows: UTF-8 shows what there is.
    return new TextDecoder().decode(bytes)
  }
}
