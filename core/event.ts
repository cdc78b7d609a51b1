/** What happened, once, in one vocabulary: SSE, WebSocket, terminal, page, hooks and audit carry these objects unchanged. */
import type { ApprovalId, CallId, DocumentId, GrantId, JobId, MessageId, SessionId, TokenId, TurnId } from "./id.ts"

/** Where a text came from and who may see it. A missing label reads `untrusted`. */
export type LabelName = "untrusted" | "private" | "vetted"

/** Ids, hashes and redacted previews (at most 200 characters); never a body. */
export type EventBody =
  // sessions
  | { type: "session.created"; sessionId: SessionId; channel: string; title: string }
  | {
      type: "session.changed"
      sessionId: SessionId
      change: "renamed" | "cleared" | "undone" | "redone" | "compacted" | "model"
      detail: string
    }
  | { type: "session.deleted"; sessionId: SessionId }
  // messages
  | {
      type: "message.received"
      sessionId: SessionId
      messageId: MessageId
      turnId: TurnId
      preview: string
      characters: number
    }
  /** Nobody was let in: `client`, `sender`, `webhook` or `lockdown` says who was asked. */
  | { type: "message.refused"; gate: "client" | "sender" | "webhook" | "lockdown"; detail: string }
  /** The assistant said something besides a reply, or a channel carried what it said to where it belongs. */
  | { type: "message.delivered"; sessionId: SessionId; messageId: MessageId; channel: string; preview: string }
  /** A channel could not carry it there, or nobody can know whether it did. */
  | { type: "message.undelivered"; sessionId: SessionId; messageId: MessageId; channel: string; error: string }
  // turns
  | { type: "turn.queued"; sessionId: SessionId; turnId: TurnId }
  | { type: "turn.started"; sessionId: SessionId; turnId: TurnId; model: string }
  | { type: "turn.steered"; sessionId: SessionId; turnId: TurnId; messageId: MessageId }
  | { type: "turn.suspended"; sessionId: SessionId; turnId: TurnId; approvalId: ApprovalId; question: string }
  | { type: "turn.resumed"; sessionId: SessionId; turnId: TurnId; why: "approval" | "restart" }
  | {
      type: "turn.finished"
      sessionId: SessionId
      turnId: TurnId
      state: TurnEnd
      messageId: MessageId | null
      preview: string
      costUsdMicros: number
    }
  // tools
  | { type: "tool.started"; sessionId: SessionId; turnId: TurnId; callId: CallId; tool: string; preview: string }
  | {
      type: "tool.finished"
      sessionId: SessionId
      turnId: TurnId
      callId: CallId
      tool: string
      outcome: ToolEnd
      preview: string
      durationMs: number
    }
  // approvals
  | {
      type: "approval.asked"
      sessionId: SessionId
      turnId: TurnId
      approvalId: ApprovalId
      tool: string
      question: string
    }
  | { type: "approval.answered"; approvalId: ApprovalId; answer: "allowed" | "denied" | "expired" }
  | { type: "grant.changed"; grantId: GrantId; change: "added" | "revoked"; tool: string }
  | { type: "token.changed"; tokenId: TokenId; change: "added" | "revoked" }
  | { type: "lockdown.changed"; active: boolean }
  // hooks
  | { type: "hook.changed"; hook: string; change: "added" | "removed" }
  | {
      type: "hook.failed"
      sessionId: SessionId | null
      turnId: TurnId | null
      hook: string
      point: string
      error: string
    }
  // plugins
  | {
      type: "plugin.changed"
      plugin: string
      change: "installed" | "granted" | "enabled" | "disabled" | "removed" | "configured" | "login_needed"
    }
  // channels
  | { type: "pairing.changed"; channel: string; change: "asked" | "approved" | "denied" }
  | { type: "channel.failed"; channel: string; error: string }
  // models
  | {
      type: "model.failed"
      sessionId: SessionId | null
      turnId: TurnId | null
      model: string
      error: string
      next: string | null
    }
  | { type: "usage.limited"; window: "hour" | "day"; limitUsdMicros: number; resetsAt: string }
  // memory
  | {
      type: "document.changed"
      documentId: DocumentId
      path: string
      change: "written" | "appended" | "deleted"
      version: number
    }
  // work and set-up
  | { type: "job.changed"; jobId: JobId; kind: string; state: string }
  | { type: "config.changed"; keys: string[]; restartNeeded: boolean }
  /** A backup that the service was to make by itself; told once, not with every try. */
  | { type: "backup.failed"; error: string }

type FieldOf<E> = E extends unknown ? keyof E : never
/** The fields that quote a person, a model or the outside: a delete empties them. A variant that quotes in a new field adds it here. */
export const QUOTING_FIELDS = [
  "preview",
  "title",
  "detail",
  "question",
  "error",
] as const satisfies FieldOf<EventBody>[]

export type TurnEnd = "finished" | "failed" | "stopped"
export type ToolEnd = "done" | "refused" | "failed" | "unknown"

/** An event before it has a place in the order. */
export type NewEvent = EventBody & { agentId: string; labels: LabelName[]; source: string }

/** A stored event. `seq` is the order of commits; `at` is ISO time. */
export type StoredEvent = NewEvent & { seq: number; at: string }

/** The one thing that is published but never stored: text as it arrives. `offset` counts UTF-16 units of the turn's text so far. */
export type TurnDelta = {
  type: "turn.delta"
  agentId: string
  sessionId: SessionId
  turnId: TurnId
  kind: "text" | "thinking"
  offset: number
  text: string
}

export type Event = StoredEvent | TurnDelta
export type Publish = (event: Event) => void

export type EventBus = {
  publish: Publish
  /** Calls `listener` for every event from now on, in order, synchronously; a listener that throws is dropped. */
  subscribe(listener: (event: Event) => void): () => void
}

export function createEventBus({ onListenerError }: { onListenerError: (error: unknown) => void }): EventBus {
  const listeners = new Set<(event: Event) => void>()
  return {
    publish(event) {
      for (const listener of listeners) {
        try {
          listener(event)
        } catch (error) {
          listeners.delete(listener)
          onListenerError(error)
        }
      }
    },
    subscribe(listener) {
      listeners.add(listener)
      return () => listeners.delete(listener)
    },
  }
}

/** The first `max` characters on one line, never half a surrogate pair: for events, logs and audit. */
export function preview(text: string, max = 200): string {
  const line = text
    .slice(0, max * 2)
    .replace(/\s+/g, " ")
    .trim()
  return (line.length <= max ? line : `${line.slice(0, max - 1)}…`).toWellFormed()
}
