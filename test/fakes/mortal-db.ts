/** A database that one of two processes loses: for tests of what is left when a process dies, or sleeps through the loss of its claims. */
import type { Db } from "#core/db/db.ts"

/** The database as a process sees it: once the process is dead or asleep, nothing it asks is done or answered until it wakes. */
export function mortalDb(real: Db): { db: Db; die: () => void; wake: () => void } {
  let asleep: PromiseWithResolvers<void> | null = null
  const alive =
    <A extends unknown[], R>(work: (...args: A) => Promise<R>) =>
    async (...args: A): Promise<R> => {
      await asleep?.promise
      return work(...args)
    }
  return {
    db: {
      ...real,
      hasVector: real.hasVector,
      query: alive(real.query),
      batch: alive(real.batch),
      transaction: alive(real.transaction),
      listen: real.listen,
    } as Db,
    die: () => {
      asleep = Promise.withResolvers()
    },
    wake: () => asleep?.resolve(),
  }
}
