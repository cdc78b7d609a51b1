/** Which signed requests were taken: in the database, so that a copy is known after a restart, and to every process. */
import type { Db } from "#core/db/db.ts"

export type Receipts = {
  has(channel: string, digest: string): Promise<boolean>
  add(channel: string, digest: string): Promise<void>
}

export function createReceipts({ db }: { db: Db }): Receipts {
  return {
    async has(channel, digest) {
      const rows = await db.query({
        sql: "select 1 as taken from webhook_receipts where channel = $1 and digest = $2",
        params: [channel, digest],
      })
      return rows.length > 0
    },
    async add(channel, digest) {
      await db.query({
        sql: "insert into webhook_receipts (channel, digest) values ($1, $2) on conflict do nothing",
        params: [channel, digest],
      })
    },
  }
}
