/** Checks of the database: does it answer, is it of the right kind and version, can it search by meaning. */
import { type Check, failure, note, ok, warning, skipped } from "./check.ts"
import { examined } from "./examined.ts"

/** The oldest server that the migrations are tested with; the service refuses older ones. */
const OLDEST_SERVER = 15
const SLOW_MS = 500 // every message asks it a dozen times

export const databaseChecks: readonly Check[] = [
  {
    id: "database.answers",
    why: "Everything is in it: without it nothing can be said, allowed or remembered.",
    judge({ examination, homeProblem, config }) {
      if (examination.ok) {
        const { kind, answeredMs } = examination.value.database
        const text = `${kind === "embedded" ? "The built-in database" : "Your Postgres server"} answered in ${answeredMs} ms`
        return answeredMs > SLOW_MS ? warning(text, "See whether disk, network or machine are overloaded.") : ok(text)
      }
      if (!config.ok) return skipped("the configuration cannot be read")
      if (homeProblem !== null) return skipped("the home is not safe to open")
      if (examination.error === null) return note("There is none yet", "The first start makes it: `ironclaw`.")
      if (examination.error.code === "not_found")
        return warning("The service that runs is of another version than this program", "`ironclaw service restart`")
      return failure(examination.error.message, examination.error.hint)
    },
  },
  {
    id: "database.version",
    why: "Other versions than the tested ones may read the same question another way.",
    judge: examined(({ database: { kind, version } }) =>
      kind === "postgres" && Number.parseInt(version, 10) < OLDEST_SERVER
        ? failure(`PostgreSQL ${version}`, `Update the server to ${OLDEST_SERVER} or later.`)
        : ok(`PostgreSQL ${version}${kind === "embedded" ? ", built in" : ""}`),
    ),
  },
  {
    id: "database.pgvector",
    why: "Without it memory is searched by words alone.",
    judge: examined(({ database: { hasVector } }) =>
      hasVector
        ? ok("pgvector is there")
        : note("There is no pgvector", "Install it on the server; it is picked up at the next start."),
    ),
  },
  {
    id: "database.migrations",
    why: "A schema that is not this version's is refused; what is half done would be worse.",
    judge: examined(({ database: { migrations } }) => ok(`All ${migrations} are applied`)),
  },
  {
    id: "database.size",
    why: "Backups, restores and starts after a crash take longer the larger it is.",
    judge: examined(({ database: { bytes } }) => {
      const text = `${(bytes / 1e6).toFixed(0)} MB`
      return bytes > 5e9
        ? note(text, "Delete conversations that you do not need: `ironclaw session delete`.")
        : ok(text)
    }),
  },
]
