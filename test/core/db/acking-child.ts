/** Commits numbered units as fast as it can, eight callers at once, and says each number on stdout only after its commit came back. */
import { systemClock } from "#core/clock.ts"
import { openDb } from "#core/db/open.ts"
import { loadSnapshot } from "#core/db/snapshot.ts"
import { createWriter } from "#core/db/writer.ts"
import { writeSync } from "node:fs"

const [dir = ""] = process.argv.slice(2)
const db = await openDb({ config: { kind: "embedded", dir }, clock: systemClock, onWarning: () => {}, loadSnapshot })
const writer = createWriter({ db, publish: () => {}, clock: systemClock })
let next = 0
await Promise.all(
  Array.from({ length: 8 }, async () => {
    for (;;) {
      const number = (next += 1)
      await writer.commit({
        statements: [
          { sql: "insert into meta values ($1, $2)", params: [`${process.pid}-${number}`, "x".repeat(500)] },
        ],
        events: [
          {
            type: "config.changed",
            keys: [`${process.pid}-${number}`],
            restartNeeded: false,
            agentId: "main",
            labels: [],
            source: "",
          },
        ],
        audit: [
          {
            agentId: "main",
            act: "owner.change",
            principal: "owner",
            subject: `${process.pid}-${number}`,
            outcome: "done",
          },
        ],
      })
      writeSync(1, `${process.pid}-${number}\n`)
    }
  }),
)
