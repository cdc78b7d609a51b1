/**
 * `npm test`: the checks, then every test, on the embedded database and on a private PostgreSQL 15 where one can be had, and the
 * end-to-end tests against the binary. The last line is `N passed, N failed`, with `, N skipped` where some were.
 * `--full` runs the long suites whole. Words name test files: `npm test -- core/db` runs only those.
 */
import { existsSync, mkdtempSync, readFileSync, rmSync } from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { parseArgs } from "node:util"
import { runChecks } from "./check.ts"
import { bringPackages, bringProgram } from "./debian.ts"
import { binaryPath, isFresh } from "./freshness.mjs"
import { type Postgres, startPostgres } from "./postgres.ts"

const root = join(import.meta.dir, "..")
/** Ends a test that hangs. Bun's own 5 s are tight for a database that starts beside a build on two shared cores. */
const TEST_TIMEOUT_MS = 30_000
/** Ends a suite that hangs; all of them together take a few minutes on two cores. */
const SUITE_TIMEOUT_MS = 15 * 60_000
const FULL_SUITE_TIMEOUT_MS = 4 * SUITE_TIMEOUT_MS // long suites repeat the same tests many times

export type Tally = { passed: number; failed: number; skipped: number }

export function addTallies(tallies: readonly Tally[]): Tally {
  const total = { passed: 0, failed: 0, skipped: 0 }
  for (const { passed, failed, skipped } of tallies) {
    total.passed += passed
    total.failed += failed
    total.skipped += skipped
  }
  return total
}

export function describeTally({ passed, failed, skipped }: Tally): string {
  return `${passed} passed, ${failed} failed${skipped > 0 ? `, ${skipped} skipped` : ""}`
}

/** Counts from Bun's JUnit report. A run that ended badly has failed, whatever its report says: a crash reports nothing. */
export function tallyOf(report: string | null, exitCode: number): Tally {
  const head = /<testsuites\b[^>]*>/.exec(report ?? "")?.[0] ?? ""
  const count = (name: string): number => Number(new RegExp(`\\b${name}="(\\d+)"`).exec(head)?.[1] ?? 0)
  const failed = count("failures") + count("errors")
  const skipped = count("skipped")
  const passed = Math.max(0, count("tests") - failed - skipped)
  // No tests at all is no success either.
  const bad = exitCode !== 0 || passed + failed + skipped === 0
  return { passed, failed: bad ? Math.max(1, failed) : failed, skipped }
}

/** What a stop has to end, besides ourselves. */
const running = new Set<{ kill: () => void; exited: Promise<number> }>()

/** `--parallel` and `--isolate` give each file globals of its own, so that none is hurt by what another left behind. */
type Suite = { name: string; args: readonly string[] }

async function runSuite({ name, args }: Suite, env: Record<string, string | undefined>, full: boolean): Promise<Tally> {
  console.log(`\n== ${name}`)
  const folder = mkdtempSync(join(tmpdir(), "ironclaw-report-"))
  const reportFile = join(folder, "report.xml")
  try {
    // Ends what tests started, too.
    const own = ["--no-orphans", `--timeout=${TEST_TIMEOUT_MS}`]
    const child = Bun.spawn(
      [
        process.execPath,
        "--no-env-file",
        "test",
        ...own,
        "--reporter=junit",
        `--reporter-outfile=${reportFile}`,
        ...args,
      ],
      {
        cwd: root,
        env,
        stdin: "ignore",
        stdout: "inherit",
        stderr: "inherit",
        timeout: full ? FULL_SUITE_TIMEOUT_MS : SUITE_TIMEOUT_MS,
      },
    )
    running.add(child)
    const exitCode = await child.exited
    running.delete(child)
    const tally = tallyOf(existsSync(reportFile) ? readFileSync(reportFile, "utf8") : null, exitCode)
    console.log(`== ${name}: ${describeTally(tally)}`)
    return tally
  } finally {
    rmSync(folder, { recursive: true, force: true })
  }
}

/** The binary that the end-to-end tests run. */
async function ensureBinary(): Promise<boolean> {
  if (isFresh(root)) return true
  const child = Bun.spawn([process.execPath, "--no-env-file", "scripts/build.ts"], {
    cwd: root,
    stdout: "inherit",
    stderr: "inherit",
  })
  return (await child.exited) === 0
}

/** What makes plugins of C, which stock plugins are made with. */
async function bringCompiler(work: string): Promise<{ path: string } | { reason: string } | { there: true }> {
  const programs = ["clang", "wasm-ld"]
  if (programs.every((program) => Bun.which(program) !== null)) return { there: true }
  return bringPackages(work, { from: ["clang", "lld"], programs })
}

async function runEverything(patterns: readonly string[], full: boolean): Promise<Tally> {
  const tallies: Tally[] = []
  if (patterns.length === 0) {
    console.log("== checks")
    tallies.push({ ...(await runChecks(root)), skipped: 0 })
  }
  console.log("\n== binary")
  if (!(await ensureBinary())) tallies.push({ passed: 0, failed: 1, skipped: 0 })
  console.log("\n== PostgreSQL")
  let postgres: Postgres | null = null
  const stop = async (): Promise<never> => {
    for (const child of running) child.kill()
    await Promise.all([...running].map(({ exited }) => exited))
    await postgres?.stop()
    process.exit(130)
  }
  process.on("SIGINT", () => void stop())
  process.on("SIGTERM", () => void stop())
  const tools = mkdtempSync(join(tmpdir(), "ironclaw-tools-"))
  process.on("exit", () => rmSync(tools, { recursive: true, force: true }))
  const [outcome, busybox, compiler] = await Promise.all([
    startPostgres(),
    bringProgram(tools, { from: "busybox", path: "bin/busybox" }),
    bringCompiler(tools),
  ])
  if ("postgres" in outcome) postgres = outcome.postgres
  console.log(
    "reason" in outcome
      ? `No PostgreSQL, its tests are skipped: ${outcome.reason}`
      : "PostgreSQL 15 with pgvector is up",
  )
  if ("reason" in busybox) console.log(`No busybox, the install script is not tested under it: ${busybox.reason}`)
  if ("reason" in compiler) console.log(`No clang, plugins in C are not tested: ${compiler.reason}`)
  const env = {
    ...process.env,
    ...("path" in compiler ? { PATH: `${compiler.path}:${process.env["PATH"] ?? ""}` } : {}),
    ...("program" in busybox ? { IRONCLAW_TEST_BUSYBOX: busybox.program } : {}),
    IRONCLAW_TEST_BINARY: binaryPath(root),
    ...(postgres ? { TEST_DATABASE_URL: postgres.url } : {}),
    ...(full ? { IRONCLAW_TEST_FULL: "1" } : {}),
  }
  const suites: Suite[] =
    patterns.length > 0
      ? [{ name: patterns.join(" "), args: ["--parallel", ...patterns] }]
      : [
          { name: "unit", args: ["--parallel", "--path-ignore-patterns=test/e2e/**"] },
          ...([...new Bun.Glob("test/e2e/**/*.test.ts").scanSync(root)].length > 0
            ? [{ name: "end to end", args: ["--isolate", "test/e2e/"] }]
            : []),
        ]
  try {
    for (const suite of suites) tallies.push(await runSuite(suite, env, full))
  } finally {
    await postgres?.stop()
  }
  return addTallies(tallies)
}

if (import.meta.main) {
  const { values, positionals } = parseArgs({
    options: { full: { type: "boolean", default: false } },
    allowPositionals: true,
  })
  const tally = await runEverything(positionals, values.full)
  console.log(`\n${describeTally(tally)}`)
  process.exitCode = tally.failed === 0 ? 0 : 1
}
