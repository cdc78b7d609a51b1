/**
 * Question: is this path inside the jail after symlinks?
 * Fails closed by: refusing what it cannot open step by step. Every folder on the way is opened by its name in the folder before it,
 *   never through a link, and what is read, listed or replaced is that open handle: nothing is looked up a second time by path.
 * Known limits: a hard link cannot be told from the file it was linked to, so every file with more than one name is refused, pnpm's
 *   too; a mount inside the project belongs to the project; without /proc (macOS, Windows) each step is checked before and after
 *   instead of held, and a process of the same user that swaps folders at the right moment is noticed only where the swap lasts;
 *   sensitive names are a table, so a key file under another name is a file like any other.
 * Source: CWE-22, CWE-59, CWE-367; openat(2) and path_resolution(7); OpenClaw advisories on symlinks, hard links and check/use races.
 */
import { closeSync, lstatSync, mkdirSync, realpathSync, statSync, unlinkSync, type BigIntStats } from "node:fs"
import { dirname, sep } from "node:path"
import { AppError } from "../errors.ts"
import { randomToken } from "../id.ts"
import { systemSteps, type Step, type Steps } from "./path-steps.ts"
import { HARMLESS_NAMES, READ_ONLY_PATHS, SENSITIVE_PATHS, type SensitivePath } from "./sensitive-paths.ts"

export type PathVerdict = { ok: true; segments: string[] } | { ok: false; why: string }

const MAX_PATH_BYTES = 4_096 // PATH_MAX of Linux
const MAX_LISTED = 10_000 // each costs a look at the disk, 50 ms in all
const MAX_NAME_BYTES = 255 // NAME_MAX of Linux; APFS and NTFS are close

export type PathUse = "read" | "write"

/** The names from the jail's root down to what `path` means, or why it is refused. Looks at the text alone. */
export function judgePath({ root, path, use }: { root: string; path: string; use: PathUse }): PathVerdict {
  const refuse = (why: string): PathVerdict => ({ ok: false, why })
  if (!path.isWellFormed()) return refuse("it holds half a surrogate pair")
  if (Buffer.byteLength(path) > MAX_PATH_BYTES) return refuse("it is too long")
  if (/[\p{Cc}\p{Zl}\p{Zp}]/u.test(path)) return refuse("it holds control characters")
  const inside = relativeTo(root, path)
  if (inside === null) return refuse("it is outside the project folder")
  if (inside.includes("\\")) return refuse("folders are separated by /")
  if (/^[A-Za-z]:|^[A-Za-z][A-Za-z0-9+.-]+:\/\//.test(inside)) return refuse("it is a drive or an address")
  if (/^~[\w-]*(?:\/|$)/.test(inside)) return refuse("~ is not the project folder")
  const segments = inside.split("/").filter((segment) => segment !== "" && segment !== ".")
  for (const segment of segments) {
    if (segment === "..") return refuse('".." leads out of a folder; write the path from the project folder down')
    if (Buffer.byteLength(segment) > MAX_NAME_BYTES) return refuse("a name in it is too long")
    if (isEncodedEscape(segment)) return refuse("it holds an encoded separator or dots")
  }
  const folded = segments.map(foldName)
  const sensitive =
    SENSITIVE.find((rule) => isIn(folded, rule)) ??
    (use === "write" ? READ_ONLY.find((rule) => isIn(folded, rule)) : undefined)
  return sensitive ? refuse(`it is closed to tools (${sensitive.why})`) : { ok: true, segments }
}

type Rule = { globs: Bun.Glob[]; why: string }
const SENSITIVE = SENSITIVE_PATHS.map(toRule)
const READ_ONLY = READ_ONLY_PATHS.map(toRule)

function toRule({ path, why }: SensitivePath): Rule {
  return { globs: path.split("/").map((name) => new Bun.Glob(name)), why }
}

/** As a file system that ignores case, width, invisible characters, or dots and spaces at the end would take it. */
function foldName(name: string): string {
  return name
    .normalize("NFKC")
    .toLowerCase()
    .replace(/\p{Cf}/gu, "")
    .replace(/[. ]+$/, "")
}

function isIn(names: readonly string[], { globs }: Rule): boolean {
  return names.some((_, from) =>
    globs.every((glob, index) => {
      const name = names[from + index]
      return name !== undefined && !HARMLESS_NAMES.includes(name) && glob.match(name)
    }),
  )
}

function relativeTo(root: string, path: string): string | null {
  const unixRoot = sep === "/" ? root : root.replaceAll(sep, "/")
  if (path === unixRoot) return ""
  if (path.startsWith(`${unixRoot}/`)) return path.slice(unixRoot.length + 1)
  return path.startsWith("/") || path.startsWith("\\") ? null : path
}

/** Decoded once, twice or thrice it would be dots or hold a separator or a NUL: a name that only an attack has. */
function isEncodedEscape(segment: string): boolean {
  let decoded = segment
  for (let round = 0; round < 3 && decoded.includes("%"); round++) {
    decoded = decoded.replace(/%(2e|2f|5c|00|25)/gi, (_, code: string) =>
      String.fromCharCode(Number.parseInt(code, 16)),
    )
    if (decoded === "." || decoded === ".." || /[/\\\0]/.test(decoded)) return true
  }
  return false
}

/** `missing` is set where the only reason is that nothing is there. */
export type Refused = { ok: false; why: string; missing: boolean }
export type Inside<T> = { ok: true; value: T } | Refused

/** A regular file of the project, open for reading until the callback that got it returns. */
export type OpenFile = {
  fd: number
  path: string
  size: number
  modifiedAt: string
  mode: number
  /** Equal as long as it is the same file with the same content; stays meaningful after the callback. */
  stamp: string
}
export type FolderEntry = { name: string; kind: "file" | "folder" | "link" | "other"; size: number; modifiedAt: string }
/** `hidden`: closed to tools, or of a name that no path can hold. `unlisted`: beyond what is listed of one folder. */
export type Folder = { path: string; entries: FolderEntry[]; hidden: number; unlisted: number }

/** A folder held open, and the only way to what lies in it. Paths are relative to it, with `/`. */
export type Jail = {
  /** Its real path when it was opened. */
  readonly root: string
  withFile<T>(path: string, use: (file: OpenFile) => Promise<T>): Promise<Inside<T>>
  /** What lies in a folder, by name. Follows no link. */
  list(path: string): Promise<Inside<Folder>>
  /**
   * Puts a whole file in place at once, and makes the folders on its way. Refused unless what is there now is `expected`: a file
   * as it was read, or null for nothing.
   */
  replace(file: { path: string; content: Uint8Array; expected: OpenFile | null }): Promise<Inside<{ path: string }>>
  remove(file: { path: string; expected: OpenFile }): Promise<Inside<{ path: string }>>
  close(): void
}

/**
 * Opens `root` as a jail. `closed` are folders that stay shut wherever they turn up inside it: the assistant's home, always.
 * Throws `input.invalid` where the root is no folder, is the whole disk, or lies in a closed one.
 */
export function openJail({
  root,
  closed,
  steps = systemSteps,
}: {
  root: string
  closed: readonly string[]
  steps?: Steps
}): Jail {
  const rootPath = realFolder(root)
  const shut = closed.map(realFolder)
  const shutStats = shut.map((folder) => statSync(folder, { bigint: true }))
  if (dirname(rootPath) === rootPath) throw badRoot(root, "is the whole disk")
  if (shut.some((folder) => rootPath === folder || rootPath.startsWith(folder + sep))) {
    throw badRoot(root, "belongs to the assistant itself")
  }
  const jailed = steps.openRoot(rootPath)

  /** Walks `segments` from the root; whoever gets a step closes it. */
  function walk(segments: readonly string[], { makeFolders = false } = {}): Inside<Step> {
    let here = jailed
    for (const [index, name] of segments.entries()) {
      const next = stepInto(here, name, { make: makeFolders })
      if (here !== jailed) steps.close(here)
      if (!next.ok) return next
      here = next.value
      const last = index === segments.length - 1
      const why = judgeStep(here, { mustBeFolder: !last || makeFolders })
      if (why) {
        steps.close(here)
        return refused(`"${segments.slice(0, index + 1).join("/")}" ${why}`)
      }
    }
    return { ok: true, value: here }
  }

  function stepInto(here: Step, name: string, { make }: { make: boolean }): Inside<Step> {
    const next = attempt(name, () => steps.open(here, name))
    if (next.ok || !next.missing || !make) return next
    const made = attempt(name, () => mkdirSync(steps.address(here, name), { mode: 0o755 }))
    // Someone else may have made it meanwhile; whatever it is, it is opened and judged like any other.
    return made.ok || existsMeanwhile(made) ? attempt(name, () => steps.open(here, name)) : made
  }

  function judgeStep({ stats }: Step, { mustBeFolder }: { mustBeFolder: boolean }): string | null {
    if (stats.isSymbolicLink()) return "is a link, and links are not followed: name the file it means"
    if (shutStats.some(({ dev, ino }) => dev === stats.dev && ino === stats.ino))
      return "is closed to tools (the assistant's own home)"
    if (mustBeFolder && !stats.isDirectory()) return "is not a folder"
    if (!stats.isDirectory() && !stats.isFile()) return "is neither a file nor a folder"
    if (stats.isFile() && stats.nlink > 1n) {
      return "has other names elsewhere on the disk (hard links), so it may be a file from outside: make a copy of it"
    }
    return null
  }

  async function within<T>(walked: Inside<Step>, use: (step: Step) => Promise<Inside<T>>): Promise<Inside<T>> {
    if (!walked.ok) return walked
    try {
      return await use(walked.value)
    } finally {
      if (walked.value !== jailed) steps.close(walked.value)
    }
  }

  function judged(path: string, use: PathUse): Inside<string[]> {
    const verdict = judgePath({ root: rootPath, path, use })
    return verdict.ok ? { ok: true, value: verdict.segments } : refused(`The path is refused: ${verdict.why}`)
  }

  const withFile: Jail["withFile"] = async (path, use) => {
    const segments = judged(path, "read")
    if (!segments.ok) return segments
    return within(walk(segments.value), async (step) => {
      if (!step.stats.isFile()) return refused(`"${path}" is a folder`)
      const opened = attempt(path, () => steps.openToRead(step))
      if (!opened.ok) return opened
      try {
        return {
          ok: true,
          value: await use(openFile({ fd: opened.value, stats: step.stats, path: segments.value.join("/") })),
        }
      } finally {
        closeSync(opened.value)
      }
    })
  }

  /** Hands over the folder that holds (or will hold) the file, its name in there, and what is there now. */
  async function atPlace<T>(
    { path, make }: { path: string; make: boolean },
    use: (place: { folder: Step; name: string; now: OpenFile | null; path: string }) => Promise<Inside<T>>,
  ): Promise<Inside<T>> {
    const segments = judged(path, "write")
    if (!segments.ok) return segments
    const name = segments.value.at(-1)
    if (name === undefined) return refused("That is the project folder itself")
    const whole = segments.value.join("/")
    return within(walk(segments.value.slice(0, -1), { makeFolders: make }), async (folder) => {
      if (!folder.stats.isDirectory()) return refused(`"${path}" does not lie in a folder`)
      const there = attempt(name, () => steps.open(folder, name))
      if (!there.ok) return there.missing ? use({ folder, name, now: null, path: whole }) : there
      const { stats } = there.value
      steps.close(there.value)
      const why =
        judgeStep({ ...there.value, stats }, { mustBeFolder: false }) ?? (stats.isFile() ? null : "is a folder")
      return why
        ? refused(`"${whole}" ${why}`)
        : use({ folder, name, now: openFile({ fd: -1, stats, path: whole }), path: whole })
    })
  }

  return {
    root: rootPath,
    withFile,

    async list(path) {
      const segments = judged(path, "read")
      if (!segments.ok) return segments
      return within(walk(segments.value), async (step) => {
        if (!step.stats.isDirectory()) return refused(`"${path}" is not a folder`)
        const names = attempt(path, () => steps.names(step))
        if (!names.ok) return names
        const listed = names.value.sort().slice(0, MAX_LISTED)
        const entries = listed.flatMap((name) => entryOf(step, [...segments.value, name]) ?? [])
        const [hidden, unlisted] = [listed.length - entries.length, names.value.length - listed.length]
        return { ok: true, value: { path: segments.value.join("/"), entries, hidden, unlisted } }
      })
    },

    replace({ path, content, expected }) {
      return atPlace({ path, make: true }, async ({ folder, name, now, path: whole }) => {
        if (!isSame(now, expected)) return refused(`"${whole}" ${describeChange(now, expected)}`)
        const temporary = `.${name.slice(0, 100)}.${randomToken(9)}.tmp`
        const put = attempt(whole, () => steps.put(folder, { name, temporary, content, mode: expected?.mode ?? 0o644 }))
        return put.ok ? { ok: true, value: { path: whole } } : put
      })
    },

    remove({ path, expected }) {
      return atPlace({ path, make: false }, async ({ folder, name, now, path: whole }) => {
        if (!isSame(now, expected)) return refused(`"${whole}" ${describeChange(now, expected)}`)
        const removed = attempt(whole, () => unlinkSync(steps.address(folder, name)))
        return removed.ok ? { ok: true, value: { path: whole } } : removed
      })
    },

    close: () => steps.close(jailed),
  }

  function entryOf(folder: Step, path: readonly string[]): FolderEntry | null {
    const name = path.at(-1) ?? ""
    if (!judgePath({ root: rootPath, path: `./${path.join("/")}`, use: "read" }).ok) return null
    const stats = attempt(name, () => lstatSync(steps.address(folder, name), { bigint: true }))
    // Gone since it was listed, or closed.
    if (!stats.ok || shutStats.some(({ dev, ino }) => dev === stats.value.dev && ino === stats.value.ino)) return null
    const { value } = stats
    const kind = value.isFile() ? "file" : value.isDirectory() ? "folder" : value.isSymbolicLink() ? "link" : "other"
    return { name, kind, size: Number(value.size), modifiedAt: value.mtime.toISOString() }
  }
}

function openFile({ fd, stats, path }: { fd: number; stats: BigIntStats; path: string }): OpenFile {
  const { dev, ino, size, mtimeNs, ctimeNs } = stats
  return {
    fd,
    path,
    size: Number(size),
    modifiedAt: stats.mtime.toISOString(),
    mode: Number(stats.mode) & 0o777,
    stamp: [dev, ino, size, mtimeNs, ctimeNs].join(":"),
  }
}

function isSame(now: OpenFile | null, expected: OpenFile | null): boolean {
  return now?.stamp === expected?.stamp
}

function describeChange(now: OpenFile | null, expected: OpenFile | null): string {
  if (now === null) return "is gone"
  return expected === null ? "exists already" : "was changed meanwhile: read it again"
}

function refused(why: string, missing = false): Refused {
  return { ok: false, why, missing }
}

/** What the system says no to is a refusal; its message would name addresses of ours, so only the kind is told. */
function attempt<T>(what: string, work: () => T): Inside<T> {
  try {
    return { ok: true, value: work() }
  } catch (error) {
    const code = error instanceof Error && "code" in error ? String(error.code) : "unknown error"
    if (code === "ENOENT") return refused(`"${what}" does not exist`, true)
    if (code === "EACCES" || code === "EPERM") return refused(`"${what}" may not be opened by this user`)
    if (code === "ELOOP") return refused(`"${what}" is a link, and links are not followed`)
    if (code === "ENOTDIR") return refused(`"${what}" does not lie in a folder`)
    return refused(`"${what}" cannot be opened (${code})`)
  }
}

function existsMeanwhile({ why }: Refused): boolean {
  return why.includes("EEXIST")
}

function realFolder(folder: string): string {
  let real: string
  try {
    real = realpathSync(folder)
    if (statSync(real).isDirectory()) return real
  } catch (error) {
    throw new AppError("input.invalid", `The folder "${folder}" cannot be opened`, { cause: error })
  }
  throw badRoot(folder, "is not a folder")
}

function badRoot(root: string, why: string): AppError {
  return new AppError("input.invalid", `"${root}" cannot be a project folder: it ${why}`, {
    hint: "Choose a folder that holds the files the assistant is to work on.",
  })
}
