/** A file system of 64 KB of its own, to be full soon. */
import { mkdirSync } from "node:fs"

/** Mounted at `path`, for the test to unmount; null, with the reason printed, where none can be mounted. */
export function smallDisk(path: string): string | null {
  mkdirSync(path, { recursive: true })
  const mounted = Bun.spawnSync(["mount", "-t", "tmpfs", "-o", "size=64k,mode=0700", "tmpfs", path])
  if (mounted.exitCode === 0) return path
  console.log(`Skipped: no small disk could be mounted (${mounted.stderr.toString().trim()})`)
  return null
}
