/** Where conversations with people of a channel's plugin happen, and who reads along there. */
import type { Place } from "./session.ts"

/** Before the plugin's name: no place of the house can be taken for one of a plugin, whatever it calls itself. */
const PREFIX = "plugin:"
/** Before the topic of a place that others read too. */
const SHARED = "shared:"

/** What a channel says of where a message was written. Absent: between the sender and the assistant alone. */
export type SharedPlace = { id: string; topic: string }

export function pluginPlace(
  plugin: string,
  { senderId, shared }: { senderId: string; shared: SharedPlace | null },
): Place {
  const channel = `${PREFIX}${plugin}`
  return shared
    ? { channel, peer: shared.id, topic: `${SHARED}${shared.topic}` }
    : { channel, peer: senderId, topic: "" }
}

/** The plugin that carries what is said there; null: it is a place of the house. */
export function pluginOfChannel(channel: string): string | null {
  return channel.startsWith(PREFIX) ? channel.slice(PREFIX.length) : null
}

/** Whether others than the one who writes there read what is answered. */
export function sharedTopic(topic: string): string | null {
  return topic.startsWith(SHARED) ? topic.slice(SHARED.length) : null
}

/** As SQL, of the column `topic`: nobody else reads along. */
export const UNSHARED_SQL = `topic not like '${SHARED}%'`
/** As SQL, of the sessions `s`: a place of the house, or an address that is this person's now. `person` is a parameter. */
export const addressOfSql = (person: string): string =>
  `(not starts_with(s.channel, '${PREFIX}') or exists (select 1 from identities i
    where '${PREFIX}' || i.channel = s.channel and i.external_id = s.peer and i.person_id = ${person}))`
