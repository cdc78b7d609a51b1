/** `ironclaw logs`: the log of the service and of the commands, as people read it. */
import { logArgs, showLog } from "./lib/log-view.ts"
import { defineVerb } from "./lib/verb.ts"

export default defineVerb({
  meta: {
    description: "Shows the log: the last lines, or with -f what is added",
    examples: ["ironclaw logs", "ironclaw logs -f --level warn", "ironclaw logs --since 2h --grep database -n 200"],
    ownsInterrupt: true,
  },
  args: logArgs,
  run: showLog,
})
