/** Follows the configuration while the service runs: live keys change at once, the others are named, a mistake changes nothing. */
import { watch } from "node:fs"
import { basename } from "node:path"
import type { Cancel, Clock } from "./clock.ts"
import {
  type Config,
  type ConfigKey,
  configKeyNames,
  loadConfig,
  type LoadConfigOptions,
  restartNeeded,
  valueOf,
  withKept,
} from "./config.ts"
import { AppError } from "./errors.ts"

export type ConfigWatch = {
  readonly current: Config
  close(): void
}

export type WatchConfigDeps = LoadConfigOptions & {
  current: Config
  clock: Clock
  /** `config` has the new values of live keys and the old ones of the others, which `restart` names. */
  onChange(change: { config: Config; changed: ConfigKey[]; restart: ConfigKey[] }): void
  /** The files are wrong now; the values from before stay in force. */
  onProblem(error: AppError): void
}

/** An editor writes a file in several steps; this long after the last one it is read. */
const SETTLE_MS = 50

/** Follows config.toml and .env. Files are replaced by renaming, so the folder is watched and not the file. */
export function watchConfig({ home, env, flags, current, clock, onChange, onProblem }: WatchConfigDeps): ConfigWatch {
  let config = current
  let cancel: Cancel | null = null
  let closed = false
  const names = new Set([basename(home.configFile), basename(home.envFile)])
  const reload = async () => {
    cancel = null
    try {
      const next = (await loadConfig({ home, env, flags })).config
      if (closed) return
      const changed = configKeyNames.filter((key) => !Bun.deepEquals(valueOf(next, key), valueOf(config, key)))
      if (changed.length === 0) return
      const restart = restartNeeded(changed)
      config = withKept(next, config, restart)
      onChange({ config, changed, restart })
    } catch (error) {
      if (!closed)
        onProblem(
          error instanceof AppError
            ? error
            : new AppError("internal", "The configuration could not be read again", { cause: error }),
        )
    }
  }
  const watcher = watch(home.root, { persistent: false }, (_event, name) => {
    if (closed || name === null || !names.has(name)) return
    cancel?.()
    cancel = clock.after(SETTLE_MS, () => void reload())
  })
  watcher.on("error", () => {}) // the home itself was removed: there is nothing left to follow, and its other users say so
  return {
    get current() {
      return config
    },
    close() {
      closed = true
      cancel?.()
      watcher.close()
    },
  }
}
