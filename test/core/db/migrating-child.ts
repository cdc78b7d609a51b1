/** Opens the database it is given, as one of several processes that do so at once. */
import { systemClock } from "#core/clock.ts"
import { openDb } from "#core/db/open.ts"

const [url = ""] = process.argv.slice(2)
const db = await openDb({
  config: { kind: "postgres", url, poolSize: 1 },
  clock: systemClock,
  onWarning: () => {},
  loadSnapshot: async () => null,
})
await db.close()
console.log("migrated")
