/**
 * The file of this very program: whether it is ours to replace, and replacing it so that whoever starts it, at whatever moment, gets a
 * whole old one or a whole new one. The one before is kept beside it under the name that the install script gives it too.
 */
import {
  accessSync,
  chmodSync,
  closeSync,
  constants,
  copyFileSync,
  existsSync,
  fsyncSync,
  linkSync,
  openSync,
  readdirSync,
  readFileSync,
  realpathSync,
  renameSync,
  rmSync,
  statSync,
  writeFileSync,
} from "node:fs"
import { basename, dirname, join } from "node:path"
import { syncDirectory } from "#core/db/sync-directory.ts"
import { AppError } from "#core/errors.ts"
import { reasonOf } from "#core/home.ts"
import { randomToken } from "#core/id.ts"

export type OwnProgram = {
  /** Absolute, symlinks resolved. */
  path: string
  folder: string
  /** Where the version before is, or will be. */
  previous: string
}

/** Folders that package managers write and expect to find as they left them. */
const managed: readonly (readonly [place: RegExp, by: string])[] = [
  [/^\/(usr\/)?(s?bin|lib|lib64|libexec|share)\//, "the system's package manager"],
  [/^\/(nix|gnu)\/store\//, "Nix or Guix"],
  [/^\/(snap|var\/lib\/(snapd|flatpak))\//, "snap or flatpak"],
  [/\/(Cellar|Caskroom)\//, "Homebrew"],
  [/\/node_modules\//, "npm"],
]
const LEFTOVER = /^\.ironclaw-update\./

/** Throws `update.not_ours` with the way in which it is updated instead. */
export function ownProgram({ path: named, isBuilt }: { path: string; isBuilt: boolean }): OwnProgram {
  if (!isBuilt) {
    throw new AppError("update.not_ours", "This runs from the sources", { hint: "Update them: `git pull`." })
  }
  if (process.platform === "win32") {
    throw new AppError("update.not_ours", "On Windows a running program cannot replace itself in one step", {
      hint: "Run install.ps1 again; it keeps the version before.",
    })
  }
  const path = realpathSync(named)
  const folder = dirname(path)
  const checkout = dirname(folder)
  if (basename(folder) === "dist" && isCheckout(checkout)) {
    throw new AppError("update.not_ours", `${path} is what the checkout ${checkout} builds`, {
      hint: `Update that: \`git pull\` and \`npm run build\` in ${checkout}.`,
    })
  }
  const manager = managed.find(([place]) => place.test(path))
  if (manager) throw new AppError("update.not_ours", `${path} belongs to ${manager[1]}`)
  const uid = process.getuid?.()
  const owner = statSync(path).uid
  if (uid !== undefined && uid !== 0 && owner !== uid) {
    throw new AppError("update.not_ours", `${path} belongs to the user with id ${owner}, and you are ${uid}`, {
      hint: "Run the update as the user who installed it, or install it for yourself.",
    })
  }
  try {
    accessSync(folder, constants.W_OK | constants.X_OK)
  } catch (cause) {
    throw new AppError("update.not_ours", `The folder ${folder} is not writable for you: ${reasonOf(cause)}`, {
      cause,
      hint: "Run the update as the user who installed it, or install it for yourself.",
    })
  }
  return { path, folder, previous: join(folder, ".ironclaw.previous") }
}

function isCheckout(folder: string): boolean {
  try {
    return /"name": "ironclaw"/.test(readFileSync(join(folder, "package.json"), "utf8"))
  } catch {
    return false // no package.json that can be read: no checkout
  }
}

/** Writes a program beside this one, whole and on the disk, under a name that nobody starts. Throws `update.not_written`. */
export function stageProgram({ folder }: OwnProgram, program: Uint8Array): string {
  const path = join(folder, `.ironclaw-update.${randomToken(9)}`)
  try {
    const file = openSync(path, "wx", 0o600)
    try {
      writeFileSync(file, program)
      fsyncSync(file)
    } finally {
      closeSync(file)
    }
    chmodSync(path, 0o755)
    return path
  } catch (cause) {
    rmSync(path, { force: true })
    throw new AppError("update.not_written", `${path} could not be written: ${reasonOf(cause)}`, { cause })
  }
}

/** Puts a staged program in the place of this one, which is kept. A kill between the steps leaves the old one in place. */
export function switchTo(own: OwnProgram, staged: string): void {
  changing(own, () => {
    keep(own, own.previous)
    renameSync(staged, own.path)
  })
}

/** Changes places with the one that was kept: twice is nothing. Throws `update.nothing_kept`. */
export function switchBack(own: OwnProgram): void {
  if (!existsSync(own.previous)) throw new AppError("update.nothing_kept", "There is no version before this one")
  changing(own, () => {
    const aside = join(own.folder, `.ironclaw-update.${randomToken(9)}`)
    keep(own, aside)
    renameSync(own.previous, own.path)
    renameSync(aside, own.previous)
  })
}

/** The program under a second name: a link where the file system has them, so that no moment is without a whole file. */
function keep({ path, folder }: OwnProgram, name: string): void {
  const link = join(folder, `.ironclaw-update.${randomToken(9)}`)
  try {
    linkSync(path, link)
  } catch {
    copyFileSync(path, link) // a file system without links; what is wrong besides is wrong for this too, and says so
  }
  renameSync(link, name)
  rmSync(link, { force: true }) // rename(2) leaves it where both names are one file already
}

function changing({ path, folder }: OwnProgram, work: () => void): void {
  try {
    work()
    syncDirectory(folder)
  } catch (cause) {
    throw new AppError("update.not_written", `${path} could not be replaced: ${reasonOf(cause)}`, { cause })
  }
}

/** Removes what an update that was killed left behind. Only for who holds the update's lock. */
export function sweep({ folder }: OwnProgram): void {
  for (const name of readdirSync(folder)) if (LEFTOVER.test(name)) rmSync(join(folder, name), { force: true })
}
