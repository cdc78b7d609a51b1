/** What the owner does with hooks: looks at them, sets one, takes one away, tries one. Those of plugins come and go with their plugin. */
import { AppError } from "../errors.ts"
import type { PersonId } from "../id.ts"
import type { HookInput, HookPoint, HookValues } from "../hooks.ts"
import type { HookAnswer } from "./answer.ts"
import type { HookChain, HookRun } from "./chain.ts"
import type { AnyHook, PluggedHooks, PluginHook } from "./plugged.ts"
import { changeIn, filesOf } from "./program.ts"
import { type Hook, type HookStore, type NewHook, wordsForForm } from "./store.ts"
import { assertUsable } from "./url.ts"

/** What the owner says of a new hook. Exactly one of `argv` and `url`. */
export type AskedHook = Omit<NewHook, "form"> & { argv: readonly string[] | null; url: string | null; local: boolean }

/** `problem`: why nothing passes it; null where it can run. */
export type ShownHook = {
  name: string
  from: "owner" | "plugin"
  hook: AnyHook | null
  form: string
  problem: string | null
  lastRun: HookRun | null
}

export type HookSample = { text?: string; tool?: string; arguments?: Record<string, unknown> }
export type HookTrial = { answer: HookAnswer; value: unknown; durationMs: number }

export type HookDesk = {
  list(): Promise<ShownHook[]>
  /** Looks at the program's files, or the URL, as they are now. Throws `hook.unusable`, `input.invalid`. */
  prepare(asked: AskedHook): Promise<NewHook>
  /** Throws `conflict`. */
  add(hook: NewHook): Promise<Hook>
  /** Throws `not_found`. */
  remove(name: string): Promise<void>
  /** Runs one hook on something made up. Throws `not_found`. */
  test(name: string, sample: HookSample): Promise<HookTrial>
}

/** The whole command line: the kernel's own limit is higher, and no person reads more before they say yes. */
const MAX_ARGV_CHARACTERS = 4_096

export function createHookDesk({
  store,
  plugged,
  chain,
  ownerId,
}: {
  store: HookStore
  plugged: Pick<PluggedHooks, "current">
  chain: Pick<HookChain, "try" | "lastRun">
  ownerId: PersonId
}): HookDesk {
  /** One of the same name that is gone had runs of its own. */
  function lastRunOf({ name, createdAt }: AnyHook): HookRun | null {
    const run = chain.lastRun(name)
    return run !== null && run.at >= createdAt ? run : null
  }

  return {
    async list() {
      const { hooks, broken, problem } = await store.current()
      if (problem !== null) throw new AppError("conflict", problem)
      const rows = hooks.map(async (hook): Promise<ShownHook> => ({
        name: hook.name,
        from: "owner",
        hook,
        form: wordsForForm(hook.form),
        problem: hook.form.kind === "program" ? await changeIn(hook.form.files) : null,
        lastRun: lastRunOf(hook),
      }))
      const strange = broken.map((name): ShownHook => ({
        name,
        from: "owner",
        hook: null,
        form: "",
        problem: "its row was changed by someone else, so nothing passes any point until it is removed",
        lastRun: null,
      }))
      const foreign = plugged.current().map((hook: PluginHook): ShownHook => ({
        name: hook.name,
        from: "plugin",
        hook,
        form: `the plugin ${hook.form.plugin} (${hook.form.sha256.slice(0, 12)})`,
        problem: hook.form.problem,
        lastRun: lastRunOf(hook),
      }))
      return [...strange, ...(await Promise.all(rows)), ...foreign]
    },
    async prepare({ argv, url, local, ...hook }) {
      if ((argv === null) === (url === null))
        throw new AppError("input.invalid", "A hook is either a program or a URL: give one of /argv and /url")
      if (hook.tools !== null && hook.point !== "tool.call")
        throw new AppError(
          "input.invalid",
          `/tools: only a hook at tool.call can be for certain tools, not ${hook.point}`,
        )
      if (url !== null) {
        assertUsable({ url, local })
        return { ...hook, form: { kind: "url", url, local } }
      }
      const words = argv ?? []
      if (local) throw new AppError("input.invalid", "/local: it says something of a URL, and this is a program")
      if (words.join(" ").length > MAX_ARGV_CHARACTERS || words.some((word) => word.includes("\0")))
        throw new AppError("hook.unusable", `A command line has at most ${MAX_ARGV_CHARACTERS} characters and no NUL`)
      return { ...hook, form: { kind: "program", argv: words, files: await filesOf(words) } }
    },
    add: store.add,
    remove: store.remove,
    async test(name, sample) {
      const { hooks } = await store.current()
      const hook = [...hooks, ...plugged.current()].find((one) => one.name === name)
      if (!hook) throw new AppError("not_found", `There is no hook "${name.slice(0, 80)}" that could run`)
      const value = sampleFor(hook, sample)
      const input: HookInput<HookPoint> = {
        agentId: hook.agents?.[0] ?? "main",
        channel: hook.channels?.[0] ?? "terminal",
        sessionId: null,
        turnId: null,
        personId: ownerId,
        labels: [],
        source: "test",
        value,
      }
      const { answer, durationMs } = await chain.try(hook, input, new AbortController().signal)
      return { answer, value, durationMs }
    },
  }
}

function sampleFor(hook: AnyHook, sample: HookSample): HookValues[HookPoint] {
  const { text = "This is a test." } = sample
  switch (hook.point) {
    case "message.in":
      return { text, images: 0 }
    case "tool.call":
      return { tool: sample.tool ?? hook.tools?.[0] ?? "time_now", arguments: sample.arguments ?? {} }
    case "response.transform":
    case "reply.out":
      return { text }
    case "session.start":
      return { why: "created" }
    case "session.end":
      return { why: "deleted" }
  }
}
