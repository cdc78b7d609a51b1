/** What is to be said on a channel becomes a row in the commit of what is said, so that no crash comes between. */
import type { Statement } from "../db/db.ts"
import { insertRow } from "../db/insert.ts"
import { deliveries } from "../db/schema.ts"
import { storableText } from "../db/storable.ts"
import type { LabelName } from "../event.ts"
import { newId, type MessageId, type SessionId, type TurnId } from "../id.ts"
import { pluginOfChannel } from "./place.ts"

export type ToDeliver = {
  place: { channel: string; peer: string; topic: string }
  agentId: string
  /** null: it is said to somebody with whom there is no conversation. */
  sessionId: SessionId | null
  turnId: TurnId | null
  labels: readonly LabelName[]
  source: string
} & ({ messageId: MessageId } | { note: string })

/** Nothing where the place is one of the house: who reads there sees the row itself. */
export function deliveryStatements({ place, labels, ...said }: ToDeliver): Statement[] {
  const plugin = pluginOfChannel(place.channel)
  if (plugin === null) return []
  const { agentId, sessionId, turnId, source } = said
  return [
    insertRow(deliveries, {
      id: newId("dlv"),
      channel: plugin,
      peer: place.peer,
      topic: place.topic,
      agentId,
      sessionId,
      turnId,
      labels: [...labels],
      source,
      ...("messageId" in said ? { messageId: said.messageId } : { note: storableText(said.note) }),
    }),
  ]
}
