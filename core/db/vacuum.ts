/** Gives space back and tells the planner how large tables are. A server does that by itself; in the embedded engine nobody does. */
import type { Db } from "./db.ts"

/** Takes a second or so for a large home, during which other statements wait: for a quiet hour. */
export async function vacuum(db: Db): Promise<void> {
  if (db.kind === "embedded") await db.query({ sql: "vacuum (analyze)", params: [] })
}
