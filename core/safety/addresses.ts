/**
 * Question: may we connect to this address?
 * Fails closed by: whatever is not exactly one plain IPv4 or IPv6 address in the public ranges is refused.
 * Known limits: networks that reach IPv4 hosts by NAT64 alone are refused whole; a public address may still be a machine of the owner's.
 * Source: the tables in ip-ranges.ts.
 */
import { isIPv4, isIPv6 } from "node:net"
import { type IpRange, ipv4Ranges, ipv6Ranges, isatapMarks } from "./ip-ranges.ts"

type AddressVerdict = { verdict: "allow" } | { verdict: "deny"; why: string }

type Net = { bytes: Uint8Array; bits: number; range: IpRange }

const nets4 = ipv4Ranges.map(toNet)
const nets6 = ipv6Ranges.map(toNet)
const globalUnicast = toNet({ cidr: "2000::/3", what: "the public internet", local: false })

/** For a public name: every private, loopback, link-local, multicast, tunnelled, mapped and reserved range is refused. */
export function judgeAddress(ip: string): AddressVerdict {
  const bytes = parseIp(ip)
  if (!bytes) return { verdict: "deny", why: "not an IP address" }
  const range = findRange(bytes)
  if (range) return { verdict: "deny", why: `${ip} is ${range.what}` }
  if (bytes.length === 16 && !contains(globalUnicast, bytes)) return { verdict: "deny", why: `${ip} is not allocated` }
  return { verdict: "allow" }
}

/** For an owner's local-endpoint grant: loopback, private and public are its purpose; link-local, metadata and the rest stay refused. */
export function judgeLocalAddress(ip: string): AddressVerdict {
  const bytes = parseIp(ip)
  if (!bytes) return { verdict: "deny", why: "not an IP address" }
  const range = findRange(bytes)
  if (range) return range.local ? { verdict: "allow" } : { verdict: "deny", why: `${ip} is ${range.what}` }
  return judgeAddress(ip)
}

/** Loopback only: what the name `localhost` may mean (RFC 6761). */
export function isLoopback(ip: string): boolean {
  const bytes = parseIp(ip)
  return bytes !== null && findRange(bytes)?.what === "loopback"
}

/** The 4 or 16 bytes of an address in its ordinary notation; null for anything else, zone ids and shortened IPv4 forms included. */
export function parseIp(ip: string): Uint8Array | null {
  if (isIPv4(ip)) return Uint8Array.from(ip.split(".").map(Number))
  if (!isIPv6(ip) || ip.includes("%")) return null
  const [head = "", tail] = ip.split("::")
  const left = groups(head)
  const right = tail === undefined ? [] : groups(tail)
  const missing = 8 - left.length - right.length
  const all = [...left, ...Array.from({ length: missing }, () => 0), ...right]
  if (all.length !== 8) return null
  return Uint8Array.from(all.flatMap((group) => [group >> 8, group & 0xff]))
}

/** "1:2:10.0.0.1" → the 16-bit groups, a dotted quad counting as two. */
function groups(text: string): number[] {
  if (text === "") return []
  return text.split(":").flatMap((part) => {
    if (!part.includes(".")) return [Number.parseInt(part, 16)]
    const [a = 0, b = 0, c = 0, d = 0] = part.split(".").map(Number)
    return [(a << 8) | b, (c << 8) | d]
  })
}

function findRange(bytes: Uint8Array): IpRange | null {
  if (bytes.length === 16 && isatapMarks.some((mark) => mark.every((byte, i) => bytes[8 + i] === byte))) {
    return { cidr: "::/0", what: "ISATAP", local: false }
  }
  return (bytes.length === 4 ? nets4 : nets6).find((net) => contains(net, bytes))?.range ?? null
}

function contains(net: Net, bytes: Uint8Array): boolean {
  for (let bit = 0; bit < net.bits; bit += 8) {
    const keep = Math.min(8, net.bits - bit)
    const mask = (0xff << (8 - keep)) & 0xff
    if (((bytes[bit >> 3] ?? 0) & mask) !== ((net.bytes[bit >> 3] ?? 0) & mask)) return false
  }
  return true
}

function toNet(range: IpRange): Net {
  const [address = "", bits = ""] = range.cidr.split("/")
  return { bytes: parseIp(address) ?? new Uint8Array(), bits: Number(bits), range }
}
