/** Whether the disk under a folder is encrypted, as far as Linux tells without being root: by the mount, the device and what it is made of. */
import { readdirSync, readFileSync, realpathSync } from "node:fs"
import { basename } from "node:path"

export type DiskEncryption = { state: "encrypted" | "plain" | "unknown"; how: string }

/** What is asked of the system; tests have a machine of their own making. */
export type Machine = {
  /** Null where there is no such file. */
  read: (path: string) => string | null
  list: (path: string) => string[]
  real: (path: string) => string
}

export const thisMachine: Machine = {
  read: (path) => quietly(() => readFileSync(path, "utf8")),
  list: (path) => quietly(() => readdirSync(path)) ?? [],
  real: (path) => quietly(() => realpathSync(path)) ?? path,
}

/** File systems that encrypt by themselves. */
const encrypting = new Set(["ecryptfs", "fuse.gocryptfs", "fuse.encfs", "fuse.cryfs"])

export function diskEncryptionUnder(folder: string, machine: Machine): DiskEncryption {
  const mount = mountOf(machine.real(folder), machine.read("/proc/self/mounts") ?? "")
  if (mount === null) return { state: "unknown", how: "the system does not say what is mounted there" }
  const { device, kind } = mount
  if (encrypting.has(kind)) return { state: "encrypted", how: kind }
  if (kind === "tmpfs" || kind === "ramfs") return { state: "unknown", how: `${kind} keeps it in memory alone` }
  if (!device.startsWith("/dev/"))
    return {
      state: "unknown",
      how: `${kind} does not say which disk is under it (a container, or a disk of another kind)`,
    }
  const name = basename(machine.real(device))
  const found = judgeDevice(name, machine, 0)
  if (found === null) return { state: "unknown", how: `${device} cannot be looked into` }
  return found ? { state: "encrypted", how: `${device} (dm-crypt)` } : { state: "plain", how: device }
}

/** Layers of devices: LVM on RAID on LUKS is three. */
const MAX_LAYERS = 8

/** True where it, or everything it is made of, is dm-crypt; null where that cannot be seen. */
function judgeDevice(name: string, machine: Machine, depth: number): boolean | null {
  const place = `/sys/class/block/${name}`
  if (depth > MAX_LAYERS || machine.list(place).length === 0) return null
  if (machine.read(`${place}/dm/uuid`)?.startsWith("CRYPT-")) return true
  const parts = machine.list(`${place}/slaves`)
  if (parts.length === 0) return false
  const judged = parts.map((part) => judgeDevice(part, machine, depth + 1))
  return judged.includes(false) ? false : judged.includes(null) ? null : true
}

/** The mount with the longest path that the folder lies in; the last one of several at the same place covers the others. */
function mountOf(folder: string, mounts: string): { device: string; kind: string } | null {
  let best: { device: string; kind: string; at: string } | null = null
  for (const line of mounts.split("\n")) {
    const [device, at, kind] = line.split(" ").map(unescape)
    if (device === undefined || at === undefined || kind === undefined) continue
    const holds = at === "/" || folder === at || folder.startsWith(`${at}/`)
    if (holds && (best === null || at.length >= best.at.length)) best = { device, at, kind }
  }
  return best
}

/** The kernel writes blanks in paths as octal numbers. */
function unescape(text: string): string {
  return text.replace(/\\([0-7]{3})/g, (_, octal: string) => String.fromCharCode(Number.parseInt(octal, 8)))
}

function quietly<T>(work: () => T): T | null {
  try {
    return work()
  } catch {
    return null // not there, or not for us to see
  }
}
