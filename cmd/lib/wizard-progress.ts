/** Which questions of a first set-up were answered: the answers themselves are where they belong, and are saved at once. */
import { rmSync } from "node:fs"
import { join } from "node:path"
import { readPrivateFile, writePrivateFile } from "#core/home-file.ts"
import type { Home } from "#core/home.ts"
import { judgeShape, type Static, t } from "#core/schema.ts"

const Answered = t.Object({ step: t.String(), set: t.String(), where: t.String() })
const Noted = t.Object({ done: t.Array(Answered) })
/** A step that was answered: what it set, and where that is, in words. */
export type Answered = Static<typeof Answered>

export type Noted = Static<typeof Noted>

export type Progress = {
  /** Null where no set-up is under way. */
  read(): Noted | null
  note(noted: Noted): void
  /** The set-up came to its end. */
  clear(): void
}

/** It costs a few Enter keys, and no answer. */
const damaged: Noted = { done: [] }

export function progressOf(home: Home): Progress {
  const path = () => join(home.folder("run"), "onboard.json")
  return {
    read() {
      const text = readPrivateFile(path())
      if (text === null) return null
      try {
        const judged = judgeShape(Noted, JSON.parse(text))
        return judged.ok ? judged.value : damaged
      } catch {
        return damaged
      }
    },
    note: (noted) => writePrivateFile(path(), `${JSON.stringify(noted)}\n`),
    clear: () => rmSync(path(), { force: true }),
  }
}
