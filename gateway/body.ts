/** Reads a JSON body: bytes counted as they come, UTF-8 and depth checked, within a time; never more in memory than is accepted. */
import type { Clock } from "#core/clock.ts"
import { isStorableText, storableText } from "#core/db/storable.ts"
import { AppError } from "#core/errors.ts"

export type BodyLimits = {
  maxBytes: number
  /** Fields of these names are text: what Postgres cannot hold is replaced in them. Elsewhere (ids, names, paths) it is refused. */
  textFields: ReadonlySet<string> | "all"
}

/** Our own bodies nest 4 deep, a JSON Schema of a client's tool 20; 64 leaves room and no stack is in danger. */
const MAX_DEPTH = 64
/** For the whole body: 32 MiB over a mobile line of 10 Mbit/s take 27 s. */
const MAX_READ_MS = 60_000

/** Throws `input.too_large`, `input.not_json`, `input.too_slow`, `input.invalid`. An absent body is null. */
export async function readJsonBody(request: Request, limits: BodyLimits, clock: Clock): Promise<unknown> {
  const announced = request.headers.get("content-length")
  if (announced !== null && Number(announced) > limits.maxBytes) throw tooLarge(limits.maxBytes)
  if (request.body === null || announced === "0") return null
  const bytes = await readBytes(request.body, limits.maxBytes, clock)
  if (bytes.byteLength === 0) return null
  const type = request.headers.get("content-type") ?? ""
  if (!/^\s*application\/(?:[\w.-]+\+)?json\s*(?:;|$)/i.test(type)) {
    throw new AppError(
      "input.not_json",
      type === "" ? "The body has no Content-Type" : `The body is "${type.slice(0, 100)}", not JSON`,
    )
  }
  return cleaned(parseJson(bytes), limits.textFields)
}

/** Throws `input.too_large`, `input.too_slow`. */
export async function readBytes(
  stream: ReadableStream<Uint8Array>,
  maxBytes: number,
  clock: Clock,
): Promise<Uint8Array> {
  const chunks: Uint8Array[] = []
  let size = 0
  const reader = stream.getReader()
  let isLate = false
  const stopTimer = clock.after(MAX_READ_MS, () => {
    isLate = true
    void reader.cancel().catch(() => {}) // the peer may be gone already, which is as good
  })
  try {
    for (;;) {
      const { done, value } = await reader.read()
      if (isLate) throw new AppError("input.too_slow", `The body did not arrive within ${MAX_READ_MS / 1_000} seconds`)
      if (done) break
      size += value.byteLength
      if (size > maxBytes) {
        void reader.cancel().catch(() => {}) // what the peer still sends is of no interest
        throw tooLarge(maxBytes)
      }
      chunks.push(value)
    }
  } finally {
    stopTimer()
  }
  const [only] = chunks
  return chunks.length === 1 && only ? only : Buffer.concat(chunks)
}

/** Throws `input.invalid` for what is no JSON or no UTF-8. */
export function parseJson(bytes: Uint8Array | string): unknown {
  try {
    return JSON.parse(typeof bytes === "string" ? bytes : new TextDecoder("utf-8", { fatal: true }).decode(bytes))
  } catch (error) {
    const why =
      error instanceof SyntaxError
        ? error.message
        : error instanceof RangeError
          ? "it is nested too deeply"
          : "it is not UTF-8"
    throw new AppError("input.invalid", `The body is not valid JSON: ${why.slice(0, 200)}`)
  }
}

/** Judges depth and texts of a parsed value, replacing in place what may be replaced. Walks with a list: no depth can exhaust the stack. */
export function cleaned(root: unknown, textFields: BodyLimits["textFields"]): unknown {
  if (typeof root === "string") return cleanText(root, "", textFields)
  const open: { value: object; depth: number }[] = []
  if (typeof root === "object" && root !== null) open.push({ value: root, depth: 1 })
  for (let next = open.pop(); next !== undefined; next = open.pop()) {
    const { value, depth } = next
    if (depth > MAX_DEPTH) throw new AppError("input.invalid", `The body is nested more than ${MAX_DEPTH} deep`)
    for (const [key, inner] of entriesOf(value)) {
      if (!isStorableText(key) || key === "__proto__")
        throw new AppError("input.invalid", "A field's name in the body is not acceptable")
      if (typeof inner === "object" && inner !== null) open.push({ value: inner, depth: depth + 1 })
      else if (typeof inner === "string" && !isStorableText(inner))
        Reflect.set(value, key, cleanText(inner, key, textFields))
    }
  }
  return root
}

function entriesOf(value: object): [string, unknown][] {
  return Object.entries(value)
}

function cleanText(text: string, field: string, textFields: BodyLimits["textFields"]): string {
  if (isStorableText(text)) return text
  if (textFields !== "all" && !textFields.has(field)) {
    throw new AppError("input.invalid", `/${field}: NUL and half surrogate pairs are accepted in message texts only`)
  }
  return storableText(text)
}

function tooLarge(maxBytes: number): AppError {
  return new AppError(
    "input.too_large",
    `The body is larger than the ${maxBytes < 1_048_576 ? `${Math.floor(maxBytes / 1_024)} KiB` : `${Math.floor(maxBytes / 1_048_576)} MiB`} accepted here`,
  )
}
