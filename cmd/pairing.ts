/** `ironclaw pairing`: who may talk with the assistant by a channel. A code that a stranger was told lets them in, typed by the owner. */
import { withPresence } from "./lib/presence.ts"
import { visible } from "./lib/ui.ts"
import { defineVerbGroup } from "./lib/verb.ts"
import { askVerb, timeText } from "./lib/verbs.ts"

type Line = { channel: string; id: string; name: string; state: string; since: string }

const list = askVerb({
  meta: {
    description: "Lists who asks to be let in, and who is known. Codes are told to who asks, and shown nowhere",
    examples: ["ironclaw pairing list"],
  },
  args: {},
  ask: ({ client }) => client.api.pairing.get(),
  show({ asking, known }, { ui }) {
    const lines: Line[] = [
      ...asking.map(({ channel, externalId: id, name, expiresAt }) => ({
        channel,
        id,
        name,
        state: `asks, until ${timeText(expiresAt)}`,
        since: "",
      })),
      ...known.map(({ channel, externalId: id, name, role, createdAt }) => ({
        channel,
        id,
        name,
        state: role === "owner" ? "you" : "known",
        since: timeText(createdAt),
      })),
    ]
    ui.table(
      lines,
      [
        { title: "channel", value: (line: Line) => line.channel },
        { title: "id", value: (line: Line) => visible(line.id), shrinks: true },
        { title: "calls themselves", value: (line: Line) => visible(line.name), shrinks: true },
        { title: "state", value: (line: Line) => line.state },
        { title: "since", value: (line: Line) => line.since },
      ],
      "Nobody asks, and nobody is known. Who writes on a channel for the first time is told a code.",
    )
  },
})

const approve = askVerb({
  meta: {
    live: { channel: "channels" },
    description:
      "Lets in who was told this code, at this terminal: as a guest, or with --owner as yourself, whose words those are then",
    examples: ["ironclaw pairing approve relay ABCD-2345", "ironclaw pairing approve relay ABCD-2345 --owner"],
  },
  args: {
    channel: { type: "positional", description: "The channel's name" },
    code: { type: "positional", description: "The code that they were told" },
    owner: { type: "boolean", description: "This is you: what is written there are your own words" },
  },
  async ask({ client, args, signal }) {
    const body = { channel: args.channel, code: args.code, as: args.owner ? ("owner" as const) : ("known" as const) }
    return withPresence((presence) => client.api.pairing.approve.post({ body: { ...body, presence } }), signal)
  },
  show: ({ channel, id, as }, { ui }) =>
    ui.print(
      as === "owner" ? `${visible(id)} on ${channel} is you` : `${visible(id)} on ${channel} is known, as a guest`,
    ),
})

const deny = askVerb({
  meta: {
    live: { channel: "channels" },
    description: "Turns somebody away for a day, or takes back that they are known",
    examples: ["ironclaw pairing deny relay 12345"],
  },
  args: {
    channel: { type: "positional", description: "The channel's name" },
    id: { type: "positional", description: "Their id there, as `pairing list` shows it" },
  },
  ask: ({ client, args }) => client.api.pairing.deny.post({ body: { channel: args.channel, id: args.id } }),
  show: ({ channel, id }, { ui }) => ui.print(`${visible(id)} on ${channel} is not known`),
})

export default defineVerbGroup(
  {
    description: "People who want to talk with the assistant by a channel: list, approve, deny",
    examples: ["ironclaw pairing list", "ironclaw pairing approve relay ABCD-2345 --owner"],
  },
  { list, approve, deny },
)
