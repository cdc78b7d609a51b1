/** The entries of a zip, where its two accounts of each, the one beside the data and the one at the end, say the same. */
import { inflateRawSync } from "node:zlib"
import { ArchiveFault, type Entry, MAX_ENTRIES } from "./archive-entry.ts"
import { quoted } from "./archive-names.ts"

/** APPNOTE.TXT 4.3: signatures and the lengths of what has a fixed one. */
const LOCAL = 0x0403_4b50
const CENTRAL = 0x0201_4b50
const END = 0x0605_4b50
const DESCRIPTOR = 0x0807_4b50
const LOCAL_BYTES = 30
const CENTRAL_BYTES = 46
const END_BYTES = 22
const MAX_COMMENT = 0xffff

const ENCRYPTED = 0x0001
const SIZES_FOLLOW = 0x0008
const PATCHED = 0x0020
const STRONGLY_ENCRYPTED = 0x0040
const UTF8 = 0x0800
const MASKED = 0x2000

const STORED = 0
const DEFLATED = 8
const ZIP64_EXTRA = 0x0001
const OTHER_NAME_EXTRA = 0x7075

/** stat(2): kinds of files in a mode. */
const KIND = 0o170_000
const PLAIN = 0o100_000
const FOLDER = 0o040_000
const DOS_FOLDER = 0x10

type Central = {
  flags: number
  method: number
  crc: number
  packed: number
  size: number
  nameBytes: Uint8Array
  name: string
  fault: string | null
  isFolder: boolean
  at: number
}

export function readZip(zip: Uint8Array): Entry[] {
  const view = new DataView(zip.buffer, zip.byteOffset, zip.byteLength)
  const end = endOf(view)
  const count = view.getUint16(end + 10, true)
  const start = view.getUint32(end + 16, true)
  if (view.getUint32(end + 4, true) !== 0 || view.getUint16(end + 8, true) !== count)
    throw new ArchiveFault("It is one part of several, or its count of entries is wrong")
  if (count > MAX_ENTRIES) throw new ArchiveFault(`It holds more than ${MAX_ENTRIES} entries`)
  if (start + view.getUint32(end + 12, true) !== end) throw new ArchiveFault("Its list of entries is not where it says")
  const entries: Central[] = []
  let at = start
  for (let index = 0; index < count; index++) {
    const { entry, next } = centralAt(zip, view, { at, end })
    entries.push(entry)
    at = next
  }
  if (at !== end) throw new ArchiveFault("Its list of entries is longer than its count")
  assertSideBySide(zip, view, { entries, start })
  return entries.map((entry) => ({
    name: entry.name.replace(/\/$/, ""),
    size: entry.size,
    packed: entry.packed,
    bytes: entry.isFolder ? null : () => unpack(zip, view, entry),
    fault: entry.fault,
  }))
}

/** The one place that can be the end: a comment of the length it says goes exactly to the last byte. */
function endOf(view: DataView): number {
  const found: number[] = []
  for (let at = view.byteLength - END_BYTES; at >= 0 && at >= view.byteLength - END_BYTES - MAX_COMMENT; at--) {
    if (view.getUint32(at, true) !== END) continue
    if (view.getUint16(at + 20, true) === view.byteLength - END_BYTES - at) found.push(at)
  }
  const [end, second] = found
  if (end === undefined) throw new ArchiveFault("It is a zip that is cut off, or has more behind its end")
  if (second !== undefined) throw new ArchiveFault("It is a zip with two ends")
  return end
}

function centralAt(zip: Uint8Array, view: DataView, { at, end }: { at: number; end: number }) {
  if (at + CENTRAL_BYTES > end || view.getUint32(at, true) !== CENTRAL)
    throw new ArchiveFault("Its list of entries is damaged")
  const [nameLength, extraLength, commentLength] = [28, 30, 32].map((offset) => view.getUint16(at + offset, true))
  const nameEnd = at + CENTRAL_BYTES + (nameLength ?? 0)
  const extraEnd = nameEnd + (extraLength ?? 0)
  const next = extraEnd + (commentLength ?? 0)
  if (next > end) throw new ArchiveFault("Its list of entries is damaged")
  const nameBytes = zip.subarray(at + CENTRAL_BYTES, nameEnd)
  const flags = view.getUint16(at + 8, true)
  const name = nameOf(nameBytes, flags)
  const mode = view.getUint32(at + 38, true) >>> 16
  const isFolder = name.endsWith("/")
  const entry: Central = {
    flags,
    method: view.getUint16(at + 10, true),
    crc: view.getUint32(at + 16, true),
    packed: view.getUint32(at + 20, true),
    size: view.getUint32(at + 24, true),
    nameBytes,
    name,
    fault: null,
    isFolder,
    at: view.getUint32(at + 42, true),
  }
  const isDosFolder = (view.getUint8(at + 38) & DOS_FOLDER) !== 0
  entry.fault =
    faultOf(entry) ?? kindFault({ mode, isFolder, isDosFolder }) ?? extraFault(view, { from: nameEnd, to: extraEnd })
  return { entry, next }
}

function nameOf(bytes: Uint8Array, flags: number): string {
  const isAscii = bytes.every((byte) => byte < 0x80)
  if (!isAscii && (flags & UTF8) === 0) throw new ArchiveFault("It has names in an encoding that it does not say")
  try {
    return new TextDecoder("utf-8", { fatal: true, ignoreBOM: true }).decode(bytes)
  } catch {
    throw new ArchiveFault("It has names that are no UTF-8")
  }
}

function faultOf({ flags, method, packed, size, isFolder }: Central): string | null {
  if ((flags & (ENCRYPTED | STRONGLY_ENCRYPTED | MASKED)) !== 0) return "it is encrypted"
  if ((flags & PATCHED) !== 0) return "it is a patch"
  if (method !== STORED && method !== DEFLATED) return `it is packed in a way that is not read here (${method})`
  if (packed === 0xffff_ffff || size === 0xffff_ffff) return "it is in the form for huge files"
  if (method === STORED && packed !== size) return "it has two sizes"
  return isFolder && size > 0 ? "it is a folder with bytes in it" : null
}

function kindFault({ mode, isFolder, isDosFolder }: { mode: number; isFolder: boolean; isDosFolder: boolean }) {
  const kind = mode & KIND
  if (kind !== 0 && kind !== PLAIN && kind !== FOLDER) return "it is a link or a device"
  const saysFolder = kind === FOLDER || (kind === 0 && isDosFolder)
  return saysFolder && !isFolder ? "it is a folder by one account and a file by another" : null
}

/** A second name, or sizes that replace the first, would be a third account. */
function extraFault(view: DataView, { from, to }: { from: number; to: number }): string | null {
  for (let at = from; at < to;) {
    if (at + 4 > to) return "its extra fields are damaged"
    const id = view.getUint16(at, true)
    if (id === OTHER_NAME_EXTRA) return "it has a second name"
    if (id === ZIP64_EXTRA) return "it is in the form for huge files"
    at += 4 + view.getUint16(at + 2, true)
    if (at > to) return "its extra fields are damaged"
  }
  return null
}

/** From the first byte to the list, each behind the one before, nothing between and nothing shared. Sets what is wrong with each. */
function assertSideBySide(
  zip: Uint8Array,
  view: DataView,
  { entries, start }: { entries: readonly Central[]; start: number },
): void {
  let at = 0
  for (const entry of entries.toSorted((a, b) => a.at - b.at)) {
    if (entry.at !== at)
      throw new ArchiveFault("Its entries overlap, or there are bytes between them that belong to none")
    at = localEnd(zip, view, { entry, start })
  }
  if (at !== start) throw new ArchiveFault("Its entries overlap, or there are bytes between them that belong to none")
}

function dataAt(view: DataView, { at }: Central): number {
  return at + LOCAL_BYTES + view.getUint16(at + 26, true) + view.getUint16(at + 28, true)
}

function localEnd(zip: Uint8Array, view: DataView, { entry, start }: { entry: Central; start: number }): number {
  const { at } = entry
  if (at + LOCAL_BYTES > start || view.getUint32(at, true) !== LOCAL)
    throw new ArchiveFault("An entry of it is damaged")
  const nameEnd = at + LOCAL_BYTES + view.getUint16(at + 26, true)
  const data = dataAt(view, entry)
  const end = data + entry.packed
  if (end > start) throw new ArchiveFault("An entry of it is cut off")
  const [crc, packed, size] = [14, 18, 22].map((offset) => view.getUint32(at + offset, true))
  const follow = (entry.flags & SIZES_FOLLOW) !== 0
  const isSame = crc === entry.crc && packed === entry.packed && size === entry.size
  const isEmpty = crc === 0 && packed === 0 && size === 0
  const agrees =
    view.getUint16(at + 6, true) === entry.flags &&
    view.getUint16(at + 8, true) === entry.method &&
    Buffer.compare(zip.subarray(at + LOCAL_BYTES, nameEnd), entry.nameBytes) === 0 &&
    (isSame || (follow && isEmpty))
  if (!agrees) entry.fault ??= "its two accounts in the archive do not say the same"
  entry.fault ??= extraFault(view, { from: nameEnd, to: data })
  return follow ? descriptorEnd(view, { entry, end, start }) : end
}

/** Sizes behind the data, with a signature before them or without. */
function descriptorEnd(view: DataView, { entry, end, start }: { entry: Central; end: number; start: number }): number {
  const from = end + 4 <= start && view.getUint32(end, true) === DESCRIPTOR ? end + 4 : end
  if (from + 12 > start) throw new ArchiveFault("An entry of it is cut off")
  const [crc, packed, size] = [0, 4, 8].map((offset) => view.getUint32(from + offset, true))
  if (crc !== entry.crc || packed !== entry.packed || size !== entry.size)
    entry.fault ??= "its two accounts in the archive do not say the same"
  return from + 12
}

function unpack(zip: Uint8Array, view: DataView, entry: Central): Uint8Array {
  const data = dataAt(view, entry)
  const packed = zip.subarray(data, data + entry.packed)
  const bytes = entry.method === STORED ? packed : inflated(packed, entry)
  if (bytes.length !== entry.size || Bun.hash.crc32(bytes) !== entry.crc)
    throw new ArchiveFault(`${quoted(entry.name)}: it is damaged`)
  return bytes
}

function inflated(packed: Uint8Array, { size, name }: Central): Uint8Array {
  try {
    // Zero is no bound to the library, so an empty file is given room for one byte, which it must not use.
    return inflateRawSync(packed, { maxOutputLength: Math.max(1, size) })
  } catch {
    throw new ArchiveFault(`${quoted(name)}: it is damaged, or unpacks to more than it says`)
  }
}
