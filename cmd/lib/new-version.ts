/** A new version of this program, before and after it takes our place: tried in homes of its own, and started as the service was. */
import { existsSync, mkdirSync, mkdtempSync, readdirSync, readFileSync, readlinkSync, rmSync } from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { AppError } from "#core/errors.ts"
import { claimPass } from "#core/guard.ts"
import { newKeyText } from "#core/secrets/key-text.ts"
import { ENVIRONMENT_NAME } from "#core/secrets/master-key.ts"
import { visible } from "./ui.ts"

const starting = claimPass("new-version")

/** A first start makes a database, a restore writes all of one: minutes on a slow disk. What takes longer hangs. */
const TRIAL_MS = 300_000
const MAX_SHOWN = 500 // what a program says when it fails, as far as a person reads it

const TRIAL = "trial-"

/** Removes what a trial that was killed left behind. Only for who holds the update's lock. */
export function sweepTrials(folder: string): void {
  for (const name of readdirSync(folder)) {
    if (name.startsWith(TRIAL)) rmSync(join(folder, name), { recursive: true, force: true })
  }
}

export type Trial = {
  program: string
  /** Where it makes a folder of its own: a copy of the owner's data is in it for a while. */
  folder: string
  /** What `--version` must begin with. */
  says: string
  /** A backup of this home, to be read by the new version; null where none was made. */
  backup: { path: string; passphrase: string } | null
  onProgress: (text: string) => void
  signal: AbortSignal
}

/** Throws `update.trial_failed` with what the program said. Touches nothing but a folder of its own. */
export async function tryVersion({ program, folder, says, backup, onProgress, signal }: Trial): Promise<void> {
  const base = mkdtempSync(join(folder, TRIAL))
  // From nothing: no database, no key, no home of the owner's. With a master key of its own it asks no keychain.
  const env = { HOME: base, PATH: "/usr/bin:/bin", TMPDIR: base, [ENVIRONMENT_NAME]: newKeyText() }
  const attempt = async (what: string, args: readonly string[], stdin = "") => {
    const { status, stdout, stderr } = await run([program, ...args], { base, env, stdin, signal })
    signal.throwIfAborted()
    if (status === 0) return stdout
    const words = visible(`${stderr}${stdout}`.trim()).slice(-MAX_SHOWN)
    throw new AppError("update.trial_failed", `The new version could not ${what}; it ended with ${status}: ${words}`)
  }
  try {
    onProgress("Trying the new version")
    const version = await attempt("say who it is", ["--version"])
    if (!version.startsWith(says))
      throw new AppError(
        "update.trial_failed",
        `The new version says that it is "${visible(version.trim())}", not ${says}`,
      )
    const home = (name: string) => {
      mkdirSync(join(base, name), { mode: 0o700 })
      return ["--home", join(base, name)]
    }
    await attempt("answer a message", ["run", "--json", "-m", "hello", "--set", "model.backend=demo", ...home("fresh")])
    if (backup === null) return
    onProgress("Trying the new version on a copy of your data")
    const copy = home("copy")
    await attempt(
      "read the backup",
      ["restore", backup.path, "--json", "--passphrase-stdin", ...copy],
      `${backup.passphrase}\n`,
    )
    await attempt("open the copy of your data", ["session", "list", "--json", ...copy])
  } finally {
    rmSync(base, { recursive: true, force: true })
  }
}

/** Which version a program says it is. Throws `update.trial_failed` where it is none of ours or does not start. */
export async function versionOf(program: string, signal: AbortSignal): Promise<string> {
  const { status, stdout } = await run([program, "--version"], { base: tmpdir(), env: {}, stdin: "", signal })
  const version = /^ironclaw (\S+) \(/.exec(stdout)?.[1]
  if (status === 0 && version !== undefined) return version
  throw new AppError("update.trial_failed", `${program} does not start, or is no version of this program`)
}

type RunOptions = { base: string; env: Record<string, string>; stdin: string; signal: AbortSignal }

async function run(argv: string[], { base, env, stdin, signal }: RunOptions) {
  const child = starting(() => {
    try {
      return Bun.spawn(argv, {
        cwd: base,
        env,
        stdin: Buffer.from(stdin),
        stdout: "pipe",
        stderr: "pipe",
        timeout: TRIAL_MS,
        killSignal: "SIGKILL",
        signal,
      })
    } catch (cause) {
      throw new AppError("update.trial_failed", "The new version does not start on this machine", { cause })
    }
  })
  const [stdout, stderr] = await Promise.all([child.stdout.text(), child.stderr.text()])
  return { status: await child.exited, stdout, stderr }
}

/** Has a program start the service again by its own `service restart`, which knows who keeps it. Whether it could. */
export async function restartKept(
  program: string,
  home: string,
  env: Readonly<Record<string, string>>,
): Promise<boolean> {
  const { signal } = new AbortController()
  const argv = [program, "service", "restart", "--json", "--home", home]
  return (await run(argv, { base: home, env: { ...env }, stdin: "", signal })).status === 0
}

/** How a running service was started, so that the same can be started again: null where the system does not tell. */
export type StartedAs = {
  program: string
  argv: readonly string[]
  env: Readonly<Record<string, string>>
  cwd: string
  /** Its parent is a shell: one that a person typed into, more likely than one that watches over it. */
  byShell: boolean
}

const shells: ReadonlySet<string> = new Set(["sh", "dash", "bash", "zsh", "fish", "ksh", "ash", "busybox"])

/** From /proc, which Linux alone has. */
export function startedAs(pid: number): StartedAs | null {
  const folder = `/proc/${pid}`
  if (!existsSync(`${folder}/cmdline`)) return null
  try {
    const words = (name: string) => readFileSync(`${folder}/${name}`, "utf8").split("\0").slice(0, -1)
    const pairs = words("environ").map((pair): [string, string] => {
      const equals = pair.indexOf("=")
      return [pair.slice(0, equals), pair.slice(equals + 1)]
    })
    const parent = /^PPid:\s+(\d+)$/m.exec(readFileSync(`${folder}/status`, "utf8"))?.[1] ?? ""
    return {
      program: readlinkSync(`${folder}/exe`),
      argv: words("cmdline").slice(1),
      env: Object.fromEntries(pairs),
      cwd: readlinkSync(`${folder}/cwd`),
      byShell: shells.has(readFileSync(`/proc/${parent}/comm`, "utf8").trim()),
    }
  } catch {
    return null // another user's process, or gone: not ours to start again
  }
}

/** Starts it as it was started, by itself: it outlives this process and has no terminal. Says whether it has ended since. */
export function startAgain(program: string, { argv, env, cwd }: StartedAs): () => boolean {
  const child = starting(() =>
    Bun.spawn([program, ...argv], {
      cwd: existsSync(cwd) ? cwd : "/",
      env: { ...env },
      stdin: "ignore",
      stdout: "ignore",
      stderr: "ignore",
      detached: true,
    }),
  )
  child.unref()
  return () => child.exitCode !== null || child.signalCode !== null
}
