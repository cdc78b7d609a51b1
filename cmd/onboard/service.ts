/** Whether it stays when the terminal is closed: kept by the system, by itself, or not at all. */
import { resolve } from "node:path"
import { parseEnv } from "node:util"
import { systemClock } from "#core/clock.ts"
import { processEnvironment } from "#core/config.ts"
import { readText } from "#core/config-file.ts"
import { AppError } from "#core/errors.ts"
import { readLock } from "#core/home-lock.ts"
import { createKeyLock } from "#core/secrets/key-lock.ts"
import { isKeySealed, passphraseMissing, PASSPHRASE_NAME, sealedKeyOpens } from "#core/secrets/master-key.ts"
import { configuredVendor, keyNames } from "#core/llm/settings.ts"
import { llmSettingsOf } from "../lib/from-config.ts"
import { findInitSystem } from "../lib/init-system.ts"
import { readPassphraseFile } from "../lib/key-passphrase.ts"
import serviceVerbs from "../service.ts"
import type { Choice } from "../lib/asker.ts"
import type { Ui } from "../lib/ui.ts"
import type { VerbContext } from "../lib/verb.ts"
import type { Step, StepResult, Wizard } from "../lib/wizard.ts"

const ways = ["install", "detach", "none"] as const
type Way = (typeof ways)[number]

export const service: Step = {
  name: "service",
  title: "Service",
  async run(wizard) {
    const { home } = wizard.setting
    const init = await findInitSystem({ home, env: processEnvironment() }, { system: false, account: undefined })
    const state = init === null ? null : await init.state()
    const isKept = state?.installed === true || readLock(home, "supervisor") !== null
    const way = await choose(wizard, { manager: init?.name ?? null, isKept })
    if (way === "keep") return { set: "as it was", where: "`ironclaw service status`" }
    if (way === "none") return none
    try {
      await keepKey(wizard)
      if (way === "install" && !(await nameThePassphrase(wizard))) return none
      await wizard.release() // the service needs the home for itself
      await startAs(way, wizard)
    } catch (error) {
      if (!(error instanceof AppError) || error.code === "usage.interrupted") throw error
      wizard.failed(error)
      return { set: "not started", where: "`ironclaw onboard service` tries again" }
    }
    return {
      set: `runs at ${readLock(home)?.address ?? "its socket"}`,
      where: way === "install" ? (init?.unit ?? "") : "its own supervisor, until the machine stops",
    }
  },
}

const none: StepResult = { set: "none: it runs while you chat", where: "`ironclaw service install` installs it later" }

async function choose(
  { ask, answers }: Wizard,
  { manager, isKept }: { manager: string | null; isKept: boolean },
): Promise<Way | "keep"> {
  const given = answers.take("service")
  if (given !== undefined) {
    const way = ways.find((each) => each === given)
    if (way) return isKept && way !== "none" ? "keep" : way
    throw new AppError("usage.wrong", `--service is install, detach or none, not "${given}"`)
  }
  const choices: Choice<Way | "keep">[] = [
    ...(isKept ? [{ value: "keep" as const, label: "Yes, as now" }] : []),
    ...(manager !== null && !isKept
      ? [{ value: "install" as const, label: `Yes: ${manager} keeps it`, hint: "starts with your login" }]
      : []),
    ...(isKept ? [] : [{ value: "detach" as const, label: "Yes, until the machine stops" }]),
    { value: "none", label: isKept ? "I see to it myself" : "No: only while I chat" },
  ]
  // Unasked, nothing is started that stays.
  const initial = isKept ? "keep" : ask.someone && manager !== null ? "install" : "none"
  return ask.choose({ message: "Shall it go on when you close this terminal?", choices, initial })
}

/** A key that only this shell has would be missing where the system starts the service: it goes into the vault with the others. */
async function keepKey(wizard: Wizard): Promise<void> {
  const { config } = await wizard.config()
  const settings = llmSettingsOf(config)
  const vendor = configuredVendor(settings)
  const shell = processEnvironment()
  const inFile = parseEnv(readText(wizard.setting.home.envFile) ?? "")
  const name = vendor === null ? undefined : keyNames(vendor, settings).find((each) => shell[each] && !inFile[each])
  if (name === undefined) return
  const client = await wizard.client()
  const stored = (await client.api.secrets.get()).items
  if (stored.some((secret) => secret.name === name)) return
  const { ask } = wizard
  const answer = await ask.choose({
    message: `The service does not see your shell's ${name}. Store it encrypted?`,
    choices: [
      { value: "yes", label: "Yes" },
      { value: "no", label: "No, I put it where the service finds it" },
    ],
    initial: "yes",
  })
  if (answer === "no") return
  await wizard.keepSecret({ name, value: shell[name]?.trim() ?? "" })
  ask.done(`${name} is stored, encrypted`)
}

/** A service that the system starts cannot ask for the passphrase of the master key. False where the person rather starts it by hand. */
async function nameThePassphrase(wizard: Wizard): Promise<boolean> {
  const { ask, setting } = wizard
  const loaded = await wizard.config()
  const isInEnvFile = parseEnv(readText(setting.home.envFile) ?? "")[PASSPHRASE_NAME] !== undefined
  if (!isKeySealed(setting.home) || loaded.config.encryption.passphrase_file !== null || isInEnvFile) return true
  if (!ask.someone) throw passphraseMissing(setting.home)
  for (;;) {
    const path = await ask.text({
      message: "A file with the passphrase, for the service, or none: then you start it by hand",
      initial: "none",
    })
    if (path.toLowerCase() === "none") return false
    try {
      const lock = createKeyLock({ passphrase: readPassphraseFile(resolve(path)), clock: systemClock })
      await sealedKeyOpens(setting.home, lock)
      await wizard.save({ "encryption.passphrase_file": resolve(path) })
      return true
    } catch (error) {
      if (!(error instanceof AppError) || error.code === "usage.interrupted") throw error
      wizard.failed(error)
    }
  }
}

/** By the command that does the same on its own, with its words said in the wizard's way. */
async function startAs(way: "install" | "detach", { ask, flags, ui, signal }: Wizard): Promise<void> {
  const verb = serviceVerbs.subCommands?.[way === "install" ? "install" : "start"]
  const say = (line = "") => line !== "" && ask.say(Bun.stripANSI(line))
  const own: Ui = { ...ui, interactive: false, print: say, note: say, warn: ask.warn }
  // What the verb itself would be given: its flags are looked at one by one, and those that are not there count as not said.
  const args = (way === "install" ? {} : { detach: true }) as VerbContext["args"]
  const outcome = await verb?.run?.({ args, rest: [], flags, ui: own, signal })
  outcome?.show()
}
