/** Advisories on paired devices and nodes. */
import type { Row } from "../row.ts"

export const rows: readonly Row[] = [
  {
    id: "devices/node-starts-agent",
    covers: ["CVE-2026-41378"],
    attack: "A device's event starts a turn with every tool",
    status: "later",
    rule: "The ceiling (core/safety/ceiling.ts): a turn that works for another has the same rights or fewer, whatever starts it",
  },
  {
    id: "devices/device-skips-gate",
    covers: ["CVE-2026-41352"],
    attack: "A paired device, or one of made-up kind, does more than it was given",
    status: "later",
    rule: "The client gate (gateway/auth.ts, core/safety/tokens.ts): rights belong to the token's row on the server; address, header, origin and what a client says of itself grant nothing",
  },
  {
    id: "devices/old-device-commands",
    covers: ["CVE-2026-42432", "CVE-2026-53838", "CVE-2026-53816", "CVE-2026-35648", "CVE-2026-53843"],
    attack: "A device comes back with what was taken from it, or a queued act is not judged again",
    status: "later",
    rule: "Revocation goes through one notice that closes what is open and drops what is kept (core/safety/tokens.ts, core/safety/lockdown.ts); whatever holds a token subscribes to it",
  },
  {
    id: "devices/device-says-what-it-is",
    covers: ["GHSA-r65x-2hqr-j5hf", "GHSA-392f-ggf5-fp3c", "GHSA-rv2q-f2h5-6xmg", "CVE-2026-42431"],
    attack: "What a device says it is changes what it may",
    status: "later",
    rule: "The client gate (gateway/auth.ts, core/safety/tokens.ts): rights belong to the token's row on the server; address, header, origin and what a client says of itself grant nothing",
  },
  {
    id: "devices/device-fetch",
    covers: ["GHSA-2858-xg23-26fp"],
    attack: "A device has the gateway fetch an address",
    status: "later",
    rule: "One door out (SECURITY.md, core/safety/egress.ts, core/guard.ts): a part that fetches has no way but the egress gate, plugins, channels and servers of tools included",
  },
  {
    id: "devices/remote-copy",
    covers: ["CVE-2026-25157", "CVE-2026-32917", "GHSA-2mc2-g238-722j"],
    attack: "A path or host of a remote copy is a command; host keys unchecked",
    status: "later",
    rule: "No program is run for the model as long as there is no jail; the command gate (core/safety/command.ts) asks where it is unsure, and core/guard.ts starts children with a clean environment",
  },
  {
    id: "devices/deep-link",
    covers: ["GHSA-2j9j-gf59-p4p5"],
    attack: "A link of the system runs the assistant",
    status: "later",
    rule: "Approvals (core/safety/approvals.ts, core/safety/fingerprint.ts): a yes is for one principal, tool and exact bytes, sealed against the database, and given in person (core/safety/presence.ts)",
  },
]
