/** Takes exact values out of a stream of bytes, also where a value is split over chunks. Used for secrets that a server echoes. */

const mark = Buffer.from("[REDACTED]")

/**
 * A shorter value stands in ordinary text by chance: a key "x" would take every x out of an answer. As in redactor.ts.
 */
const LEAST_EXACT_CHARACTERS = 8

/**
 * Holds back no more than what could still become one of the values, so that text which holds none passes at once. Values that are too
 * short to mean anything are ignored.
 */
export function redactExact(values: readonly string[]): TransformStream<Uint8Array, Uint8Array> {
  const secrets = values.filter(isLongEnough).map((value) => Buffer.from(value))
  let held: Buffer = Buffer.alloc(0)
  return new TransformStream({
    transform(chunk, controller) {
      const bytes = replaceAll(Buffer.concat([held, chunk]), secrets)
      const keep = Math.max(0, ...secrets.map((secret) => openEnd(bytes, secret)))
      held = bytes.subarray(bytes.length - keep)
      if (bytes.length > keep) controller.enqueue(bytes.subarray(0, bytes.length - keep))
    },
    flush(controller) {
      if (held.length > 0) controller.enqueue(held)
    },
  })
}

export function redactExactText(text: string, values: readonly string[]): string {
  return values.reduce((left, value) => (isLongEnough(value) ? left.replaceAll(value, mark.toString()) : left), text)
}

function isLongEnough(value: string): boolean {
  return value.length >= LEAST_EXACT_CHARACTERS
}

function replaceAll(bytes: Buffer, secrets: readonly Buffer[]): Buffer {
  return secrets.reduce((left, secret) => {
    const parts: Buffer[] = []
    let from = 0
    for (let at = left.indexOf(secret); at !== -1; at = left.indexOf(secret, from)) {
      parts.push(left.subarray(from, at), mark)
      from = at + secret.length
    }
    return parts.length === 0 ? left : Buffer.concat([...parts, left.subarray(from)])
  }, bytes)
}

/** How many bytes at the end of `bytes` are the beginning of `secret`. */
function openEnd(bytes: Buffer, secret: Buffer): number {
  for (let length = Math.min(secret.length - 1, bytes.length); length > 0; length--) {
    if (bytes.subarray(bytes.length - length).equals(secret.subarray(0, length))) return length
  }
  return 0
}
