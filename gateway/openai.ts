/** /v1: OpenAI's API, so that any program made for it can talk with the assistant or with a model. */
import { Elysia } from "elysia"
import { AppError } from "#core/errors.ts"
import type { ModelId } from "#core/llm/model.ts"
import type { Calls } from "./caller.ts"
import type { GatewayDeps } from "./deps.ts"
import { openAiError, OpenAiFailure } from "./errors.ts"
import { type Answer, completion, completionLines, dataLine } from "./openai-answer.ts"
import { askAssistant, askModel } from "./openai-run.ts"
import { chatBody, readChatRequest } from "./openai-request.ts"

const ASSISTANT = "ironclaw"
/** An error within this time gets its own HTTP status; after it the stream is opened, so that clients see that something lives. */
const OPEN_AFTER_MS = 5_000

export function openAiRoutes(deps: GatewayDeps, calls: Calls) {
  const { models, agents, clock, log } = deps

  async function listing() {
    const assistants = [ASSISTANT, ...(await agents()).map((name) => `${ASSISTANT}/${name}`)]
    const known = await models.list({ live: false, signal: AbortSignal.timeout(OPEN_AFTER_MS) })
    const entry = (id: ModelId, owner: string) => ({ id, object: "model", created: 0, owned_by: owner })
    return [
      ...assistants.map((id) => entry(id, ASSISTANT)),
      ...known.filter(({ configured }) => configured).map(({ id, vendor }) => entry(id, vendor)),
    ]
  }

  return new Elysia({ prefix: "/v1" })
    .get("/models", async () => ({ object: "list", data: await listing() }), {
      detail: { operationId: "openai.models", summary: "The assistant, its agents, and the models that are set up" },
    })
    .get(
      "/models/*",
      async ({ params }) => {
        const id = decodeURIComponent(params["*"])
        const found = (await listing()).find((model) => model.id === id)
        if (found) return found
        throw new OpenAiFailure(404, `The model '${id.slice(0, 200)}' does not exist`, {
          code: "model_not_found",
          param: "model",
        })
      },
      { detail: { operationId: "openai.model", summary: "One of them" } },
    )
    .post(
      "/chat/completions",
      async ({ body, request }) => {
        const chat = readChatRequest(body)
        const { caller, meta } = calls.of(request)
        meta.holdOpen()
        const { ended } = caller
        const gone = new AbortController()
        const signal = AbortSignal.any([request.signal, gone.signal])
        const isAssistant = chat.model === ASSISTANT || chat.model.startsWith(`${ASSISTANT}/`)
        const agentId = isAssistant ? chat.model.slice(ASSISTANT.length + 1) || "main" : "main"
        if (isAssistant && !(await agents()).includes(agentId)) {
          throw new OpenAiFailure(404, `The model '${chat.model}' does not exist`, {
            code: "model_not_found",
            param: "model",
          })
        }
        const session = request.headers.get("x-ironclaw-session") || null
        const answer = await (isAssistant ? askAssistant : askModel)(deps, { chat, agentId, caller, session, signal })
        endWith(ended, { answer, gone })
        const createdSeconds = Math.floor(clock.nowMs() / 1_000)
        if (!chat.stream) return Response.json(await completion(answer, createdSeconds), { headers: answer.headers })
        const lines = completionLines(answer, { createdSeconds, model: chat.model, includeUsage: chat.includeUsage })
        const isUnread = () => signal.aborted && !ended?.aborted
        return streamed(answer, { lines, first: await firstOrLate(lines), isUnread, onGone: () => gone.abort() })
      },
      { body: chatBody, detail: { operationId: "openai.chat", summary: "Chat with the assistant or a model" } },
    )

  /** An answer under way ends with its client's token. Listened to only so long: the token's signal outlives thousands of answers. */
  function endWith(ended: AbortSignal | null, { answer, gone }: { answer: Answer; gone: AbortController }): void {
    if (!ended) return
    const onEnded = () => gone.abort(ended.reason)
    const unhear = () => ended.removeEventListener("abort", onEnded)
    if (ended.aborted) onEnded()
    else ended.addEventListener("abort", onEnded)
    answer.end.then(unhear, unhear)
  }

  /** The first line, perhaps still to come (in a list, for `await` would wait for it); rejects where the answer fails at once. */
  async function firstOrLate(lines: AsyncGenerator<string>): Promise<Promise<IteratorResult<string>>[]> {
    const first = lines.next()
    const late = Promise.withResolvers<null>()
    const stop = clock.after(OPEN_AFTER_MS, () => late.resolve(null))
    await Promise.race([first, late.promise]).finally(stop)
    return [first]
  }

  function streamed(
    { headers }: Answer,
    {
      lines,
      first,
      isUnread,
      onGone,
    }: {
      lines: AsyncGenerator<string>
      first: Promise<IteratorResult<string>>[]
      isUnread: () => boolean
      onGone: () => void
    },
  ): Response {
    const encoder = new TextEncoder()
    const stream = new ReadableStream<Uint8Array>({
      async pull(controller) {
        try {
          const next = await (first.shift() ?? lines.next())
          if (next.done) controller.close()
          else controller.enqueue(encoder.encode(next.value))
        } catch (error) {
          if (isUnread()) return // nobody reads it, and that somebody went away is no fault of ours
          controller.enqueue(encoder.encode(dataLine(shown(error))))
          controller.close()
        }
      },
      cancel: onGone,
    })
    return new Response(stream, {
      headers: {
        ...headers,
        "Content-Type": "text/event-stream; charset=utf-8",
        "Cache-Control": "no-cache, no-store",
        "X-Accel-Buffering": "no",
      },
    })
  }

  /** In mid-stream there is no status any more: OpenAI's clients throw on a line with `error`. */
  function shown(error: unknown) {
    if (error instanceof OpenAiFailure) return error.body
    if (error instanceof AppError) return openAiError(error)
    log.error("An answer broke off", { error })
    return openAiError(new AppError("internal", "Something went wrong"))
  }
}
