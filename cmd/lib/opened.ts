/** What has been opened, so that it can be closed in reverse: at the end, and where a part that comes later cannot be opened. */

export type Opened = {
  /** `close` is called once. What is open by the time it is called must not need what was opened after it. */
  add(close: () => unknown): void
  /** Closes all, the last first, each whatever became of those after it. Throws what went wrong first. */
  closeAll(): Promise<void>
}

export function createOpened(): Opened {
  const closers: (() => unknown)[] = []
  return {
    add: (close) => void closers.push(close),
    async closeAll() {
      const faults: unknown[] = []
      for (let close = closers.pop(); close; close = closers.pop()) {
        try {
          await close()
        } catch (error) {
          faults.push(error)
        }
      }
      if (faults.length > 0) throw faults[0]
    },
  }
}
