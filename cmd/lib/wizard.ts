/** What a step of the wizard works with, and what it gives back. Each step asks, proves by trying, and saves at once. */
import { existsSync } from "node:fs"
import { join } from "node:path"
import { systemClock } from "#core/clock.ts"
import { type ConfigKey, loadConfig, type LoadedConfig } from "#core/config.ts"
import { type ConfigChange, setConfigValue, unsetConfigValue } from "#core/config-edit.ts"
import { readConfigFile } from "#core/config-file.ts"
import { isSafetyKey } from "#core/config-keys.ts"
import { AppError } from "#core/errors.ts"
import { systemKeychain } from "#core/secrets/keychain.ts"
import { ENVIRONMENT_NAME, type KeyPlace } from "#core/secrets/master-key.ts"
import type { KeyLock } from "#core/secrets/key-lock.ts"
import type { Client } from "#gateway/client.ts"
import type { Asker } from "./asker.ts"
import { isUntouched } from "./config-change.ts"
import { connect, type Connection } from "./connect.ts"
import { findKeyLock } from "./key-passphrase.ts"
import { proveOwner } from "./owner-proof.ts"
import { withPresence } from "./presence.ts"
import type { Setting } from "./setting.ts"
import type { GlobalFlags } from "./verb.ts"
import type { Ui } from "./ui.ts"
import type { Answers, AnswerName } from "./wizard-answers.ts"

/** An answer that nobody gave and that has no usual one. */
export type Missing = { answer: AnswerName; why: string }
/** What a step set, in a line for people, and where that is kept. */
export type StepResult = { set: string; where: string }

export type ConfigChanges = Partial<Record<ConfigKey, string | number | null>>

export type Step = {
  name: string
  title: string
  /** What can be said before anything is changed; asked where nobody is there to be asked. */
  missing?: (wizard: Wizard) => Promise<Missing[]>
  run: (wizard: Wizard) => Promise<StepResult>
}

export type Wizard = {
  readonly ask: Asker
  readonly answers: Answers
  readonly setting: Setting
  readonly flags: GlobalFlags
  readonly ui: Ui
  readonly signal: AbortSignal
  /** Somebody has talked with the assistant. */
  inUse(): Promise<boolean>
  /** From then on, what changes safety is confirmed at the terminal by the owner. Throws `presence.…`. */
  prove(change: { subject: string; words: string }): Promise<void>
  /** The configuration as it is now. */
  config(): Promise<LoadedConfig>
  /** Sets keys in config.toml, null takes one out; what has no effect, or none yet, is said. */
  save(values: ConfigChanges): Promise<void>
  /** Stores it encrypted, with the keys of the configuration that go with it, by one word of the owner. Throws `presence.…`. */
  keepSecret(secret: { name: string; value: string }, values?: ConfigChanges): Promise<void>
  keyPlace(): Promise<KeyPlace>
  /** What opens a master key that is sealed by a passphrase: looked for or asked for once. */
  unlock(): Promise<KeyLock | null>
  /** From now on the key is sealed by another one, or (null) by none. */
  lockedBy(lock: KeyLock | null): void
  /** There is a database already, so opening it changes nothing. */
  isSetUp(): Promise<boolean>
  /** The API: of the running service, or of this process, which then holds the home until {@link Wizard.release}. */
  client(): Promise<Client>
  release(): Promise<void>
  /** Shows a person why it did not work, so that they can answer otherwise; where nobody is there it is thrown. */
  failed(error: AppError): void
}

export type WizardDeps = Pick<Wizard, "ask" | "answers" | "setting" | "flags" | "ui" | "signal">

export function createWizard({ ask, answers, setting, flags, ui, signal }: WizardDeps): Wizard {
  const { home } = setting
  let connection: Connection | null = null
  const config = () => loadConfig(setting)

  let isUsed: boolean | undefined
  const inUse = async () => (isUsed ??= await isInUse())
  async function isInUse(): Promise<boolean> {
    if (isUntouched(home) || !(await isSetUp())) return false
    const wasOpen = connection !== null
    try {
      return (await (await client()).api.status.get()).inUse
    } catch (error) {
      if (error instanceof AppError && /^(?:db|service)\./.test(error.code)) return true // nobody can tell: so it is guarded
      throw error
    } finally {
      if (!wasOpen) await release() // the step may be about to change what was opened
    }
  }

  async function prove({ subject, words }: { subject: string; words: string }): Promise<void> {
    if (!(await inUse())) return
    const holdsHome = connection?.mode === "process"
    await proveOwner({ verb: "onboard", subject, details: words, words }, { home, holdsHome, signal })
  }

  /** Those of the values that the file has not yet. */
  async function changedOf(values: ConfigChanges): Promise<[ConfigKey, string | number | null][]> {
    const inFile = await readConfigFile(home)
    // Object.entries forgets that the names are keys.
    const entries = Object.entries(values) as [ConfigKey, string | number | null][]
    return entries.filter(([key, value]) => (value === null ? inFile.has(key) : inFile.get(key)?.value !== value))
  }

  let keyLock: KeyLock | null | undefined
  async function unlock(): Promise<KeyLock | null> {
    if (keyLock === undefined)
      keyLock = await findKeyLock({ home, loaded: await config(), ui, signal, asks: ask.someone })
    return keyLock
  }

  async function client(): Promise<Client> {
    connection ??= await connect({
      setting,
      loaded: await config(),
      what: "onboard",
      verbose: flags.verbose,
      ui,
      signal,
      unlock,
    })
    return connection.client
  }

  async function release(): Promise<void> {
    const open = connection
    connection = null
    await open?.close()
  }

  async function isSetUp(): Promise<boolean> {
    const { database } = (await config()).config
    return database.kind === "postgres" || existsSync(join(home.paths.db, "pgdata"))
  }

  async function sayWhatGoesBefore(values: ConfigChanges): Promise<void> {
    const { sources } = (await config()).config
    // Object.keys forgets that the names are keys.
    for (const key of Object.keys(values) as ConfigKey[]) {
      const { from, name } = sources[key]
      if (from !== "file" && from !== "default")
        ask.warn(`${name} (${from}) sets ${key} too, and goes before what you answered: take it out there`)
    }
  }

  return {
    ask,
    answers,
    setting,
    flags,
    ui,
    signal,
    config,
    inUse,
    prove,
    async save(values) {
      const changed = await changedOf(values)
      const safety = changed.filter(([key]) => isSafetyKey(key))
      const words = safety.map(([key, value]) => (value === null ? `Take ${key} out.` : `Set ${key} to ${value}.`))
      if (safety.length > 0) await prove({ subject: safety.map(([key]) => key).join(", "), words: words.join("\n") })
      const changes: ConfigChange[] = []
      for (const [key, value] of changed)
        changes.push(
          await (value === null ? unsetConfigValue({ ...setting, key }) : setConfigValue({ ...setting, key, value })),
        )
      await sayWhatGoesBefore(values)
      if (connection?.mode === "service" && changes.some(({ restartNeeded }) => restartNeeded))
        ask.warn("The running service takes this up at its next start: `ironclaw service restart`")
    },
    async keepSecret(secret, values = {}) {
      const { api } = await client()
      const texts: Record<string, string | null> = {}
      for (const [key, value] of await changedOf(values)) texts[key] = value === null ? null : String(value)
      const body = { values: texts, secret }
      await withPresence((presence) => api.config.post({ body: { ...body, presence } }), signal)
      await sayWhatGoesBefore(values)
    },
    async keyPlace() {
      const { environment } = await config()
      return {
        home,
        keychain: systemKeychain({ place: home.root, clock: systemClock }),
        environment: environment.get(ENVIRONMENT_NAME),
        lock: keyLock ?? null,
      }
    },
    unlock,
    lockedBy: (lock) => void (keyLock = lock),
    isSetUp,
    client,
    release,
    failed(error) {
      if (!ask.someone) throw error
      ask.warn(`${error.message}${error.hint ? ` — ${error.hint}` : ""}`)
    },
  }
}
