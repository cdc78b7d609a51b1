/** A change of a file of the project, kept before it is made, so that the owner can take it back. */
import type { LabelName } from "../event.ts"
import type { CallId, SessionId, TurnId } from "../id.ts"
import type { Jail, OpenFile } from "../safety/paths.ts"
import { readBytes } from "./file-read.ts"

/** What was there is kept whole or the change is not made; a text that a model edits is far smaller. */
export const MAX_KEPT_BYTES = 16 * 1024 * 1024

export type FileChange = {
  callId: CallId
  sessionId: SessionId
  turnId: TurnId
  agentId: string
  path: string
  /** null: there was no such file. */
  before: Uint8Array | null
  afterSha256: string
  labels: readonly LabelName[]
  source: string
}

/** Resolves once the change is kept for good; the file is not touched before. */
export type KeepChange = (change: FileChange) => Promise<void>

export type Present = { ok: true; file: OpenFile | null; content: Uint8Array | null } | { ok: false; why: string }

/** What is there now, whole: content and stamp belong together. */
export async function readPresent(project: Jail, path: string): Promise<Present> {
  const read = await project.withFile(path, async (file) => {
    if (file.size > MAX_KEPT_BYTES) return { file, content: null }
    return { file, content: await readBytes(file, { from: 0, count: file.size }) }
  })
  if (!read.ok) return read.missing ? { ok: true, file: null, content: null } : read
  const { file, content } = read.value
  return content
    ? { ok: true, file, content }
    : { ok: false, why: `"${path}" is too large to keep a copy of what it was` }
}

/** Puts back what was there, unless the file has changed since: then nothing is touched. */
export async function undoChange({
  project,
  change,
}: {
  project: Jail
  change: FileChange
}): Promise<{ ok: true } | { ok: false; why: string }> {
  const { path, before, afterSha256 } = change
  const present = await readPresent(project, path)
  if (!present.ok) return present
  if (!present.file || sha256(present.content ?? new Uint8Array()) !== afterSha256) {
    return { ok: false, why: `"${path}" was changed since, so it stays as it is` }
  }
  const undone = before
    ? await project.replace({ path, content: before, expected: present.file })
    : await project.remove({ path, expected: present.file })
  return undone.ok ? { ok: true } : undone
}

export function sha256(content: Uint8Array): string {
  return new Bun.CryptoHasher("sha256").update(content).digest("hex")
}
