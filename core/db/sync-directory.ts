/** Makes names in a directory durable: creations and renames in it survive a power cut. */
import { closeSync, fsyncSync, openSync } from "node:fs"

export function syncDirectory(path: string): void {
  const descriptor = openSync(path, "r")
  try {
    fsyncSync(descriptor)
  } finally {
    closeSync(descriptor)
  }
}
