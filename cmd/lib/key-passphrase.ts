/**
 * The passphrase of a sealed master key, for whoever is about to open it: from the environment, a systemd credential or a file that was
 * named for services, else asked for on the terminal. A verb that goes through a running service needs none.
 */
import { readFileSync } from "node:fs"
import { join } from "node:path"
import { systemClock } from "#core/clock.ts"
import { type LoadedConfig, processEnvironment } from "#core/config.ts"
import { AppError } from "#core/errors.ts"
import { readPrivateFile } from "#core/home-file.ts"
import { type Home, reasonOf } from "#core/home.ts"
import { createKeyLock, type KeyLock } from "#core/secrets/key-lock.ts"
import {
  ENVIRONMENT_NAME,
  isKeySealed,
  passphraseMissing,
  PASSPHRASE_NAME,
  sealedKeyOpens,
} from "#core/secrets/master-key.ts"
import { type Ui, visible } from "./ui.ts"

export const CREDENTIAL = "ironclaw-key-passphrase"
/** A slip of the hand or two; each try costs the half second that a guess costs. */
const TRIES = 3

export type KeyLockAsking = {
  home: Home
  loaded: LoadedConfig
  ui: Ui
  signal: AbortSignal
  /** False: nobody is asked, whoever is there. */
  asks?: boolean
}

export type Unlocked = {
  lock: KeyLock
  /** A person typed it: where a service starts from here, it has to be told. */
  typed: string | null
}

/** Null where the key is not sealed. Throws `key.passphrase_missing`, `key.passphrase_wrong`, `key.damaged`, `home.unsafe_file`. */
export async function findKeyLock(asking: KeyLockAsking): Promise<KeyLock | null> {
  return (await findPassphrase(asking))?.lock ?? null
}

/** The same, with the passphrase where it was typed. */
export async function findPassphrase({
  home,
  loaded,
  ui,
  signal,
  asks = !ui.json,
}: KeyLockAsking): Promise<Unlocked | null> {
  if (loaded.environment.get(ENVIRONMENT_NAME) !== undefined || !isKeySealed(home)) return null
  const given = givenPassphrase(loaded)
  if (given !== null) return { lock: await opened(home, given), typed: null }
  const { askHidden, canAsk } = await import("./hidden-text.ts") // few homes need it, and it is heavy
  if (!asks || !canAsk()) throw passphraseMissing(home)
  ui.progress("").stop() // what spins would draw over the question
  for (let attempt = 1; ; attempt++) {
    const typed = await askHidden({ message: "Passphrase of the master key", judge() {}, signal })
    try {
      return { lock: await opened(home, typed), typed }
    } catch (error) {
      const isWrong = error instanceof AppError && error.code === "key.passphrase_wrong"
      if (!isWrong || attempt === TRIES) throw error
      ui.warn(visible(error.message))
    }
  }
}

/** Where a passphrase is for who cannot be asked; null where it is nowhere. Throws for a place that was named and cannot be read. */
export function givenPassphrase({ environment, config }: LoadedConfig): string | null {
  const inEnvironment = environment.get(PASSPHRASE_NAME)
  if (inEnvironment) return inEnvironment
  const folder = processEnvironment()["CREDENTIALS_DIRECTORY"]
  const credential = folder === undefined ? null : readCredential(join(folder, CREDENTIAL))
  if (credential !== null) return credential
  const path = config.encryption.passphrase_file
  return path === null ? null : readPassphraseFile(path)
}

/** The file of a service: the passphrase and nothing else. Throws `home.unsafe_file` where others can read it, `key.passphrase_missing`. */
export function readPassphraseFile(path: string): string {
  const text = withoutLineEnd(readPrivateFile(path) ?? "")
  if (text !== "") return text
  throw new AppError(
    "key.passphrase_missing",
    `The file ${path}, which should hold the passphrase, is not there or empty`,
  )
}

/** systemd itself sees to it that nobody else can read it, by means that its mode does not show. */
function readCredential(path: string): string | null {
  try {
    return withoutLineEnd(readFileSync(path, "utf8")) || null
  } catch (cause) {
    if (cause instanceof Error && "code" in cause && cause.code === "ENOENT") return null // a unit with other credentials
    throw new AppError("home.unsafe_file", `${path} cannot be read: ${reasonOf(cause)}`, { cause })
  }
}

async function opened(home: Home, passphrase: string): Promise<KeyLock> {
  const lock = createKeyLock({ passphrase, clock: systemClock })
  await sealedKeyOpens(home, lock)
  return lock
}

/** Editors and `echo` leave one. */
function withoutLineEnd(text: string): string {
  return text.replace(/\r?\n$/, "")
}
