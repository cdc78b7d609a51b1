/** Where a verb works: the home, and what configuration is to be read from, before anything of it was read. */
import { systemClock } from "#core/clock.ts"
import { type Config, type LoadConfigOptions, processEnvironment } from "#core/config.ts"
import { type Home, openHome, seeHome } from "#core/home.ts"
import { createLog, type RootLog } from "#core/log.ts"
import { redactLeaks } from "#core/safety/leaks.ts"
import type { Ui } from "./ui.ts"
import type { GlobalFlags } from "./verb.ts"

export type Setting = LoadConfigOptions & { home: Home }

/** Opens the home, and says on stderr which one where the environment chose it. Throws what `openHome` throws. */
export function openSetting({ flags, ui }: { flags: GlobalFlags; ui: Ui }): Setting {
  const env = processEnvironment()
  const home = openHome({ env, explicit: flags.home })
  if (home.announcement !== null) ui.note(home.announcement)
  return { home, env, flags: flags.set }
}

/** The same for who only looks: the home is neither made nor judged, and nothing is said. */
export function seeSetting(flags: GlobalFlags): Setting {
  const env = processEnvironment()
  return { home: seeHome({ env, explicit: flags.home }), env, flags: flags.set }
}

/** The log of this process, in the home's logs folder; on stderr too with -v. */
export function openLog({
  home,
  config,
  verbose,
  ui,
}: {
  home: Home
  config: Config
  verbose: boolean
  ui: Ui
}): RootLog {
  const { level, max_bytes: maxBytes, files } = config.log
  return createLog({
    dir: home.folder("logs"),
    level: verbose ? "debug" : level,
    redact: redactLeaks,
    clock: systemClock,
    maxBytes,
    files,
    mirror: verbose ? ui.logMirror : null,
  })
}
