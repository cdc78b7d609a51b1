/**
 * Question: which plain files are in this archive?
 * Fails closed by: an archive is read whole or not at all. Links, devices, encrypted and overlapping entries, two accounts of one entry
 * that disagree, names that lead anywhere, and more than the caps allow are refused, with everything that is wrong.
 * Known limits: zip without zip64, tar in the forms of POSIX and GNU, gzip around a tar; nothing else is opened. Modes, owners and times
 * are not kept. Runs in a parser child, so a fault in here reaches nothing.
 * Source: APPNOTE.TXT 6.3.10; POSIX pax; the zip bomb of overlapping files (Fifield, 2019).
 */
import { gunzipSync } from "node:zlib"
import { isGzip, isTar, isZip } from "./archive-kind.ts"
import { ArchiveFault, type Entry, MAX_ENTRIES, MAX_FILE_BYTES, MAX_SUM_BYTES } from "./archive-entry.ts"
import { judgeEntryName, judgeTogether, quoted } from "./archive-names.ts"
import { readTar } from "./archive-tar.ts"
import { readZip } from "./archive-zip.ts"

export type ArchiveFile = { name: string; bytes: Uint8Array }
export type Opened = { ok: true; files: ArchiveFile[] } | { ok: false; problems: string[] }

/** A tar's headers and padding around files of that sum. */
const MAX_TAR_BYTES = MAX_SUM_BYTES + 2 * 1024 * 1024
/** How many times larger than it came; below the least size no ratio is suspicious. Text shrinks to a tenth, never to a hundredth. */
const MAX_RATIO = 100
const LEAST_SUSPICIOUS_BYTES = 1024 * 1024
const MAX_PROBLEMS = 20

export function openArchive(archive: Uint8Array): Opened {
  try {
    return judged(entriesOf(archive))
  } catch (error) {
    if (error instanceof ArchiveFault) return { ok: false, problems: [error.message] }
    throw error
  }
}

function entriesOf(archive: Uint8Array): Entry[] {
  if (isZip(archive)) return readZip(archive)
  if (isGzip(archive)) return readTar(unpacked(archive))
  if (isTar(archive)) return readTar(archive)
  throw new ArchiveFault("It is no zip, tar or tar.gz")
}

function unpacked(archive: Uint8Array): Uint8Array {
  let tar: Uint8Array
  try {
    tar = gunzipSync(archive, { maxOutputLength: MAX_TAR_BYTES })
  } catch (error) {
    const isLarge = error instanceof Error && "code" in error && error.code === "ERR_BUFFER_TOO_LARGE"
    throw new ArchiveFault(isLarge ? `It unpacks to more than ${MAX_TAR_BYTES} bytes` : "Its gzip data is damaged")
  }
  if (isExplosive(tar.length, archive.length))
    throw new ArchiveFault("It unpacks to more than a hundred times its size")
  if (!isTar(tar)) throw new ArchiveFault("It is gzip around something that is no tar")
  return tar
}

function isExplosive(size: number, packed: number): boolean {
  return size > LEAST_SUSPICIOUS_BYTES && size > packed * MAX_RATIO
}

const namesOnly = ({ name }: Entry) => name

function judged(entries: readonly Entry[]): Opened {
  if (entries.length > MAX_ENTRIES) return { ok: false, problems: [`It holds more than ${MAX_ENTRIES} entries`] }
  const problems = entries.flatMap(({ name, size, packed, fault }) => {
    const found = [
      judgeEntryName(name),
      fault,
      size > MAX_FILE_BYTES ? `it has more than ${MAX_FILE_BYTES} bytes` : null,
      isExplosive(size, packed) ? "it unpacks to more than a hundred times its size" : null,
    ]
    return found.filter((why) => why !== null).map((why) => `${quoted(name)}: ${why}`)
  })
  const files = entries.filter(({ bytes }) => bytes !== null)
  const folders = entries.filter(({ bytes }) => bytes === null)
  problems.push(...judgeTogether(files.map(namesOnly), folders.map(namesOnly)))
  if (files.reduce((sum, { size }) => sum + size, 0) > MAX_SUM_BYTES)
    problems.push(`Its files have more than ${MAX_SUM_BYTES} bytes together`)
  if (files.length === 0 && problems.length === 0) problems.push("It holds no files")
  if (problems.length > 0) return { ok: false, problems: problems.slice(0, MAX_PROBLEMS) }
  // Only now is anything unpacked, each within the size that was judged.
  return { ok: true, files: files.map(({ name, bytes }) => ({ name, bytes: bytes?.() ?? new Uint8Array() })) }
}
