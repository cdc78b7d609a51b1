/** The wizard with nobody to ask: every question gives its usual answer, and what is done is said on stderr. */
import { AppError } from "#core/errors.ts"
import type { Asker } from "./asker.ts"
import { type Ui, visible } from "./ui.ts"

export function createNobody(ui: Ui): Asker {
  return {
    someone: false,
    begin() {},
    heading() {},
    async choose({ message, initial }) {
      if (initial !== undefined) return initial
      throw unanswered(message)
    },
    several: async () => [],
    async text({ message, initial, judge = () => null }) {
      if (initial === undefined) throw unanswered(message)
      const problem = judge(initial)
      if (problem === null) return initial
      throw new AppError("input.invalid", problem)
    },
    async hidden({ message }) {
      throw unanswered(message)
    },
    say() {},
    done: (line) => ui.note(visible(line)),
    warn: (line) => ui.warn(visible(line)),
    working: (_what, work) => work(),
  }
}

/** Steps name what they miss before anything is saved; this is left for what only a probe can show. */
function unanswered(question: string): AppError {
  return new AppError("onboard.unanswered", `"${question}" needs an answer, and there is nobody to ask`)
}
