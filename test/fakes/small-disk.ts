/** A file system of its own, to be full soon: of 64 KB unless said. */
import { mkdirSync } from "node:fs"

/** Mounted at `path`, for the test to unmount; null, with the reason printed, where none can be mounted. */
export function smallDisk(path: string, size = "64k"): string | null {
  mkdirSync(path, { recursive: true })
  const mounted = Bun.spawnSync(["mount", "-t", "tmpfs", "-o", `size=${size},mode=0700`, "tmpfs", path])
  if (mounted.exitCode === 0) return path
  console.log(`Skipped: no small disk could be mounted (${mounted.stderr.toString().trim()})`)
  return null
}
