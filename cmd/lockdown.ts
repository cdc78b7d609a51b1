/** `ironclaw lockdown`: stop everything, and let it go on. */
import { AppError } from "#core/errors.ts"
import { withPresence } from "./lib/presence.ts"
import { askVerb, timeText } from "./lib/verbs.ts"

export default askVerb({
  meta: {
    description:
      "Stops everything: turns, jobs, requests out, streams; revokes API tokens; refuses all but you, here, until --lift",
    examples: ["ironclaw lockdown", 'ironclaw lockdown --reason "a strange message"', "ironclaw lockdown --lift"],
  },
  args: {
    lift: { type: "boolean", description: "Let it go on, at this terminal: the code that appears here is typed back" },
    status: { type: "boolean", description: "Only say whether everything is stopped" },
    reason: { type: "string", valueHint: "text", description: "For the record" },
  },
  async ask({ client, args, signal }) {
    if (args.lift && (args.status || args.reason !== undefined)) throw new AppError("usage.wrong", "--lift goes alone")
    if (args.status) return client.api.lockdown.get()
    if (args.lift)
      return (await withPresence((presence) => client.api.lockdown.lift.post({ body: { presence } }), signal)).lockdown
    return client.api.lockdown.post({ body: args.reason === undefined ? {} : { reason: args.reason } })
  },
  show({ active, since }, { ui }) {
    if (!active) return ui.print("Nothing is stopped: ironclaw works")
    ui.print(`Everything is stopped${since === null ? "" : ` since ${timeText(since)}`}`)
    ui.note(
      "API tokens are revoked. `ironclaw audit egress` shows what left this machine; `ironclaw lockdown --lift` lets it go on.",
    )
  },
})
