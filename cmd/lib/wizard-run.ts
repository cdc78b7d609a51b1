/** Runs the wizard's steps in their order, remembers what was answered, and ends by saying what there is now. */
import { AppError } from "#core/errors.ts"
import { createDrawnAsker } from "./asker-drawn.ts"
import { createNobody } from "./asker-nobody.ts"
import { createPlainAsker } from "./asker-plain.ts"
import type { Asker } from "./asker.ts"
import type { Setting } from "./setting.ts"
import { plainLines } from "./markdown.ts"
import { type Ui, visible } from "./ui.ts"
import type { GlobalFlags } from "./verb.ts"
import type { Answers } from "./wizard-answers.ts"
import { type Answered, progressOf } from "./wizard-progress.ts"
import { createWizard, type Missing, type Step, type Wizard } from "./wizard.ts"

export type WizardRequest = {
  steps: readonly Step[]
  answers: Answers
  setting: Setting
  flags: GlobalFlags
  ui: Ui
  signal: AbortSignal
  /** Nobody is asked, whoever is there. */
  silent: boolean
  plain: boolean
  /** Steps that were answered before are asked again. */
  again: boolean
}

export type WizardDone = { missing: Missing[]; set: readonly Answered[] }

/** Throws `usage.interrupted` where the person leaves, and what a step throws; what was answered before is kept. */
export async function runWizard(request: WizardRequest): Promise<WizardDone> {
  const { steps, setting, silent, plain, signal } = request
  const env = setting.env
  const isPlain = plain || env["TERM"] === "dumb" || Boolean(env["ACCESSIBLE"])
  const ui: Ui = isPlain ? { ...request.ui, progress: () => ({ update() {}, stop() {} }) } : request.ui
  const ask: Asker = silent
    ? createNobody(ui)
    : isPlain
      ? createPlainAsker({ ui, signal })
      : createDrawnAsker({ ui, signal })
  const wizard = createWizard({ ...request, ask, ui })
  try {
    const missing = silent ? await missingOf(steps, wizard) : []
    if (missing.length > 0) return { missing, set: [] }
    return { missing: [], set: await walk(steps, { wizard, again: request.again || silent }) }
  } catch (error) {
    if (!silent && error instanceof AppError)
      ui.note("What was answered is kept: `ironclaw onboard` goes on where this ended.")
    throw error
  } finally {
    await wizard.release()
  }
}

async function missingOf(steps: readonly Step[], wizard: Wizard): Promise<Missing[]> {
  const missing: Missing[] = []
  for (const step of steps) missing.push(...((await step.missing?.(wizard)) ?? []))
  return missing
}

async function walk(
  steps: readonly Step[],
  { wizard, again }: { wizard: Wizard; again: boolean },
): Promise<WizardDone["set"]> {
  const { ask, signal } = wizard
  const progress = progressOf(wizard.setting.home)
  const before = again ? [] : (progress.read()?.done ?? [])
  const done = [...before]
  ask.begin(before.length > 0 ? "Setting up ironclaw, from where it was left" : "Setting up ironclaw")
  ask.say("Enter takes what is proposed. Ctrl-C leaves, and keeps what was answered.")
  for (const [at, step] of steps.entries()) {
    if (done.some(({ step: name }) => name === step.name)) continue
    ask.heading(`${at + 1} of ${steps.length}: ${step.title}`)
    const result = await unlessLeft(step.run(wizard), signal)
    ask.done(`${step.title}: ${result.set}`)
    done.push({ step: step.name, ...result })
    progress.note({ done })
  }
  progress.clear()
  return done
}

/** A probe that hangs must not keep a person who wants to leave. */
async function unlessLeft<T>(work: Promise<T>, signal: AbortSignal): Promise<T> {
  const left = Promise.withResolvers<never>()
  const onAbort = () => left.reject(new AppError("usage.interrupted", "Interrupted"))
  signal.addEventListener("abort", onAbort, { once: true })
  if (signal.aborted) onAbort()
  try {
    return await Promise.race([work, left.promise])
  } finally {
    signal.removeEventListener("abort", onAbort)
  }
}

/** What there is now, where it is, and what to do with it. */
export function showEnd({ set }: WizardDone, ui: Ui): void {
  const { bold, dim } = ui.style
  const print = (text: string, paint: (line: string) => string, indent = 0) => {
    for (const part of plainLines(text, Math.max(20, ui.width - indent))) ui.print(" ".repeat(indent) + paint(part))
  }
  ui.print()
  ui.print(bold("ironclaw is set up."))
  for (const { step, set: what, where } of set) {
    print(`${step}: ${visible(what)}`, (line) => line, 2)
    print(visible(where), dim, 4)
  }
  ui.print()
  print("`ironclaw` opens it; `ironclaw onboard` changes an answer. Three things to try:", (line) => line)
  for (const example of examples) print(example, (line) => line, 2)
  ui.print()
}

const examples = [
  'ironclaw run -m "Remember that my sister\'s birthday is on 3 May"',
  'ironclaw run -m "When is my sister\'s birthday?"',
  "ironclaw audit list",
]
