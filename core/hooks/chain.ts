/** Asks the hooks that cover a point, one after the other, and makes one verdict of what they say. */
import type { Clock } from "../clock.ts"
import type { Writer } from "../db/db.ts"
import { preview } from "../event.ts"
import {
  type HookInput,
  type HookPlace,
  type HookPoint,
  type Hooks,
  type HookTaint,
  type HookVerdict,
} from "../hooks.ts"
import type { Log } from "../log.ts"
import { createKeyedQueue } from "../memory/queue.ts"
import { joinLabels, joinSources } from "../safety/labels.ts"
import type { Egress } from "../safety/egress.ts"
import { pluginOfChannel } from "../session/place.ts"
import { type HookAnswer, readAnswer } from "./answer.ts"
import { type AnyHook, hookSource, isPluginHook, type PluggedHooks, wayOut } from "./plugged.ts"
import { type HookOutput, runProgram } from "./program.ts"
import type { HookSet, HookStore } from "./store.ts"
import { askUrl } from "./url.ts"

export type HookChainDeps = {
  store: Pick<HookStore, "current">
  plugged: PluggedHooks
  egress: Pick<Egress, "fetchFor">
  writer: Writer
  clock: Clock
  log: Log
  redact: (text: string) => string
}

/** What became of the last run of a hook in this process. */
export type HookRun = { at: string; verdict: HookAnswer["verdict"]; why: string; durationMs: number }

export type HookChain = Hooks & {
  /** Runs one hook, whether or not its filters cover the place. Leaves no trace but its last run. */
  try(
    hook: AnyHook,
    input: HookInput<HookPoint>,
    signal: AbortSignal,
  ): Promise<{ answer: HookAnswer; durationMs: number }>
  lastRun(name: string): HookRun | null
  /** Ends what runs: each is then a refusal. */
  endAll(): void
  /** Waits for what runs behind. */
  drain(): Promise<void>
}

/** Programs and requests at a time; the others wait, and their five seconds have not begun. */
const MAX_RUNNING = 8
/** Of a hook that becomes another one while it is asked: who installs faster than that is no person. */
const MAX_TRIES = 3

type Fault = HookAnswer & { verdict: "fault" }
type Where = Parameters<Hooks["covers"]>[1]

export function createHookChain(deps: HookChainDeps): HookChain {
  const { store, plugged, egress, writer, clock, log, redact } = deps
  const lastRuns = new Map<string, HookRun>()
  const queue = createKeyedQueue()
  const behind = new Set<Promise<void>>()
  const slot = createSlots(MAX_RUNNING)
  let over = new AbortController()
  /** As far as it is known without waiting: for `covers`. */
  let known: HookSet | null = null

  function setNow(): HookSet | Promise<HookSet> {
    const set = store.current()
    known = set instanceof Promise ? null : set
    return set
  }

  /** The owner's own first, whatever a plugin is called. */
  function planned(set: HookSet, point: HookPoint, where: Where): readonly AnyHook[] {
    const foreign = plugged.current()
    const own = covering(set.hooks, point, where)
    return foreign.length === 0 ? own : [...own, ...covering(foreign, point, where)]
  }

  /** As it is now: a plugin may have been taken away, or have become another version, since the chain began. */
  function standing(hook: AnyHook, where: Where): AnyHook | null {
    if (!isPluginHook(hook)) return hook
    const now = plugged.current().find(({ name }) => name === hook.name)
    return now ? (covering([now], hook.point, where)[0] ?? null) : null
  }

  function run(hook: AnyHook, how: { input: string; at: HookPlace; signal: AbortSignal }): Promise<HookOutput> {
    if (isPluginHook(hook)) return plugged.ask(hook, how)
    const { form, name } = hook
    return form.kind === "program" ? runProgram(form, { ...how, clock }) : askUrl({ ...form, name }, { ...how, egress })
  }

  async function ask(hook: AnyHook, input: HookInput<HookPoint>, given: AbortSignal) {
    const { value, agentId, channel, sessionId, turnId, personId, labels, source } = input
    const told = { point: hook.point, agent: agentId, channel, session: sessionId, turn: turnId }
    const text = JSON.stringify({ ...told, person: personId, labels, source, value })
    const signal = AbortSignal.any([given, over.signal])
    const { output, durationMs } = await slot(async () => {
      const begin = clock.monotonicMs()
      const result = await run(hook, { input: text, at: input, signal })
      return { output: result, durationMs: Math.round(clock.monotonicMs() - begin) }
    }, signal)
    const answer: HookAnswer = output.ok
      ? readAnswer(hook.point, output.text)
      : { verdict: "fault", why: output.fault, detail: output.detail }
    const why = answer.verdict === "pass" ? "" : preview(redact(answer.why))
    lastRuns.set(hook.name, { at: clock.iso(), verdict: answer.verdict, why, durationMs })
    return { answer, durationMs }
  }

  /** Null where it is no hook any more: who takes a plugin away while it is asked has it stopped, and wants nothing refused by it. */
  async function askStanding(
    one: AnyHook,
    input: HookInput<HookPoint>,
    signal: AbortSignal,
  ): Promise<{ hook: AnyHook; answer: HookAnswer } | null> {
    const where = whereOf(input)
    let hook = standing(one, where)
    for (let tries = 1; hook; tries++) {
      const { answer } = await ask(hook, input, signal)
      if (answer.verdict !== "fault" || signal.aborted || tries === MAX_TRIES) return { hook, answer }
      const now = standing(hook, where)
      if (now === hook) return { hook, answer }
      hook = now
    }
    return null
  }

  /** A fault is told where the owner looks: the log, the events. The act's own refusal says which hook it was. */
  function report(hook: AnyHook, input: HookPlace & HookTaint, { why: fault, detail }: Fault): void {
    const why = preview(redact(detail === "" ? fault : `${fault}: ${detail}`))
    log.error("A hook failed", { hook: hook.name, point: hook.point, why })
    writer
      .commit({
        statements: [],
        events: [
          {
            type: "hook.failed",
            sessionId: input.sessionId,
            turnId: input.turnId,
            hook: hook.name,
            point: hook.point,
            error: why,
            agentId: input.agentId,
            labels: ["untrusted"],
            source: hookSource(hook),
          },
        ],
      })
      .catch((error: unknown) => log.warn("The failure of a hook was not recorded", { error }))
  }

  async function runBehind(point: HookPoint, input: HookInput<HookPoint>): Promise<void> {
    try {
      for (const one of planned(await setNow(), point, whereOf(input))) {
        const asked = await askStanding(one, input, new AbortController().signal)
        if (asked?.answer.verdict === "fault") report(asked.hook, input, asked.answer)
      }
    } catch (error) {
      log.error("The hooks of a session broke", { point, error })
    }
  }

  return {
    async judge(point, input) {
      const { labels, source, signal } = input
      const refuse = (hook: AnyHook | null, words: { why: string; record: string }): HookVerdict<never> => ({
        verdict: "refuse",
        why: words.why,
        record: preview(redact(words.record)),
        // It may quote what it was given, and that of a URL or a plugin comes from outside.
        labels: hook && isForeign(hook) ? joinLabels([labels, ["untrusted"]]) : [...labels],
        source: hook ? joinSources([source, hookSource(hook)]) : source,
      })
      try {
        const set = await setNow()
        const problem = problemOf(set)
        if (problem !== null) return refuse(null, { why: problem, record: `deny: ${problem}` })
        let ran = 0
        let made = { ...input }
        for (const one of planned(set, point, whereOf(input))) {
          const asked = await askStanding(one, made, signal)
          if (!asked) continue
          ran += 1
          const { hook, answer } = asked
          if (answer.verdict === "fault") {
            if (!signal.aborted) report(hook, input, answer)
            return refuse(hook, brokenWords(hook, answer))
          }
          if (answer.verdict === "refuse") {
            const why = preview(redact(answer.why), SHOWN_WHY)
            return refuse(hook, { why: `${hook.name}: ${why}`, record: `deny: ${hook.name}: ${why}` })
          }
          made = changed(hook, made, answer)
        }
        return {
          verdict: "pass",
          value: made.value,
          labels: [...made.labels],
          source: made.source,
          ran,
        }
      } catch (error) {
        log.error("The hooks broke", { point, error })
        const problem = "The hooks failed inside; the log holds the details"
        return refuse(null, { why: problem, record: `deny: ${problem}` })
      }
    },
    tell(point, input) {
      const mine = queue.inTurn(input.sessionId ?? "", () => runBehind(point, input))
      behind.add(mine)
      void mine.finally(() => behind.delete(mine))
    },
    covers(point, where) {
      void setNow()
      // Not read yet, or not readable: somebody may have a say.
      return known === null || problemOf(known) !== null || planned(known, point, where).length > 0
    },
    try: ask,
    lastRun: (name) => lastRuns.get(name) ?? null,
    endAll() {
      over.abort(new Error("Everything was stopped"))
      over = new AbortController()
    },
    async drain() {
      while (behind.size > 0) await Promise.all(behind)
    },
  }
}

/** For the audit row and the model; a hook that has more to say has the wrong audience. */
const SHOWN_WHY = 500

/**
 * A row that someone else wrote says nothing that can be believed, not even which point it was for: so none passes until the owner has
 * looked at it.
 */
function problemOf({ broken, problem }: HookSet): string | null {
  if (problem !== null) return problem
  const [first] = broken
  if (first === undefined) return null
  return `The row of the hook "${first}" was changed by someone else. Nothing passes until it is gone: \`ironclaw hook remove ${first}\``
}

function brokenWords(hook: AnyHook, { why, detail }: Fault): { why: string; record: string } {
  const { name, point } = hook
  const whose = isPluginHook(hook) ? `The hook of the plugin "${hook.form.plugin}"` : `The hook "${name}"`
  return {
    // What it wrote to stderr is the owner's to read, in the log and by `hook test`, and not for whoever reads the refusal.
    why: `${whose} at ${point} is broken (${why}), so nothing passes it. Mend it, or take it away: \`${wayOut(name)}\``,
    record: `deny: ${name}: ${why}${detail === "" ? "" : `: ${detail}`}`,
  }
}

function whereOf(input: HookInput<HookPoint>): Where {
  return { agentId: input.agentId, channel: input.channel, tool: "tool" in input.value ? input.value.tool : null }
}

function covering<H extends AnyHook>(hooks: readonly H[], point: HookPoint, { agentId, channel, tool }: Where): H[] {
  // A plugin's channel goes by the name that its owner knows it by, too.
  const named = [channel, pluginOfChannel(channel) ?? channel]
  return hooks.filter(
    (hook) =>
      hook.point === point &&
      (hook.agents?.includes(agentId) ?? true) &&
      (hook.channels?.some((one) => named.includes(one)) ?? true) &&
      (tool === null || (hook.tools?.includes(tool) ?? true)),
  )
}

/** Its words come from outside, whatever it says of them. */
function isForeign({ form }: AnyHook): boolean {
  return form.kind !== "program"
}

/** What comes out keeps the labels of what went in. */
function changed<I extends HookInput<HookPoint>>(hook: AnyHook, input: I, answer: HookAnswer & { verdict: "pass" }): I {
  const isNew = Object.keys(answer.change).length > 0
  const added = [...answer.labels, ...(isNew && isForeign(hook) ? (["untrusted"] as const) : [])]
  if (!isNew && added.length === 0) return input
  return {
    ...input,
    value: { ...input.value, ...answer.change },
    labels: added.length === 0 ? input.labels : joinLabels([input.labels, added]),
    source: joinSources([input.source, hookSource(hook)]),
  }
}

/** Who is stopped while it waits goes on without a place: its work sees the signal, and begins nothing. */
function createSlots(max: number): <T>(work: () => Promise<T>, signal: AbortSignal) => Promise<T> {
  let free = max
  const waiting = new Set<() => void>()

  async function take(signal: AbortSignal): Promise<boolean> {
    if (signal.aborted) return false
    if (free > 0) {
      free -= 1
      return true
    }
    return new Promise((resolve) => {
      const leave = () => {
        waiting.delete(enter)
        resolve(false)
      }
      const enter = () => {
        waiting.delete(enter)
        signal.removeEventListener("abort", leave)
        resolve(true)
      }
      waiting.add(enter)
      signal.addEventListener("abort", leave, { once: true })
    })
  }

  return async (work, signal) => {
    const held = await take(signal)
    try {
      return await work()
    } finally {
      const [next] = waiting
      if (held && next) next()
      else if (held) free += 1
    }
  }
}
