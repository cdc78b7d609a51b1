/** Checks of what holds foreign code: whether the lock of its child process can be made on this machine. */
import { systemClock } from "#core/clock.ts"
import { silentLog } from "#core/log.ts"
import { sandboxChildCommand } from "../lib/own-command.ts"
import { type Check, listText, note, ok, warning } from "./check.ts"

/** A child is ready in 50 ms; on a busy machine the doctor has others to look at. */
const PATIENCE_MS = 2_500

export const sandboxChecks: readonly Check[] = [
  {
    id: "sandbox.lock",
    why: "A plugin that breaks out of WebAssembly is stopped by the lock of its process, and by nothing else.",
    async judge({ clock }) {
      // A child of our own, started and ended: loaded here, so that the help of the doctor does not wait for it.
      const { createSandbox } = await import("#sandbox/child/sandbox.ts")
      const sandbox = createSandbox({ command: sandboxChildCommand(), clock: systemClock, log: silentLog })
      try {
        const lock = await Promise.race([sandbox.warm(), clock.sleep(PATIENCE_MS).then(() => null)])
        if (lock === null) return note("No child was ready in time", "`ironclaw sandbox status` waits for one.")
        if (lock.state === "locked") return ok("It holds; `ironclaw sandbox test` proves it")
        if (lock.state === "partial")
          return note(
            `A part of it is missing: ${listText(lock.missing)}`,
            "`ironclaw sandbox status` says more; a newer kernel has all of it.",
          )
        return warning("This machine has none for it", "Install no plugin that you would not run without a sandbox.")
      } finally {
        await sandbox.stopAll()
      }
    },
  },
]
