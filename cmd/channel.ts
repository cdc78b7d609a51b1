/** `ironclaw channel`: the ways people reach the assistant. One is a plugin: installed, granted and disabled as such. */
import type { ChannelStatus } from "#channels/channel.ts"
import { withPresence } from "./lib/presence.ts"
import { type Ui, visible } from "./lib/ui.ts"
import { defineVerbGroup } from "./lib/verb.ts"
import { askVerb, timeText } from "./lib/verbs.ts"
import { addChannel as add } from "./tool/install.ts"

const nameArg = { name: { type: "positional", description: "The channel's name" } } as const

const list = askVerb({
  meta: {
    description: "Lists the channels: what runs, when each was last asked for news, what failed and what waits",
    examples: ["ironclaw channel list"],
  },
  args: {},
  ask: ({ client }) => client.api.channels.get(),
  show({ items }, { ui }) {
    ui.table(
      items,
      [
        { title: "name", value: (row: ChannelStatus) => row.name },
        { title: "state", value: stateOf },
        { title: "last news", value: (row: ChannelStatus) => (row.lastPollAt ? timeText(row.lastPollAt) : "") },
        { title: "people", value: (row: ChannelStatus) => String(row.people) },
        { title: "waiting", value: (row: ChannelStatus) => String(row.deliveries.waiting) },
        { title: "last error", value: (row: ChannelStatus) => visible(row.lastError), shrinks: true },
      ],
      "No channels. `ironclaw tool list --available` shows what is inside this program.",
    )
    for (const row of items) noteOf(row, ui)
  },
})

const status = askVerb({
  meta: {
    live: { name: "channels" },
    description: "Shows one channel, and asks its code how it is. Status 1 where it cannot carry anything",
    examples: ["ironclaw channel status relay"],
  },
  args: nameArg,
  ask: async ({ client, args }) => (await client.api.channels({ name: args.name }).get()).channel,
  show(channel, { ui }) {
    ui.print(`${channel.name} ${visible(channel.version)}: ${stateOf(channel)}`)
    if (channel.description !== "") ui.print(`It says of itself: ${visible(channel.description)}`)
    for (const path of channel.paths) ui.print(`It hears at ${path}`)
    if (channel.pollEveryMs !== null) ui.print(`It looks for news every ${channel.pollEveryMs / 1_000} s`)
    if (channel.lastPollAt !== null) ui.print(`Last at ${timeText(channel.lastPollAt)}`)
    if (channel.says) ui.print(`It says: ${channel.says.ok ? "all is well" : "NOT well"}${detailOf(channel.says)}`)
    if (channel.lastError !== "") ui.warn(`${channel.failures} times in a row: ${visible(channel.lastError)}`)
    const { waiting, failed, unknown } = channel.deliveries
    ui.print(`To be carried: ${waiting} waiting, ${failed} failed, ${unknown} of which nobody knows`)
    ui.print(`Known people: ${channel.people}`)
    noteOf(channel, ui)
  },
  status: (channel) => (channel.state === "active" && channel.failures === 0 && channel.says?.ok !== false ? 0 : 1),
})

const remove = askVerb({
  meta: {
    live: { name: "channels" },
    description: "Takes a channel away: its plugin, who was known by it, what it kept and what waits to be carried",
    examples: ["ironclaw channel remove relay"],
  },
  args: nameArg,
  async ask({ client, args, signal }) {
    await client.api.channels({ name: args.name }).get() // a tool's plugin is none
    const at = client.api.plugins({ name: args.name })
    const { removed, name } = await withPresence((presence) => at.delete({ body: { presence } }), signal)
    return { removed, name }
  },
  show: ({ name }, { ui }) => ui.print(`The channel ${name} is gone`),
})

function stateOf({ state, started, failures }: ChannelStatus): string {
  if (state !== "active") return state
  if (failures > 0) return "failing"
  return started ? "active" : "not started yet"
}

function detailOf({ detail }: { detail: string }): string {
  return detail === "" ? "" : `: ${visible(detail)}`
}

function noteOf({ name, state, asking }: ChannelStatus, ui: Ui): void {
  if (state === "inactive") ui.note(`${name} is inactive: \`ironclaw tool grant ${name}\` shows what it asks for`)
  if (asking > 0)
    ui.note(
      `${asking} ${asking === 1 ? "person asks" : "people ask"} to talk on ${name}: \`ironclaw pairing list\`; with the code that they were told, \`ironclaw pairing approve ${name} CODE\``,
    )
}

export default defineVerbGroup(
  {
    description: "Channels, the ways people reach the assistant: add, list, look at, take away",
    examples: ["ironclaw channel add relay", "ironclaw channel list", "ironclaw channel status relay"],
  },
  { list, add, status, remove },
)
