/** Where the master key is, under which every secret is sealed: proved by opening the vault with it. */
import { existsSync } from "node:fs"
import { join } from "node:path"
import { systemClock } from "#core/clock.ts"
import { openDb } from "#core/db/open.ts"
import { loadSnapshot } from "#core/db/snapshot.ts"
import { AppError } from "#core/errors.ts"
import { ENVIRONMENT_NAME, keepKeyIn, type KeySource, keySourceOf, knownKeyId } from "#core/secrets/master-key.ts"
import { databaseOf } from "../lib/from-config.ts"
import type { Step, StepResult, Wizard } from "../lib/wizard.ts"

const places = ["keychain", "file", "environment"] as const
const labels: Readonly<Record<KeySource, string>> = {
  keychain: "In this system's keychain",
  file: "In a file of the home that only you can read",
  environment: `In ${ENVIRONMENT_NAME}, which you set yourself`,
}

export const encryption: Step = {
  name: "encryption",
  title: "Master key",
  async missing({ answers, keyPlace }) {
    const { environment } = await keyPlace()
    return answers.peek("encryption") === "environment" && environment === undefined
      ? [{ answer: "encryption", why: `${ENVIRONMENT_NAME} is not set: \`openssl rand -hex 32\` makes a value for it` }]
      : []
  },
  async run(wizard) {
    const place = await wizard.keyPlace()
    const now = await keySourceOf(place)
    if (now === null) await refuseLostKey(wizard)
    const to = await choose(wizard, now)
    if (now !== null && to !== now)
      await wizard.prove({ subject: "master key", words: `Move the master key into the ${to}.` })
    if (to !== "environment" && now !== "environment" && to !== now && !(await keepKeyIn(place, to))) {
      wizard.failed(
        new AppError("input.invalid", "The keychain does not keep what it is given", {
          hint: "The key stays where it is, or goes into the file: `ironclaw onboard encryption --encryption file`.",
        }),
      )
      if (now === null) await keepKeyIn(place, "file")
    }
    const client = await wizard.ask.working("Opening the vault", () => wizard.client())
    await client.api.secrets.get()
    return resultOf(wizard, (await keySourceOf(place)) ?? "file")
  },
}

async function choose(wizard: Wizard, now: KeySource | null): Promise<KeySource> {
  const { ask, answers } = wizard
  const { keychain, environment } = await wizard.keyPlace()
  const given = answers.take("encryption")
  const asked = places.find((place) => place === given)
  if (given !== undefined && asked === undefined)
    throw new AppError("usage.wrong", `--encryption is keychain, file or environment, not "${given}"`)
  if (environment !== undefined) {
    if (asked !== undefined && asked !== "environment")
      ask.warn(`${ENVIRONMENT_NAME} is set, and goes before the ${asked}`)
    return "environment"
  }
  if (asked !== undefined) return asked
  // A keychain that does not work is no choice, and then there is nothing to ask.
  const able = now === "keychain" || (await keychain.works()) ? (["keychain", "file"] as const) : (["file"] as const)
  if (able.length === 1) return "file"
  return ask.choose<KeySource>({
    message: "Where shall the key be that seals your secrets?",
    choices: able.map((value) => ({ value, label: labels[value] + (value === now ? ", as now" : "") })),
    initial: now ?? "keychain",
  })
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
  const where = { keychain: "the keychain", file: join(setting.home.root, "master.key"), environment: ENVIRONMENT_NAME }
  return { set: `a key in the ${source}`, where: where[source] }
}
