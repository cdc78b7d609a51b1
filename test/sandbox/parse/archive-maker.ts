/** Archives byte for byte, with every lie that their formats have room for. */
import { deflateRawSync, gzipSync } from "node:zlib"

type ZipEntry = {
  name: string
  text?: string | Uint8Array
  stored?: boolean
  flags?: number
  method?: number
  mode?: number
  extra?: Uint8Array
  /** What the place beside the data says instead. */
  local?: { name?: string; size?: number; packed?: number; crc?: number; flags?: number; method?: number }
  size?: number
  crc?: number
  /** Sizes behind the data, and zeros before it. */
  follows?: boolean
  /** The place of another entry's data. */
  at?: number
}

const bytesOf = (text: string | Uint8Array) => (typeof text === "string" ? new TextEncoder().encode(text) : text)

export function zipOf(
  entries: readonly ZipEntry[],
  { between = "", behind = "", comment = "" }: { between?: string; behind?: string; comment?: string } = {},
): Uint8Array {
  const locals: Buffer[] = []
  const centrals: Buffer[] = []
  let at = 0
  for (const entry of entries) {
    const bytes = bytesOf(entry.text ?? "")
    const packed = entry.stored ? Buffer.from(bytes) : deflateRawSync(bytes)
    const method = entry.method ?? (entry.stored ? 0 : 8)
    const flags = (entry.flags ?? 0x800) | (entry.follows ? 8 : 0)
    const crc = entry.crc ?? Bun.hash.crc32(bytes)
    const size = entry.size ?? bytes.length
    const name = Buffer.from(entry.name)
    const localName = Buffer.from(entry.local?.name ?? entry.name)
    const local = Buffer.alloc(30)
    local.writeUInt32LE(0x04034b50)
    local.writeUInt16LE(20, 4)
    local.writeUInt16LE(entry.local?.flags ?? flags, 6)
    local.writeUInt16LE(entry.local?.method ?? method, 8)
    local.writeUInt32LE(entry.follows ? 0 : (entry.local?.crc ?? crc), 14)
    local.writeUInt32LE(entry.follows ? 0 : (entry.local?.packed ?? packed.length), 18)
    local.writeUInt32LE(entry.follows ? 0 : (entry.local?.size ?? size), 22)
    local.writeUInt16LE(localName.length, 26)
    const descriptor = Buffer.alloc(entry.follows ? 16 : 0)
    if (entry.follows)
      [0x08074b50, crc, packed.length, entry.local?.size ?? size].forEach((one, index) =>
        descriptor.writeUInt32LE(one, index * 4),
      )
    const whole = Buffer.concat([local, localName, packed, descriptor])
    const central = Buffer.alloc(46)
    central.writeUInt32LE(0x02014b50)
    central.writeUInt16LE(0x0314, 4)
    central.writeUInt16LE(20, 6)
    central.writeUInt16LE(flags, 8)
    central.writeUInt16LE(method, 10)
    central.writeUInt32LE(crc, 16)
    central.writeUInt32LE(packed.length, 20)
    central.writeUInt32LE(size, 24)
    central.writeUInt16LE(name.length, 28)
    central.writeUInt16LE(entry.extra?.length ?? 0, 30)
    central.writeUInt32LE(((entry.mode ?? 0o100644) << 16) >>> 0, 38)
    central.writeUInt32LE(entry.at ?? at, 42)
    centrals.push(Buffer.concat([central, name, entry.extra ?? new Uint8Array()]))
    if (entry.at !== undefined) continue
    locals.push(whole, Buffer.from(between))
    at += whole.length + between.length
  }
  const list = Buffer.concat(centrals)
  const end = Buffer.alloc(22)
  end.writeUInt32LE(0x06054b50)
  end.writeUInt16LE(entries.length, 8)
  end.writeUInt16LE(entries.length, 10)
  end.writeUInt32LE(list.length, 12)
  end.writeUInt32LE(at, 16)
  end.writeUInt16LE(comment.length, 20)
  return Buffer.concat([...locals, list, end, Buffer.from(comment), Buffer.from(behind)])
}

type TarEntry = {
  name: string
  text?: string | Uint8Array
  kind?: string
  link?: string
  prefix?: string
  size?: number | string
  magic?: string
  sum?: number
}

export function tarOf(entries: readonly TarEntry[], { end = 1_024, behind = "" } = {}): Uint8Array {
  const blocks = entries.flatMap(({ name, text = "", kind = "0", link = "", prefix = "", size, magic, sum }) => {
    const bytes = bytesOf(text)
    const header = Buffer.alloc(512)
    header.write(name, 0, 100)
    header.write("0000644\0", 100)
    const octal = typeof size === "string" ? size : `${(size ?? bytes.length).toString(8).padStart(11, "0")}\0`
    header.write(octal, 124, "latin1")
    header.write("00000000000\0", 136)
    header.write(kind, 156)
    header.write(link, 157, 100)
    header.write(magic ?? "ustar\u000000", 257, "latin1")
    header.write(prefix, 345, 155)
    header.fill(" ", 148, 156)
    const checked = sum ?? header.reduce((all, byte) => all + byte, 0)
    header.write(`${checked.toString(8).padStart(6, "0")}\0 `, 148)
    return [header, Buffer.from(bytes), Buffer.alloc((512 - (bytes.length % 512)) % 512)]
  })
  return Buffer.concat([...blocks, Buffer.alloc(end), Buffer.from(behind)])
}

export const gzipOf = (bytes: Uint8Array): Uint8Array => gzipSync(bytes)

/** A record of pax: `length key=value\n`, its own length included. */
export function pax(key: string, value: string): string {
  const rest = ` ${key}=${value}\n`
  const own = Buffer.byteLength(rest)
  let length = own
  while (String(length).length + own !== length) length = String(length).length + own
  return `${length}${rest}`
}
