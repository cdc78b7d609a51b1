/** Where the master key is, under which every secret is sealed: proved by opening the vault with it. */
import { existsSync } from "node:fs"
import { join, resolve } from "node:path"
import { systemClock } from "#core/clock.ts"
import { openDb } from "#core/db/open.ts"
import { loadSnapshot } from "#core/db/snapshot.ts"
import { AppError } from "#core/errors.ts"
import type { Home } from "#core/home.ts"
import { createKeyLock, judgeKeyPassphrase, type KeyLock } from "#core/secrets/key-lock.ts"
import {
  ENVIRONMENT_NAME,
  keepKeyIn,
  type KeySource,
  keySourceOf,
  knownKeyId,
  PASSPHRASE_NAME,
  sealedKeyOpens,
} from "#core/secrets/master-key.ts"
import { databaseOf } from "../lib/from-config.ts"
import { givenPassphrase, readPassphraseFile } from "../lib/key-passphrase.ts"
import type { Step, StepResult, Wizard } from "../lib/wizard.ts"

const places = ["keychain", "file", "passphrase", "environment"] as const
const labels: Readonly<Record<KeySource, string>> = {
  keychain: "In this system's keychain",
  file: "In a file of the home that only you can read",
  passphrase: "In a file that a passphrase of yours opens",
  environment: `In ${ENVIRONMENT_NAME}, which you set yourself`,
}
/** `another`: sealed by a passphrase before, and from now on by another one. */
type Way = KeySource | "another"

export const encryption: Step = {
  name: "encryption",
  title: "Master key",
  async missing({ answers, keyPlace, config }) {
    const way = answers.peek("encryption")
    const { environment } = await keyPlace()
    if (way === "environment" && environment === undefined)
      return [
        { answer: "encryption", why: `${ENVIRONMENT_NAME} is not set: \`openssl rand -hex 32\` makes a value for it` },
      ]
    if (way === "passphrase" && !answers.has("passphrase-file") && givenPassphrase(await config()) === null)
      return [{ answer: "passphrase-file", why: `A file that holds the passphrase; or set ${PASSPHRASE_NAME}` }]
    return []
  },
  async run(wizard) {
    const place = await wizard.keyPlace()
    const now = await keySourceOf(place)
    if (now === null) await refuseLostKey(wizard)
    const to = await choose(wizard, now)
    if (to === "passphrase" || to === "another") await seal(wizard, { now, to })
    else if (to !== "environment" && now !== "environment" && to !== now) await move(wizard, { now, to })
    const client = await wizard.ask.working("Opening the vault", () => wizard.client())
    await client.api.secrets.get()
    return resultOf(wizard, (await keySourceOf(place)) ?? "file")
  },
}

async function move(wizard: Wizard, { now, to }: { now: KeySource | null; to: "keychain" | "file" }): Promise<void> {
  if (now !== null) await wizard.prove({ subject: "master key", words: `Move the master key into the ${to}.` })
  const place = { ...(await wizard.keyPlace()), lock: await wizard.unlock() }
  if (await keepKeyIn(place, to)) return wizard.lockedBy(null)
  wizard.failed(
    new AppError("input.invalid", "The keychain does not keep what it is given", {
      hint: "The key stays where it is, or goes into the file: `ironclaw onboard encryption --encryption file`.",
    }),
  )
  if (now === null) await keepKeyIn(place, "file")
}

/** Seals the key by a passphrase, unless it is sealed by that one already. */
async function seal(
  wizard: Wizard,
  { now, to }: { now: KeySource | null; to: "passphrase" | "another" },
): Promise<void> {
  const file = wizard.answers.take("passphrase-file")
  if (now === "passphrase" && to === "passphrase" && file === undefined) return
  const { ask, setting } = wizard
  const place = await wizard.keyPlace()
  const path = file === undefined ? null : resolve(file)
  const passphrase = path === null ? await newPassphrase(wizard, to) : readPassphraseFile(path)
  judgeKeyPassphrase(passphrase)
  const lock = createKeyLock({ passphrase, clock: systemClock })
  if (now !== "passphrase" || !(await opens(setting.home, lock))) {
    const words =
      now === "passphrase" ? "Seal the master key by another passphrase." : "Seal the master key by a passphrase."
    if (now !== null) await wizard.prove({ subject: "master key", words })
    const before = await wizard.unlock()
    await ask.working("Sealing the master key", () => keepKeyIn({ ...place, lock: before }, lock))
  }
  if (path !== null) await wizard.save({ "encryption.passphrase_file": path })
  wizard.lockedBy(lock)
  if (now === "file")
    ask.say(
      "Until now the key lay open, and may still be found on the disk and in copies: `ironclaw secret rotate --master` makes another one.",
    )
  ask.say(
    "Without the passphrase nobody opens your secrets, nor do you: a backup with its own passphrase is the way back.",
  )
}

/** On a terminal it is typed twice; without one it is where a service finds it. */
async function newPassphrase(wizard: Wizard, to: "passphrase" | "another"): Promise<string> {
  const { ask } = wizard
  const given = to === "another" ? null : givenPassphrase(await wizard.config())
  if (given !== null) return given
  for (;;) {
    const passphrase = await ask.hidden({ message: "A passphrase, of five or six random words", judge: weakness })
    if ((await ask.hidden({ message: "Once more" })) === passphrase) return passphrase
    ask.warn("The two are not the same")
  }
}

function weakness(text: string): string | null {
  try {
    judgeKeyPassphrase(text)
    return null
  } catch (error) {
    if (error instanceof AppError) return error.message
    throw error
  }
}

async function opens(home: Home, lock: KeyLock): Promise<boolean> {
  try {
    await sealedKeyOpens(home, lock)
    return true
  } catch (error) {
    if (error instanceof AppError && error.code === "key.passphrase_wrong") return false
    throw error
  }
}

async function choose(wizard: Wizard, now: KeySource | null): Promise<Way> {
  const { ask, answers } = wizard
  const { keychain, environment } = await wizard.keyPlace()
  const given = answers.take("encryption")
  const asked = places.find((place) => place === given)
  if (given !== undefined && asked === undefined)
    throw new AppError("usage.wrong", `--encryption is ${listOr(places)}, not "${given}"`)
  if (environment !== undefined) {
    if (asked !== undefined && asked !== "environment")
      ask.warn(`${ENVIRONMENT_NAME} is set, and goes before the ${asked}`)
    return "environment"
  }
  if (asked !== undefined) return asked
  if (answers.has("passphrase-file")) return "passphrase"
  // A keychain that does not work is no choice.
  const hasKeychain = now === "keychain" || (await keychain.works())
  const able = [...(hasKeychain ? (["keychain"] as const) : []), "file", "passphrase"] as const
  return ask.choose<Way>({
    message: "Where shall the key be that seals your secrets?",
    choices: [
      ...able.map((value) => ({ value, label: labels[value] + (value === now ? ", as now" : "") })),
      ...(now === "passphrase" ? [{ value: "another" as const, label: "In that file, with another passphrase" }] : []),
    ],
    initial: now ?? (hasKeychain ? "keychain" : "file"),
  })
}

function listOr(words: readonly string[]): string {
  return `${words.slice(0, -1).join(", ")} or ${words.at(-1)}`
}

/** A database that was sealed before must not get another key: nothing it holds would open. Throws `key.missing`. */
async function refuseLostKey(wizard: Wizard): Promise<void> {
  const { home } = wizard.setting
  const { config } = await wizard.config()
  if (config.database.kind === "embedded" && !existsSync(join(home.paths.db, "pgdata"))) return
  const db = await openDb({ config: databaseOf(config, home), clock: systemClock, onWarning() {}, loadSnapshot })
  try {
    const known = await knownKeyId(db)
    if (known !== null)
      throw new AppError(
        "key.missing",
        `The database was sealed with the master key ${known}, and there is no key in ${home.root} or the keychain`,
      )
  } finally {
    await db.close()
  }
}

function resultOf({ setting }: Wizard, source: KeySource): StepResult {
  const file = join(setting.home.root, "master.key")
  const where = { keychain: "the keychain", file, passphrase: file, environment: ENVIRONMENT_NAME }
  return {
    set: source === "passphrase" ? "a key that a passphrase opens" : `a key in the ${source}`,
    where: where[source],
  }
}
