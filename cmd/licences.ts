/** `ironclaw licences`: whose work is in this program, and under which terms. */
import { readNotices } from "./lib/notices.ts"
import { defineVerb } from "./lib/verb.ts"

export default defineVerb({
  meta: {
    description: "Prints the licences of this program and of everything that is in it",
    examples: ["ironclaw licences", "ironclaw licences | less"],
  },
  args: {},
  async run({ ui }) {
    const text = await readNotices()
    return { data: { text }, show: () => ui.content(text) }
  },
})
