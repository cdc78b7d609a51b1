/** Bodies within bounds: a request's as bytes that can be scanned, a response's as a stream that is counted while it is decoded. */
import type { Readable } from "node:stream"
import { pipeline, Transform } from "node:stream"
import { createBrotliDecompress, createGunzip, createInflate, createZstdDecompress } from "node:zlib"
import { AppError } from "../errors.ts"

/** Whatever a fetch takes as a body. */
export type GivenBody = NonNullable<RequestInit["body"]>
type RequestBody = { bytes: Uint8Array<ArrayBuffer> | null; contentType: string | null }

/** The body of a fetch init, whole: nothing leaves before all of it was judged. Throws `egress.too_large`. */
export async function readRequestBody(
  body: GivenBody | null,
  maxBytes: number,
  signal: AbortSignal,
): Promise<RequestBody> {
  if (body === null) return { bytes: null, contentType: null }
  if (typeof body === "string") {
    // The common case, without a stream in between. Half surrogates become U+FFFD, as in every fetch.
    const bytes = new TextEncoder().encode(body)
    if (bytes.byteLength > maxBytes)
      throw new AppError("egress.too_large", `The request body is larger than ${maxBytes} bytes`)
    return { bytes, contentType: "text/plain;charset=UTF-8" }
  }
  // Response takes every kind of body that fetch does, and gives its bytes and the type that fetch would send.
  const carrier = new Response(body)
  const contentType = carrier.headers.get("content-type")
  const chunks: Uint8Array[] = []
  let total = 0
  const stream: ReadableStream<Uint8Array> | null = carrier.body
  const reader = stream?.getReader()
  const onAbort = () => void reader?.cancel(signal.reason).catch(() => {}) // the source's own complaint helps nobody
  signal.addEventListener("abort", onAbort, { once: true })
  try {
    for (;;) {
      const part = await reader?.read()
      signal.throwIfAborted()
      if (!part || part.done) break
      total += part.value.byteLength
      if (total > maxBytes) {
        onAbort()
        throw new AppError("egress.too_large", `The request body is larger than ${maxBytes} bytes`)
      }
      chunks.push(part.value)
    }
  } finally {
    signal.removeEventListener("abort", onAbort)
  }
  const bytes = new Uint8Array(total)
  let at = 0
  for (const chunk of chunks) {
    bytes.set(chunk, at)
    at += chunk.byteLength
  }
  return { bytes, contentType }
}

/** Encodings that we ask for and take. One layer only: stacked ones multiply. */
export const acceptEncoding = "gzip, br, zstd"

const decoders: Record<string, () => Transform> = {
  gzip: () => createGunzip(),
  "x-gzip": () => createGunzip(),
  deflate: () => createInflate(),
  br: () => createBrotliDecompress(),
  zstd: () => createZstdDecompress(),
}

function isEncoded(contentEncoding: string | undefined): boolean {
  return (
    contentEncoding !== undefined &&
    contentEncoding.trim() !== "" &&
    contentEncoding.trim().toLowerCase() !== "identity"
  )
}

type BodyBounds = {
  maxBytes: number
  /** Decoded bytes per byte on the wire; counts from {@link RATIO_FROM_BYTES} decoded bytes on. */
  maxRatio: number
  /** Called for every chunk that came from the wire. */
  onWireBytes: (bytes: number) => void
}

const RATIO_FROM_BYTES = 1_048_576 // short and very even texts pack well; below 1 MiB no ratio does harm

/** The body as plain bytes, piece by piece, never more than `maxBytes`. Throws AppErrors, or what the socket or the decoder said. */
export async function* boundedBody(
  source: Readable,
  contentEncoding: string | undefined,
  bounds: BodyBounds,
): AsyncGenerator<Uint8Array, void> {
  let wireBytes = 0
  let plainBytes = 0
  const onWire = (chunk: Uint8Array) => {
    wireBytes += chunk.byteLength
    bounds.onWireBytes(chunk.byteLength)
    if (wireBytes > bounds.maxBytes) throw tooLarge(`is larger than ${bounds.maxBytes} bytes`)
  }
  if (!isEncoded(contentEncoding)) {
    for await (const chunk of bytesOf(source)) {
      onWire(chunk)
      yield chunk
    }
    return
  }
  // The decoder is fed by pull: it stops as soon as nobody takes what it unpacked.
  const counted = new Transform({
    transform(chunk: Uint8Array, _encoding, done) {
      try {
        onWire(chunk)
        done(null, chunk)
      } catch (error) {
        done(error instanceof Error ? error : null)
      }
    },
  })
  const ignore = () => {} // pipeline destroys every stream with the error, and the reader of the last one meets it
  for await (const chunk of bytesOf(pipeline(source, counted, decoderOf(contentEncoding ?? ""), ignore))) {
    plainBytes += chunk.byteLength
    if (plainBytes > bounds.maxBytes) throw tooLarge(`unpacks to more than ${bounds.maxBytes} bytes`)
    if (plainBytes > RATIO_FROM_BYTES && plainBytes > wireBytes * bounds.maxRatio) {
      throw tooLarge(`unpacks to more than ${bounds.maxRatio} times its size`)
    }
    yield chunk
  }
}

/** Node's streams iterate as `any`; one without an encoding set gives Buffers. */
async function* bytesOf(stream: Readable): AsyncGenerator<Uint8Array, void> {
  for await (const chunk of stream) {
    const bytes: unknown = chunk
    if (!(bytes instanceof Uint8Array)) throw new AppError("internal", "A stream of bytes gave something else")
    yield new Uint8Array(bytes.buffer, bytes.byteOffset, bytes.byteLength)
  }
}

function decoderOf(contentEncoding: string): Transform {
  const name = contentEncoding.trim().toLowerCase()
  const decoder = Object.hasOwn(decoders, name) ? decoders[name] : undefined
  if (!decoder)
    throw new AppError("egress.garbled", `The answer uses the encoding ${JSON.stringify(name.slice(0, 40))}`)
  return decoder()
}

function tooLarge(what: string): AppError {
  return new AppError("egress.too_large", `The answer ${what}`)
}
