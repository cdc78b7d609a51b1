import { describe, expect, test } from "bun:test"
import { isLoopback, judgeAddress, judgeLocalAddress, parseIp } from "#core/safety/addresses.ts"
import { ipv4Ranges, ipv6Ranges } from "#core/safety/ip-ranges.ts"

const forbidden = [
  ["0.0.0.0", "0.255.255.255", "10.0.0.1", "10.255.255.255", "100.64.0.1", "100.127.255.255", "100.100.100.200"],
  ["127.0.0.1", "127.255.255.254", "169.254.169.254", "169.254.170.2", "172.16.0.1", "172.31.255.255"],
  ["192.0.0.1", "192.0.0.192", "192.0.2.1", "192.88.99.1", "192.168.0.1", "198.18.0.1", "198.19.255.255"],
  ["198.51.100.7", "203.0.113.9", "168.63.129.16", "224.0.0.1", "239.255.255.250", "240.0.0.1", "255.255.255.255"],
  ["::", "::1", "::127.0.0.1", "::ffff:127.0.0.1", "::ffff:169.254.169.254", "::ffff:a9fe:a9fe", "::ffff:8.8.8.8"],
  [
    "::ffff:0:8.8.8.8",
    "64:ff9b::7f00:1",
    "64:ff9b::8.8.8.8",
    "64:ff9b:1::a00:1",
    "100::1",
    "2001::1",
    "2001:0:4136:e378::1",
  ],
  ["2001:10::1", "2001:db8::1", "2002:7f00:1::", "2002:0808:0808::1", "3fff::1", "3ffe::1", "5f00::1", "4000::1"],
  [
    "fc00::1",
    "fd00:ec2::254",
    "fd20:ce::254",
    "fd12:3456::1",
    "fe80::1",
    "fe80::1%eth0",
    "fec0::1",
    "ff02::1",
    "ff0e::1",
  ],
  ["2606:4700::5efe:10.0.0.1", "2606:4700::200:5efe:127.0.0.1"],
].flat()

const notAddresses = [
  "",
  "localhost",
  "127.1",
  "2130706433",
  "0x7f.0.0.1",
  "017700000001",
  "010.0.0.1",
  "127.0.0.1 ",
  "1.2.3.4.5",
  "[::1]",
  "1::2::3",
  ":::",
  "12345::",
]

describe("judgeAddress", () => {
  test.each(forbidden)("refuses %s", (ip) => {
    expect(judgeAddress(ip).verdict).toBe("deny")
  })

  test.each(notAddresses)("refuses %j, which is no address in its ordinary notation", (ip) => {
    expect(judgeAddress(ip)).toEqual({ verdict: "deny", why: "not an IP address" })
  })

  test.each([
    "1.1.1.1",
    "8.8.8.8",
    "93.184.216.34",
    "100.63.255.255",
    "100.128.0.1",
    "172.15.0.1",
    "172.32.0.1",
    "192.0.1.1",
    "192.167.1.1",
    "198.17.0.1",
    "198.20.0.1",
    "223.255.255.255",
    "2606:4700:4700::1111",
    "2a00:1450:4001:82a::200e",
    "2001:4860:4860::8888",
    "2620:fe::fe",
  ])("allows %s", (ip) => {
    expect(judgeAddress(ip)).toEqual({ verdict: "allow" })
  })

  test("every range of the tables refuses its first and its last address", () => {
    for (const { cidr } of [...ipv4Ranges, ...ipv6Ranges]) {
      const [first = "", bits] = cidr.split("/")
      const bytes = parseIp(first)
      expect(bytes, cidr).not.toBeNull()
      const last = (bytes ?? new Uint8Array()).map(
        (byte, i) => byte | (0xff >> Math.min(8, Math.max(0, Number(bits) - i * 8))),
      )
      expect(judgeAddress(first).verdict, first).toBe("deny")
      expect(judgeAddress(textOf(last)).verdict, textOf(last)).toBe("deny")
    }
  })
})

describe("judgeLocalAddress", () => {
  test.each([
    "127.0.0.1",
    "::1",
    "10.1.2.3",
    "192.168.1.20",
    "172.20.0.5",
    "100.101.102.103",
    "fd12:3456::1",
    "93.184.216.34",
  ])("allows %s, where an owner's own server may be", (ip) =>
    expect(judgeLocalAddress(ip)).toEqual({ verdict: "allow" }),
  )

  test.each([
    "169.254.169.254",
    "169.254.1.1",
    "fe80::1",
    "100.100.100.200",
    "168.63.129.16",
    "192.0.0.192",
    "fd00:ec2::254",
    "0.0.0.0",
    "::",
    "255.255.255.255",
    "224.0.0.1",
    "ff02::1",
    "::ffff:169.254.169.254",
    "64:ff9b::a9fe:a9fe",
    "2002:a9fe:a9fe::",
    "metadata",
  ])("refuses %s even to the owner", (ip) => expect(judgeLocalAddress(ip).verdict).toBe("deny"))
})

test("only loopback is this machine", () => {
  expect(["127.0.0.1", "127.8.8.8", "::1"].every(isLoopback)).toBe(true)
  expect(["10.0.0.1", "::2", "localhost", "::ffff:127.0.0.1", "128.0.0.1"].some(isLoopback)).toBe(false)
})

function textOf(bytes: Uint8Array): string {
  if (bytes.length === 4) return bytes.join(".")
  const groups = Array.from({ length: 8 }, (_, i) =>
    (((bytes[i * 2] ?? 0) << 8) | (bytes[i * 2 + 1] ?? 0)).toString(16),
  )
  return groups.join(":")
}
