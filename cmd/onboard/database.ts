/** Where everything is kept: the database in the home, or the owner's own server, tried with all its checks before it is set. */
import { systemClock } from "#core/clock.ts"
import { setEnvValue } from "#core/config-env-file.ts"
import { urlHoldsSecret, withoutPassword } from "#core/config-problems.ts"
import { openDb } from "#core/db/open.ts"
import { readPostgresUrl } from "#core/db/postgres-url.ts"
import { loadSnapshot } from "#core/db/snapshot.ts"
import { AppError } from "#core/errors.ts"
import { postgresOf } from "../lib/from-config.ts"
import type { Step, StepResult, Wizard } from "../lib/wizard.ts"

export const database: Step = {
  name: "database",
  title: "Database",
  async run(wizard) {
    const { ask, answers } = wizard
    const { config } = await wizard.config()
    const { url, kind } = config.database
    const source = config.sources["database.url"]
    if (url !== null && source.from === "environment") {
      // It goes before everything that could be answered here.
      const given = answers.take("database")
      if (given !== undefined && given !== url) ask.warn(`${source.name} is set in the environment, and goes before it`)
      await prove(wizard, { url, caFile: config.database.ca_file })
      return server(url, `${source.name} (environment)`)
    }
    return choose(wizard, { url, isServer: kind === "postgres" })
  },
}

async function choose(wizard: Wizard, now: { url: string | null; isServer: boolean }): Promise<StepResult> {
  const { ask, answers } = wizard
  for (;;) {
    const given = answers.take("database")
    const where =
      given === undefined
        ? await ask.choose({
            message: "Where shall everything be kept?",
            choices: [
              { value: "embedded", label: "In the built-in database", hint: "nothing to set up" },
              { value: "server", label: "On your own PostgreSQL server", hint: "15 or newer" },
            ],
            initial: now.isServer ? "server" : "embedded",
          })
        : given === "embedded"
          ? "embedded"
          : "server"
    try {
      if (where === "embedded") return await setEmbedded(wizard, now)
      return await setServer(wizard, { given: given === "server" ? undefined : given, now: now.url })
    } catch (error) {
      if (!(error instanceof AppError) || error.code === "usage.interrupted") throw error
      wizard.failed(error)
    }
  }
}

async function setEmbedded(wizard: Wizard, now: { url: string | null }): Promise<StepResult> {
  const { ask, setting } = wizard
  if (now.url !== null) {
    ask.warn(`What is on ${shortOf(now.url)} stays there: \`ironclaw backup\` and \`ironclaw restore\` take it along`)
    await wizard.prove({
      subject: "database",
      words: `Keep everything in the built-in database, not on ${shortOf(now.url)}.`,
    })
    setEnvValue(setting.home, "DATABASE_URL", null)
  }
  await wizard.save({ "database.url": null, "database.kind": null })
  await wizard.release() // what is open belongs to the database before
  return { set: "built in", where: setting.home.paths.db }
}

async function setServer(
  wizard: Wizard,
  { given, now }: { given: string | undefined; now: string | null },
): Promise<StepResult> {
  const { ask, setting } = wizard
  if (given !== undefined && urlHoldsSecret(given))
    throw new AppError("config.secret", "--database holds a password, and others can read a command line")
  const typed =
    given ??
    (await ask.text({
      message: "Its address, such as postgres://user@host:5432/name",
      ...(now === null ? {} : { initial: withoutPassword(now) }),
      judge: urlProblem,
    }))
  const { config } = await wizard.config()
  const url = now !== null && typed === withoutPassword(now) ? now : typed
  const proved = await proveWithPassword(wizard, { url, caFile: config.database.ca_file })
  const isSecret = urlHoldsSecret(proved)
  if (isSecret && proved !== now)
    await wizard.prove({ subject: "database", words: `Keep everything on ${shortOf(proved)} from now on.` })
  await wizard.save({ "database.url": isSecret ? null : proved, "database.kind": null })
  setEnvValue(setting.home, "DATABASE_URL", isSecret ? proved : null)
  await wizard.release() // what is open belongs to the database before
  return server(proved, isSecret ? setting.home.envFile : setting.home.configFile)
}

type Target = { url: string; caFile: string | null }

/** Tries it, with a password where the server wants one; gives the URL that works. */
async function proveWithPassword(wizard: Wizard, target: Target): Promise<string> {
  try {
    await prove(wizard, target)
    return target.url
  } catch (error) {
    const wantsOne = error instanceof AppError && error.code === "db.auth_failed"
    if (!wantsOne || !wizard.ask.someone || urlHoldsSecret(target.url)) throw error
    const url = new URL(target.url)
    url.password = encodeURIComponent(await wizard.ask.hidden({ message: `Password of ${url.username}` }))
    await prove(wizard, { ...target, url: url.href })
    return url.href
  }
}

/** Connects, looks at the version and the rights, and brings the tables up to date, as the start will. */
async function prove({ ask }: Wizard, { url, caFile }: Target): Promise<void> {
  await ask.working(`Connecting to ${shortOf(url)}`, async () => {
    const db = await openDb({
      config: postgresOf({ url, caFile, poolSize: 1 }),
      clock: systemClock,
      onWarning: ({ message }) => ask.warn(message),
      loadSnapshot,
    })
    await db.close()
  })
}

function server(url: string, where: string): StepResult {
  return { set: shortOf(url), where }
}

function shortOf(url: string): string {
  try {
    const { host, port, database: name } = readPostgresUrl({ url })
    return `${host}:${port}/${name}`
  } catch {
    return "the server" // it is told what is wrong with it where it is tried
  }
}

function urlProblem(url: string): string | null {
  try {
    readPostgresUrl({ url })
    return null
  } catch (error) {
    if (error instanceof AppError) return error.message
    throw error
  }
}
