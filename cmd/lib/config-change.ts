/**
 * A change of the configuration from the command line. What makes a difference to safety goes through the API, which asks whether the
 * owner is there, once somebody has talked with the assistant, and puts it on record; where nothing can be opened because the
 * configuration is wrong, the owner is asked right here, and the next start records it.
 */
import { existsSync } from "node:fs"
import { loadConfig } from "#core/config.ts"
import { type ConfigChange, setConfigValue, unsetConfigValue } from "#core/config-edit.ts"
import { isSafetyKey } from "#core/config-keys.ts"
import { AppError } from "#core/errors.ts"
import type { Home } from "#core/home.ts"
import type { Proof } from "#core/safety/presence.ts"
import { configChangeOf } from "#gateway/api/config.ts"
import type { Client } from "#gateway/client.ts"
import { type Connection, connect, findService } from "./connect.ts"
import { proveOwner } from "./owner-proof.ts"
import { withPresence } from "./presence.ts"
import type { Setting } from "./setting.ts"
import type { VerbContext } from "./verb.ts"

/** `value` null takes the key out of the file. */
export type WantedChange = { key: string; value: string | null }

/** Throws what `setConfigValue` and `unsetConfigValue` throw, and `presence.…`. */
export async function changeConfig(
  wanted: WantedChange,
  { setting, flags, ui, signal }: { setting: Setting } & Pick<VerbContext, "flags" | "ui" | "signal">,
): Promise<ConfigChange> {
  if (!isSafetyKey(wanted.key) || isUntouched(setting.home)) return editFile(wanted, setting)
  try {
    return await changeGuarded(wanted, { setting, flags, ui, signal })
  } catch (error) {
    if (!(error instanceof AppError) || error.code !== "presence.no_terminal") throw error
    throw new AppError(error.code, error.message, { cause: error, hint: BY_HAND })
  }
}

const BY_HAND =
  "Run the command at a terminal of this machine; or change config.toml by hand, which is yours, or the environment. Both go on record."

async function changeGuarded(
  wanted: WantedChange,
  { setting, flags, ui, signal }: { setting: Setting } & Pick<VerbContext, "flags" | "ui" | "signal">,
): Promise<ConfigChange> {
  const { home } = setting
  const what = `config ${wanted.value === null ? "unset" : "set"} ${wanted.key}`
  let connection: Connection
  try {
    connection =
      (await findService({ home, signal })) ??
      (await connect({ setting, loaded: await loadConfig(setting), what, verbose: flags.verbose, ui, signal }))
  } catch (error) {
    if (!isOutOfOrder(error)) throw error
    ui.note("The database cannot be opened as it is configured; the change goes on record when it can.")
    return changeHere(wanted, { setting, signal })
  }
  try {
    return await changeThere(wanted, { client: connection.client, signal })
  } finally {
    await connection.close()
  }
}

/** Nothing has run here yet, for whatever runs leaves a log: there is nobody to ask whether the assistant is in use. */
export function isUntouched(home: Home): boolean {
  return !existsSync(home.paths.logs) && !existsSync(home.paths.db)
}

/** What a change of the configuration may be meant to mend. */
function isOutOfOrder(error: unknown): boolean {
  return error instanceof AppError && /^(?:config|db)\./.test(error.code)
}

async function changeThere(
  { key, value }: WantedChange,
  { client, signal }: { client: Client; signal: AbortSignal },
): Promise<ConfigChange> {
  const put = (presence: Proof) => client.api.config({ key }).put({ body: { value, presence } })
  return withPresence(put, signal)
}

async function changeHere(
  { key, value }: WantedChange,
  { setting, signal }: { setting: Setting; signal: AbortSignal },
): Promise<ConfigChange> {
  await proveOwner(configChangeOf({ key, value, now: undefined }), { home: setting.home, holdsHome: false, signal })
  return editFile({ key, value }, setting)
}

function editFile({ key, value }: WantedChange, setting: Setting): Promise<ConfigChange> {
  return value === null ? unsetConfigValue({ ...setting, key }) : setConfigValue({ ...setting, key, value })
}
