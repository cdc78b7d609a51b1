/** `ironclaw update`: the newest release in the place of this program, verified, tried first, and with a way back. */
import { defineVerb } from "./lib/verb.ts"

const args = {
  check: { type: "boolean", description: "Only say whether there is a newer release" },
  rollback: { type: "boolean", description: "Change places with the version that the last update kept" },
  "without-backup": { type: "boolean", description: "Make no backup before" },
  "passphrase-stdin": { type: "boolean", description: "Read the backup's passphrase from stdin instead of asking" },
  "keep-running": {
    type: "boolean",
    description: "Leave a running service as it is; it is the old one until its restart",
  },
} as const
export default defineVerb({
  meta: {
    description: "Replaces this program by the newest release: verified, tried first, with a backup and a way back",
    examples: [
      "ironclaw update",
      "ironclaw update --check --json",
      "ironclaw update --passphrase-stdin < passphrase.txt",
      "ironclaw update --rollback",
    ],
  },
  args,
  // Of all that is needed to judge a release, the help needs nothing.
  run: async (context) => (await import("./lib/update-run.ts")).runUpdate(context),
})
