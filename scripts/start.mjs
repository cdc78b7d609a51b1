/** `npm start`: sets the project up, builds dist/ironclaw when sources changed, and runs it with the arguments given. */
import { spawnSync } from "node:child_process"
import { binaryPath, isFresh } from "./freshness.mjs"
import { SetupError, become, bunEnvironment, ensureBun, ensurePackages, fail, root, withLock } from "./setup.mjs"

/** What to run: a verb as given; without one `run` on a terminal, `serve` otherwise. @param {string[]} args @param {boolean} onTerminal */
export function verbFor(args, onTerminal) {
  const first = firstOwnWord(args)
  if (first !== undefined && (!first.startsWith("-") || ["--version", "-V", "--help", "-h"].includes(first)))
    return args
  const hasMessage = args.some((arg) => /^(-m|--message(=|$))/.test(arg))
  return [hasMessage || onTerminal ? "run" : "serve", ...args]
}

/** The first word that is none of the flags that every verb takes, which may stand before the verb. @param {string[]} args */
function firstOwnWord(args) {
  let at = 0
  while (/^(--json|-v|--verbose|--(home|set)(=.*)?)$/s.test(args[at] ?? ""))
    at += /^--(home|set)$/.test(args[at] ?? "") ? 2 : 1
  return args[at]
}

/** npm's own variables are none of the program's business, and Bun's two would make it another program. */
function programEnvironment() {
  const left = Object.entries(process.env).filter(([name]) => !/^(npm_.*|INIT_CWD|BUN_OPTIONS|BUN_BE_BUN)$/i.test(name))
  return Object.fromEntries(left)
}

async function build() {
  const bun = await ensureBun()
  await ensurePackages(bun)
  await withLock(async () => {
    if (isFresh(root)) return
    // What it says goes to stderr: stdout is the program's.
    const { status } = spawnSync(bun, ["--no-env-file", "scripts/build.ts"], {
      cwd: root,
      env: bunEnvironment(bun),
      stdio: ["ignore", 2, 2],
    })
    if (status !== 0) throw new SetupError("The build failed", "The lines above say why.")
  })
}

if (process.argv[1]?.endsWith("start.mjs")) {
  try {
    if (!isFresh(root)) await build()
    become(
      binaryPath(root),
      verbFor(process.argv.slice(2), process.stdin.isTTY && process.stdout.isTTY),
      programEnvironment(),
    )
  } catch (error) {
    fail(error)
  }
}
