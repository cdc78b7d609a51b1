/** The entries of a tar, as POSIX and GNU write them: plain files and folders, and the two ways to give them long names. */
import { ArchiveFault, type Entry, MAX_ENTRIES } from "./archive-entry.ts"

const BLOCK = 512
/** Of a record that only carries a name. */
const MAX_RECORD_BYTES = 64 * 1024
/** Records beside entries: a long name each, and the global one. */
const MAX_RECORDS = 2 * MAX_ENTRIES + 10

const decoder = new TextDecoder("utf-8", { fatal: true, ignoreBOM: true })

const kinds: Readonly<Record<string, string>> = {
  "1": "it is a link",
  "2": "it is a link",
  "3": "it is a device",
  "4": "it is a device",
  "6": "it is a pipe",
  K: "it is a link",
  S: "it is in the form for files with holes",
}

export function readTar(tar: Uint8Array): Entry[] {
  const entries: Entry[] = []
  let longName: string | null = null
  let records = 0
  for (let at = 0; ;) {
    if (at + BLOCK > tar.length) throw new ArchiveFault("It is a tar that is cut off")
    const header = tar.subarray(at, at + BLOCK)
    if (isZero(header)) {
      if (longName !== null) throw new ArchiveFault("It is a tar that is cut off")
      if (!isZero(tar.subarray(at))) throw new ArchiveFault("It has more behind its end")
      return entries
    }
    assertHeader(header)
    const size = numberAt(header, { from: 124, length: 12 })
    const from = at + BLOCK
    const end = from + Math.ceil(size / BLOCK) * BLOCK
    if (end > tar.length) throw new ArchiveFault("It is a tar that is cut off")
    at = end
    const kind = String.fromCharCode(header[156] ?? 0)
    if (kind === "x" || kind === "g" || kind === "L") {
      if (++records > MAX_RECORDS || size > MAX_RECORD_BYTES) throw new ArchiveFault("It says too much of its files")
      const record = tar.subarray(from, from + size)
      const name = kind === "L" ? textOf(record) : paxName(record, kind)
      if (name !== null && longName !== null) throw new ArchiveFault("It has a file with two names")
      longName ??= name
      continue
    }
    if (entries.length >= MAX_ENTRIES) throw new ArchiveFault(`It holds more than ${MAX_ENTRIES} entries`)
    // `tar -C folder .` begins every name so, and names the folder itself.
    const whole: string = (longName ?? headerName(header)).replace(/^(?:\.\/)+/, "")
    longName = null
    const isFolder = kind === "5" || ((kind === "0" || kind === "\0") && whole.endsWith("/"))
    if (isFolder && (whole === "" || whole === ".")) continue
    const isPlain = kind === "0" || kind === "\0"
    entries.push({
      name: whole.replace(/\/$/, ""),
      size,
      packed: size,
      bytes: isFolder ? null : () => tar.subarray(from, from + size),
      fault: isFolder
        ? size > 0
          ? "it is a folder with bytes in it"
          : null
        : isPlain
          ? null
          : (kinds[kind] ?? "it is of a kind that is not read here"),
    })
  }
}

const isZero = (bytes: Uint8Array) => bytes.every((byte) => byte === 0)

function assertHeader(header: Uint8Array): void {
  if (Buffer.from(header.subarray(257, 262)).toString("latin1") !== "ustar")
    throw new ArchiveFault("It is a tar of an old form, or damaged")
  // The sum of the header with its own eight bytes taken for spaces.
  const sum = header.reduce((all, byte, index) => all + (index >= 148 && index < 156 ? 0x20 : byte), 0)
  if (numberAt(header, { from: 148, length: 8 }) !== sum) throw new ArchiveFault("It is a tar that is damaged")
}

/** Octal, with blanks or a zero behind. Other forms are for files that are larger than any that is taken. */
function numberAt(header: Uint8Array, { from, length }: { from: number; length: number }): number {
  const text = Buffer.from(header.subarray(from, from + length)).toString("latin1")
  const digits = /^ *([0-7]{1,11})[ \0]*$/.exec(text)?.[1]
  if (digits === undefined) throw new ArchiveFault("It is a tar with a number that is none")
  return Number.parseInt(digits, 8)
}

/** Up to the first zero: what is behind it would be another name to another reader. */
function textOf(bytes: Uint8Array): string {
  const end = bytes.indexOf(0)
  const rest = end === -1 ? new Uint8Array() : bytes.subarray(end)
  if (!isZero(rest)) throw new ArchiveFault("It has a name that goes on behind its end")
  try {
    return decoder.decode(end === -1 ? bytes : bytes.subarray(0, end))
  } catch {
    throw new ArchiveFault("It has names that are no UTF-8")
  }
}

function headerName(header: Uint8Array): string {
  const name = textOf(header.subarray(0, 100))
  // POSIX alone has a first half of the name here; GNU has times.
  const isPosix = header[262] === 0
  const prefix = isPosix ? textOf(header.subarray(345, 500)) : ""
  return prefix === "" ? name : `${prefix}/${name}`
}

/** `length key=value\n`, again and again. Only a name is taken; what would change a size or a kind is refused. */
function paxName(record: Uint8Array, kind: string): string | null {
  let name: string | null = null
  for (let at = 0; at < record.length;) {
    const head = /^([1-9]\d{0,5}) /.exec(Buffer.from(record.subarray(at, at + 8)).toString("latin1"))
    const length = Number(head?.[1])
    if (!head || at + length > record.length || record[at + length - 1] !== 0x0a || length < head[0].length + 2)
      throw new ArchiveFault("It is a tar with a damaged record")
    const pair = record.subarray(at + head[0].length, at + length - 1)
    at += length
    const [key = ""] = Buffer.from(pair).toString("latin1").split("=", 1)
    if (/^(?:size|linkpath|GNU\.sparse\..*)$/.test(key)) throw new ArchiveFault("It has a file of two sizes, or a link")
    if (key !== "path") continue
    if (kind === "g" || name !== null) throw new ArchiveFault("It has a file with two names")
    name = textOf(pair.subarray(key.length + 1))
  }
  return name
}
