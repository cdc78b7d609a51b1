/**
 * The address ranges that are not the public internet, with what they are. Beside {@link file://./hosts.ts}, which judges by them.
 * Source: IANA IPv4 and IPv6 Special-Purpose Address Registries (RFC 6890 and its updates), plus the fixed addresses at which clouds
 * serve machine credentials.
 */

/** `local`: an owner's local-endpoint grant may point there. For a public name every row refuses. */
export type IpRange = { cidr: string; what: string; local: boolean }

export const ipv4Ranges: readonly IpRange[] = [
  { cidr: "169.254.0.0/16", what: "link-local, where clouds serve metadata", local: false },
  { cidr: "100.100.100.200/32", what: "a cloud's metadata service", local: false }, // Alibaba
  { cidr: "168.63.129.16/32", what: "a cloud's metadata service", local: false }, // Azure
  { cidr: "192.0.0.192/32", what: "a cloud's metadata service", local: false }, // Oracle
  { cidr: "0.0.0.0/8", what: "this network", local: false },
  { cidr: "10.0.0.0/8", what: "private", local: true },
  { cidr: "100.64.0.0/10", what: "carrier-grade NAT", local: true }, // also overlay networks of the owner's own machines
  { cidr: "127.0.0.0/8", what: "loopback", local: true },
  { cidr: "172.16.0.0/12", what: "private", local: true },
  { cidr: "192.0.0.0/24", what: "reserved for protocols", local: false },
  { cidr: "192.0.2.0/24", what: "documentation", local: false },
  { cidr: "192.88.99.0/24", what: "6to4 relay", local: false },
  { cidr: "192.168.0.0/16", what: "private", local: true },
  { cidr: "198.18.0.0/15", what: "benchmarking", local: false },
  { cidr: "198.51.100.0/24", what: "documentation", local: false },
  { cidr: "203.0.113.0/24", what: "documentation", local: false },
  { cidr: "224.0.0.0/4", what: "multicast", local: false },
  { cidr: "240.0.0.0/4", what: "reserved or broadcast", local: false },
]

/** Only 2000::/3 is allocated for the public internet; these name what lies outside of it, or is special inside. First match counts. */
export const ipv6Ranges: readonly IpRange[] = [
  { cidr: "::/128", what: "unspecified", local: false },
  { cidr: "::1/128", what: "loopback", local: true },
  { cidr: "::ffff:0:0/96", what: "IPv4-mapped", local: false },
  { cidr: "::/96", what: "IPv4-compatible", local: false },
  { cidr: "::ffff:0:0:0/96", what: "IPv4-translated", local: false },
  { cidr: "64:ff9b::/96", what: "NAT64", local: false },
  { cidr: "64:ff9b:1::/48", what: "local NAT64", local: false },
  { cidr: "100::/63", what: "discard-only", local: false },
  { cidr: "2001::/32", what: "Teredo", local: false },
  { cidr: "2001::/23", what: "reserved for protocols", local: false },
  { cidr: "2001:db8::/32", what: "documentation", local: false },
  { cidr: "2002::/16", what: "6to4", local: false },
  { cidr: "3ffe::/16", what: "reserved (formerly 6bone)", local: false },
  { cidr: "3fff::/20", what: "documentation", local: false },
  { cidr: "fd00:ec2::/32", what: "a cloud's metadata service", local: false }, // AWS: fd00:ec2::254
  { cidr: "fd20:ce::/32", what: "a cloud's metadata service", local: false }, // Google: fd20:ce::254
  { cidr: "fc00::/7", what: "private (unique local)", local: true },
  { cidr: "fe80::/10", what: "link-local", local: false },
  { cidr: "fec0::/10", what: "site-local", local: false },
  { cidr: "ff00::/8", what: "multicast", local: false },
]

/** Interface ids that carry an IPv4 address (ISATAP, RFC 5214), under whatever prefix: bytes 8 to 11. */
export const isatapMarks: readonly (readonly number[])[] = [
  [0x00, 0x00, 0x5e, 0xfe],
  [0x02, 0x00, 0x5e, 0xfe],
]
