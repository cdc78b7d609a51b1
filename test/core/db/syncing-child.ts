/** Commits twenty times, one after the other, and writes enough for new files of the log. */
import { systemClock } from "#core/clock.ts"
import { openDb } from "#core/db/open.ts"
import { loadSnapshot } from "#core/db/snapshot.ts"

const [dir = ""] = process.argv.slice(2)
const db = await openDb({ config: { kind: "embedded", dir }, clock: systemClock, onWarning: () => {}, loadSnapshot })
console.log("open")
for (let round = 0; round < 20; round += 1) {
  const rows = "select gen_random_uuid()::text, repeat('x', 900) from generate_series(1, 500)"
  await db.query({ sql: `insert into meta ${rows}`, params: [] })
}
console.log("committed")
await db.close()
