/** A session as one document: JSON that holds every row, so that it can be read back, or Markdown for people. */
import { asc, eq } from "drizzle-orm"
import type { Db } from "../db/db.ts"
import {
  calls,
  messages,
  sessions,
  turns,
  type CallRow,
  type MessageRow,
  type SessionRow,
  type TurnRow,
} from "../db/schema.ts"
import type { SessionId } from "../id.ts"
import { noSuchSession } from "./sight.ts"

export type ExportedSession = { session: SessionRow; turns: TurnRow[]; messages: MessageRow[]; calls: CallRow[] }

/** Raised when the shape changes in a way that an older reader would misread. */
export const EXPORT_VERSION = 1

export async function exportSession(
  db: Db,
  { id, format }: { id: SessionId; format: "json" | "markdown" },
): Promise<string> {
  const [[session], turnRows, messageRows, callRows] = await Promise.all([
    db.orm.select().from(sessions).where(eq(sessions.id, id)),
    db.orm.select().from(turns).where(eq(turns.sessionId, id)).orderBy(asc(turns.createdAt), asc(turns.id)),
    db.orm.select().from(messages).where(eq(messages.sessionId, id)).orderBy(asc(messages.position)),
    format === "json"
      ? db.orm.select().from(calls).where(eq(calls.sessionId, id)).orderBy(asc(calls.startedAt), asc(calls.id))
      : [],
  ])
  if (!session) throw noSuchSession(id)
  const whole = { session, turns: turnRows, messages: messageRows, calls: callRows }
  return format === "json" ? exportJson(whole) : exportMarkdown(whole)
}

export function exportJson(whole: ExportedSession): string {
  return `${JSON.stringify({ format: "ironclaw-session", version: EXPORT_VERSION, ...whole }, null, 2)}\n`
}

const SPEAKERS = { person: "Person", model: "Assistant", tool: "Tool", summary: "Summary" } as const

export function exportMarkdown({ session, turns: turnRows, messages: messageRows }: ExportedSession): string {
  const hidden = new Set(turnRows.filter((turn) => turn.hidden !== null).map(({ id }) => id))
  const tools = new Map(
    messageRows.flatMap(({ toolCalls }) => (toolCalls ?? []).map(({ callId, name }) => [callId, name])),
  )
  const sections = messageRows.map((message) => {
    const tool = message.callId === null ? undefined : tools.get(message.callId)
    const notes = [
      message.createdAt,
      ...message.labels,
      ...(message.source === "" ? [] : [`from ${message.source}`]),
      ...(message.turnId !== null && hidden.has(message.turnId) ? ["undone"] : []),
      ...(message.position <= session.clearedTo ? ["cleared"] : []),
      ...(message.parts?.length ? [`${message.parts.length} image(s) not shown`] : []),
    ]
    // What people and models wrote is Markdown already; what tools gave is shown as it is.
    const body = message.role === "tool" ? fence(message.text, "") : message.text
    const asked = (message.toolCalls ?? []).map(
      (call) => `Calls \`${oneLine(call.name)}\`:\n\n${fence(JSON.stringify(call.arguments, null, 2) ?? "", "json")}`,
    )
    const heading = `## ${SPEAKERS[message.role]}${tool === undefined ? "" : ` ${oneLine(tool)}`}`
    return [heading, `*${oneLine(notes.join(" · "))}*`, body, ...asked].filter((part) => part !== "").join("\n\n")
  })
  const title = session.title === "" ? "Conversation" : oneLine(session.title)
  return `${[`# ${title}`, `${session.id} · ${session.channel} · ${session.createdAt}`, ...sections].join("\n\n")}\n`
}

/** A code block whose fence is longer than any run of backticks inside, so that the text cannot end it. */
function fence(text: string, language: string): string {
  const longest = (text.match(/`+/g) ?? []).reduce((most, run) => Math.max(most, run.length), 0)
  const marks = "`".repeat(Math.max(3, longest + 1))
  return `${marks}${language}\n${text}\n${marks}`
}

function oneLine(text: string): string {
  return text.replace(/\s+/g, " ")
}
