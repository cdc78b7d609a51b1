/**
 * Runs a hook's program: JSON on stdin, JSON on stdout, no shell, an environment from nothing, and an end after 5 seconds, with all
 * that it started. Before each run the files of its command line are what they were when the owner set it, or it does not run.
 * Known limits: between that look and the start a file can still be swapped, by a process that may write to it; what a program loads
 * besides its command line is not looked at; a child that leaves the process group (`setsid`) outlives it, and so does everything
 * where this process itself is killed.
 */
import type { Clock } from "../clock.ts"
import { AppError } from "../errors.ts"
import { claimPass } from "../guard.ts"

/** A regular file named in the command line, and what it held when the owner set the hook. */
export type HookFile = { path: string; sha256: string }
export type HookProgram = { argv: readonly string[]; files: readonly HookFile[] }
/** `fault`: why there is no answer. `detail`: more of it, for the owner alone: the program's stderr may hold anything. */
export type HookOutput = { ok: true; text: string } | { ok: false; fault: string; detail: string }

/** One fixed deadline for both forms: a person waits for the act. */
export const HOOK_TIMEOUT_MS = 5_000
/** A message of 4 MiB rewritten whole, with room for the JSON around it and for escapes. */
export const MAX_OUTPUT_BYTES = 6 * 1024 * 1024
/** Of stderr, for the owner to read: a line or two. */
const SHOWN_STDERR = 300
/** Nothing of ours: no home, no key, no proxy. A program that needs more sets it itself. */
const ENVIRONMENT = { PATH: "/usr/local/bin:/usr/bin:/bin", LANG: "C.UTF-8" }
/** Readable by all, writable by few, and nobody's project. */
const FOLDER = "/"

const start = claimPass("hook-program")

/** Which files a command line names, with their hashes now. Throws `hook.unusable` where the program cannot be one. */
export async function filesOf(argv: readonly string[]): Promise<HookFile[]> {
  const [program = ""] = argv
  if (!program.startsWith("/"))
    throw new AppError("hook.unusable", `"${program}" is no absolute path: a hook's program is named whole`)
  const files: HookFile[] = []
  for (const path of new Set(argv)) {
    if (!path.startsWith("/")) continue
    const found = await hashOf(path)
    if (found === "missing" && path !== program) continue // a word that looks like a path; a file that comes later is not ours to judge
    if (typeof found === "string") throw new AppError("hook.unusable", `${path} ${wordsFor(found)}`)
    files.push({ path, sha256: found.sha256 })
  }
  return files
}

type Unusable = "missing" | "no file" | "open to all" | "unreadable"

function wordsFor(problem: Unusable): string {
  const words: Record<Unusable, string> = {
    missing: "is not there",
    "no file": "is no regular file",
    "open to all": "can be written by every user of this machine",
    unreadable: "cannot be read",
  }
  return words[problem]
}

async function hashOf(path: string): Promise<{ sha256: string } | Unusable> {
  const file = Bun.file(path)
  try {
    const stat = await file.stat()
    if (!stat.isFile()) return path.endsWith("/") || stat.isDirectory() ? "missing" : "no file" // a folder is a word like any other
    if ((stat.mode & 0o002) !== 0) return "open to all"
    const hasher = new Bun.CryptoHasher("sha256")
    const bytes: ReadableStream<Uint8Array> = file.stream()
    for await (const part of bytes) hasher.update(part)
    return { sha256: hasher.digest("hex") }
  } catch (error) {
    return error instanceof Error && "code" in error && (error.code === "ENOENT" || error.code === "ENOTDIR")
      ? "missing"
      : "unreadable"
  }
}

/** Null where every file is as it was. */
export async function changeIn(files: readonly HookFile[]): Promise<string | null> {
  for (const { path, sha256 } of files) {
    const found = await hashOf(path)
    if (typeof found === "string") return `${path} ${wordsFor(found)}`
    if (found.sha256 !== sha256) return `${path} was changed since the hook was set`
  }
  return null
}

/** Never throws. `signal`: whoever asked does not wait any more. */
export async function runProgram(
  { argv, files }: HookProgram,
  { input, signal, clock }: { input: string; signal: AbortSignal; clock: Clock },
): Promise<HookOutput> {
  const cut = Promise.withResolvers<string>()
  const stop = new AbortController()
  const end = (why: string) => {
    cut.resolve(why)
    stop.abort()
  }
  const cancel = clock.after(HOOK_TIMEOUT_MS, () => end(`it did not answer within ${HOOK_TIMEOUT_MS} ms`))
  const onAbort = () => end("it was stopped")
  signal.addEventListener("abort", onAbort, { once: true })
  if (signal.aborted) onAbort()
  try {
    // Reading its files counts too: they may be on a disk that does not answer.
    const changed = await Promise.race([changeIn(files), cut.promise])
    if (changed !== null) return fault(changed)
    return await runChild(argv, { input, stop, cut, end })
  } catch (error) {
    return fault("it could not be started", error instanceof Error ? error.message : "")
  } finally {
    cancel()
    signal.removeEventListener("abort", onAbort)
  }
}

type Limits = { stop: AbortController; cut: PromiseWithResolvers<string>; end: (why: string) => void }

async function runChild(
  argv: readonly string[],
  { input, stop, cut, end }: { input: string } & Limits,
): Promise<HookOutput> {
  const child = start(() =>
    Bun.spawn([...argv], {
      cwd: FOLDER,
      env: ENVIRONMENT,
      stdin: Buffer.from(input),
      stdout: "pipe",
      stderr: "pipe",
      detached: true, // a process group of its own, so that all of it can be ended at once
    }),
  )
  const output = readUpTo(child.stdout, MAX_OUTPUT_BYTES, () => end(`it wrote more than ${MAX_OUTPUT_BYTES} bytes`))
  const complaint = readUpTo(child.stderr, SHOWN_STDERR, () => {})
  const onStop = () => {
    killGroup(child)
    // Something outside the group may hold the pipes open still.
    output.stop()
    complaint.stop()
  }
  stop.signal.addEventListener("abort", onStop, { once: true })
  if (stop.signal.aborted) onStop()
  const status = await child.exited
  const { signalCode } = child
  killGroup(child) // what it left behind has nothing to do any more
  const [text, stderr] = await Promise.all([output.text, complaint.text])
  if (stop.signal.aborted) return fault(await cut.promise)
  if (status === 0) return { ok: true, text }
  return fault(signalCode === null ? `it ended with status ${status}` : `it was ended by ${signalCode}`, stderr.trim())
}

export function fault(why: string, detail = ""): HookOutput {
  return { ok: false, fault: why, detail }
}

function killGroup(child: { pid: number; kill(signal: "SIGKILL"): void }): void {
  try {
    process.kill(-child.pid, "SIGKILL")
  } catch {
    child.kill("SIGKILL") // no such group: nothing is left of it, or this system has none
  }
}

/** Reads to the end, keeps the first `max` bytes; `onMore` once there are more. */
function readUpTo(
  stream: ReadableStream<Uint8Array>,
  max: number,
  onMore: () => void,
): { text: Promise<string>; stop: () => void } {
  const reader = stream.getReader()
  async function read(): Promise<string> {
    const kept: Uint8Array[] = []
    let size = 0
    for (let part = await reader.read(); !part.done; part = await reader.read()) {
      if (size < max) kept.push(part.value.subarray(0, max - size))
      if (size <= max && size + part.value.byteLength > max) onMore()
      size += part.value.byteLength
    }
    return Buffer.concat(kept).toString("utf8")
  }
  return { text: read(), stop: () => void reader.cancel().catch(() => {}) } // already at its end
}
