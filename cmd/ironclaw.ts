/** The entry. What must not load anything is decided first: the version, and the hidden commands that are our own child processes. */
import { builtAt, commit, releaseNumber, version } from "./lib/version.ts"

/** Children of ours start with their name as the first argument, before anything of the program is loaded. */
const children: Readonly<Record<string, () => Promise<{ runChild(argv: readonly string[]): Promise<number> }>>> = {
  "sandbox-child": () => import("#sandbox/child/main.ts"),
}

const argv = process.argv.slice(2)
const [first = ""] = argv

if (first === "--version" || first === "-V") {
  // Not through lib/ui.ts, which would have to be loaded.
  await Bun.write(
    Bun.stdout,
    `ironclaw ${version} (${[commit, builtAt.slice(0, 10), releaseNumber > 0 ? `release ${releaseNumber}` : ""].filter((part) => part !== "").join(", ")})\n`,
  )
} else if (Object.hasOwn(children, first)) {
  const child = await children[first]?.()
  process.exit(await child?.runChild(argv.slice(1)))
} else if (first === "__complete") {
  // What shells ask with every press of a key: without the verbs, their terminal and their errors.
  await import("#core/guard-now.ts")
  const { runComplete } = await import("./lib/live-names.ts")
  process.exit(await runComplete(argv.slice(1)))
} else {
  // The guard goes before all: what loads after it cannot keep the unguarded originals.
  await import("#core/guard-now.ts")
  const { runProgram } = await import("./lib/program.ts")
  process.exit(await runProgram(argv))
}
