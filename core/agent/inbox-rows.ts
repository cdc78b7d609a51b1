/** What the inbox makes rows of: a message, and what a client says went before it. */
import type { messages } from "../db/schema.ts"
import { storableText } from "../db/storable.ts"
import { newId, type CallId, type MessageId, type SessionId, type TurnId } from "../id.ts"
import type { ModelMessage } from "../llm/model.ts"
import type { Passed } from "./door.ts"

export function messageRow(message: Passed, at: { sessionId: SessionId; turnId: TurnId }) {
  return {
    id: newId("msg"),
    ...at,
    labels: message.labels,
    source: message.source,
    agentId: message.agentId,
    role: "person" as const,
    personId: message.personId,
    text: message.text,
    parts: message.parts?.length ? message.parts : null,
  }
}

/**
 * What a client says was said: readable, never the owner's word. Results of its tools belong to the turn that reads them; calls belong
 * to none, so that no turn takes up a call that a client only claims was made.
 */
export function historyRow(
  said: ModelMessage,
  { turnId, ...at }: { sessionId: SessionId; agentId: string; turnId: TurnId },
): typeof messages.$inferInsert & { id: MessageId } {
  const base = { id: newId("msg"), ...at, labels: ["untrusted" as const], source: "client history" }
  if (said.role === "user") {
    const text = said.content.flatMap((part) => (part.type === "text" ? [part.text] : [])).join("\n")
    const parts = said.content.flatMap((part) => (part.type === "image" ? [part] : []))
    return { ...base, role: "person", text: storableText(text), parts: parts.length > 0 ? parts : null }
  }
  // The client's own ids: they only pair a call with its result.
  if (said.role === "assistant") {
    const toolCalls = said.toolCalls.map(({ id, name, arguments: args }) => ({
      callId: id as CallId,
      name,
      arguments: args,
    }))
    return { ...base, role: "model", text: storableText(said.text), toolCalls: toolCalls.length > 0 ? toolCalls : null }
  }
  return { ...base, role: "tool", turnId, text: storableText(said.text), callId: said.toolCallId as CallId }
}
