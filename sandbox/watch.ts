/** Follows the plugins folder while the service runs: what is dropped, changed or deleted there is taken up without a restart. */
import { type FSWatcher, statSync, watch } from "node:fs"
import type { Cancel, Clock } from "#core/clock.ts"

export type FolderWatch = { close(): void }

/** Files are written in several steps; this long after the last one they are read. */
const SETTLE_MS = 50
/** File systems that tell of nothing, and a folder that was deleted and made again, are noticed by looking. */
const LOOK_EVERY_MS = 3_000

export function watchPlugins({
  dir,
  clock,
  signature,
  onChange,
}: {
  dir: string
  clock: Clock
  signature: () => string
  onChange: () => void
}): FolderWatch {
  let watcher: FSWatcher | null = null
  let watched = ""
  let settle: Cancel | null = null
  let closed = false
  let seen = signature()

  function changed(): void {
    if (closed) return
    settle?.()
    settle = clock.after(SETTLE_MS, () => {
      settle = null
      seen = signature()
      onChange()
    })
  }

  /** Watching follows the folder and not its name: another folder of that name is another one to watch. */
  function arm(): void {
    const now = identityOf(dir)
    if (now === watched) return
    watcher?.close()
    watcher = null
    watched = now
    if (now === "") return
    try {
      watcher = watch(dir, { persistent: false, recursive: true }, changed)
      watcher.on("error", changed)
    } catch {
      watched = "" // looking still sees what changes
    }
  }

  function look(): void {
    if (closed) return
    arm()
    if (settle === null && signature() !== seen) changed()
    next = clock.after(LOOK_EVERY_MS, look)
  }

  arm()
  let next = clock.after(LOOK_EVERY_MS, look)
  return {
    close() {
      closed = true
      settle?.()
      next()
      watcher?.close()
    },
  }
}

function identityOf(dir: string): string {
  try {
    const { dev, ino } = statSync(dir)
    return `${dev} ${ino}`
  } catch {
    return ""
  }
}
