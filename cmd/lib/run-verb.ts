/** From a command line to an exit status: finds the verb, judges its arguments, runs it, and says how it went, in one place for all. */
import { parseArgs } from "citty"
import { AppError } from "#core/errors.ts"
import { findVerb, judgeFlags, splitCommandLine, unknownVerb } from "./arguments.ts"
import { showMainHelp, showVerbHelp } from "./help.ts"
import { exitStatus, type Ui } from "./ui.ts"
import type { ArgValues, ArgsDef, GlobalFlags, Verb, VerbTable } from "./verb.ts"

export type RunDeps = {
  verbs: VerbTable
  /** The verb that `ironclaw` alone means. */
  fallback: string
  makeUi: (options: { json: boolean; verbose: boolean }) => Ui
}

/** Runs one command line to its end and gives the exit status. Never throws. */
export async function runCommandLine(argv: readonly string[], { verbs, fallback, makeUi }: RunDeps): Promise<number> {
  // Wrong usage is told as JSON too, so this much is read before anything can go wrong.
  const early = beforeDashes(argv)
  const ui = makeUi({ json: early.includes("--json"), verbose: early.includes("-v") || early.includes("--verbose") })
  try {
    const { flags, help, words } = splitCommandLine(argv)
    const [first] = words
    if (first === "help") return await showHelp(ui, verbs, words.slice(1))
    if (help && (first === undefined || first.startsWith("-"))) return await showHelp(ui, verbs, [])
    const name = first === undefined || first.startsWith("-") ? fallback : verbNamed(first, verbs)
    const entry = verbs[name]
    if (!entry) throw unknownVerb(name, [], Object.keys(verbs))
    const loaded = (await entry.load()).default
    const found = findVerb(loaded, [name], name === fallback && first !== fallback ? words : words.slice(1))
    if (help) {
      showHelpOf(ui, found.verb, found.path)
      return exitStatus.done
    }
    return await runVerb(ui, found, flags)
  } catch (error) {
    return ui.fail(error)
  }
}

async function runVerb(
  ui: Ui,
  { verb, path, words }: ReturnType<typeof findVerb>,
  flags: GlobalFlags,
): Promise<number> {
  const { run } = verb
  const command = ["ironclaw", ...path].join(" ")
  if (!run) {
    throw new AppError("usage.wrong", `\`${command}\` needs to know what to do`, {
      hint: `It takes ${Object.keys(verb.subCommands ?? {}).join(", ")}; \`${command} --help\` says more.`,
    })
  }
  const { args, rest } = argumentsOf(verb, words, command)
  const interrupt = new AbortController()
  const onInterrupt = () => {
    if (interrupt.signal.aborted) process.exit(exitStatus.interrupted) // the second Ctrl-C does not wait
    interrupt.abort(new AppError("usage.interrupted", "Interrupted"))
  }
  if (!verb.meta.ownsInterrupt) for (const signal of ["SIGINT", "SIGTERM"] as const) process.on(signal, onInterrupt)
  try {
    const outcome = await run({ args, rest, flags, ui, signal: interrupt.signal })
    if (!outcome) return exitStatus.done
    if (ui.json) ui.document(outcome.data)
    else outcome.show()
    return outcome.status ?? exitStatus.done
  } catch (error) {
    const why: unknown = interrupt.signal.aborted ? interrupt.signal.reason : error
    const status = ui.fail(why)
    // Some verbs deal with Ctrl-C themselves and say so by their error.
    if (why instanceof AppError && why.code === "usage.interrupted") return exitStatus.interrupted
    return verb.meta.failureStatus?.(why) ?? status
  } finally {
    for (const signal of ["SIGINT", "SIGTERM"] as const) process.off(signal, onInterrupt)
  }
}

/** Throws `usage.wrong`. */
function argumentsOf(
  verb: Verb,
  words: readonly string[],
  command: string,
): { args: ArgValues<ArgsDef>; rest: readonly string[] } {
  const wrong = (message: string) =>
    new AppError("usage.wrong", message, { hint: `\`${command} --help\` shows how it is used.` })
  const problem = judgeFlags(words, verb.args)
  if (problem !== null) throw wrong(problem)
  const named = Object.values(verb.args).filter(({ type }) => type === "positional").length
  try {
    const parsed = parseArgs([...words], verb.args)
    const rest = parsed._.slice(named)
    if (rest.length > 0 && !verb.meta.rest) throw wrong(`\`${command}\` does not know what to do with "${rest[0]}"`)
    return { args: { ...parsed }, rest }
  } catch (error) {
    if (error instanceof AppError || !(error instanceof Error)) throw error
    // What citty throws is about the command line, in words for people, coloured as it likes.
    throw wrong(
      Bun.stripANSI(error.message)
        .replace("Missing required positional argument: ", `\`${command}\` needs `)
        .replace("Missing required argument: ", `\`${command}\` needs `),
    )
  }
}

async function showHelp(ui: Ui, verbs: VerbTable, words: readonly string[]): Promise<number> {
  const [first] = words
  if (first === undefined) {
    if (ui.json) ui.document(Object.entries(verbs).map(([name, { about }]) => ({ name, about })))
    else showMainHelp(ui, verbs)
    return exitStatus.done
  }
  const name = verbNamed(first, verbs)
  const loaded = (await verbs[name]?.load())?.default
  if (!loaded) throw unknownVerb(name, [], Object.keys(verbs))
  const { verb, path } = findVerb(loaded, [name], words.slice(1))
  showHelpOf(ui, verb, path)
  return exitStatus.done
}

function showHelpOf(ui: Ui, verb: Verb, path: readonly string[]): void {
  if (ui.json) {
    ui.document({
      command: ["ironclaw", ...path].join(" "),
      about: verb.meta.description,
      examples: verb.meta.examples,
      flags: verb.args,
      commands: Object.keys(verb.subCommands ?? {}),
    })
  } else showVerbHelp(ui, verb, path)
}

function verbNamed(word: string, verbs: VerbTable): string {
  if (Object.hasOwn(verbs, word)) return word
  const aliased = Object.entries(verbs).find(([, { alias }]) => alias?.includes(word))
  if (aliased) return aliased[0]
  throw unknownVerb(word, [], Object.keys(verbs))
}

function beforeDashes(argv: readonly string[]): readonly string[] {
  const at = argv.indexOf("--")
  return at === -1 ? argv : argv.slice(0, at)
}
