/** Runs what an OpenAI client asked: a turn of the whole assistant, or one call of a model, told part by part as it comes. */
import type { Incoming, TurnOptions, TurnOutcome } from "#core/agent/agent.ts"
import { AppError, errorCatalogue } from "#core/errors.ts"
import type { TurnDelta } from "#core/event.ts"
import { isId, newId, type TurnId } from "#core/id.ts"
import type { ModelFailure, ModelMessage } from "#core/llm/model.ts"
import { defangLinks } from "#core/safety/links.ts"
import type { Place } from "#core/session/session.ts"
import type { Caller } from "./caller.ts"
import { newPart } from "./delta.ts"
import type { GatewayDeps } from "./deps.ts"
import { isErrorCode, OpenAiFailure } from "./errors.ts"
import type { Answer, AnswerEnd, AnswerPart } from "./openai-answer.ts"
import { type ChatRequest, splitContent } from "./openai-request.ts"

export type RunDeps = Pick<GatewayDeps, "agent" | "sessions" | "bus" | "models" | "usage" | "tools" | "ownerId" | "log">
export type RunRequest = {
  chat: ChatRequest
  agentId: string
  caller: Caller
  /** `X-Ironclaw-Session`: a session's id, or a name of the client's own. */
  session: string | null
  signal: AbortSignal
}

/** One turn of the assistant. Resolves once the message is stored; throws AppError, OpenAiFailure. */
export async function askAssistant(
  deps: RunDeps,
  { chat, agentId, caller, session, signal }: RunRequest,
): Promise<Answer> {
  const { agent, bus, tools, log } = deps
  const own = new Set(tools().map(({ name }) => name))
  const taken = chat.tools.find(({ name }) => own.has(name))
  if (taken)
    throw new OpenAiFailure(400, `Invalid 'tools': the assistant has a tool "${taken.name}" itself`, {
      param: "tools",
      code: "invalid_value",
    })

  const at = await findPlace(deps, { chat, agentId, caller, session })
  const incoming = incomingOf(chat, at, deps.ownerId)
  if (caller.scope === "owner" && incoming.text.startsWith("/") && !incoming.parts) {
    const command = await agent.command(incoming.text, { ...at, personId: deps.ownerId })
    if (command) return commandAnswer(command.text, chat.model)
  }

  const feed = createParts()
  let turnId: TurnId | null = null
  let told = 0
  // Before the message is handed over: a fast model answers before we know the turn's id. What came by then is looked through below.
  const early: TurnDelta[] = []
  const tell = (delta: TurnDelta) => {
    const part = newPart(delta, told)
    if (!part) return
    feed.push({ type: "text", text: part.text })
    told = part.offset + part.text.length
  }
  const unsubscribe = chat.stream
    ? bus.subscribe((event) => {
        if (event.type !== "turn.delta" || event.kind !== "text") return
        if (turnId === null) early.push(event)
        else if (event.turnId === turnId) tell(event)
      })
    : () => {}
  try {
    const received = await agent.receive(incoming)
    turnId = received.turnId
    for (const delta of early.splice(0)) if (delta.turnId === turnId) tell(delta)
    void follow(received.turnId, received.sessionId)
    return {
      id: `chatcmpl-${received.turnId.slice(4)}`,
      headers: { "X-Ironclaw-Session": received.sessionId, "X-Ironclaw-Turn": received.turnId },
      ...feed,
    }
  } catch (error) {
    unsubscribe()
    throw error
  }

  async function follow(id: TurnId, sessionId: Incoming["sessionId"]): Promise<void> {
    try {
      const outcome = await agent.wait(id, signal)
      feed.finish(endOf(outcome, { feed, told, model: chat.model }))
    } catch (error) {
      feed.fail(error)
      // Who asked is gone: nobody reads the answer, and it costs money. Only our own turn is stopped, never another one in the session.
      if (signal.aborted && sessionId)
        await stopIfRunning(deps, { sessionId, turnId: id }).catch((cause: unknown) =>
          log.warn("A turn was not stopped", { error: cause }),
        )
    } finally {
      unsubscribe()
    }
  }
}

/** One call of a model as the client asks it, metered. Throws AppError where the model is unknown or the owner's limit is used up. */
export async function askModel(
  { models, usage, log }: RunDeps,
  { chat, agentId, signal }: RunRequest,
): Promise<Answer> {
  const model = models.get(chat.model)
  await usage.check({ agentId, sessionId: null, turnId: null })
  const feed = createParts()
  // Runs on by itself, so that what was used is recorded though nobody reads the answer to its end.
  const pump = async () => {
    const events = model.stream(
      {
        system: chat.system === "" ? [] : [{ text: chat.system, cache: false }],
        messages: chat.messages,
        tools: chat.tools,
        ...(chat.toolChoice === undefined ? {} : { toolChoice: chat.toolChoice }),
        ...settingsOf(chat),
        trusted: false,
      },
      { signal },
    )
    for await (const event of events) {
      if (event.type === "text") feed.push({ type: "text", text: event.text })
      else if (event.type === "tool_call") feed.push({ type: "tool_calls", calls: [event.call] })
      else if (event.type === "finished" || event.type === "failed") {
        await usage.record({ agentId, purpose: "passthrough", model: event.model, usage: event.usage })
        if (event.type === "finished")
          return feed.finish({ finishReason: event.reason, model: event.model, usage: event.usage })
        throw modelFailure(event.failure)
      }
    }
    throw new AppError("internal", `The model ${model.id} ended its answer without an end`)
  }
  pump().catch((error: unknown) => {
    if (!(error instanceof OpenAiFailure)) log.error("A passed-through call failed", { error })
    feed.fail(error)
  })
  return { id: `chatcmpl-${newId("call").slice(5)}`, headers: {}, ...feed }
}

type Where = { sessionId: Incoming["sessionId"]; place: Place; agentId: string; stateless: boolean }

async function findPlace(
  { sessions }: RunDeps,
  { chat, agentId, caller, session }: Pick<RunRequest, "chat" | "agentId" | "caller" | "session">,
): Promise<Where> {
  const peer = caller.tokenId ?? "owner"
  const name = session ?? chat.user
  if (name === null) return { sessionId: null, place: { channel: "openai", peer, topic: "" }, agentId, stateless: true }
  if (isId("ses", name)) {
    // A client's token opens the client's own sessions, which it has by name; ids would open everybody's.
    if (caller.scope !== "owner")
      throw new AppError("client.forbidden", "This token may name sessions of its own, not use an id")
    const found = await sessions.get(name)
    return {
      sessionId: name,
      place: { channel: found.channel, peer, topic: "" },
      agentId: chat.model === "ironclaw" ? found.agentId : agentId,
      stateless: false,
    }
  }
  if (!/^[\x20-\x7e]{1,200}$/.test(name))
    throw new AppError("input.invalid", "A session's name has up to 200 printable ASCII characters")
  return { sessionId: null, place: { channel: "openai", peer, topic: name }, agentId, stateless: false }
}

function incomingOf(
  chat: ChatRequest,
  { sessionId, place, agentId, stateless }: Where,
  ownerId: Incoming["personId"],
): Incoming {
  // The session remembers what came before: of what the client repeats only the part after the last answer is new.
  const lastAnswer = chat.messages.findLastIndex(({ role }) => role === "assistant")
  const messages = stateless ? chat.messages : chat.messages.slice(lastAnswer + 1)
  // The last thing the user said is the owner's word, even where calls of the client's tools and their results came after it.
  const spokenAt = messages.findLastIndex(({ role }) => role === "user")
  const spoken = messages[spokenAt]
  const { text, parts } = spoken?.role === "user" ? splitContent(spoken.content) : { text: "", parts: [] }
  const before = spoken ? messages.slice(0, spokenAt) : messages
  const after = spoken ? messages.slice(spokenAt + 1) : []
  const isFirst = stateless || lastAnswer === -1
  const history: ModelMessage[] = [
    ...(chat.system !== "" && isFirst
      ? [
          {
            role: "user" as const,
            content: [{ type: "text" as const, text: `Instructions of the client program:\n${chat.system}` }],
          },
        ]
      : []),
    ...before,
  ]
  const options: TurnOptions = {
    ...settingsOf(chat),
    ...(chat.toolChoice === undefined ? {} : { toolChoice: chat.toolChoice }),
    ...(chat.tools.length === 0 ? {} : { clientTools: chat.tools }),
  }
  return {
    agentId,
    sessionId,
    place,
    fresh: stateless,
    personId: ownerId,
    text,
    ...(parts.length > 0 ? { parts } : {}),
    mode: "queue",
    ...(Object.keys(options).length > 0 ? { options } : {}),
    ...(history.length > 0 ? { history } : {}),
    ...(after.length > 0 ? { after } : {}),
  }
}

function settingsOf({ temperature, topP, maxOutputTokens, stop, thinking }: ChatRequest) {
  return {
    ...(temperature === undefined ? {} : { temperature }),
    ...(topP === undefined ? {} : { topP }),
    ...(maxOutputTokens === undefined ? {} : { maxOutputTokens }),
    ...(stop === undefined ? {} : { stop }),
    ...(thinking === undefined ? {} : { thinking }),
  }
}

/** Tells what was not told yet, and how it ended. Throws for a failed turn. */
function endOf(
  outcome: TurnOutcome,
  { feed, told, model }: { feed: Pick<PartFeed, "push">; told: number; model: string },
): AnswerEnd {
  if (outcome.state === "failed") throw turnFailure(outcome)
  // The reply is the last step's text. It was told as it came, or not at all.
  const text =
    outcome.state === "suspended" ? [outcome.text, approvalText(outcome)].filter(Boolean).join("\n\n") : outcome.text
  if (told === 0 && text !== "") feed.push({ type: "text", text })
  else if (outcome.state === "suspended") feed.push({ type: "text", text: `\n\n${approvalText(outcome)}` })
  if (outcome.clientToolCalls.length > 0) feed.push({ type: "tool_calls", calls: outcome.clientToolCalls })
  return { finishReason: outcome.state === "suspended" ? "stop" : outcome.finishReason, model, usage: outcome.usage }
}

/**
 * A client of this API cannot answer an approval, so it is told as what it is: words for the person in front of it. The question quotes
 * what the model wrote, and clients render it, so no address in it is a link; the terminal shows the exact bytes.
 */
function approvalText({ approval }: TurnOutcome): string {
  if (!approval) return "This waits for an approval."
  const question = defangLinks(approval.question, { untrusted: true, mayLink: () => false })
  return `This needs the owner's approval: ${question}\nAllow it with \`ironclaw approval allow ${approval.id}\`, or deny it with \`ironclaw approval deny ${approval.id}\`.`
}

function turnFailure({ error }: TurnOutcome): OpenAiFailure {
  if (!error) return new OpenAiFailure(500, "The turn failed", { code: "internal_error" })
  const status = isErrorCode(error.code) ? errorCatalogue[error.code].status : 500
  return new OpenAiFailure(status, `${error.message} ${error.hint}`.trim(), { code: error.code.replaceAll(".", "_") })
}

const failureStatus: Readonly<Record<ModelFailure["kind"], number>> = {
  auth: 502, // the vendor refused our key; 401 would tell the client that its own token is wrong
  rate_limit: 429,
  limit: 429,
  overloaded: 503,
  bad_request: 400,
  too_large: 413,
  context_overflow: 400,
  timeout: 504,
  network: 502,
  garbage: 502,
  aborted: 499,
}

function modelFailure({ kind, message, retryAfterMs }: ModelFailure): OpenAiFailure {
  return new OpenAiFailure(failureStatus[kind], message, {
    code:
      kind === "context_overflow"
        ? "context_length_exceeded"
        : kind === "rate_limit" || kind === "limit"
          ? "rate_limit_exceeded"
          : `model_${kind}`,
    retryAfterSeconds: retryAfterMs === null ? null : Math.ceil(retryAfterMs / 1_000),
  })
}

function commandAnswer(text: string, model: string): Answer {
  const feed = createParts()
  feed.push({ type: "text", text })
  feed.finish({ finishReason: "stop", model, usage: { inputTokens: 0, cachedInputTokens: 0, outputTokens: 0 } })
  return { id: `chatcmpl-${newId("call").slice(5)}`, headers: {}, ...feed }
}

async function stopIfRunning(
  { agent, sessions }: RunDeps,
  { sessionId, turnId }: { sessionId: NonNullable<Incoming["sessionId"]>; turnId: TurnId },
) {
  const { activeTurn } = await sessions.get(sessionId)
  if (activeTurn?.id === turnId) await agent.stop(sessionId)
}

type PartFeed = ReturnType<typeof createParts>

/** Parts from one who makes them to one who reads them; what waits is at most one answer. */
function createParts() {
  const waiting: AnswerPart[] = []
  const { promise: end, resolve, reject } = Promise.withResolvers<AnswerEnd>()
  end.catch(() => {}) // who reads the parts gets the error too; nobody may be reading
  let isOver = false
  let wake = () => {}
  end.then(over, over)
  function over() {
    isOver = true
    wake()
  }
  return {
    push(part: AnswerPart) {
      waiting.push(part)
      wake()
    },
    finish: resolve,
    fail: reject,
    end,
    parts: {
      async *[Symbol.asyncIterator]() {
        for (;;) {
          yield* waiting.splice(0)
          if (waiting.length > 0) continue
          if (isOver) break
          await new Promise<void>((next) => (wake = next))
        }
        await end // rejects where the answer failed
      },
    },
  }
}
