/** Checks of what has to be done again and again: backups, updates, and what crashes leave behind. */
import { readdirSync, rmSync, statSync } from "node:fs"
import { join } from "node:path"
import type { Home } from "#core/home.ts"
import { releasePins } from "#core/release.ts"
import { BACKUP_ENDING } from "../lib/backups.ts"
import { readUpdateState } from "../lib/update-state.ts"
import { isBuilt, releaseNumber, version } from "../lib/version.ts"
import { type Check, daysSince, daysText, listText, note, ok, warning } from "./check.ts"
import { examined } from "./examined.ts"

const DAY_MS = 24 * 3_600_000
/** What was written after it is lost with the disk. */
const OLD_BACKUP_DAYS = 14
const noSchedule = { every: "never", hasPassphrase: false, failing: null } as const
/** The random part of a file that a crash left half-written. */
const LEFTOVER = /\.[\w-]{12}\.(?:new|partial)$/

export const upkeepChecks: readonly Check[] = [
  {
    id: "backup.age",
    why: "A disk dies once; what is in no backup is gone with it.",
    judge({ home, clock, homeExists, examination }) {
      if (!homeExists || (!examination.ok && examination.error === null)) return ok("There is nothing to back up yet")
      const newest = backupFiles(home).toSorted((a, b) => b.atMs - a.atMs)[0]
      const todo = "`ironclaw secret set BACKUP_PASSPHRASE` has the service make them; `ironclaw backup` makes one now."
      if (!newest) {
        // Told already where they fail or are not wanted.
        const { every, hasPassphrase, failing } = examination.ok ? examination.value.backups : noSchedule
        if (every !== "never" && hasPassphrase && !failing)
          return note(
            "There is none yet",
            "The service makes the first ten minutes after its start; `ironclaw backup` makes one now.",
          )
        return warning("There is none in the home's backups folder", todo)
      }
      const days = daysSince(new Date(newest.atMs).toISOString(), clock.nowMs())
      const text = `The newest, ${newest.name}, is from ${days <= 0 ? "today" : daysText(days)}`
      return days > OLD_BACKUP_DAYS ? warning(text, todo) : ok(text)
    },
  },
  {
    id: "backup.schedule",
    why: "Backups that somebody has to think of are not made.",
    judge: examined(({ backups: { every, keep, hasPassphrase, failing } }) => {
      if (failing)
        return warning(
          `None could be made since ${failing.since}, ${failing.tries} tries: ${failing.why}`,
          "It is tried again by itself; `ironclaw backup` shows what is wrong.",
        )
      if (every === "never")
        return note("The service makes none: backup.every is never", "`ironclaw config set backup.every daily`")
      if (!hasPassphrase)
        return note(
          `They would be made ${every}, and nothing says what opens them`,
          "`ironclaw secret set BACKUP_PASSPHRASE`, and keep the passphrase outside this machine too.",
        )
      return ok(`Made ${every}, the newest ${keep} are kept`)
    }),
  },
  {
    id: "backup.elsewhere",
    why: "A backup on the same disk does not outlive the disk.",
    judge: ({ home, homeExists }) =>
      homeExists && backupFiles(home).length > 0
        ? note(
            `Those that are known here lie in ${home.paths.backups}`,
            "Copy one to another machine or disk now and then; it is encrypted.",
          )
        : ok("There is none here"),
  },
  {
    id: "update.state",
    why: "Faults that are known and mended in a newer version are open in an older one.",
    judge({ home, config, homeExists }) {
      if (!isBuilt) return ok("This runs from the sources: `git pull` updates it")
      const url = (config.ok ? config.value.config.update.url : null) ?? releasePins.url
      if (url === null) return note("Nobody has said where releases are", "`ironclaw config set update.url https://…`")
      const { newestSeen, last } = homeExists ? readUpdateState(home) : { newestSeen: 0, last: null }
      if (newestSeen > releaseNumber)
        return warning(`Release ${newestSeen} was seen, and this is ${releaseNumber}`, "`ironclaw update`")
      return ok(`${version}${last ? `, since ${last.at}` : ""}; \`ironclaw update --check\` asks for a newer one`)
    },
  },
  {
    id: "home.leftovers",
    why: "Files that a crash left half-written are never looked at again, and take room.",
    judge({ home, clock, homeExists }) {
      if (!homeExists) return ok("Nothing is there yet")
      const folders = [home.root, home.paths.run, home.paths.backups]
      const found = folders.flatMap((folder) =>
        namesIn(folder)
          .filter((name) => LEFTOVER.test(name))
          .map((name) => join(folder, name))
          .filter((path) => isOlderThanADay(path, clock.nowMs())),
      )
      if (found.length === 0) return ok("None")
      return {
        ...note(`Left behind: ${listText(found)}`, "They can go."),
        fix: {
          what: `remove ${listText(found)}`,
          run: () => {
            for (const path of found) rmSync(path, { force: true })
            return `Removed ${listText(found)}`
          },
        },
      }
    },
  },
]

/** By name and time of the file; whether one can be read back is `restore --dry-run`, which needs the passphrase. */
function backupFiles(home: Home): { name: string; atMs: number }[] {
  return namesIn(home.paths.backups)
    .filter((name) => name.endsWith(BACKUP_ENDING))
    .flatMap((name) => {
      const stat = statSync(join(home.paths.backups, name), { throwIfNoEntry: false })
      return stat?.isFile() ? [{ name, atMs: stat.mtimeMs }] : []
    })
}

/** One that is being written is younger: the longest backup is given up after six hours. */
function isOlderThanADay(path: string, nowMs: number): boolean {
  const stat = statSync(path, { throwIfNoEntry: false })
  return stat?.isFile() === true && nowMs - stat.mtimeMs > DAY_MS
}

function namesIn(folder: string): string[] {
  try {
    return readdirSync(folder)
  } catch {
    return [] // not there yet, or closed: other checks say so
  }
}
