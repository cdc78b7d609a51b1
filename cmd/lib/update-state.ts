/** What updates leave behind in the home: the newest release that was ever seen, and the last change of version. One update at a time. */
import { join } from "node:path"
import { systemClock } from "#core/clock.ts"
import { AppError } from "#core/errors.ts"
import { readPrivateFile, writePrivateFile } from "#core/home-file.ts"
import { takeLock } from "#core/home-lock.ts"
import type { Home } from "#core/home.ts"
import { int, judgeShape, type Static, t } from "#core/schema.ts"

const StateSchema = t.Object({
  newestSeen: int({ minimum: 0 }),
  last: t.Union([
    t.Null(),
    t.Object({
      from: t.String(),
      to: t.String(),
      at: t.String(),
      /** The backup that was made before; null where none was. */
      backup: t.Union([t.String(), t.Null()]),
    }),
  ]),
})
export type UpdateState = Static<typeof StateSchema>

const fileOf = (home: Home) => join(home.root, "update.json")

export function readUpdateState(home: Home): UpdateState {
  const text = readPrivateFile(fileOf(home))
  const none = { newestSeen: 0, last: null }
  if (text === null) return none
  try {
    const judged = judgeShape(StateSchema, JSON.parse(text))
    return judged.ok ? judged.value : none
  } catch {
    return none // not JSON: the number that this program was released with bounds what is older, too
  }
}

export function writeUpdateState(home: Home, state: UpdateState): void {
  writePrivateFile(fileOf(home), `${JSON.stringify(state)}\n`)
}

/** Throws `update.busy` where another process updates. Give it back with the function that this returns. */
export function holdUpdate(home: Home): () => void {
  const lock = takeLock({ home, clock: systemClock, name: "update", what: "update", as: "verb" })
  if (lock === null) throw new AppError("update.busy", "Another update of this home is under way")
  return lock.release
}
