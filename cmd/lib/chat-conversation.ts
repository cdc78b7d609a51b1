/**
 * One conversation as a chat lives it: what is typed goes to the service, what the service tells goes to the view. The event stream is
 * the only source of what happened; the service's rows answer where a part of it was missed.
 */
import { parseCommand } from "#core/agent/commands.ts"
import type { Received } from "#core/agent/agent.ts"
import type { Clock } from "#core/clock.ts"
import { AppError, type ErrorBody } from "#core/errors.ts"
import { type Event, preview } from "#core/event.ts"
import { wayOut } from "#core/hooks/plugged.ts"
import type { SessionId, TurnId } from "#core/id.ts"
import { redactLeaks } from "#core/safety/leaks.ts"
import type { SessionSummary } from "#core/session/session.ts"
import type { Client } from "#gateway/client.ts"
import { createApprovalDesk, type OwnerAt } from "./chat-approval.ts"
import { type ChatView, turnLine } from "./chat-view.ts"

export type Conversation = {
  readonly session: SessionSummary
  /** A turn runs or waits its turn. */
  readonly isBusy: boolean
  /** Whether `text` answers a question of ours rather than being said to the assistant. */
  isAnswer(text: string): boolean
  /** Sends a message, a command, or an answer. Never throws: what went wrong is shown, and the text handed back. */
  send(text: string): Promise<void>
  /** Stops what runs, and what is queued behind it. */
  stop(): Promise<void>
  close(): void
}

export type ConversationDeps = {
  client: Client
  view: ChatView
  clock: Clock
  session: SessionSummary
  /** For the messages of this run. */
  model: string | undefined
  /** A text that was not sent, or was taken back: the person may want to send it again. */
  handBack: (text: string) => void
  ownerAt: OwnerAt
  standAside: <T>(work: () => Promise<T>) => Promise<T>
  /** A command opened another conversation (`/new`). */
  onMove: (sessionId: SessionId) => void
  /** The events ended for good. */
  onFault: (error: unknown) => void
}

/** A message that was sent, until its turn begins. `turnId` null: the service has not answered yet. */
type Sent = { text: string; turnId: TurnId | null; shown: boolean; own: boolean }
type Run = { turnId: TurnId; startedMs: number | null; stepText: string }

/** Resolves once the events flow, so that nothing of what is sent next is missed. */
export async function openConversation(deps: ConversationDeps): Promise<Conversation> {
  const { client, view, clock, session, model, ownerAt, standAside, handBack, onMove, onFault } = deps
  const at = client.api.sessions({ id: session.id })
  const over = new AbortController()
  const sessionId = session.id
  const desk = createApprovalDesk({ client, view, clock, sessionId, ownerAt, pid: process.pid, standAside, bodyOf })
  let sent: Sent[] = []
  /** What was told by `/steer` and is shown already, as events call it. */
  let steered: string[] = []
  /** Turns that began: the answer to the message that started one may come after all of it. */
  const begun = new Set<TurnId>()
  let run: Run | null = null
  let isLost = false

  const showQueue = () => view.queued(sent.filter(({ shown }) => !shown).map(({ text }) => text))
  const isRunning = (turnId: TurnId) => run?.turnId === turnId

  function begin(turnId: TurnId, { startedMs }: { startedMs: number | null }) {
    run = { turnId, startedMs, stepText: "" }
    begun.add(turnId)
    for (const message of sent) if (message.turnId === turnId && !message.shown) view.person(message.text)
    sent = sent.filter((message) => message.turnId !== turnId)
    showQueue()
    view.running("Working")
  }

  /** Whose message this is: one of ours by what the service says of it, else somebody's at another terminal or page. */
  function onReceived({ turnId, preview: told }: Event & { type: "message.received" }) {
    const own = sent.find(
      (message) => message.turnId === turnId || (message.turnId === null && previewOf(message.text) === told),
    )
    if (steered.includes(told)) steered = steered.filter((text) => text !== told)
    else if (own) own.turnId = turnId
    else if (isRunning(turnId)) view.note(`Said meanwhile: ${told}`)
    else sent.push({ text: told, turnId, shown: false, own: false })
    showQueue()
  }

  async function onFinished(turnId: TurnId, state: "finished" | "failed" | "stopped"): Promise<void> {
    if (isRunning(turnId)) desk.close()
    const outcome = await client.api.turns({ id: turnId }).get()
    if (!isRunning(turnId)) {
      const dropped = sent.filter((message) => message.turnId === turnId)
      sent = sent.filter((message) => message.turnId !== turnId)
      showQueue()
      for (const { text, shown, own } of dropped) {
        if (own && state === "stopped") handBack(text)
        else if (!shown) view.person(text) // its whole turn passed while the connection was lost
      }
      if (state === "stopped" && outcome.text === "") return
    }
    const seen = isRunning(turnId) ? (run?.stepText.trim() ?? "") : ""
    const whole = outcome.text.trim()
    if (whole.startsWith(seen)) view.text(outcome.text.trimStart().slice(seen.length).trimEnd())
    else if (!seen.endsWith(whole)) view.text(`\n\n${outcome.text}`)
    if (outcome.error) view.problem(outcome.error)
    const startedMs = isRunning(turnId) ? (run?.startedMs ?? null) : null
    run = null
    view.running(null)
    view.endTurn(turnLine(outcome, startedMs === null ? null : clock.monotonicMs() - startedMs))
  }

  /** The whole message; its beginning where it is gone, or further back than a page. */
  async function textOf({ messageId, preview: told }: Event & { type: "message.delivered" }): Promise<string> {
    const { items } = await at.messages.get({ query: { newestFirst: true } })
    return items.find(({ id }) => id === messageId)?.text ?? told
  }

  async function onEvent(event: Event): Promise<void> {
    switch (event.type) {
      case "message.received":
        return onReceived(event)
      case "turn.started":
        return begin(event.turnId, { startedMs: clock.monotonicMs() })
      case "turn.delta":
        if (!isRunning(event.turnId)) begin(event.turnId, { startedMs: null })
        if (event.kind === "thinking") return view.thinking(event.text)
        if (run) run.stepText += event.text
        return view.text(event.text)
      case "tool.started":
        if (run) run.stepText = ""
        return view.toolStarted(event)
      case "tool.finished":
        if (run) run.stepText = ""
        return view.toolFinished(event)
      case "turn.suspended":
        view.running(null)
        return desk.ask(event.approvalId)
      case "turn.resumed":
        desk.close()
        view.discard()
        begin(event.turnId, { startedMs: null })
        return view.note(
          event.why === "restart" ? "The service was restarted; the turn goes on." : "Answered; the turn goes on.",
        )
      case "turn.finished":
        return onFinished(event.turnId, event.state)
      case "approval.answered":
        desk.close(event.approvalId)
        return event.answer === "allowed" ? undefined : view.note(`The approval was ${event.answer}.`)
      case "message.delivered":
        return view.say(`Message from the assistant:\n${await textOf(event)}`)
      case "model.failed":
        return view.note(`${event.model}: ${event.error}${event.next === null ? "" : ` Trying ${event.next}.`}`)
      case "hook.failed":
        return view.warn(
          `The hook "${event.hook}" at ${event.point} is broken: ${event.error}. \`${wayOut(event.hook)}\` takes it away.`,
        )
      case "session.deleted":
        view.warn("This conversation was deleted.")
        return onFault(
          new AppError("not_found", "This conversation is gone", { hint: "`ironclaw` starts another one." }),
        )
      default:
        return
    }
  }

  async function follow(connected: () => void): Promise<void> {
    const events = client.events({
      session: session.id,
      signal: over.signal,
      onConnection(state) {
        if (state === "connected") connected()
        if ((state === "lost") !== isLost && !over.signal.aborted) view.connection(state)
        isLost = state === "lost"
      },
    })
    for await (const event of events) {
      try {
        await onEvent(event)
      } catch (error) {
        if (!over.signal.aborted) view.problem(bodyOf(error)) // one event that could not be told; the next ones can
      }
    }
  }

  async function send(text: string): Promise<void> {
    const answer = desk.read(text)
    if (answer) {
      view.person(text)
      return desk.answer(answer)
    }
    const command = parseCommand(text)
    const message: Sent = { text, turnId: null, shown: isIdle() || command !== null, own: true }
    if (message.shown) view.person(text)
    if (!command) sent.push(message)
    else if (command.name === "steer") steered.push(previewOf(command.argument))
    showQueue()
    if (message.shown && !command) view.running("Sending")
    try {
      const answer = await at.messages.post({ body: { content: text, ...(model ? { model } : {}) } })
      if ("command" in answer) {
        const reply = answer.command
        view.say(reply.text)
        if (reply.sessionId !== null && reply.sessionId !== session.id) onMove(reply.sessionId)
      } else if (message.turnId === null) {
        message.turnId = (answer as Received).turnId // without `wait` the route answers with nothing else
        if (begun.has(message.turnId)) sent = sent.filter((one) => one !== message)
      }
    } catch (error) {
      if (over.signal.aborted) return
      sent = sent.filter((one) => one !== message)
      showQueue()
      if (isIdle()) view.running(null)
      view.problem(bodyOf(error))
      if (!command) handBack(text)
    }
  }
  const isIdle = () => run === null && sent.length === 0

  if (session.activeTurn) {
    run = { turnId: session.activeTurn.id, startedMs: null, stepText: "" }
    view.running(session.activeTurn.state === "suspended" ? null : "Working")
  }
  await new Promise<void>((resolve, reject) => {
    follow(resolve).catch((error: unknown) => {
      reject(error)
      if (!over.signal.aborted) onFault(error)
    })
  })
  if (session.activeTurn?.state === "suspended") await desk.ask(null)

  return {
    session,
    get isBusy() {
      return !isIdle()
    },
    isAnswer: (text) => desk.read(text) !== null,
    send,
    async stop() {
      try {
        await at.stop.post()
      } catch (error) {
        view.problem(bodyOf(error))
      }
    },
    close() {
      over.abort()
      desk.close()
    },
  }
}

/** A message as its event tells of it. */
function previewOf(text: string): string {
  return preview(redactLeaks(text))
}

/** Only an AppError's message may be shown. */
export function bodyOf(error: unknown): ErrorBody {
  if (error instanceof AppError) return error.toBody()
  const what = error instanceof Error ? error.name : "an unknown value"
  return new AppError("internal", `Something went wrong inside (${what})`).toBody()
}
