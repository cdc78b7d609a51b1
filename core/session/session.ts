/** Sessions and their messages: what a conversation is, and what can be asked of the store that keeps them. */
import type { LabelName } from "../event.ts"
import type { MessageId, SessionId, TurnId } from "../id.ts"
import type { MessageRole, MessageRow, SessionRow, ThinkingLevel, TurnState } from "../db/schema.ts"

/** The place a conversation happens at: one Session per place and agent, until the owner starts a new one there. */
export type Place = { channel: string; peer: string; topic: string }

/** A page of a list: `next` is the cursor of the following page, null at the end. */
export type Page<T> = { items: T[]; next: string | null }

export type SessionSummary = {
  id: SessionId
  agentId: string
  title: string
  channel: string
  model: string | null
  thinking: ThinkingLevel | null
  createdAt: string
  /** The last message, not the last change: a session that is renamed does not become the one at its place. */
  updatedAt: string
  /** The turn that runs, waits for an approval, or is queued first; null when nothing goes on. */
  activeTurn: { id: TurnId; state: TurnState } | null
}

export type SessionMessage = {
  id: MessageId
  role: MessageRole
  text: string
  turnId: TurnId | null
  toolCalls: { callId: string; name: string; arguments: unknown }[]
  callId: string | null
  images: number
  labels: LabelName[]
  source: string
  /** Undone, cleared or compacted: kept and readable, but out of the model's sight. */
  inSight: boolean
  createdAt: string
}

export type SessionHit = {
  sessionId: SessionId
  messageId: MessageId
  title: string
  role: MessageRole
  snippet: string
  at: string
}

export type SessionStore = {
  create(input: {
    agentId: string
    place: Place
    title?: string
    model?: string | null
    thinking?: ThinkingLevel | null
  }): Promise<SessionSummary>
  /** Throws `not_found`. */
  get(id: SessionId): Promise<SessionSummary>
  /** The session at this place that was spoken in last, or null. */
  atPlace(agentId: string, place: Place): Promise<SessionSummary | null>
  /** Without the sessions of sub-turns, unless their channel is asked for. */
  list(query: { agentId?: string; channel?: string; limit?: number; cursor?: string }): Promise<Page<SessionSummary>>
  /** Oldest first, or the latest page first where `newestFirst` says so: a chat that opens needs the end. */
  messages(
    id: SessionId,
    query: { limit?: number; cursor?: string; newestFirst?: boolean },
  ): Promise<Page<SessionMessage>>
  search(query: { text: string; limit?: number; agentId?: string }): Promise<SessionHit[]>
  change(
    id: SessionId,
    change: { title?: string; model?: string | null; thinking?: ThinkingLevel | null },
  ): Promise<SessionSummary>
  /** Removes bodies, calls and snippets; events keep ids only. Throws `conflict` while a turn runs. */
  delete(id: SessionId): Promise<void>
  /** The whole session as one document, originals of compacted messages included. */
  export(id: SessionId, format: "json" | "markdown"): Promise<string>
  /** Hides the last visible turn; returns how many turns are left to undo. Throws `conflict` while a turn runs or nothing is left. */
  undo(id: SessionId): Promise<{ turnId: TurnId; left: number }>
  redo(id: SessionId): Promise<{ turnId: TurnId; left: number }>
  /** Puts everything so far out of the model's sight; it stays readable. Throws `conflict` while a turn runs. */
  clear(id: SessionId): Promise<void>
  /**
   * What the model is to see, oldest first: the summaries that still hold, then the messages after them that are neither cleared nor
   * hidden. One round trip.
   */
  inSight(id: SessionId): Promise<{ session: SessionRow; messages: MessageRow[] }>
}
