/** What a parser child says of an archive, as bytes: u32 length, JSON, then the files one after the other. Both ends are here. */
import { int, judgeShape, type Static, t } from "#core/schema.ts"
import type { ArchiveFile, Opened } from "./archive.ts"
import { MAX_ENTRIES, MAX_FILE_BYTES, MAX_SUM_BYTES } from "./archive-entry.ts"
import { judgeEntryName, judgeTogether } from "./archive-names.ts"

const strict = { additionalProperties: false } as const
const Head = t.Union([
  t.Object({ problems: t.Array(t.String({ maxLength: 500 }), { minItems: 1, maxItems: 100 }) }, strict),
  t.Object(
    {
      files: t.Array(t.Object({ name: t.String(), size: int({ minimum: 0, maximum: MAX_FILE_BYTES }) }, strict), {
        minItems: 1,
        maxItems: MAX_ENTRIES,
      }),
    },
    strict,
  ),
])
const LENGTH_BYTES = 4
/** The files, and their names. */
export const MAX_ANSWER_BYTES = MAX_SUM_BYTES + 1024 * 1024

export function encodeOpened(opened: Opened): Uint8Array {
  const head: Static<typeof Head> = opened.ok
    ? { files: opened.files.map(({ name, bytes }) => ({ name, size: bytes.length })) }
    : { problems: opened.problems }
  const text = Buffer.from(JSON.stringify(head))
  const length = Buffer.alloc(LENGTH_BYTES)
  length.writeUInt32LE(text.length)
  return Buffer.concat([length, text, ...(opened.ok ? opened.files.map(({ bytes }) => bytes) : [])])
}

/** Null: it is no answer. Names are judged again: a child that fell to an archive says what the archive wants. */
export function decodeOpened(bytes: Uint8Array): Opened | null {
  if (bytes.length < LENGTH_BYTES) return null
  const start = LENGTH_BYTES + new DataView(bytes.buffer, bytes.byteOffset).getUint32(0, true)
  if (start > bytes.length) return null
  const shape = judgeShape(Head, jsonOf(bytes.subarray(LENGTH_BYTES, start)))
  if (!shape.ok) return null
  if ("problems" in shape.value) return { ok: false, problems: shape.value.problems }
  const files: ArchiveFile[] = []
  let at = start
  for (const { name, size } of shape.value.files) {
    files.push({ name, bytes: bytes.slice(at, at + size) })
    at += size
  }
  const names = files.map(({ name }) => name)
  const isWhole = at === bytes.length && bytes.length - start <= MAX_SUM_BYTES
  const isSafe = names.every((name) => judgeEntryName(name) === null) && judgeTogether(names, []).length === 0
  return isWhole && isSafe ? { ok: true, files } : null
}

function jsonOf(bytes: Uint8Array): unknown {
  try {
    return JSON.parse(new TextDecoder("utf-8", { fatal: true }).decode(bytes))
  } catch {
    return undefined // judged by its shape: this has none
  }
}
