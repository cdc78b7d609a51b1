/** Checks of the keys: the master key, where it lies, the keychain, and the model's key. */
import { existsSync } from "node:fs"
import { join, sep } from "node:path"
import { parseEnv } from "node:util"
import { readText } from "#core/config-file.ts"
import { AppError } from "#core/errors.ts"
import { readPrivateFile } from "#core/home-file.ts"
import { isSealedKey, sealedKeyAbout } from "#core/secrets/key-lock.ts"
import { ENVIRONMENT_NAME, type KeySource, masterKeyOf, PASSPHRASE_NAME } from "#core/secrets/master-key.ts"
import { CREDENTIAL, readPassphraseFile } from "../lib/key-passphrase.ts"
import { type Check, daysSince, failure, type Finding, listText, note, ok, warning, skipped } from "./check.ts"
import { examined } from "./examined.ts"
import type { Facts } from "./facts.ts"

/** A key that nobody asked for in so long is one more that can be lost. */
const UNUSED_DAYS = 90

export const keyChecks: readonly Check[] = [
  {
    id: "key.opens",
    why: "Without the right master key no secret can be read and no grant counts.",
    judge({ examination, config }) {
      if (examination.ok) {
        const { id, source, foreignSecrets } = examination.value.key
        if (foreignSecrets > 0)
          return failure(
            `${foreignSecrets} secrets were sealed under another key than ${id}`,
            "Set them anew: `ironclaw secret set NAME`.",
          )
        return ok(`${id}, from ${placeText(source)}, is the one that sealed this database`)
      }
      if (examination.error?.code.startsWith("key.")) return failure(examination.error.message, examination.error.hint)
      return config.ok && examination.error === null
        ? ok("There is nothing to open yet")
        : skipped("the database could not be asked")
    },
  },
  {
    id: "key.strength",
    why: "A key that can be guessed protects nothing, whatever it encrypts.",
    judge: judgeKeyText,
  },
  {
    id: "key.place",
    why: "A key beside the database that it protects goes with it when the disk or a copy of the home is taken.",
    judge: examined(({ key: { source } }, facts) => {
      if (source === "file")
        return note(
          "It lies in master.key of the home, for no keychain took it",
          "`ironclaw onboard encryption` puts it into a keychain or seals it by a passphrase; on a server SECRETS_MASTER_KEY can come from where your other secrets are kept.",
        )
      if (source === "passphrase") return judgePassphrasePlace(facts)
      if (existsSync(join(facts.home.root, "master.key")))
        return warning(
          `It comes from the ${source}, and a master.key lies in the home as well`,
          "Look whether it is still needed, and remove it.",
        )
      return ok(`It is in the ${source}`)
    }),
  },
  {
    id: "keychain.there",
    why: "The system's keychain keeps the master key apart from the files; where it is missing, a file has to do.",
    judge: examined(({ key: { source } }) =>
      source === "keychain"
        ? ok("It works: the master key came from it")
        : source === "environment"
          ? ok(`Not needed: ${ENVIRONMENT_NAME} is set`)
          : source === "passphrase"
            ? ok("Not needed: a passphrase seals the master key")
            : note("It is not used: there was none that kept what it was given, or it is locked"),
    ),
  },
  {
    id: "secrets.unused",
    why: "A secret that nothing uses can still be stolen.",
    judge: examined(({ secrets }, { clock }) => {
      const unused = secrets
        .filter(({ name }) => name !== "BACKUP_PASSPHRASE") // used by the service itself, toward no host
        .filter(({ usedAt, createdAt }) => daysSince(usedAt ?? createdAt, clock.nowMs()) > UNUSED_DAYS)
        .map(({ name }) => name)
      return unused.length === 0
        ? ok(secrets.length === 0 ? "No secret is stored" : `${secrets.length} stored, each new or in use`)
        : note(
            `Not used for ${UNUSED_DAYS} days: ${listText(unused)}`,
            "`ironclaw secret delete NAME`, and revoke it where it came from.",
          )
    }),
  },
  {
    id: "model.configured",
    why: "Without a model and its key nobody answers.",
    judge: examined(({ model: { id, problem } }) => {
      if (problem !== null)
        return failure(
          problem,
          "`ironclaw secret set NAME` with the vendor's key, or another vendor: `ironclaw config set model.backend NAME`.",
        )
      if (id === "demo/demo")
        return note("demo/demo: a stand-in that is no model", "`ironclaw model set vendor/model` chooses a real one.")
      return ok(id)
    }),
  },
  {
    id: "model.health",
    why: "A model that keeps failing is left alone for a while, and its fallbacks answer instead.",
    judge: examined(({ model: { cooling } }) =>
      cooling.length === 0
        ? ok("None is failing")
        : warning(
            cooling.map(({ model, why }) => `${model}: ${why}`).join("; "),
            "`ironclaw model test` shows what the vendor answers.",
          ),
    ),
  },
  {
    id: "model.answers",
    why: "Only a real request shows that key, address, model and money are all in order.",
    judge: judgeProbe,
  },
]

function judgeKeyText({ config, home }: Facts): Finding {
  if (!config.ok) return skipped("the configuration cannot be read")
  const fromEnvironment = config.value.environment.get(ENVIRONMENT_NAME)
  try {
    const text = fromEnvironment ?? readPrivateFile(join(home.root, "master.key"))
    if (text === null) return ok("It is in the keychain, made from 32 random bytes")
    if (fromEnvironment === undefined && isSealedKey(text)) {
      const { memoryKib, passes } = sealedKeyAbout(text)
      return ok(`It is sealed by a passphrase, stretched by argon2id: ${memoryKib / 1024} MiB, ${passes} passes`)
    }
    masterKeyOf(text, fromEnvironment === undefined ? "file" : "environment")
    return ok("It has 32 bytes, and no pattern that could be guessed")
  } catch (error) {
    if (error instanceof AppError) return failure(error.message, error.hint)
    throw error
  }
}

function placeText(source: KeySource): string {
  return source === "passphrase" ? "master.key, which a passphrase opened" : `the ${source}`
}

/** A passphrase in the home opens the key beside it, and one that a service cannot find stops it at its next start. */
function judgePassphrasePlace({ home, config, service }: Facts): Finding {
  const says = "It lies in master.key of the home, sealed by a passphrase"
  if (!config.ok) return ok(says)
  const file = config.value.config.encryption.passphrase_file
  const inHome = parseEnv(readText(home.envFile) ?? "")[PASSPHRASE_NAME] !== undefined
  if (inHome || file?.startsWith(home.root + sep)) {
    return warning(
      `${says}, which lies in the home as well, in ${inHome ? ".env" : file}`,
      "Whoever takes the home has both: keep the passphrase elsewhere.",
    )
  }
  try {
    if (file !== null) readPassphraseFile(file)
  } catch (error) {
    if (error instanceof AppError) return failure(error.message, error.hint)
    throw error
  }
  if (service?.state.installed && file === null)
    return note(
      `${says}; the installed service finds it only where its unit has the credential ${CREDENTIAL}`,
      "`ironclaw config set encryption.passphrase_file PATH` names a file that only you can read.",
    )
  return ok(says)
}

const SLOW_ANSWER_MS = 5_000

function judgeProbe({ probe }: Facts): Finding {
  if (probe === null)
    return ok("Not asked: `ironclaw doctor --probe` sends one short request, which may cost a fraction of a cent")
  if (!probe.ok) return failure(probe.error?.message ?? "It could not be asked", probe.error?.hint)
  const { model, ok: answered, durationMs, why } = probe.value
  if (!answered) return failure(`${model}: ${why}`, "`ironclaw model test` says more.")
  const text = `${model} answered in ${durationMs} ms`
  return durationMs > SLOW_ANSWER_MS ? warning(text, "A smaller or nearer model answers sooner.") : ok(text)
}
