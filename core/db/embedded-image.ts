/** A data directory as one tar: unpacked beside its place and then renamed, so that a crash in between leaves nothing that looks like a database. */
import { mkdirSync, renameSync, rmSync } from "node:fs"
import { open, readdir } from "node:fs/promises"
import { basename, dirname, join } from "node:path"
import { syncDirectory } from "./sync-directory.ts"

/** How many files are being synced at once: enough to keep a disk's queue busy, far below any limit of open files. */
const PARALLEL_SYNCS = 32

export async function unpackImage({ bytes, dir }: { bytes: Uint8Array<ArrayBuffer>; dir: string }): Promise<void> {
  const parent = dirname(dir)
  const fresh = join(parent, `${basename(dir)}.new`)
  rmSync(fresh, { recursive: true, force: true }) // left by a crash in here; the caller holds the lock
  mkdirSync(fresh, { recursive: true, mode: 0o700 })
  await new Bun.Archive(bytes).extract(fresh)
  await syncTree(fresh)
  renameSync(fresh, dir)
  syncDirectory(parent)
}

async function syncTree(root: string): Promise<void> {
  const entries = await readdir(root, { recursive: true, withFileTypes: true })
  const paths = [root, ...entries.map((entry) => join(entry.parentPath, entry.name))]
  const syncNext = async (): Promise<void> => {
    for (let path = paths.pop(); path !== undefined; path = paths.pop()) {
      const file = await open(path, "r")
      try {
        await file.sync()
      } finally {
        await file.close()
      }
    }
  }
  await Promise.all(Array.from({ length: PARALLEL_SYNCS }, syncNext))
}
