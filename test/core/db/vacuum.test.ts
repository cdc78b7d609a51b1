/** The embedded engine cleans up when it is told to. */
import { expect, test } from "bun:test"
import { vacuum } from "#core/db/vacuum.ts"
import { openMemoryDb } from "./memory.ts"

test("after a vacuum the planner knows how large a table is", async () => {
  const db = await openMemoryDb()
  await db.query({ sql: "insert into meta select n::text, '' from generate_series(1, 500) n", params: [] })
  await vacuum(db)
  expect(
    await db.query({ sql: "select reltuples::int as n from pg_class where relname = 'meta'", params: [] }),
  ).toEqual([{ n: 500 }])
  await db.close()
})
