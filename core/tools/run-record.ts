/** The record of a tool call: its row, the message that holds its result, the events, and the audit row with every gate's verdict. */
import { eq } from "drizzle-orm"
import type { Clock } from "../clock.ts"
import type { Db, Statement, Writer } from "../db/db.ts"
import { storableText } from "../db/storable.ts"
import { calls, messages, type NewAudit } from "../db/schema.ts"
import { preview, type LabelName, type NewEvent, type ToolEnd } from "../event.ts"
import { newId } from "../id.ts"
import type { Approval } from "../safety/approvals.ts"
import { hasEffect, type Effect } from "../safety/capability.ts"
import { fingerprint } from "../safety/fingerprint.ts"
import { isUntrusted } from "../safety/labels.ts"
import { defangLinks } from "../safety/links.ts"
import { ownerUrlsOf } from "./owner-urls.ts"
import type { CallOutcome, CallRequest, StartedCall } from "./run.ts"

/** More than a preview shows of any text. */
const LOOKED_AT = 1_000

/** What became of a call, before it is on record. */
export type Judged = {
  state: ToolEnd
  text: string
  labels: readonly LabelName[]
  source: string
  verdicts: Record<string, string>
  effect: Effect
  /** Exact places that the call reaches, as the gates saw them. */
  destination: string
  durationMs: number
  /** `no`: it was not run. `on record`: its row is there already. `untold`: it was run, and its start goes on record with its end. */
  started: "no" | "on record" | "untold"
}

/** A refusal may quote what the model wrote, so it is as tainted as what the model had read. */
export function refusalOf(
  { labels, source }: Pick<CallRequest, "labels" | "source">,
  why: Pick<Judged, "text" | "verdicts" | "effect" | "destination">,
): Judged {
  return { ...why, state: "refused", labels, source, durationMs: 0, started: "no" }
}

export type Recorder = {
  /** Puts a call on record before it runs. `with`: what must be true, or become true, in the same moment. */
  started(request: CallRequest, call: { effect: Effect; with: readonly Statement[] }): Promise<void>
  finished(request: CallRequest, judged: Judged): Promise<CallOutcome>
  /** The process ended while it ran. */
  unknown(request: CallRequest, call: Pick<StartedCall, "effect" | "inside">): Promise<CallOutcome>
  /** The owner was asked; the call waits. */
  asked(
    request: CallRequest,
    ask: { approval: Approval; statement: Statement; event: NewEvent; verdicts: Record<string, string> },
  ): Promise<void>
}

export function createRecorder({
  db,
  writer,
  clock,
  redact,
}: {
  db: Db
  writer: Writer
  clock: Clock
  redact: (text: string) => string
}): Recorder {
  async function finished(request: CallRequest, judged: Judged): Promise<CallOutcome> {
    const messageId = newId("msg")
    const labels = [...judged.labels]
    const { state } = judged
    const finished = { state, labels, source: judged.source, finishedAt: clock.iso() }
    const callStatement =
      judged.started === "on record"
        ? db.orm.update(calls).set(finished).where(eq(calls.id, request.callId)).toSQL()
        : db.orm
            .insert(calls)
            .values({ ...callRow(request), ...finished, effect: judged.effect })
            .onConflictDoUpdate({ target: calls.id, set: finished })
            .toSQL()
    const message = db.orm
      .insert(messages)
      .values({
        id: messageId,
        sessionId: request.sessionId,
        turnId: request.turnId,
        agentId: request.agentId,
        role: "tool",
        text: storableText(judged.text), // Postgres text holds neither
        callId: request.callId,
        labels,
        source: judged.source,
      })
      .toSQL()
    await writer.commit({
      // What a tool asked for in the middle of its own call is no message of the conversation.
      statements: [request.hold, callStatement, ...(request.within ? [] : [message])],
      events: [
        ...(judged.started === "untold" ? [startedEvent(request)] : []),
        {
          type: "tool.finished",
          sessionId: request.sessionId,
          turnId: request.turnId,
          callId: request.callId,
          tool: request.tool,
          outcome: judged.state,
          preview: told(judged.text, request, labels),
          durationMs: judged.durationMs,
          agentId: request.agentId,
          labels,
          source: judged.source,
        },
      ],
      audit: [
        {
          ...auditOf(request, judged),
          outcome: judged.state,
          durationMs: judged.durationMs,
          bytesIn: Buffer.byteLength(judged.text),
        },
      ],
    })
    return {
      callId: request.callId,
      tool: request.tool,
      state: judged.state,
      text: judged.text,
      labels,
      source: judged.source,
      messageId,
    }
  }

  function callRow(request: CallRequest) {
    return {
      id: request.callId,
      turnId: request.turnId,
      sessionId: request.sessionId,
      agentId: request.agentId,
      principal: request.principal,
      tool: request.tool,
      arguments: request.arguments ?? null,
      fingerprint: fingerprint(request),
      labels: [...request.labels],
      source: request.source,
    }
  }

  function startedEvent(request: CallRequest): NewEvent {
    return {
      type: "tool.started",
      sessionId: request.sessionId,
      turnId: request.turnId,
      callId: request.callId,
      tool: request.tool,
      preview: told(JSON.stringify(request.arguments) ?? "", request, request.labels),
      agentId: request.agentId,
      labels: [...request.labels],
      source: request.source,
    }
  }

  /** For clients, which may show it as a link: judged as a reply is. The record keeps the exact characters. */
  function told(text: string, { ownerText }: CallRequest, labels: readonly LabelName[]): string {
    const shown = redact(text).slice(0, LOOKED_AT)
    return preview(defangLinks(shown, { untrusted: isUntrusted(labels), mayLink: ownerUrlsOf(ownerText) }))
  }

  function auditOf(
    request: CallRequest,
    { verdicts, destination }: Pick<Judged, "verdicts" | "destination">,
  ): Omit<NewAudit, "outcome"> {
    return {
      agentId: request.agentId,
      act: "tool.run",
      principal: request.principal,
      subject: request.tool,
      sessionId: request.sessionId,
      turnId: request.turnId,
      argumentsHash: fingerprint(request),
      preview: preview(redact(JSON.stringify(request.arguments) ?? "")),
      verdicts,
      destination: preview(destination),
      labels: [...request.labels],
      source: request.source,
    }
  }

  return {
    async started(request, { effect, with: more }) {
      const insert = db.orm.insert(calls).values({ ...callRow(request), effect, state: "started" })
      await writer.commit({
        // Whoever comes second with an effect fails here, before it happens twice; a read may be done again.
        statements: [request.hold, (hasEffect(effect) ? insert : insert.onConflictDoNothing()).toSQL(), ...more],
        events: [startedEvent(request)],
      })
    },
    finished,
    unknown: (request, { effect, inside }) =>
      finished(request, {
        state: "unknown",
        text: `The program ended while this call was running. Nobody knows whether it took effect, and it was not run again. ${inside.length > 0 ? `Inside it was run: ${inside.join(", ")}. ` : ""}Check what happened before you repeat it, and tell the owner.`,
        labels: request.labels,
        source: request.source,
        verdicts: { restart: "unknown" },
        effect,
        destination: "",
        durationMs: 0,
        started: "on record",
      }),
    async asked(request, { approval, statement, event, verdicts }) {
      await writer.commit({
        statements: [request.hold, statement],
        events: [event],
        audit: [{ ...auditOf(request, { verdicts, destination: approval.destination }), outcome: "asked" }],
      })
    },
  }
}
