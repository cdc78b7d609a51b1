/** What a verb is: a sentence, examples, arguments, and work that gives data and a way to show it. */
import type { ArgDef, ArgsDef } from "citty"
import type { LiveKind } from "./live-names.ts"
import type { Ui } from "./ui.ts"

export type { ArgsDef } from "citty"

/** Flags that every verb takes. */
export type GlobalFlags = {
  json: boolean
  verbose: boolean
  home: string | undefined
  /** `--set key=value`: configuration for this one run. */
  set: Readonly<Record<string, string>>
}

/** What a verb gives back: `data` is what --json prints, `show` says the same to a person. */
export type Outcome = { data: unknown; show: () => void; status?: number }

type ValueOf<D extends ArgDef> = D extends { type: "boolean" }
  ? boolean | undefined
  : D extends { options: readonly (infer O)[] }
    ? O | (D extends { required: true } | { default: string } ? never : undefined)
    : D extends { default: string }
      ? string
      : D extends { type: "positional" }
        ? D extends { required: false }
          ? string | undefined
          : string
        : D extends { required: true }
          ? string
          : string | undefined

export type ArgValues<A extends ArgsDef> = { readonly [K in keyof A]: ValueOf<A[K]> }

export type VerbContext<A extends ArgsDef = ArgsDef> = {
  args: ArgValues<A>
  /** Words after the declared ones; empty unless the verb takes `rest`. */
  rest: readonly string[]
  flags: GlobalFlags
  ui: Ui
  /** Aborts at Ctrl-C. */
  signal: AbortSignal
}

export type VerbMeta = {
  description: string
  examples: readonly string[]
  /** The name of the words after the declared ones, where the verb takes any. */
  rest?: string
  /** The verb deals with Ctrl-C itself; else it aborts the signal and ends with 130. */
  ownsInterrupt?: boolean
  /** The exit status for what it throws; absent: 1, or 2 for wrong usage. */
  failureStatus?: (error: unknown) => number | undefined
  /** Values that a shell may offer for a positional, by its name. */
  offers?: Readonly<Record<string, readonly string[]>>
  /** The kind of names that a running service has for a positional, by its name. */
  live?: Readonly<Record<string, LiveKind>>
}

/** Shaped like citty's commands, so that its parser and its usage text work on it. */
export type Verb = {
  meta: VerbMeta
  args: ArgsDef
  subCommands?: Readonly<Record<string, Verb>>
  run?: (context: VerbContext) => Promise<Outcome | void>
}

/** Fixes the type of the arguments to their definition, and erases it again: a table holds verbs of every kind. */
export function defineVerb<const A extends ArgsDef>(verb: {
  meta: VerbMeta
  args: A
  run: (context: VerbContext<A>) => Promise<Outcome | void>
}): Verb {
  // The runner parses by `args` before it calls `run`, so the values have the types that `args` says.
  return verb as unknown as Verb
}

/** A verb that only holds others: `ironclaw config list`. */
export function defineVerbGroup(meta: VerbMeta, verbs: Readonly<Record<string, Verb>>): Verb {
  return { meta, args: {}, subCommands: verbs }
}

/** One row of the map of verbs: what the help says, and where the code is. */
export type VerbEntry = { about: string; alias?: readonly string[]; load: () => Promise<{ default: Verb }> }
export type VerbTable = Readonly<Record<string, VerbEntry>>
