/** Knows whether the running code is inside an open transaction, where asking the database itself (and not `tx`) would wait for ever. */
import { AsyncLocalStorage } from "node:async_hooks"

type Frame = { open: boolean }

const frames = new AsyncLocalStorage<Frame>()

/** Throws where the caller stands inside an open transaction: with one connection it would wait for itself. */
export function refuseInsideTransaction(what: string): void {
  if (frames.getStore()?.open)
    throw new Error(`${what} was called inside a transaction; only its own "tx" may be used there`)
}

/** Runs `work` as the inside of a transaction. What it started and did not await may use the database again afterwards. */
export async function insideTransaction<T>(work: () => Promise<T>): Promise<T> {
  const frame: Frame = { open: true }
  try {
    return await frames.run(frame, work)
  } finally {
    frame.open = false
  }
}
