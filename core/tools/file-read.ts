/** file_read and file_list: the project folder as it is, through the path gate. */
import { read as readCallback } from "node:fs"
import { promisify } from "node:util"
import type { Jail, OpenFile } from "../safety/paths.ts"
import { type FindSecrets, keyStart, LONGEST_KEY, NEIGHBOURHOOD, withoutSpans } from "../safety/secret-window.ts"
import { int, t } from "../schema.ts"
import { judgeFileKind, KIND_BYTES } from "./file-kind.ts"
import { pathFailure } from "./path-failure.ts"
import { defineTool, type Tool } from "./tool.ts"

const TIMEOUT_MS = 20_000 // a slow disk, not a broken one
const MAX_RESULT_BYTES = 128 * 1024 // some 30,000 tokens: more would push everything else out of a model's sight
const DEFAULT_LINES = 2_000
const MAX_SCANNED_BYTES = 256 * 1024 * 1024 // to reach a line far down; 0.2 s from a warm cache
const BLOCK_BYTES = 256 * 1024
const NEWLINE = 10
const MAX_ENTRIES = 500
const MAX_DEPTH = 5

const readAt = promisify(readCallback)
const path = t.String({
  minLength: 1,
  maxLength: 4_096,
  description: 'e.g. "docs/plan.md"',
})
/** Whoever wrote the file, it was not said by the owner in this conversation; and it is theirs, not the world's. */
export const FILE_LABELS = ["untrusted", "private"] as const

export type FileReadDeps = { project: Jail; findSecrets: FindSecrets }

export function fileReadTools({ project, findSecrets }: FileReadDeps): Tool[] {
  const read = defineTool({
    name: "file_read",
    description: "Read lines of a text file of the project, or bytes where lines are long.",
    input: t.Object(
      {
        path,
        unit: t.Optional(
          t.Union([t.Literal("lines"), t.Literal("bytes")], {
            description: "Default lines",
          }),
        ),
        offset: t.Optional(int({ minimum: 0, description: "How many to skip" })),
        limit: t.Optional(
          int({
            minimum: 1,
            description: `Default and most: ${DEFAULT_LINES} lines or 128 KiB`,
          }),
        ),
      },
      { additionalProperties: false },
    ),
    effect: () => "read-private",
    needs: (input) => [{ kind: "file", path: input.path, write: false }],
    timeoutMs: TIMEOUT_MS,
    async run({ path, unit = "lines", offset = 0, limit }, { signal }) {
      const opened = await project.withFile(path, async (file) => {
        const kind = judgeFileKind(await readBytes(file, { from: 0, count: KIND_BYTES }))
        if (!kind.text) return { failed: `"${path}" is no text but ${kind.what}, ${file.size} bytes` }
        const part =
          unit === "bytes" ? readByteRange(file, { offset, limit }) : readLines(file, { offset, limit, signal })
        const { path: real, size, modifiedAt } = file
        const { bytes, from, note, ...about } = await part
        const text = await withoutSecrets(file, { bytes, from }, findSecrets)
        return { data: { path: real, size, modifiedAt, ...about, ...decode(bytes, note), ...text } }
      })
      if (!opened.ok) return pathFailure(opened)
      const { value } = opened
      return "failed" in value ? value : { ...value, labels: [...FILE_LABELS], source: `file:${value.data.path}` }
    },
  })

  const list = defineTool({
    name: "file_list",
    description: "List a folder of the project.",
    input: t.Object(
      {
        path: t.Optional(t.String({ maxLength: 4_096, description: "Default: the project" })),
        depth: t.Optional(int({ minimum: 1, maximum: MAX_DEPTH, description: `Default 1, at most ${MAX_DEPTH}` })),
      },
      { additionalProperties: false },
    ),
    effect: () => "read-private",
    needs: (input) => [{ kind: "file", path: input.path ?? ".", write: false }],
    timeoutMs: TIMEOUT_MS,
    async run({ path = ".", depth = 1 }, { signal }) {
      const tree = await listTree(project, { path, depth, signal })
      if (!tree.ok) return pathFailure(tree)
      return { data: tree.value, labels: [...FILE_LABELS], source: `file:${tree.value.path}` }
    },
  })

  return [read, list]
}

/** `from`: where in the file the bytes begin. */
type Part = { offset: number; more: boolean; note?: string; bytes: Uint8Array; from: number }

/** The text of a part, where a secret lies in it or reaches into it: judged with what stands around it in the file. */
async function withoutSecrets(
  file: OpenFile,
  { bytes, from }: Pick<Part, "bytes" | "from">,
  find: FindSecrets,
): Promise<{ text?: string }> {
  if (bytes.length === 0) return {}
  const far = Math.max(0, from - LONGEST_KEY)
  const before = Buffer.from(await readBytes(file, { from: far, count: from - far }))
  const near = Math.max(0, before.length - NEIGHBOURHOOD)
  const start = charStart(before, Math.min(near, keyStart(before, before.length) ?? near))
  const after = await readBytes(file, { from: from + bytes.length, count: NEIGHBOURHOOD })
  const all = Buffer.concat([before.subarray(start), bytes, after])
  // In whole characters: what a border cut in two belongs to this part.
  const first = charStart(all, before.length - start)
  const last = charEnd(all, before.length - start + bytes.length)
  const head = all.toString("utf8", 0, first).length
  const window = { start: head, end: head + all.toString("utf8", first, last).length }
  const whole = all.toString("utf8")
  const spans = find(whole).filter((span) => span.end > window.start && span.start < window.end)
  return spans.length === 0 ? {} : { text: withoutSpans(whole, window, spans) }
}

/** `at`, or where the UTF-8 character begins, or ends, in the middle of which it stands. */
function charStart(bytes: Uint8Array, at: number): number {
  let start = at
  while (start > 0 && start > at - 3 && isInside(bytes[start])) start -= 1
  return start
}
function charEnd(bytes: Uint8Array, at: number): number {
  let end = at
  while (end < bytes.length && end < at + 3 && isInside(bytes[end])) end += 1
  return end
}
function isInside(byte: number | undefined): boolean {
  return byte !== undefined && (byte & 0xc0) === 0x80
}

async function readByteRange(
  file: OpenFile,
  { offset, limit }: { offset: number; limit: number | undefined },
): Promise<Part> {
  const bytes = await readBytes(file, { from: offset, count: Math.min(limit ?? MAX_RESULT_BYTES, MAX_RESULT_BYTES) })
  return { offset, more: offset + bytes.length < file.size, bytes, from: offset }
}

type LineWindow = { offset: number; limit: number | undefined; signal: AbortSignal }

/** The lines from `offset` on. A line longer than the room that is left is cut there; the note says how to read on. */
async function readLines(file: OpenFile, { offset, limit, signal }: LineWindow): Promise<Part & { lines: number }> {
  const wanted = Math.min(limit ?? DEFAULT_LINES, DEFAULT_LINES)
  const kept: Uint8Array[] = []
  let keptBytes = 0
  let from = 0
  let line = 0 // of the byte that is looked at
  for (let at = 0; at < Math.min(file.size, MAX_SCANNED_BYTES);) {
    signal.throwIfAborted()
    const block = await readBytes(file, { from: at, count: BLOCK_BYTES })
    if (block.length === 0) break // cut short meanwhile
    for (let start = 0; start < block.length;) {
      const newline = block.indexOf(NEWLINE, start)
      const end = newline < 0 ? block.length : newline + 1
      if (line >= offset + wanted) return { offset, lines: wanted, more: true, bytes: Buffer.concat(kept), from }
      if (line >= offset) {
        if (kept.length === 0) from = at + start
        const room = MAX_RESULT_BYTES - keptBytes
        kept.push(block.slice(start, Math.min(end, start + room)))
        keptBytes += end - start
        if (keptBytes > MAX_RESULT_BYTES) {
          const here = at + start + room
          return {
            offset,
            lines: line - offset + 1,
            more: true,
            bytes: Buffer.concat(kept),
            from,
            note: `cut here: read on by bytes from offset ${here}`,
          }
        }
      }
      if (newline >= 0) line++
      start = end
    }
    at += block.length
  }
  const bytes = Buffer.concat(kept)
  const lines = Math.max(0, line - offset + (bytes.length === 0 || bytes.at(-1) === NEWLINE ? 0 : 1))
  if (file.size > MAX_SCANNED_BYTES && lines < wanted)
    return { offset, lines, more: true, bytes, from, note: "the file is longer: read on by bytes" }
  return { offset, lines, more: false, bytes, from }
}

export async function readBytes(
  { fd }: OpenFile,
  { from, count }: { from: number; count: number },
): Promise<Uint8Array> {
  const bytes = Buffer.alloc(count)
  let length = 0
  while (length < count) {
    const { bytesRead } = await readAt(fd, bytes, length, count - length, from + length)
    if (bytesRead === 0) break
    length += bytesRead
  }
  return bytes.subarray(0, length)
}

function decode(bytes: Uint8Array, note?: string): { text: string; note?: string } {
  const text = new TextDecoder().decode(bytes)
  const inner = text.slice(1, -1) // a range of bytes may cut the first and the last character
  const notes = [
    ...(note === undefined ? [] : [note]),
    ...(inner.includes("\uFFFD") ? ["not all of it is UTF-8; what is not shows as \uFFFD"] : []),
  ]
  return notes.length > 0 ? { text, note: notes.join("; ") } : { text }
}

type TreeEntry = { path: string; kind: string; size?: number; modifiedAt: string }

async function listTree(project: Jail, { path, depth, signal }: { path: string; depth: number; signal: AbortSignal }) {
  const top = await project.list(path)
  if (!top.ok) return top
  const entries: TreeEntry[] = []
  let { hidden, unlisted } = top.value
  let more = false
  const waiting = [{ folder: top.value, level: 1 }]
  for (let next = waiting.shift(); next && !more; next = waiting.shift()) {
    signal.throwIfAborted()
    const { folder, level } = next
    for (const { name, kind, size, modifiedAt } of folder.entries) {
      if (entries.length === MAX_ENTRIES) {
        more = true
        break
      }
      const at = folder.path === "" ? name : `${folder.path}/${name}`
      entries.push({ path: at, kind, ...(kind === "file" ? { size } : {}), modifiedAt })
      if (kind !== "folder" || level === depth) continue
      const below = await project.list(at)
      // A folder that may not be opened is listed by its name alone.
      if (!below.ok) continue
      hidden += below.value.hidden
      unlisted += below.value.unlisted
      waiting.push({ folder: below.value, level: level + 1 })
    }
  }
  const notes = [
    ...(hidden > 0 ? [`${hidden} more are closed to tools`] : []),
    ...(unlisted > 0 ? [`${unlisted} more are in folders too full to list`] : []),
    ...(more ? [`only the first ${MAX_ENTRIES}: list a folder further down`] : []),
  ]
  return {
    ok: true as const,
    value: { path: top.value.path, entries, ...(notes.length > 0 ? { note: notes.join("; ") } : {}) },
  }
}
