/** One piece of work at a time for each key, in the order in which it came. */

export type KeyedQueue = { inTurn<T>(key: string, work: () => Promise<T>): Promise<T> }

export function createKeyedQueue(): KeyedQueue {
  const tails = new Map<string, Promise<unknown>>()
  return {
    inTurn(key, work) {
      const before = tails.get(key) ?? Promise.resolve()
      // Whether the one before failed is its own caller's matter.
      const mine = before.then(work, work)
      tails.set(key, mine)
      const clear = () => {
        if (tails.get(key) === mine) tails.delete(key)
      }
      mine.then(clear, clear)
      return mine
    },
  }
}
