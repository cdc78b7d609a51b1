/** Proof that the owner is at this terminal and means this change, asked for by this process itself: for changes that no service makes. */
import { systemClock } from "#core/clock.ts"
import type { Home } from "#core/home.ts"
import { createPresence, type SafetyChange } from "#core/safety/presence.ts"
import { systemTerminals } from "#core/safety/presence-terminal.ts"
import { ownProcesses } from "./own-processes.ts"
import { withPresence } from "./presence.ts"

/** `holdsHome`: this process has the home's lock. Resolves where the owner said yes; throws `presence.…`, `usage.interrupted`. */
export async function proveOwner(
  change: SafetyChange,
  { home, holdsHome, signal }: { home: Home; holdsHome: boolean; signal: AbortSignal },
): Promise<void> {
  const presence = createPresence({
    clock: systemClock,
    terminals: systemTerminals(() => ownProcesses({ home, holdsHome })),
    ownPid: process.pid,
  })
  await withPresence(async (proof) => {
    const challenge = presence.prove(change, { proof, way: "process" })
    return challenge ? { challenge } : {}
  }, signal)
}
