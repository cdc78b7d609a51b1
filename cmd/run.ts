/** `ironclaw run`, and `ironclaw` alone: the chat in the terminal with the service inside, or one message and its reply. */
import { loadConfig } from "#core/config.ts"
import { AppError } from "#core/errors.ts"
import { connect, isNobodyThere } from "./lib/connect.ts"
import { isFresh } from "./lib/fresh-home.ts"
import { openSetting } from "./lib/setting.ts"
import { readStdin } from "./lib/ui.ts"
import { defineVerb, type Outcome, type VerbContext } from "./lib/verb.ts"

const args = {
  message: {
    type: "string",
    alias: "m",
    description: "Send this one message, print the reply and exit",
    valueHint: "text",
  },
  session: {
    type: "string",
    alias: "s",
    description: 'Go on with this conversation: its id, or "last"',
    valueHint: "id",
  },
  agent: { type: "string", description: "Talk to this agent (default main)", valueHint: "name" },
  model: { type: "string", description: "Use this model, for this run only", valueHint: "vendor/model" },
  stream: { type: "boolean", description: "With -m: print the reply as it arrives" },
  onboard: {
    type: "boolean",
    default: true,
    description: "--no-onboard: chat at once where nothing is set up yet",
  },
} as const

/** Commands that end under our hands, one after the other; more in a row are no accident. */
const MAX_ATTEMPTS = 5

export default defineVerb({
  meta: {
    description:
      "Chats in the terminal with the service inside; with -m or text on stdin, answers one message and exits",
    examples: [
      "ironclaw",
      'ironclaw run -m "What is on my list for today?"',
      "git diff | ironclaw run --stream",
      "ironclaw run --session last",
    ],
    ownsInterrupt: true,
  },
  args,
  async run(context) {
    const text = context.args.message ?? (await readStdin())
    if (context.args.message === undefined && !text?.trim()) await setUpFirst(context)
    return text === null ? chat(context) : oneMessage(context, text)
  },
})

/** On a home where nothing is set up: the questions of the first day, or where there is nobody to ask, what to set. */
async function setUpFirst({ args: { onboard, stream }, flags, ui }: VerbContext<typeof args>): Promise<void> {
  if (onboard === false || stream || ui.json) return
  const setting = openSetting({ flags, ui: { ...ui, note() {} } }) // the chat says it in a moment
  if (!isFresh(setting, await loadConfig(setting))) return
  if (!ui.interactive) throw new AppError("onboard.needed", "Nothing is set up here yet, and there is no message")
  const [{ loadSteps }, { readAnswers }, { runWizard, showEnd }] = await Promise.all([
    import("./onboard.ts"),
    import("./lib/wizard-answers.ts"),
    import("./lib/wizard-run.ts"),
  ])
  const interrupt = new AbortController()
  const leave = () => interrupt.abort()
  for (const name of ["SIGINT", "SIGTERM"] as const) process.on(name, leave)
  try {
    const answers = readAnswers({}, undefined)
    const given = { steps: await loadSteps(), answers, setting, flags, ui, signal: interrupt.signal }
    showEnd(await runWizard({ ...given, silent: false, plain: false, again: false }), ui)
  } finally {
    for (const name of ["SIGINT", "SIGTERM"] as const) process.off(name, leave)
  }
}

async function oneMessage(
  { args: { session, agent, model, stream = false }, flags, ui }: VerbContext<typeof args>,
  text: string,
): Promise<Outcome> {
  if (text.trim() === "")
    throw new AppError("usage.wrong", "The message is empty", { hint: 'Give it with -m "…", or pipe it in.' })
  if (stream && ui.json)
    throw new AppError("usage.wrong", "--json prints one document, so it cannot stream", {
      hint: "Leave out one of --json and --stream.",
    })
  const interrupt = new AbortController()
  for (const name of ["SIGINT", "SIGTERM"] as const)
    process.once(name, () => interrupt.abort(new AppError("usage.interrupted", "Interrupted")))
  const setting = openSetting({ flags, ui })
  const loaded = await loadConfig(setting)
  const { signal } = interrupt
  const { sendOneMessage } = await import("./lib/one-message.ts")
  let at = session
  const onSession = (id: string) => {
    at = id
  }
  for (let attempt = 1; ; attempt++) {
    const connection = await connect({
      setting,
      loaded,
      what: "run -m",
      as: "service",
      verbose: flags.verbose,
      ui,
      signal,
    })
    try {
      return await sendOneMessage({
        client: connection.client,
        ui,
        signal,
        text,
        session: at,
        agent,
        model,
        stream,
        onSession,
      })
    } catch (error) {
      // The other command whose service this was has ended just now. Nothing was sent, so the next one may have it.
      if (attempt === MAX_ATTEMPTS || connection.mode === "process" || !isNobodyThere(error)) throw error
    } finally {
      await connection.close()
    }
  }
}

async function chat({ args: { session, agent, model, stream }, flags, ui }: VerbContext<typeof args>): Promise<void> {
  if (stream || ui.json) throw new AppError("usage.wrong", "--stream and --json go with -m, or with text on stdin")
  const { runChat } = await import("./lib/chat.ts")
  const setting = openSetting({ flags, ui })
  await runChat({ setting, loaded: await loadConfig(setting), session, agent, model, verbose: flags.verbose, ui })
}
