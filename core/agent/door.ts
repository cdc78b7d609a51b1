/** The owner's hooks at the door: what they make of a message before any of it is a row. */
import type { Writer } from "../db/db.ts"
import type { NewAudit } from "../db/schema.ts"
import { AppError } from "../errors.ts"
import { preview, type LabelName } from "../event.ts"
import { hookRecord, type Hooks } from "../hooks.ts"
import type { PersonId } from "../id.ts"
import { createKeyedQueue } from "../memory/queue.ts"
import type { Incoming } from "./agent.ts"

/** A message as it goes on: its text is what the hooks made of it, and `hooks` what they said, for the record. */
export type Passed = Incoming & { labels: LabelName[]; source: string; hooks: string | null }

export type DoorDeps = { hooks: Hooks; writer: Writer; ownerId: PersonId; redact: (text: string) => string }

/**
 * Throws `hook.refused`, with the refusal as the only trace. What a client says went before (`history`, `after`) is not asked about: it
 * is nobody's message, and untrusted.
 */
export function createDoor({ hooks, writer, ownerId, redact }: DoorDeps) {
  const queue = createKeyedQueue()

  async function judge(message: Incoming): Promise<Passed> {
    const taint = labelsOf(message, ownerId)
    const judged = await hooks.judge("message.in", {
      ...whereOf(message),
      ...taint,
      turnId: null,
      sessionId: message.sessionId,
      personId: message.personId,
      value: { text: message.text, images: message.parts?.length ?? 0 },
      signal: NEVER, // each hook has its own deadline, and who sent the message may be gone without taking it back
    })
    const { labels, source } = judged
    if (judged.verdict === "pass")
      return { ...message, text: judged.value.text, labels, source, hooks: hookRecord(judged.ran) }
    await writer.commit({ statements: [], audit: [refusalAudit(message, { labels, source, record: judged.record })] })
    throw new AppError("hook.refused", `The owner's hooks refused this message. ${judged.why}`)
  }

  function refusalAudit(
    message: Incoming,
    { labels, source, record }: { labels: LabelName[]; source: string; record: string },
  ): NewAudit {
    return {
      agentId: message.agentId,
      act: "message.in",
      principal: message.personId ?? "stranger",
      subject: "message",
      outcome: "refused",
      sessionId: message.sessionId,
      preview: preview(redact(message.text)),
      verdicts: { sender: "allow", hooks: record },
      destination: `${message.place.channel}:${message.place.peer}`,
      bytesIn: Buffer.byteLength(message.text),
      labels,
      source,
    }
  }

  /** One message of a place at a time, so that a slow answer puts no message behind a later one. */
  return (message: Incoming): Promise<Passed> => {
    if (!hooks.covers("message.in", whereOf(message))) return judge(message)
    const { channel, peer, topic } = message.place
    return queue.inTurn(message.sessionId ?? JSON.stringify([channel, peer, topic]), () => judge(message))
  }
}

const NEVER = new AbortController().signal

function whereOf({ agentId, place }: Incoming): { agentId: string; channel: string; tool: null } {
  return { agentId, channel: place.channel, tool: null }
}

/** Only the owner's own words are clean. */
function labelsOf({ personId, place }: Incoming, ownerId: PersonId): { labels: LabelName[]; source: string } {
  return { labels: personId === ownerId ? [] : ["untrusted"], source: personId ?? `${place.channel}:${place.peer}` }
}
