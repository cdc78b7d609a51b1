/** Checks of the work: jobs that stand still or fail, money, and what the log says. */
import { readdirSync, statSync } from "node:fs"
import { join } from "node:path"
import { logLines } from "../lib/log-view.ts"
import { usdText } from "../lib/verbs.ts"
import { type Check, listText, note, ok, warning } from "./check.ts"
import { examined } from "./examined.ts"

/** From this share of a limit on, the owner may want to know before it is used up. */
const NEAR = 0.8
/** Errors of the last day. */
const RECENT = "1d"
const SHOWN = 3
/** The default keeps six files of ten MB. */
const LARGE_LOG_BYTES = 200e6

export const workChecks: readonly Check[] = [
  {
    id: "jobs.stuck",
    why: "Work that nobody takes up again waits for ever; the service looks for it every few seconds.",
    judge: examined(({ jobs: { overdue, abandoned, orphanedTurns }, as, lockdown }) => {
      const parts = [
        ...(overdue > 0 ? [`${overdue} due and not begun`] : []),
        ...(abandoned > 0 ? [`${abandoned} left by a process that ended`] : []),
        ...(orphanedTurns > 0 ? [`${orphanedTurns} turns without a job`] : []),
      ]
      if (parts.length === 0) return ok("Nothing stands still")
      if (as === "verb" || lockdown.active)
        return note(parts.join(", "), "The next start of the service takes them up.")
      return warning(parts.join(", "), "`ironclaw service restart`; the log says what was in the way.")
    }),
  },
  {
    id: "jobs.failing",
    why: "A job that fails each time costs money and does nothing.",
    judge: examined(({ jobs: { failing } }) =>
      failing.length === 0
        ? ok("None fails again and again")
        : warning(
            `Within a day: ${failing.map(({ kind, count, error }) => `${count} of kind ${kind} (${error})`).join("; ")}`,
            "`ironclaw logs --level error`",
          ),
    ),
  },
  {
    id: "usage.limits",
    why: "At the limit nothing is answered until the next hour or day.",
    judge: examined(({ usage }) => {
      const near = usage.filter(
        ({ spentUsdMicros, limitUsdMicros }) => limitUsdMicros !== null && spentUsdMicros >= NEAR * limitUsdMicros,
      )
      const text = usage
        .map(
          ({ window, spentUsdMicros, limitUsdMicros }) =>
            `${usdText(spentUsdMicros)} of ${limitUsdMicros === null ? "no limit" : usdText(limitUsdMicros)} this ${window}`,
        )
        .join(", ")
      return near.length === 0
        ? ok(text)
        : warning(text, "`ironclaw usage` shows on what; `ironclaw config set limits.day_usd …` raises it.")
    }),
  },
  {
    id: "log.size",
    why: "A log that grows without end fills the disk.",
    judge({ home, homeExists }) {
      const bytes = homeExists ? sizeOf(home.paths.logs) : 0
      const text = `${(bytes / 1e6).toFixed(1)} MB`
      return bytes > LARGE_LOG_BYTES ? warning(text, "Lower log.max_bytes or log.files.") : ok(text)
    },
  },
  {
    id: "log.errors",
    why: "The log says first what will fail next.",
    judge({ home, homeExists }) {
      const errors = homeExists ? logLines(home, { level: "error", since: RECENT, most: 100 }) : []
      if (errors.length === 0) return ok("No error within a day")
      const last = [...new Set(errors.map(({ message }) => String(message)))].slice(-SHOWN)
      return note(
        `${errors.length === 100 ? "100 or more" : errors.length} errors within a day, such as: ${listText(last)}`,
        "`ironclaw logs --level error --since 1d`",
      )
    },
  },
]

function sizeOf(folder: string): number {
  try {
    return readdirSync(folder).reduce(
      (sum, name) => sum + (statSync(join(folder, name), { throwIfNoEntry: false })?.size ?? 0),
      0,
    )
  } catch {
    return 0 // no folder, no log
  }
}
