/** What OpenAI's clients send, checked and put into our words. Fields that would change the answer and that we cannot honour are refused. */
import type { MessagePart, ThinkingLevel } from "#core/db/schema.ts"
import type { ModelImage, ModelMessage, ModelText, ToolChoice, ToolOffer } from "#core/llm/model.ts"
import { AppError } from "#core/errors.ts"
import { int, judgeShape, type Static, t } from "#core/schema.ts"
import { OpenAiFailure } from "./errors.ts"
import { parseDataUrl } from "./image.ts"
import type { Shape } from "./shape.ts"

const strict = { additionalProperties: false }
const nullable = <S extends Parameters<typeof t.Union>[0][number]>(schema: S) => t.Optional(t.Union([schema, t.Null()]))
const textPart = t.Object({ type: t.Literal("text"), text: t.String() }, strict)
const imagePart = t.Object(
  {
    type: t.Literal("image_url"),
    image_url: t.Object(
      { url: t.String({ description: "A data URL; nothing is fetched" }), detail: t.Optional(t.String()) },
      strict,
    ),
  },
  strict,
)
const refusalPart = t.Object({ type: t.Literal("refusal"), refusal: t.String() }, strict)
const texts = t.Union([t.String(), t.Array(textPart, { minItems: 1 })])
const name = t.Optional(t.String({ maxLength: 200 }))
const toolCall = t.Object(
  {
    id: t.String({ minLength: 1, maxLength: 200 }),
    type: t.Literal("function"),
    function: t.Object({ name: t.String({ minLength: 1, maxLength: 200 }), arguments: t.String() }, strict),
  },
  strict,
)
const Message = t.Union([
  t.Object({ role: t.Union([t.Literal("system"), t.Literal("developer")]), content: texts, name }, strict),
  t.Object(
    {
      role: t.Literal("user"),
      content: t.Union([t.String(), t.Array(t.Union([textPart, imagePart]), { minItems: 1 })]),
      name,
    },
    strict,
  ),
  t.Object(
    {
      role: t.Literal("assistant"),
      content: nullable(t.Union([t.String(), t.Array(t.Union([textPart, refusalPart]))])),
      tool_calls: nullable(t.Array(toolCall)),
      refusal: nullable(t.String()),
      name,
      // What our own answers and others' carry, and clients send back as it came.
      audio: t.Optional(t.Null()),
      annotations: t.Optional(t.Unknown()),
      reasoning_content: t.Optional(t.Unknown()),
      function_call: t.Optional(t.Null()),
    },
    strict,
  ),
  t.Object(
    { role: t.Literal("tool"), content: texts, tool_call_id: t.String({ minLength: 1, maxLength: 200 }), name },
    strict,
  ),
])
const toolName = t.String({ pattern: "^[A-Za-z0-9_-]{1,64}$" })
const tool = t.Object(
  {
    type: t.Literal("function"),
    function: t.Object(
      {
        name: toolName,
        description: t.Optional(t.String({ maxLength: 10_000 })),
        parameters: t.Optional(t.Record(t.String(), t.Unknown())),
        strict: nullable(t.Boolean()),
      },
      strict,
    ),
  },
  strict,
)
const toolChoice = t.Union([
  t.Literal("auto"),
  t.Literal("none"),
  t.Literal("required"),
  t.Object({ type: t.Literal("function"), function: t.Object({ name: toolName }, strict) }, strict),
])

/** Accepted and without effect: hints, bookkeeping, and samplers whose absence nobody can tell from chance. */
const ignored = Object.fromEntries(
  [
    "seed",
    "store",
    "metadata",
    "service_tier",
    "parallel_tool_calls",
    "frequency_penalty",
    "presence_penalty",
    "prompt_cache_key",
    "prompt_cache_retention",
    "safety_identifier",
    "verbosity",
    "top_k",
    "min_p",
    "repetition_penalty",
  ].map((field) => [field, t.Optional(t.Unknown({ description: "Accepted, without effect" }))]),
)
/** Refused unless at the value that means "not used". */
const unusedOnly = {
  n: nullable(t.Literal(1, { description: "One answer only" })),
  logprobs: nullable(t.Literal(false)),
  top_logprobs: nullable(t.Literal(0)),
  logit_bias: nullable(t.Object({}, strict)),
  response_format: nullable(t.Object({ type: t.Literal("text") }, strict)),
  modalities: nullable(t.Array(t.Literal("text"))),
}

export const ChatBody = t.Object(
  {
    model: t.String({ minLength: 1, maxLength: 200, description: "ironclaw, ironclaw/<agent>, or a model's id" }),
    messages: t.Array(Message, { minItems: 1 }),
    stream: nullable(t.Boolean()),
    stream_options: nullable(
      t.Object({ include_usage: t.Optional(t.Boolean()), include_obfuscation: t.Optional(t.Boolean()) }, strict),
    ),
    temperature: nullable(t.Number({ minimum: 0, maximum: 2 })),
    top_p: nullable(t.Number({ minimum: 0, maximum: 1 })),
    max_tokens: nullable(int({ minimum: 1 })),
    max_completion_tokens: nullable(int({ minimum: 1 })),
    stop: nullable(t.Union([t.String({ minLength: 1 }), t.Array(t.String({ minLength: 1 }), { maxItems: 4 })])),
    reasoning_effort: nullable(
      t.Union([
        t.Literal("none"),
        t.Literal("minimal"),
        t.Literal("low"),
        t.Literal("medium"),
        t.Literal("high"),
        t.Literal("xhigh"),
      ]),
    ),
    tools: nullable(t.Array(tool, { maxItems: 128 })),
    tool_choice: nullable(toolChoice),
    user: nullable(t.String({ maxLength: 200, description: "Names a session of its own, as X-Ironclaw-Session does" })),
    ...unusedOnly,
    ...ignored,
  },
  strict,
)
type ChatBody = Static<typeof ChatBody>
type ChatMessage = ChatBody["messages"][number]

/** The body's shape, with the error that OpenAI's clients expect. */
export const chatBody: Shape<typeof ChatBody> = {
  schema: ChatBody,
  "~standard": {
    version: 1,
    vendor: "ironclaw",
    validate(value) {
      const parsed = judgeShape(ChatBody, value)
      if (parsed.ok) return { value: parsed.value }
      const [first] = parsed.problems
      const param = first?.path.slice(1).replaceAll("/", ".") ?? ""
      const isUnknown = first?.message === "Unexpected property"
      const isUnusable = Object.hasOwn(unusedOnly, param)
      throw new OpenAiFailure(
        400,
        isUnknown
          ? `Unrecognized request argument supplied: ${param}`
          : isUnusable
            ? `'${param}' is not supported here except at its default`
            : `Invalid '${param || "body"}': ${messageProblem(value, param) ?? first?.message ?? "wrong shape"}`,
        {
          param: param === "" ? null : param,
          code: isUnknown ? "unknown_parameter" : isUnusable ? "unsupported_parameter" : "invalid_value",
        },
      )
    },
  },
}

/** What a client asks, in our words. */
export type ChatRequest = {
  model: string
  /** Instructions of the client: its, not the owner's. */
  system: string
  messages: ModelMessage[]
  stream: boolean
  includeUsage: boolean
  temperature?: number
  topP?: number
  maxOutputTokens?: number
  stop?: string[]
  thinking?: ThinkingLevel
  tools: ToolOffer[]
  toolChoice?: ToolChoice
  user: string | null
}

const thinkingOf: Readonly<Record<string, ThinkingLevel>> = {
  none: "off",
  minimal: "low",
  low: "low",
  medium: "medium",
  high: "high",
  xhigh: "high",
}

/** Throws OpenAiFailure for what the schema cannot say. */
export function readChatRequest(body: ChatBody): ChatRequest {
  const tools = (body.tools ?? []).map(({ function: offer }): ToolOffer => ({
    name: offer.name,
    description: offer.description ?? "",
    parameters: offer.parameters ?? { type: "object", properties: {} },
  }))
  if (new Set(tools.map((offer) => offer.name)).size < tools.length) throw bad("tools", "two tools have the same name")
  const choice = body.tool_choice ?? undefined
  const toolChoice = typeof choice === "object" ? { name: choice.function.name } : choice
  if (typeof toolChoice === "object" && !tools.some((offer) => offer.name === toolChoice.name)) {
    throw bad("tool_choice", `there is no tool "${toolChoice.name}" in tools`)
  }
  if (toolChoice === "required" && tools.length === 0)
    throw bad("tool_choice", "it is required, but there are no tools")
  const maxOutputTokens = body.max_completion_tokens ?? body.max_tokens
  const thinking = body.reasoning_effort ? thinkingOf[body.reasoning_effort] : undefined
  return {
    model: body.model,
    system: body.messages
      .flatMap((message) =>
        message.role === "system" || message.role === "developer" ? [textOf(message.content)] : [],
      )
      .join("\n\n"),
    messages: modelMessages(body.messages),
    stream: body.stream ?? false,
    includeUsage: body.stream_options?.include_usage ?? false,
    ...(body.temperature == null ? {} : { temperature: body.temperature }),
    ...(body.top_p == null ? {} : { topP: body.top_p }),
    ...(maxOutputTokens == null ? {} : { maxOutputTokens }),
    ...(body.stop == null ? {} : { stop: typeof body.stop === "string" ? [body.stop] : body.stop }),
    ...(thinking === undefined ? {} : { thinking }),
    tools,
    ...(toolChoice === undefined ? {} : { toolChoice }),
    user: body.user || null,
  }
}

function modelMessages(messages: readonly ChatMessage[]): ModelMessage[] {
  const toolNames = new Map<string, string>()
  const result: ModelMessage[] = []
  for (const [at, message] of messages.entries()) {
    const where = `messages.${at}`
    if (message.role === "user") result.push({ role: "user", content: userContent(message.content, where) })
    else if (message.role === "assistant") {
      const toolCalls = (message.tool_calls ?? []).map((call) => ({
        id: call.id,
        name: call.function.name,
        arguments: argumentsOf(call.function.arguments),
      }))
      for (const call of toolCalls) toolNames.set(call.id, call.name)
      const text =
        typeof message.content === "string"
          ? message.content
          : (message.content ?? []).map((part) => (part.type === "text" ? part.text : part.refusal)).join("")
      result.push({ role: "assistant", text, toolCalls })
    } else if (message.role === "tool") {
      const toolName = toolNames.get(message.tool_call_id)
      if (toolName === undefined)
        throw bad(`${where}.tool_call_id`, "no assistant message before it has a tool call of this id")
      result.push({
        role: "tool",
        toolCallId: message.tool_call_id,
        toolName,
        text: textOf(message.content),
        isError: false,
      })
    }
  }
  const last = messages.at(-1)
  if (last?.role !== "user" && last?.role !== "tool")
    throw bad("messages", "the last one must be of the user or of a tool")
  return result
}

function userContent(
  content: Extract<ChatMessage, { role: "user" }>["content"],
  where: string,
): (ModelText | ModelImage)[] {
  if (typeof content === "string") return [{ type: "text", text: content }]
  return content.map((part, at) => {
    if (part.type === "text") return part
    try {
      return parseDataUrl(part.image_url.url, `${where}.content.${at}.image_url`)
    } catch (error) {
      if (!(error instanceof AppError)) throw error
      throw new OpenAiFailure(error.status, error.message, {
        param: `${where}.content.${at}.image_url`,
        code: "invalid_image_url",
      })
    }
  })
}

/** Text and images apart, as a message of ours has them. */
export function splitContent(content: readonly (ModelText | ModelImage)[]): { text: string; parts: MessagePart[] } {
  return {
    text: content.flatMap((part) => (part.type === "text" ? [part.text] : [])).join("\n"),
    parts: content.flatMap((part) => (part.type === "image" ? [part] : [])),
  }
}

function textOf(content: string | { text: string }[]): string {
  return typeof content === "string" ? content : content.map((part) => part.text).join("\n")
}

/** A model's arguments come back as it wrote them; where that is no JSON it is shown as the text it is. */
function argumentsOf(text: string): unknown {
  try {
    return JSON.parse(text)
  } catch {
    return text
  }
}

/** The checker says of a union only that nothing fits; this says what is wrong with a message. */
function messageProblem(value: unknown, param: string): string | null {
  const at = /^messages\.(\d+)$/.exec(param)?.[1]
  if (
    at === undefined ||
    typeof value !== "object" ||
    value === null ||
    !("messages" in value) ||
    !Array.isArray(value.messages)
  )
    return null
  const message: unknown = value.messages[Number(at)]
  const role = typeof message === "object" && message !== null && "role" in message ? message.role : undefined
  const schema = Message.anyOf.find(({ properties }) => judgeShape(properties.role, role).ok)
  if (!schema) return "the role must be system, developer, user, assistant or tool"
  const judged = judgeShape(schema, message)
  const [first] = judged.ok ? [] : judged.problems
  return first ? `${first.path}: ${first.message}` : null
}

function bad(param: string, why: string): OpenAiFailure {
  return new OpenAiFailure(400, `Invalid '${param}': ${why}`, { param, code: "invalid_value" })
}
