/** One message and its reply, for `run -m` and for text that is piped in. */
import { systemClock } from "#core/clock.ts"
import { AppError } from "#core/errors.ts"
import type { Event } from "#core/event.ts"
import type { CommandReply, TurnOutcome } from "#core/agent/agent.ts"
import type { TurnId } from "#core/id.ts"
import type { SessionSummary } from "#core/session/session.ts"
import type { Client } from "#gateway/client.ts"
import { isErrorCode } from "#gateway/errors.ts"
import { findSession } from "./find-session.ts"
import { exitStatus, type Ui } from "./ui.ts"
import type { Outcome } from "./verb.ts"

/** How often Ctrl-C is tried again while the message is still on its way: a commit takes milliseconds. */
const STOP_RETRY_MS = 50

export type OneMessage = {
  client: Client
  ui: Ui
  signal: AbortSignal
  text: string
  /** Id or "last"; undefined begins a new session. */
  session: string | undefined
  agent: string | undefined
  model: string | undefined
  stream: boolean
  /** Told the session's id once there is one: whoever has to send the message again goes on there. */
  onSession: (id: string) => void
}

export async function sendOneMessage({
  client,
  ui,
  signal,
  text,
  session: name,
  agent,
  model,
  stream,
  onSession,
}: OneMessage): Promise<Outcome> {
  const session =
    name === undefined
      ? await client.api.sessions.post({ body: { channel: "terminal", ...(agent ? { agent } : {}) } })
      : await findSession(client, name)
  onSession(session.id)
  const progress = stream ? null : ui.progress("Thinking")
  try {
    const answered = await answer({ client, ui, signal, text, model, stream, session })
    if ("command" in answered) {
      return {
        data: { sessionId: session.id, text: answered.command.text },
        // `/export` tells the whole conversation, pages and mails of others in it.
        show: () => ui.content(answered.command.text),
      }
    }
    const { turn } = answered
    // The partial text is in the session; a script that asked for one document gets the reason why there is no answer.
    if (signal.aborted && ui.json) signal.throwIfAborted()
    if (turn.state === "suspended") {
      throw new AppError(
        "approval.required",
        `The assistant needs your approval: ${turn.approval?.question ?? "see the session"}`,
      )
    }
    if (turn.error) {
      // The service's own codes; a newer one's are shown under ours.
      const code = isErrorCode(turn.error.code) ? turn.error.code : "model.failed"
      throw new AppError(code, turn.error.message, { hint: turn.error.hint })
    }
    return {
      data: {
        sessionId: session.id,
        turnId: turn.turnId,
        messageId: turn.messageId,
        state: turn.state,
        text: turn.text,
        model: turn.model,
        usage: turn.usage,
      },
      show: () => {
        if (!stream) ui.piece(turn.text)
        ui.print()
      },
      status: turn.state === "finished" ? exitStatus.done : signal.aborted ? exitStatus.interrupted : exitStatus.failed,
    }
  } finally {
    progress?.stop()
  }
}

type Asked = Omit<OneMessage, "session" | "agent" | "onSession"> & { session: SessionSummary }

type Answered = { command: CommandReply } | { turn: TurnOutcome }

async function answer({ client, ui, signal, text, model, stream, session }: Asked): Promise<Answered> {
  const at = client.api.sessions({ id: session.id })
  const body = { content: text, ...(model ? { model } : {}) }
  let isOver = false
  // Again until there was something to stop: the message may be on its way only now.
  const stop = async () => {
    while (!isOver && !(await at.stop.post()).stopped) await systemClock.sleep(STOP_RETRY_MS)
  }
  const onAbort = () => void stop().catch(() => {}) // the process ends anyway, and with it what it had begun
  signal.throwIfAborted()
  signal.addEventListener("abort", onAbort, { once: true })
  try {
    if (!stream) {
      const sent = await at.messages.post({ body, query: { wait: true } })
      // With `wait` the route answers with a command's reply or the turn's outcome.
      return "command" in sent ? { command: sent.command } : { turn: sent as TurnOutcome }
    }
    const done = new AbortController()
    const connected = Promise.withResolvers<void>()
    const events = client.events({
      session: session.id,
      signal: done.signal, // not Ctrl-C's: a stopped turn has an end too, and that is waited for
      onConnection: () => connected.resolve(),
    })
    const first = events.next() // connects, so that nothing of the turn is missed
    await Promise.race([connected.promise, first]) // the first event fails where there is no connecting
    const received = await at.messages.post({ body })
    try {
      if ("command" in received) return { command: received.command }
      await showUntilEnd(first, events, { ui, turnId: received.turnId })
      return { turn: await client.api.turns({ id: received.turnId }).get() }
    } finally {
      done.abort()
    }
  } finally {
    isOver = true
    signal.removeEventListener("abort", onAbort)
  }
}

/** Text as it arrives; what a step said before it called a tool too. */
async function showUntilEnd(
  first: Promise<IteratorResult<Event, void>>,
  rest: AsyncGenerator<Event, void>,
  { ui, turnId }: { ui: Ui; turnId: TurnId },
): Promise<void> {
  for (let next = await first; !next.done; next = await rest.next()) {
    const event = next.value
    if (event.type === "turn.delta" && event.turnId === turnId && event.kind === "text") ui.piece(event.text)
    if ((event.type === "turn.finished" || event.type === "turn.suspended") && event.turnId === turnId) return
  }
}
