/** `ironclaw onboard`: the few questions of a first day, on a terminal, in plain lines, or answered by flags and a file. */
import { AppError } from "#core/errors.ts"
import { openSetting } from "./lib/setting.ts"
import { exitStatus, terminalUi } from "./lib/ui.ts"
import { defineVerb } from "./lib/verb.ts"
import { answerArgs, readAnswers } from "./lib/wizard-answers.ts"
import { progressOf } from "./lib/wizard-progress.ts"
import type { Step } from "./lib/wizard.ts"

/** In this order: where things are kept, and under which key, before there is anything to keep. */
const steps = {
  database: async () => (await import("./onboard/database.ts")).database,
  encryption: async () => (await import("./onboard/encryption.ts")).encryption,
  model: async () => (await import("./onboard/model.ts")).model,
  spending: async () => (await import("./onboard/spending.ts")).spending,
  manner: async () => (await import("./onboard/manner.ts")).manner,
  tools: async () => (await import("./onboard/tools.ts")).tools,
  service: async () => (await import("./onboard/service.ts")).service,
} as const satisfies Record<string, () => Promise<Step>>

const names = Object.keys(steps)

/** All of them, or the one that is named; none where there is none of that name. */
export function loadSteps(name?: string): Promise<Step[]> {
  const chosen = Object.entries(steps).filter(([each]) => name === undefined || each === name)
  return Promise.all(chosen.map(([, load]) => load()))
}

export default defineVerb({
  meta: {
    description:
      "Sets ironclaw up by a few questions; each answer is tried before it is kept, and any can be changed later",
    examples: [
      "ironclaw onboard",
      "ironclaw onboard model",
      "ironclaw onboard --plain",
      "ironclaw onboard --non-interactive --model anthropic --key-file key.txt --service install",
      "ironclaw onboard --non-interactive --answers answers.toml --json",
    ],
    offers: { step: names },
  },
  args: {
    step: {
      type: "positional",
      required: false,
      description: `One question: ${names.join(", ")}`,
    },
    ...answerArgs,
    answers: { type: "string", valueHint: "file", description: "A TOML or JSON file with answers, named as the flags" },
    "non-interactive": { type: "boolean", description: "Ask nothing; say what is missing, with status 2" },
    plain: { type: "boolean", description: "Simple lines, for screen readers and simple terminals" },
  },
  async run({ args, flags, ui: usual, signal }) {
    const ui = args.plain ? terminalUi({ json: usual.json, verbose: flags.verbose, plain: true }) : usual
    const chosen = await loadSteps(args.step)
    if (chosen.length === 0)
      throw new AppError("usage.wrong", `"${args.step ?? ""}" is none of the questions`, {
        hint: `They are ${names.join(", ")}.`,
      })
    const { runWizard, showEnd } = await import("./lib/wizard-run.ts")
    const answers = readAnswers(args, args.answers)
    const setting = openSetting({ flags, ui })
    const silent = args["non-interactive"] === true || !ui.interactive
    const { missing, set } = await runWizard({
      steps: chosen,
      answers,
      setting,
      flags,
      ui,
      signal,
      silent,
      plain: args.plain === true,
      again: args.step !== undefined || progressOf(setting.home).read() === null,
    })
    return {
      data: { complete: missing.length === 0, missing, set, home: setting.home.root },
      status: missing.length === 0 ? exitStatus.done : exitStatus.usage,
      show() {
        if (missing.length === 0) return showEnd({ missing, set }, ui)
        ui.print("Nothing was changed: answers are missing.")
        for (const { answer, why } of missing) ui.print(`  --${answer}  ${why}`)
      },
    }
  },
})
