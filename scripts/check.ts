/** `bun run check`: everything about the source that can be judged without running it, side by side, in seconds. `--fix` formats first. */
import { join } from "node:path"
import { checkForbidden } from "./forbidden.ts"
import { checkLayers } from "./layers.ts"
import { checkPackages } from "./packages.ts"
import { checkReadme } from "./readme-map.ts"
import { checkSizesAndNames } from "./sizes-and-names.ts"
import type { Problem } from "./tree.ts"

type Result = { ok: boolean; details: string; note: string | null }
export type Check = { name: string; run: () => Promise<Result> }

const TOOL_TIMEOUT_MS = 120_000 // each takes about a second; two minutes mean that it hangs

const tsgolint = `node_modules/@oxlint-tsgolint/${process.platform}-${process.arch}/tsgolint${process.platform === "win32" ? ".exe" : ""}`

/** Runs a tool of node_modules with this very Bun, whatever `node` the machine has. */
async function runTool(root: string, name: string, args: readonly string[]): Promise<Result> {
  const child = Bun.spawn([process.execPath, "--bun", join(root, "node_modules/.bin", name), ...args], {
    cwd: root,
    // oxlint would start its type-aware half through a script for Node; this is the program that the script starts.
    env: { ...process.env, OXLINT_TSGOLINT_PATH: join(root, tsgolint) },
    stdout: "pipe",
    stderr: "pipe",
    timeout: TOOL_TIMEOUT_MS,
  })
  const [stdout, stderr] = await Promise.all([child.stdout.text(), child.stderr.text()])
  return { ok: (await child.exited) === 0, details: `${stdout}${stderr}`.trim(), note: null }
}

function fromProblems(problems: readonly Problem[], note: string | null = null): Result {
  const lines = problems.map(({ file, line, message }) => `${file}${line ? `:${line}` : ""}  ${message}`)
  return { ok: problems.length === 0, details: lines.join("\n"), note }
}

/** Formatted are the files that people write; JSON that a tool rewrites in its own way is not. */
const formatted = [
  "cmd",
  "core",
  "gateway",
  "sandbox",
  "channels",
  "skills",
  "scripts",
  "test",
  "package.json",
  "knip.json",
]
const formatArgs = [...formatted, "--no-error-on-unmatched-pattern"]

/** The checks of the tree at `root`. */
export function checksOf(root: string): Check[] {
  return [
    { name: "format", run: () => runTool(root, "oxfmt", ["--check", ...formatArgs]) },
    { name: "types", run: () => runTool(root, "tsc", ["--pretty", "false"]) },
    { name: "lint", run: () => runTool(root, "oxlint", ["--format", "unix", "--deny-warnings"]) },
    { name: "dead exports", run: () => runTool(root, "knip-bun", ["--no-progress"]) },
    { name: "layers", run: async () => fromProblems(checkLayers(root)) },
    { name: "sizes and names", run: async () => fromProblems(checkSizesAndNames(root)) },
    { name: "forbidden", run: async () => fromProblems(checkForbidden(root)) },
    { name: "readme", run: async () => fromProblems(checkReadme(root)) },
    {
      name: "packages",
      run: async () => {
        const { problems, note } = await checkPackages(root)
        return fromProblems(problems, note)
      },
    },
  ]
}

async function judge({ name, run }: Check): Promise<boolean> {
  const startedMs = performance.now()
  const { ok, details, note } = await run().catch((error: unknown) => ({
    ok: false,
    details: String(error),
    note: null,
  }))
  const took = `${Math.round(performance.now() - startedMs)} ms`
  console.log(`${ok ? "ok  " : "FAIL"}  ${name.padEnd(16)} ${took.padStart(8)}${note === null ? "" : `  (${note})`}`)
  if (!ok) console.log(details.replace(/^/gm, "      "))
  return ok
}

/** Runs every check and prints each verdict as it comes. */
export async function runChecks(root: string): Promise<{ passed: number; failed: number }> {
  const verdicts = await Promise.all(checksOf(root).map(judge))
  const failed = verdicts.filter((ok) => !ok).length
  return { passed: verdicts.length - failed, failed }
}

if (import.meta.main) {
  const root = join(import.meta.dir, "..")
  if (process.argv.includes("--fix")) await runTool(root, "oxfmt", formatArgs)
  const startedMs = performance.now()
  const { passed, failed } = await runChecks(root)
  console.log(`${passed} passed, ${failed} failed, ${Math.round(performance.now() - startedMs)} ms`)
  process.exitCode = failed === 0 ? 0 : 1
}
