/**
 * The embedded database of a restore takes the place of the old one: built beside it, then moved, so that the old one is there until
 * the new one is whole, also where it is too broken to be opened. A note of what is being done lets the next start finish it after a crash.
 */
import { existsSync, mkdirSync, renameSync, rmSync } from "node:fs"
import { dirname } from "node:path"
import { AppError } from "../errors.ts"
import { readPrivateFile, writePrivateFile } from "../home-file.ts"
import { reasonOf } from "../home.ts"
import { syncDirectory } from "./sync-directory.ts"

const noteOf = (dir: string) => `${dir}.replace`

/** Where to build the new database; whatever a restore that failed left there is gone. */
export function prepareReplacement(dir: string): string {
  const built = builtOf(dir)
  rmSync(built, { recursive: true, force: true })
  return built
}

/** From here on the new database counts. The old one, if any, is at `kept` afterwards. Both must be closed. */
export function replaceDatabase({ dir, kept }: { dir: string; kept: string }): void {
  writePrivateFile(noteOf(dir), kept)
  finishReplacement(dir)
}

/** Ends what {@link replaceDatabase} began. For whoever holds the home, before the database is opened; does nothing where all is done. */
export function finishReplacement(dir: string): void {
  const kept = readPrivateFile(noteOf(dir))
  if (kept === null) return
  const built = builtOf(dir)
  try {
    if (existsSync(built)) {
      if (existsSync(dir)) {
        mkdirSync(dirname(kept), { recursive: true, mode: 0o700 })
        renameSync(dir, kept)
        syncDirectory(dirname(kept))
      }
      renameSync(built, dir)
      syncDirectory(dirname(dir))
    }
    rmSync(noteOf(dir), { force: true })
  } catch (cause) {
    throw new AppError(
      "home.not_writable",
      `The restored database in ${built} could not be moved to ${dir}: ${reasonOf(cause)}`,
      { cause },
    )
  }
}

const builtOf = (dir: string) => `${dir}.restoring`
