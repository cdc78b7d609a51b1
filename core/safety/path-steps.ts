/** One step down a folder that is held open, so that no name is looked up twice: by /proc on Linux, by looking before and after elsewhere. */
import {
  closeSync,
  constants,
  existsSync,
  fstatSync,
  fsyncSync,
  lstatSync,
  openSync,
  readdirSync,
  renameSync,
  unlinkSync,
  writeSync,
  type BigIntStats,
} from "node:fs"
import { AppError } from "../errors.ts"

/** A file or folder that a walk has reached. `fd` is -1 where the system cannot hold it without opening it. */
export type Step = { fd: number; path: string; stats: BigIntStats; parent: Step | null }

/** All of these throw what the file system throws. */
export type Steps = {
  openRoot(path: string): Step
  /** What `name` in this folder is: a link itself, not what it points to. Opens no device and waits for no pipe. */
  open(folder: Step, name: string): Step
  /** A descriptor to read exactly the file that was reached. */
  openToRead(step: Step): number
  /** An address for a name in this folder, for calls that follow no link in their last name. */
  address(folder: Step, name: string): string
  names(folder: Step): string[]
  /** Writes a new file beside and moves it over `name`: a link or another's file there is replaced, never written through. */
  put(folder: Step, file: { name: string; temporary: string; content: Uint8Array; mode: number }): void
  close(step: Step): void
}

// Linux's numbers, the same on every architecture that Bun runs on; node:fs does not name them.
const O_PATH = 0o10000000
const O_CLOEXEC = 0o2000000
// macOS: refuses a link anywhere on the way, not in the last name alone (fcntl.h, since macOS 11).
const O_NOFOLLOW_ANY = 0x20000000

/**
 * `/proc/self/fd/<n>` leads to the open folder itself, whatever its path is by now, so a name after it is looked up like openat(2)
 * does; O_PATH opens without side effects, and the handle is opened again for reading.
 */
const heldSteps: Steps = {
  openRoot: (path) => held(path, { path, parent: null }),
  open: (folder, name) => held(inFolder(folder, name), { path: `${folder.path}/${name}`, parent: folder }),
  openToRead: ({ fd }) => openSync(`/proc/self/fd/${fd}`, constants.O_RDONLY | constants.O_NONBLOCK | O_CLOEXEC),
  address: inFolder,
  names: ({ fd }) => readdirSync(`/proc/self/fd/${fd}`),
  put: (folder, file) => putBeside((name) => inFolder(folder, name), file),
  close: ({ fd }) => closeSync(fd),
}

function held(address: string, { path, parent }: { path: string; parent: Step | null }): Step {
  const fd = openSync(address, O_PATH | constants.O_NOFOLLOW | O_CLOEXEC)
  return { fd, path, stats: fstatSync(fd, { bigint: true }), parent }
}

function inFolder({ fd }: Step, name: string): string {
  return `/proc/self/fd/${fd}/${name}`
}

/** Looks at every folder on the way before and after; what is read is held, and compared with what was looked at. */
const checkedSteps: Steps = {
  openRoot: (path) => ({ fd: -1, path, stats: lstatSync(path, { bigint: true }), parent: null }),
  open(folder, name) {
    const path = `${folder.path}/${name}`
    const stats = lstatSync(path, { bigint: true })
    verifyWay(folder)
    return { fd: -1, path, stats, parent: folder }
  },
  openToRead(step) {
    const noLinks = process.platform === "darwin" ? O_NOFOLLOW_ANY : (constants.O_NOFOLLOW ?? 0)
    const fd = openSync(step.path, constants.O_RDONLY | (constants.O_NONBLOCK ?? 0) | noLinks)
    try {
      verifyWay(step)
      if (!isSameFile(fstatSync(fd, { bigint: true }), step.stats)) throw moved(step)
      return fd
    } catch (error) {
      closeSync(fd)
      throw error
    }
  },
  address(folder, name) {
    verifyWay(folder)
    return `${folder.path}/${name}`
  },
  names(folder) {
    const names = readdirSync(folder.path)
    verifyWay(folder)
    return names
  },
  put(folder, file) {
    putBeside((name) => {
      verifyWay(folder)
      return `${folder.path}/${name}`
    }, file)
  },
  close() {},
}

function verifyWay(step: Step): void {
  for (let here: Step | null = step; here; here = here.parent) {
    if (!isSameFile(lstatSync(here.path, { bigint: true }), here.stats)) throw moved(here)
  }
}

function isSameFile(one: BigIntStats, other: BigIntStats): boolean {
  return one.dev === other.dev && one.ino === other.ino
}

function moved({ path }: Step): AppError {
  return new AppError("conflict", `"${path}" was moved while it was being opened`)
}

function putBeside(
  address: (name: string) => string,
  { name, temporary, content, mode }: { name: string; temporary: string; content: Uint8Array; mode: number },
): void {
  const { O_WRONLY, O_CREAT, O_EXCL, O_NOFOLLOW } = constants
  const fd = openSync(address(temporary), O_WRONLY | O_CREAT | O_EXCL | (O_NOFOLLOW ?? 0), mode)
  let isPlaced = false
  try {
    for (let done = 0; done < content.length;) done += writeSync(fd, content, done)
    fsyncSync(fd)
    renameSync(address(temporary), address(name))
    isPlaced = true
  } finally {
    closeSync(fd)
    if (!isPlaced) unlinkSync(address(temporary))
  }
}

/** Folders are held open here; elsewhere a swap at the right moment goes unnoticed, so nothing is written there. */
export const holdsFolders = process.platform === "linux" && existsSync("/proc/self/fd")
export const systemSteps: Steps = holdsFolders ? heldSteps : checkedSteps
/** For the tests of what other systems do. */
export const portableSteps: Steps = checkedSteps
