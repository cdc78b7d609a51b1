/** IRONCLAW_HOME: where everything is kept, and whether that place is the user's own and closed to others. Fails closed by refusing to open. */
import { accessSync, chmodSync, constants, mkdirSync, realpathSync, statSync } from "node:fs"
import { homedir } from "node:os"
import { isAbsolute, join, resolve } from "node:path"
import { AppError } from "./errors.ts"

const folderNames = ["db", "plugins", "skills", "logs", "run", "backups"] as const
export type HomeFolder = (typeof folderNames)[number]

export type Home = {
  /** Absolute, symlinks resolved. */
  readonly root: string
  readonly from: "flag" | "environment" | "default"
  readonly configFile: string
  readonly envFile: string
  /** Where each folder is, made or not. */
  readonly paths: Readonly<Record<HomeFolder, string>>
  /** What to tell the user about the choice of home; null where there is nothing to tell. */
  readonly announcement: string | null
  /** The folder's path; makes it (0700) on first need. Throws `home.not_writable`, `home.not_yours`, `home.too_open`. */
  folder(name: HomeFolder): string
}

export type OpenHomeOptions = {
  env: Readonly<Record<string, string | undefined>>
  /** From `--home`; wins over the environment. */
  explicit?: string | undefined
}

/** Opens the home, making it (0700) where there is none. Throws `home.not_yours`, `home.too_open`, `home.not_writable`. */
export function openHome(options: OpenHomeOptions): Home {
  makePrivateFolder(placeOf(options).asked)
  const home = seeHome(options)
  judgePrivateFolder(home.root)
  judgeWritable(home.root)
  return home
}

/** Where the home is, neither made nor judged: for who only looks, and has to say what is wrong with it. */
export function seeHome(options: OpenHomeOptions): Home {
  const { asked, from } = placeOf(options)
  const root = realPathWhereThere(asked)
  const pathOf = (name: HomeFolder) => join(root, name)
  const made = new Set<HomeFolder>()
  return {
    root,
    from,
    configFile: join(root, "config.toml"),
    envFile: join(root, ".env"),
    paths: {
      db: pathOf("db"),
      plugins: pathOf("plugins"),
      skills: pathOf("skills"),
      logs: pathOf("logs"),
      run: pathOf("run"),
      backups: pathOf("backups"),
    },
    announcement: from === "environment" ? `The home is ${root} (from IRONCLAW_HOME)` : null,
    folder(name) {
      const path = pathOf(name)
      if (made.has(name)) return path
      makePrivateFolder(path)
      judgePrivateFolder(path)
      made.add(name)
      return path
    },
  }
}

function placeOf({ env, explicit }: OpenHomeOptions): { asked: string; from: Home["from"] } {
  const fromEnvironment = env["IRONCLAW_HOME"] || undefined
  const from = explicit ? "flag" : fromEnvironment ? "environment" : "default"
  const userHome = env["HOME"] || homedir()
  return { asked: absolute(explicit || fromEnvironment || join(userHome, ".ironclaw"), userHome), from }
}

function realPathWhereThere(path: string): string {
  try {
    return realpathSync(path)
  } catch {
    return path // not there, or not to be reached: whoever opens it says so
  }
}

/** Refuses a folder that another user owns, or that group or others can enter. Windows has other means and is not judged. */
export function judgePrivateFolder(path: string): void {
  const uid = process.getuid?.()
  if (uid === undefined) return
  const stat = statSync(path)
  if (!stat.isDirectory()) throw new AppError("home.not_writable", `${path} is not a folder`)
  if (stat.uid !== uid) {
    throw new AppError("home.not_yours", `${path} belongs to the user with id ${stat.uid}, and you are ${uid}`)
  }
  const mode = stat.mode & 0o777
  if ((mode & 0o077) !== 0) {
    throw new AppError(
      "home.too_open",
      `Others can enter ${path} (mode 0${mode.toString(8)}): run \`chmod 700 ${quote(path)}\``,
    )
  }
}

/** mkdir with 0700 whatever the umask says; a folder that is there already is left as it is. Throws `home.not_writable`. */
function makePrivateFolder(path: string): void {
  try {
    const first = mkdirSync(path, { recursive: true, mode: 0o700 })
    if (first !== undefined) chmodSync(path, 0o700) // a umask of 0277 would leave it unwritable for us
  } catch (cause) {
    throw new AppError("home.not_writable", `${path} could not be made: ${reasonOf(cause)}`, { cause })
  }
}

function judgeWritable(path: string): void {
  try {
    accessSync(path, constants.R_OK | constants.W_OK | constants.X_OK)
  } catch (cause) {
    throw new AppError("home.not_writable", `${path} is not writable: ${reasonOf(cause)}`, { cause })
  }
}

function absolute(path: string, userHome: string): string {
  // A service unit or an env file does not expand the tilde; a folder named "~" is never meant.
  const expanded = path === "~" ? userHome : path.startsWith("~/") ? join(userHome, path.slice(2)) : path
  return isAbsolute(expanded) ? expanded : resolve(expanded)
}

const reasons: Readonly<Record<string, string>> = {
  EACCES: "permission denied",
  EPERM: "permission denied",
  EROFS: "the file system is read-only",
  ENOSPC: "the disk is full",
  SQLITE_FULL: "the disk is full",
  EDQUOT: "the disk quota is used up",
  ENOTDIR: "a part of the path is a file",
  EEXIST: "a file of that name is in the way",
  ELOOP: "it is a symbolic link, or links in a circle",
  ENOENT: "a part of the path does not exist and cannot be made",
}

/** The system's error code of a thrown thing, "" where it has none. */
export function systemCodeOf(error: unknown): string {
  return error instanceof Error && "code" in error && typeof error.code === "string" ? error.code : ""
}

/** Why a file operation failed, in words. */
export function reasonOf(error: unknown): string {
  const code = systemCodeOf(error)
  return reasons[code] ?? (code || (error instanceof Error ? error.message : String(error)))
}

/** A path as a shell takes it. */
function quote(path: string): string {
  return /^[\w@%+=:,./~-]+$/.test(path) ? path : `'${path.replaceAll("'", `'\\''`)}'`
}
