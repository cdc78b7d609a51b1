/** Files in the home that only the owner may read: written whole or not at all, created by exactly one process, never through a symlink. */
import {
  closeSync,
  constants,
  fstatSync,
  fsyncSync,
  linkSync,
  openSync,
  readFileSync,
  renameSync,
  rmSync,
  writeFileSync,
} from "node:fs"
import { AppError } from "./errors.ts"
import { reasonOf, systemCodeOf } from "./home.ts"
import { randomToken } from "./id.ts"

/** Windows has neither flag; there the home's own access list is what protects. */
const NO_FOLLOW = constants.O_NOFOLLOW ?? 0
const PRIVATE = 0o600

/** Replaces the file in one step (0600), durable once this returns: a reader sees the old text or the new, a crash leaves one of them. */
export function writePrivateFile(path: string, text: string): void {
  withNewFile(path, text, (fresh) => renameSync(fresh, path))
}

/** Makes the file (0600) with this text unless it is there; of several processes at once exactly one makes it. True where we did. */
export function createPrivateFile(path: string, text: string): boolean {
  // link(2) fails where the name exists, symlinks included, so there is no moment in which an empty or foreign file is taken for ours.
  return withNewFile(path, text, (fresh) => {
    try {
      linkSync(fresh, path)
      return true
    } catch (error) {
      if (systemCodeOf(error) === "EEXIST") return false
      throw error
    } finally {
      rmSync(fresh, { force: true })
    }
  })
}

/** The file's text, null where there is none. Throws `home.unsafe_file` for a symlink, another owner, or one that others can read. */
export function readPrivateFile(path: string): string | null {
  let file: number
  try {
    file = openSync(path, constants.O_RDONLY | NO_FOLLOW)
  } catch (cause) {
    if (systemCodeOf(cause) === "ENOENT") return null
    throw new AppError("home.unsafe_file", `${path} cannot be used: ${reasonOf(cause)}`, { cause })
  }
  try {
    const stat = fstatSync(file) // of what is open, so that nothing can be swapped in between
    if (!stat.isFile()) throw new AppError("home.unsafe_file", `${path} is not a plain file`)
    const uid = process.getuid?.()
    if (uid !== undefined && stat.uid !== uid) throw new AppError("home.unsafe_file", `${path} belongs to another user`)
    if (uid !== undefined && (stat.mode & 0o077) !== 0)
      throw new AppError("home.unsafe_file", `${path} can be read by others`)
    return readFileSync(file, "utf8")
  } finally {
    closeSync(file)
  }
}

function withNewFile<T>(path: string, text: string, place: (fresh: string) => T): T {
  const fresh = `${path}.${randomToken(9)}.new` // 72 random bits: no two writers meet, none can be guessed and planted
  let file: number | undefined
  try {
    file = openSync(fresh, constants.O_WRONLY | constants.O_CREAT | constants.O_EXCL | NO_FOLLOW, PRIVATE)
    writeFileSync(file, text)
    fsyncSync(file)
    closeSync(file)
    file = undefined
    return place(fresh)
  } catch (cause) {
    if (file !== undefined) closeSync(file)
    rmSync(fresh, { force: true })
    if (cause instanceof AppError) throw cause
    throw new AppError("home.not_writable", `${path} could not be written: ${reasonOf(cause)}`, { cause })
  }
}
