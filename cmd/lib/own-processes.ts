/** Which processes are ironclaw itself, for the gate that asks whether the owner is there. */
import { readLock } from "#core/home-lock.ts"
import type { Home } from "#core/home.ts"
import type { OwnProcesses } from "#core/safety/presence-terminal.ts"

/** Files of a compiled program lie in a file system of its own; otherwise the program's file is the runtime's, which anything may be. */
const isCompiled = /\$bunfs|~BUN/.test(import.meta.url)

/** Who holds the lock must not look at it: to close the file again would drop it. */
export function ownProcesses({ home, holdsHome }: { home: Home; holdsHome: boolean }): OwnProcesses {
  const holder = holdsHome ? null : readLock(home)
  return {
    pid: process.pid,
    userId: process.getuid?.() ?? 0,
    others: holder?.pid ? [holder.pid] : [],
    executable: isCompiled ? process.execPath : null,
  }
}
