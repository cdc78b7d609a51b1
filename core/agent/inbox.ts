/** The one way in: a message and its turn become rows in one commit, then, and only then, work begins. */
import type { Clock } from "../clock.ts"
import type { Db, Statement, Writer } from "../db/db.ts"
import { insertRow } from "../db/insert.ts"
import {
  channelMessages,
  messages,
  turns,
  type MessageRow,
  type NewAudit,
  type SessionRow,
  type TurnState,
} from "../db/schema.ts"
import { storableText } from "../db/storable.ts"
import { AppError } from "../errors.ts"
import { preview, type LabelName, type NewEvent } from "../event.ts"
import { newId, type CallId, type JobId, type MessageId, type PersonId, type SessionId, type TurnId } from "../id.ts"
import { insertJob } from "../jobs/job.ts"
import type { Hooks } from "../hooks.ts"
import type { JobRunner } from "../jobs/runner.ts"
import { type Ceiling, guestCeiling } from "../safety/ceiling.ts"
import type { NoteRefusal } from "../safety/refusals.ts"
import { isUntrusted } from "../safety/labels.ts"
import { defangLinks } from "../safety/links.ts"
import { judgeSender } from "../safety/sender.ts"
import { pluginOfChannel, sharedTopic } from "../session/place.ts"
import { discardUndoneStatement, newSessionStatement, touchSessionStatement } from "../session/statements.ts"
import { SUB_TURN_CHANNEL, subTurnPlace } from "../session/sub-turns.ts"
import type { Incoming, Received, TurnOptions } from "./agent.ts"
import { createDoor, type Passed } from "./door.ts"
import { historyRow, messageRow } from "./inbox-rows.ts"
import type { Live } from "./live.ts"

/** UTF-8 bytes of one message. */
export const MAX_MESSAGE_BYTES = 4 * 1024 * 1024
/** Of an untrusted message, in previews and titles; they need less. */
const MAX_SHOWN_CHARACTERS = 4_000
/** A turn that ends the process more often than this is given up, so that it cannot keep the service from starting. */
const MAX_ATTEMPTS = 5

/** Written out: drizzle would make the same text for every message (see core/db/insert.ts). */
const FIND = `select id, channel, model, agent_id, exists (select 1 from jobs
    where jobs.session_id = sessions.id and jobs.state in ('queued', 'running', 'suspended')) as active from sessions`
const FIND_BY_ID = `${FIND} where id = $1`
const AT_PLACE = `${FIND} where channel = $1 and peer = $2 and topic = $3 and agent_id = $4`
const FIND_BY_PLACE = `${AT_PLACE} order by updated_at desc limit 1`
/** Where nobody else reads along: one conversation of theirs, and never what was said there by whom the address meant before. */
const FIND_OF_PERSON = `${AT_PLACE} and coalesce((select person_id from messages m where m.session_id = sessions.id and m.role = 'person'
    order by m.position desc limit 1), $5) = $5 order by updated_at desc limit 1`

export type InboxDeps = {
  db: Db
  writer: Writer
  clock: Clock
  jobs: JobRunner
  live: Live
  hooks: Hooks
  ownerId: PersonId
  /** null: no agent of this name. */
  agent: (id: string) => Promise<{ model: string | null } | null>
  defaultModel: () => string
  redact: (text: string) => string
  noteRefusal: NoteRefusal
}

/** What one turn gives another one to do. The host's alone to give: nobody who sends a message can set any of it. */
export type SubTurn = {
  agentId: string
  /** The turn and the call that start it. */
  turnId: TurnId
  callId: CallId
  text: string
  /** Of the call: the task is as tainted as what it was written from. */
  labels: readonly LabelName[]
  source: string
  options: TurnOptions
  ceiling: Ceiling
}
type Accepted = Passed & { sub: SubTurn | null }
type Place = { agentId: string; sessionId: SessionId; turnId: TurnId; labels: LabelName[]; source: string }

export function createInbox({
  db,
  writer,
  clock,
  jobs: runner,
  live,
  hooks,
  ownerId,
  agent,
  defaultModel,
  redact,
  noteRefusal,
}: InboxDeps) {
  const passDoor = createDoor({ hooks, writer, ownerId, redact })
  /** Sessions in which this process is about to start a turn; what two processes do at once the unique index catches. */
  const busy = new Map<SessionId, number>()

  async function receive(incoming: Incoming): Promise<Received> {
    const asked = checked(incoming)
    // Who may not talk to us does not get as far as the owner's programs; they cannot change who sent it.
    const sender = judgeSender({ personId: asked.personId })
    if (sender.verdict === "deny") {
      const { agentId, place } = asked
      const what = `${place.channel}:${place.peer}`
      noteRefusal({ gate: "sender", why: sender.why, who: "stranger", what, agentId })
      throw new AppError("sender.refused", sender.why)
    }
    if (asked.place.channel === SUB_TURN_CHANNEL) throw subTurnsOwn()
    return accept(checked({ ...(await passDoor(asked)), sub: null }))
  }

  /** Starts a sub-turn in a session of its own. Throws `conflict` where this call has one already. */
  async function spawn(sub: SubTurn): Promise<Received> {
    const { agentId, text, options, labels, source } = sub
    return accept(
      checked({
        agentId,
        sessionId: null,
        place: subTurnPlace(sub),
        fresh: true,
        personId: null,
        text,
        mode: "queue",
        options,
        labels: [...labels],
        source,
        hooks: null, // the call that starts it has passed them, and so does each of its own
        sub,
      }),
    )
  }

  async function accept(message: Accepted): Promise<Received> {
    const known = await agent(message.agentId)
    if (!known) throw new AppError("not_found", `There is no agent called "${message.agentId}"`)

    const shown = shownOf(message) // once: it reads every character
    const place = await findSession(message, shown)
    const running = live.at(place.session.id)
    if (
      message.mode === "steer" &&
      !message.carried &&
      running &&
      !running.closing &&
      running.personId === message.personId
    )
      return steer(message, { turnId: running.turnId, session: place.session, shown })

    const model = message.options?.model ?? place.session.model ?? known.model ?? defaultModel()
    const queued = place.active || running !== undefined || busy.has(place.session.id)
    busy.set(place.session.id, (busy.get(place.session.id) ?? 0) + 1)
    try {
      return await start(message, place, { queued, model, shown })
    } catch (error) {
      // Another process began a turn here in the same instant: ours waits behind it.
      if (queued || message.sub || !(error instanceof AppError) || error.code !== "conflict") throw error
      return await start(message, place, { queued: true, model, shown })
    } finally {
      // From here on the running turn itself says so.
      const left = (busy.get(place.session.id) ?? 1) - 1
      if (left > 0) busy.set(place.session.id, left)
      else busy.delete(place.session.id)
    }
  }

  type FoundSession = {
    session: Pick<SessionRow, "id" | "model">
    active: boolean
    create: { statement: Statement; event: NewEvent } | null
  }

  /** For previews and titles: without secrets, and where others wrote it without links, for clients make some of what looks like one. */
  function shownOf({ text, labels, sub }: Accepted): string {
    const clean = redact(text)
    if (!isUntrusted(labels)) return clean
    const ownerUrls = sub?.ceiling.ownerUrls ?? []
    return defangLinks(clean.slice(0, MAX_SHOWN_CHARACTERS), {
      untrusted: true,
      mayLink: (url) => ownerUrls.includes(url),
    })
  }

  async function findSession(message: Accepted, shown: string): Promise<FoundSession> {
    if (message.sessionId || !message.fresh) {
      const [found] = await db.query(findStatement(message))
      if (found && found["agent_id"] !== message.agentId)
        throw new AppError(
          "input.invalid",
          `The session ${String(found["id"])} belongs to the agent "${String(found["agent_id"])}", not "${message.agentId}"`,
        )
      if (found?.["channel"] === SUB_TURN_CHANNEL) throw subTurnsOwn()
      if (found && pluginOfChannel(String(found["channel"])) !== null && !message.carried)
        throw new AppError("conflict", `This conversation is with somebody on ${String(found["channel"])}`, {
          hint: "Who reads the answer is there. Write there, or begin a conversation here.",
        })
      if (found) {
        // Columns as the schema types them.
        const session = { id: found["id"] as SessionId, model: found["model"] as string | null }
        return { session, active: found["active"] === true, create: null }
      }
      if (message.sessionId) throw new AppError("not_found", `There is no session ${message.sessionId}`)
    }
    const { labels, source } = message
    const created = newSessionStatement({
      agentId: message.agentId,
      place: message.place,
      at: clock.iso(),
      firstMessage: { text: shown, labels, source },
    })
    return { session: created.row, active: false, create: { statement: created.statement, event: created.event } }
  }

  async function start(
    message: Accepted,
    { session, create }: FoundSession,
    { queued, model, shown }: { queued: boolean; model: string; shown: string },
  ): Promise<Received> {
    const turnId = newId("trn")
    const { agentId } = message
    const job = insertJob(
      { kind: "turn", agentId, sessionId: session.id, payload: { turnId, queued, model }, maxAttempts: MAX_ATTEMPTS },
      queued ? "queued" : { leaseOwner: runner.leaseOwner },
    )
    const state: TurnState = queued ? "queued" : "running"
    const said = (messages: Incoming["history"]) =>
      (messages ?? []).map((one) => historyRow(one, { sessionId: session.id, agentId, turnId }))
    const history = said(message.history)
    const after = said(message.after)
    const row =
      message.text !== "" || message.parts?.length ? messageRow(message, { sessionId: session.id, turnId }) : null
    const messageId = row?.id ?? history.at(-1)?.id
    if (!messageId)
      throw new AppError("input.invalid", "The message is empty: send text, an image, or the result of a tool")
    const at = {
      agentId,
      sessionId: session.id,
      turnId,
      labels: [...(row?.labels ?? [])],
      source: row?.source ?? "client",
    }
    await writer.commit({
      statements: [
        ...(create
          ? [create.statement]
          : [
              discardUndoneStatement(session.id),
              touchSessionStatement(session.id, {
                at: clock.iso(),
                message: { text: shown, labels: message.labels, source: message.source },
              }),
            ]),
        ...(history.length > 0 ? [db.orm.insert(messages).values(history).toSQL()] : []),
        ...(row ? [insertRow(messages, row)] : []),
        ...(after.length > 0 ? [db.orm.insert(messages).values(after).toSQL()] : []),
        job.statement,
        ...(message.carried ? [insertRow(channelMessages, { ...message.carried, messageId })] : []),
        insertRow(turns, {
          id: turnId,
          sessionId: session.id,
          agentId,
          jobId: job.id,
          state,
          options: { ...message.options },
          ...ceilingOf(message, job.id),
          labels: at.labels,
          source: at.source,
        }),
      ],
      events: [
        ...(create ? [create.event] : []),
        {
          type: "message.received",
          messageId,
          preview: preview(shown),
          characters: message.text.length,
          ...at,
        },
        queued ? { type: "turn.queued", ...at } : { type: "turn.started", model, ...at },
      ],
      audit: [messageAudit(message, { ...at, messageId, shown })],
    })
    if (create)
      hooks.tell("session.start", {
        ...at,
        channel: message.place.channel,
        personId: message.personId,
        value: { why: "created" },
      })
    if (queued) await runner.expect(session.id)
    else
      runner.runClaimed({
        id: job.id,
        kind: "turn",
        agentId,
        payload: { turnId, queued, model },
        sessionId: session.id,
        attempts: 1,
        maxAttempts: MAX_ATTEMPTS,
        fence: 1,
        state: "running",
      })
    return { sessionId: session.id, messageId, turnId, state }
  }

  /** Joins the running turn at its next step. */
  async function steer(
    message: Accepted,
    { turnId, session, shown }: { turnId: TurnId; session: Pick<SessionRow, "id">; shown: string },
  ): Promise<Received> {
    const row = messageRow(message, { sessionId: session.id, turnId })
    const at = { agentId: message.agentId, sessionId: session.id, turnId, labels: [...row.labels], source: row.source }
    const stored = writer
      .commit({
        statements: [
          db.orm.insert(messages).values(row).toSQL(),
          touchSessionStatement(session.id, { at: clock.iso() }),
        ],
        events: [
          {
            type: "message.received",
            messageId: row.id,
            preview: preview(shown),
            characters: message.text.length,
            ...at,
          },
          { type: "turn.steered", messageId: row.id, ...at },
        ],
        audit: [messageAudit(message, { ...at, messageId: row.id, shown })],
      })
      .then((): MessageRow => ({
        ...row,
        position: Number.MAX_SAFE_INTEGER,
        toolCalls: null,
        callId: null,
        coversTo: null,
        createdAt: "",
      }))
    live.get(turnId)?.steered.push(stored)
    await stored
    return { sessionId: session.id, messageId: row.id, turnId, state: "running" }
  }

  function messageAudit(
    message: Accepted,
    { messageId, shown, ...at }: Place & { messageId: MessageId; shown: string },
  ): NewAudit {
    return {
      ...at,
      act: "message.in",
      principal: message.sub ? `agent:${message.agentId}` : (message.personId ?? "stranger"),
      subject: messageId,
      outcome: "done",
      preview: preview(shown),
      verdicts: {
        sender: message.sub ? `allow: ${message.sub.callId} started it` : "allow",
        ...(message.hooks === null ? {} : { hooks: message.hooks }),
      },
      destination: `${message.place.channel}:${message.place.peer}`,
      bytesIn: Buffer.byteLength(message.text),
    }
  }

  /** Who reads the answer decides what may go into it: only where that is the owner alone, all that is theirs. */
  function ceilingOf({ sub, personId, place }: Accepted, jobId: JobId): { ceiling?: Ceiling } {
    if (sub) return { ceiling: sub.ceiling }
    const isForOwner = personId === ownerId && sharedTopic(place.topic) === null
    return isForOwner ? {} : { ceiling: guestCeiling({ channel: place.channel, budgetJobId: jobId }) }
  }

  return { receive, spawn }
}

function findStatement({
  sessionId,
  place: { channel, peer, topic },
  agentId,
  carried,
  personId,
}: Accepted): Statement {
  if (sessionId) return { sql: FIND_BY_ID, params: [sessionId] }
  const place = [channel, peer, topic, agentId]
  return carried && sharedTopic(topic) === null
    ? { sql: FIND_OF_PERSON, params: [...place, personId] }
    : { sql: FIND_BY_PLACE, params: place }
}

function subTurnsOwn(): AppError {
  return new AppError("conflict", "Nobody speaks in the session of a sub-turn but the turn that started it", {
    hint: "Write in the conversation that it works for.",
  })
}

/** Text as Postgres can hold it: a NUL and half a surrogate pair become U+FFFD. */
function checked<M extends Incoming>(message: M): M {
  const bytes = Buffer.byteLength(message.text)
  if (bytes > MAX_MESSAGE_BYTES)
    throw new AppError("input.too_large", `The message has ${bytes} bytes; at most ${MAX_MESSAGE_BYTES} are accepted`)
  return { ...message, text: storableText(message.text) }
}
