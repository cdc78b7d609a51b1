/** The compiled program, run as its owner runs it: a child process with an environment made from nothing. */
import { existsSync } from "node:fs"
import { join, resolve } from "node:path"

export { until } from "./until.ts"

const root = join(import.meta.dir, "../..")

/** IRONCLAW_TEST_BINARY, else what the last build made, else what a build makes now. */
export const binary: string = await findBinary()

async function findBinary(): Promise<string> {
  const named = process.env["IRONCLAW_TEST_BINARY"]
  if (named) return resolve(named)
  const built = join(root, "dist/ironclaw")
  if (existsSync(built)) return built
  const child = Bun.spawn([process.execPath, "--no-env-file", "scripts/build.ts"], { cwd: root, stderr: "pipe" })
  const words = await child.stderr.text()
  if ((await child.exited) !== 0) throw new Error(`There is no binary to test, and none could be built:\n${words}`)
  return built
}

/** Long suites run whole with IRONCLAW_TEST_FULL=1; the count that ran is printed. */
export function countOf(what: string, { reduced, full }: { reduced: number; full: number }): number {
  const count = process.env["IRONCLAW_TEST_FULL"] === "1" ? full : reduced
  console.log(`${what}: ${count}${count === full ? "" : ` of ${full} (IRONCLAW_TEST_FULL=1 runs all)`}`)
  return count
}

export type Environment = Readonly<Record<string, string>>

/** Nothing of this machine's user, and a time zone that is the same everywhere. */
export function environmentOf(home: string, more: Environment = {}): Record<string, string> {
  return {
    HOME: home,
    IRONCLAW_HOME: join(home, ".ironclaw"),
    PATH: "/usr/bin:/bin",
    LANG: "C.UTF-8",
    TZ: "UTC",
    ...more,
  }
}

/** The environment that makes a scripted model server the configured model. */
export function modelEnvironment(url: string): Environment {
  return { LLM_BACKEND: "openai_compatible", LLM_BASE_URL: `${url}/v1`, LLM_MODEL: "fake-model" }
}

export type RunOptions = {
  /** HOME of the child; its ironclaw home is `.ironclaw` in it. */
  home: string
  env?: Environment
  /** The whole environment, instead of what `environmentOf` makes. */
  environment?: Environment
  cwd?: string
  stdin?: string | null
  /** Another program in front, such as strace. */
  prefix?: readonly string[]
}

export type Ran = { status: number; stdout: string; stderr: string }

export function spawnBinary(args: readonly string[], { home, env, environment, cwd, stdin, prefix = [] }: RunOptions) {
  return Bun.spawn([...prefix, binary, ...args], {
    cwd: cwd ?? home,
    env: { ...(environment ?? environmentOf(home, env)) },
    stdin: stdin === undefined || stdin === null ? "ignore" : Buffer.from(stdin),
    stdout: "pipe",
    stderr: "pipe",
  })
}

/** Runs the program to its end. */
export async function runBinary(args: readonly string[], options: RunOptions): Promise<Ran> {
  const child = spawnBinary(args, options)
  const [stdout, stderr] = await Promise.all([child.stdout.text(), child.stderr.text()])
  return { status: await child.exited, stdout, stderr }
}
