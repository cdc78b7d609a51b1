/** The processes that a verb starts on the owner's command: the system's own tools, and the service itself. */
import { closeSync, constants, fchmodSync, fstatSync, ftruncateSync, openSync } from "node:fs"
import { processEnvironment } from "#core/config.ts"
import { claimPass } from "#core/guard.ts"

const pass = claimPass("system-service")

export type Ran = { status: number; stdout: string; stderr: string }

/** The system's tools answer within this, a start of the service that waits for its readiness included. */
const PATIENCE_MS = 150_000

/** Runs a program of the system to its end; status 127 where there is no such program. No shell reads the words. */
export async function runTool(argv: readonly [string, ...string[]], stdin = ""): Promise<Ran> {
  const [name, ...words] = argv
  const program = Bun.which(name)
  if (program === null) return { status: 127, stdout: "", stderr: `${name}: not found` }
  const child = pass(() =>
    Bun.spawn([program, ...words], {
      stdin: Buffer.from(stdin),
      stdout: "pipe",
      stderr: "pipe",
      timeout: PATIENCE_MS,
      killSignal: "SIGKILL",
    }),
  )
  const [stdout, stderr] = await Promise.all([child.stdout.text(), child.stderr.text()])
  return { status: await child.exited, stdout, stderr }
}

export type OwnChild = { pid: number; exited: Promise<number>; kill(signal: NodeJS.Signals): void }

/** This program again, with what it says where ours goes. */
export function startOwn(words: readonly string[]): OwnChild {
  const child = pass(() =>
    Bun.spawn([process.execPath, ...words], { stdin: "ignore", stdout: "inherit", stderr: "inherit" }),
  )
  return { pid: child.pid, exited: child.exited, kill: (signal) => child.kill(signal) }
}

/** What a detached process says is kept up to here; it says a line a start. */
const MAX_WORDS_BYTES = 1_048_576

/** This program again, in a session of its own: it outlives us and the terminal. What it says is added to `wordsFile` (0600); `env` goes before ours. */
export function startDetached(
  words: readonly string[],
  { wordsFile, env }: { wordsFile: string; env: Readonly<Record<string, string>> },
): OwnChild {
  const file = openSync(wordsFile, constants.O_WRONLY | constants.O_CREAT | constants.O_APPEND, 0o600)
  try {
    fchmodSync(file, 0o600)
    if (fstatSync(file).size > MAX_WORDS_BYTES) ftruncateSync(file, 0)
    const child = pass(() =>
      Bun.spawn([process.execPath, ...words], {
        stdin: "ignore",
        stdout: file,
        stderr: file,
        env: { ...processEnvironment(), ...env },
        detached: true,
        cwd: "/",
      }),
    )
    child.unref()
    return { pid: child.pid, exited: child.exited, kill: (signal) => child.kill(signal) }
  } finally {
    closeSync(file)
  }
}
