/** `ironclaw onboard`: the few questions of a first day, on a terminal, in plain lines, or answered by flags and a file. */
import { AppError } from "#core/errors.ts"
import { database } from "./onboard/database.ts"
import { encryption } from "./onboard/encryption.ts"
import { manner } from "./onboard/manner.ts"
import { model } from "./onboard/model.ts"
import { service } from "./onboard/service.ts"
import { spending } from "./onboard/spending.ts"
import { tools } from "./onboard/tools.ts"
import { openSetting } from "./lib/setting.ts"
import { exitStatus, terminalUi } from "./lib/ui.ts"
import { defineVerb } from "./lib/verb.ts"
import { answerArgs, readAnswers } from "./lib/wizard-answers.ts"
import { progressOf } from "./lib/wizard-progress.ts"
import { runWizard, showEnd } from "./lib/wizard-run.ts"
import type { Step } from "./lib/wizard.ts"

/** In this order: where things are kept, and under which key, before there is anything to keep. */
export const steps: readonly Step[] = [database, encryption, model, spending, manner, tools, service]

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
    offers: { step: steps.map(({ name }) => name) },
  },
  args: {
    step: {
      type: "positional",
      required: false,
      description: `One question: ${steps.map(({ name }) => name).join(", ")}`,
    },
    ...answerArgs,
    answers: { type: "string", valueHint: "file", description: "A TOML or JSON file with answers, named as the flags" },
    "non-interactive": { type: "boolean", description: "Ask nothing; say what is missing, with status 2" },
    plain: { type: "boolean", description: "Simple lines, for screen readers and simple terminals" },
  },
  async run({ args, flags, ui: usual, signal }) {
    const ui = args.plain ? terminalUi({ json: usual.json, verbose: flags.verbose, plain: true }) : usual
    const chosen = args.step === undefined ? steps : steps.filter(({ name }) => name === args.step)
    if (chosen.length === 0)
      throw new AppError("usage.wrong", `"${args.step ?? ""}" is none of the questions`, {
        hint: `They are ${steps.map(({ name }) => name).join(", ")}.`,
      })
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
