/**
 * What goes over the pipes between us and a child: frames of u32 length, u8 kind, u32 header length, header (JSON), body (bytes),
 * little-endian. Both ends are here, so that neither can drift; lengths are judged before anything is kept.
 */

/** By number on the wire. Below 16: from the parent. */
export const frameKinds = {
  load: 1,
  call: 2,
  answer: 3,
  refusal: 4,
  ready: 16,
  loaded: 17,
  done: 18,
  failed: 19,
  ask: 20,
  log: 21,
} as const
export type FrameKind = keyof typeof frameKinds

export type Frame = { kind: FrameKind; header: unknown; body: Uint8Array<ArrayBuffer> }

/** Words, names, configuration: what a header holds at most. */
export const MAX_HEADER_BYTES = 256 * 1024
/** Length, kind and header length. */
const PREFIX_BYTES = 9
const LENGTH_BYTES = 4

const kindOf = new Map<number, FrameKind>()
for (const name of Object.keys(frameKinds)) if (isKind(name)) kindOf.set(frameKinds[name], name)

const encoder = new TextEncoder()
const decoder = new TextDecoder("utf-8", { fatal: true, ignoreBOM: true })

/** Bytes that are no frame. Its words are ours. */
export class FrameFault extends Error {}

export function encodeFrame(kind: FrameKind, header: unknown, body: Uint8Array = new Uint8Array()): Uint8Array {
  const head = encoder.encode(JSON.stringify(header))
  const bytes = new Uint8Array(PREFIX_BYTES + head.length + body.length)
  const view = new DataView(bytes.buffer)
  view.setUint32(0, bytes.length - LENGTH_BYTES, true)
  view.setUint8(4, frameKinds[kind])
  view.setUint32(5, head.length, true)
  bytes.set(head, PREFIX_BYTES)
  bytes.set(body, PREFIX_BYTES + head.length)
  return bytes
}

/** What follows the length. The body is a copy with a buffer of its own. */
export function decodeFrame(bytes: Uint8Array): Frame {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength)
  if (bytes.length < PREFIX_BYTES - LENGTH_BYTES) throw new FrameFault("a frame shorter than its prefix")
  const kind = kindOf.get(view.getUint8(0))
  if (kind === undefined) throw new FrameFault("a frame of a kind that there is not")
  const headerEnd = PREFIX_BYTES - LENGTH_BYTES + view.getUint32(1, true)
  if (headerEnd > bytes.length || headerEnd > MAX_HEADER_BYTES) throw new FrameFault("a header longer than it may be")
  return {
    kind,
    header: parseHeader(bytes.subarray(PREFIX_BYTES - LENGTH_BYTES, headerEnd)),
    body: bytes.slice(headerEnd),
  }
}

function parseHeader(bytes: Uint8Array): unknown {
  try {
    return JSON.parse(decoder.decode(bytes))
  } catch {
    // What it was instead is the sender's secret: it may be anything.
    throw new FrameFault("a header that is no JSON")
  }
}

export type FrameReader = {
  /** Gives every frame that is whole now. Throws a FrameFault: then nothing that comes later has a meaning. */
  push(chunk: Uint8Array): Frame[]
}

/** Keeps at most one frame of `maxBytes`, and what one read gave. */
export function createFrameReader({ maxBytes }: { maxBytes: () => number }): FrameReader {
  let parts: Uint8Array[] = []
  let held = 0

  /** The first `length` bytes of what is held, still held. */
  function peek(length: number): Uint8Array {
    const [first] = parts
    if (first && first.length >= length) return first
    const whole = new Uint8Array(held)
    let at = 0
    for (const part of parts) {
      whole.set(part, at)
      at += part.length
    }
    parts = [whole]
    return whole
  }

  return {
    push(chunk) {
      const frames: Frame[] = []
      parts.push(chunk)
      held += chunk.length
      while (held >= LENGTH_BYTES) {
        const head = peek(LENGTH_BYTES)
        const length = new DataView(head.buffer, head.byteOffset).getUint32(0, true)
        if (length > maxBytes()) throw new FrameFault(`a frame of ${length} bytes`)
        const end = LENGTH_BYTES + length
        if (held < end) break
        const bytes = peek(end)
        frames.push(decodeFrame(bytes.subarray(LENGTH_BYTES, end)))
        held -= end
        parts = held > 0 ? [bytes.subarray(end), ...parts.slice(1)] : []
      }
      return frames
    },
  }
}

/** In the child: reads one frame and waits for it without an event loop. Null at the end of the input. */
export function readFrame(read: (into: Uint8Array) => number): Frame | null {
  const head = new Uint8Array(LENGTH_BYTES)
  if (!fill(head, read)) return null
  const bytes = new Uint8Array(new DataView(head.buffer).getUint32(0, true))
  return fill(bytes, read) ? decodeFrame(bytes) : null
}

function fill(into: Uint8Array, read: (into: Uint8Array) => number): boolean {
  for (let at = 0; at < into.length;) {
    const got = read(into.subarray(at))
    if (got === 0) return false
    at += got
  }
  return true
}

function isKind(name: string): name is FrameKind {
  return Object.hasOwn(frameKinds, name)
}
