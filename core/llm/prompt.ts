/** A ModelRequest as the provider packages want it: messages, tools, choice, thinking, cache marks; repaired where vendors would refuse it. */
import type { LanguageModelV4CallOptions, LanguageModelV4Message, SharedV4ProviderOptions } from "@ai-sdk/provider"
import type { ThinkingLevel } from "../db/schema.ts"
import type { ModelRow } from "./catalogue-models.ts"
import type { Vendor } from "./catalogue.ts"
import type { ModelMessage, ModelRequest, ModelToolCall } from "./model.ts"
import type { Kept, ThoughtMemory } from "./thoughts.ts"

export type PromptContext = { vendor: Vendor; row: ModelRow; thoughts: ThoughtMemory; thinking: ThinkingLevel }

const CACHE: SharedV4ProviderOptions = { anthropic: { cacheControl: { type: "ephemeral" } } }
/** Handed to the model in place of a result that is not there: vendors refuse a call without one. */
const NO_RESULT = "No result is known: the call did not finish."

export function toCallOptions(request: ModelRequest, context: PromptContext): LanguageModelV4CallOptions {
  const { row, vendor } = context
  const choice = request.toolChoice ?? "auto"
  const hasTools = request.tools.length > 0 && row.sees.tools
  const thinking = thinkingWord(request.thinking ?? context.thinking, {
    row,
    vendor,
    hasTools: hasTools && choice !== "none",
  })
  // Anthropic wants a number; elsewhere the vendor's own limit holds unless the caller sets one.
  const maxOutputTokens = request.maxOutputTokens ?? (vendor.format === "anthropic" ? row.maxOutputTokens : undefined)
  return {
    prompt: toPrompt(request, context),
    ...(maxOutputTokens === undefined ? {} : { maxOutputTokens }),
    ...(row.sampling && request.temperature !== undefined ? { temperature: request.temperature } : {}),
    ...(row.sampling && request.topP !== undefined ? { topP: request.topP } : {}),
    ...(row.sampling && request.stop !== undefined && request.stop.length > 0 ? { stopSequences: request.stop } : {}),
    ...(hasTools
      ? {
          tools: request.tools.map(({ name, description, parameters }) => ({
            type: "function" as const,
            name,
            description,
            inputSchema: parameters,
          })),
          toolChoice: typeof choice === "string" ? { type: choice } : { type: "tool" as const, toolName: choice.name },
        }
      : {}),
    ...(thinking === null ? {} : { reasoning: thinking }),
    // Tool inputs arrive whole: streamed ones may be no valid JSON.
    ...(vendor.format === "anthropic" && hasTools ? { providerOptions: { anthropic: { toolStreaming: false } } } : {}),
    ...(vendor.format === "google" && thinking !== null && thinking !== "none"
      ? { providerOptions: { google: { thinkingConfig: { includeThoughts: true } } } }
      : {}),
  }
}

type Reasoning = NonNullable<LanguageModelV4CallOptions["reasoning"]>

/** Null: say nothing, the model's own habit holds. */
function thinkingWord(
  level: ThinkingLevel,
  { row, vendor, hasTools }: { row: ModelRow; vendor: Vendor; hasTools: boolean },
): Reasoning | null {
  if (!row.sees.thinking) return null
  if (vendor.format === "openai") {
    if (vendor.quirks.thinking === "none") return null
    if (hasTools && !row.thinkingWithTools) return "none"
    if (level !== "off") return level
    return vendor.quirks.thinking === "reasoning_effort" ? row.thinkingOff : "none"
  }
  return level === "off" ? "none" : level
}

function toPrompt(request: ModelRequest, context: PromptContext): LanguageModelV4Message[] {
  const isAnthropic = context.vendor.format === "anthropic"
  const prompt: LanguageModelV4Message[] = []
  if (isAnthropic) {
    // One mark behind the stable prefix (tools stand before it and are covered), one behind the newest message.
    const lastStable = request.system.findLastIndex(({ cache }) => cache)
    for (const [index, { text }] of request.system.entries()) {
      if (text)
        prompt.push({ role: "system", content: text, ...(index === lastStable ? { providerOptions: CACHE } : {}) })
    }
  } else if (request.system.length > 0) {
    // One message: many chat templates of open models know only one.
    const text = request.system
      .map((part) => part.text)
      .filter(Boolean)
      .join("\n\n")
    if (text) prompt.push({ role: "system", content: text })
  }
  const firstMessage = prompt.length
  addMessages(prompt, request.messages, context)
  const last = prompt.at(-1)
  if (isAnthropic && last && prompt.length > firstMessage && request.system.some(({ cache }) => cache))
    last.providerOptions = CACHE
  return prompt
}

/** Results right behind their calls, each call with exactly one; a result without its call becomes the user's text. */
function addMessages(
  prompt: LanguageModelV4Message[],
  messages: readonly ModelMessage[],
  context: PromptContext,
): void {
  const shortIds = context.vendor.quirks.shortCallIds
  for (let at = 0; at < messages.length; at++) {
    const message = messages[at]
    if (message === undefined) continue
    if (message.role === "user") prompt.push(userMessage(message, context.row))
    else if (message.role === "tool")
      prompt.push({
        role: "user",
        content: [{ type: "text", text: `[Result of ${message.toolName}]\n${message.text}` }],
      })
    else {
      if (!message.text && message.toolCalls.length === 0) continue
      prompt.push(assistantMessage(message, context))
      if (message.toolCalls.length === 0) continue
      const results = new Map<string, Extract<ModelMessage, { role: "tool" }>>()
      for (let next = messages[at + 1]; next?.role === "tool"; next = messages[at + 1]) {
        if (!message.toolCalls.some(({ id }) => id === next?.toolCallId)) break
        results.set(next.toolCallId, next)
        at += 1
      }
      prompt.push({
        role: "tool",
        content: message.toolCalls.map(({ id, name }) => {
          const result = results.get(id)
          const output = {
            type: result && !result.isError ? ("text" as const) : ("error-text" as const),
            value: result?.text ?? NO_RESULT,
          }
          return { type: "tool-result" as const, toolCallId: shortIds ? shortId(id) : id, toolName: name, output }
        }),
      })
    }
  }
}

function userMessage({ content }: Extract<ModelMessage, { role: "user" }>, row: ModelRow): LanguageModelV4Message {
  return {
    role: "user",
    content: content.map((part) => {
      if (part.type === "text") return part
      if (!row.sees.images) return { type: "text", text: "[An image was sent here; this model does not see images.]" }
      return { type: "file", mediaType: part.mediaType, data: { type: "data", data: part.base64 } }
    }),
  }
}

type AssistantMessage = Extract<LanguageModelV4Message, { role: "assistant" }>

function assistantMessage(
  { text, toolCalls }: Extract<ModelMessage, { role: "assistant" }>,
  context: PromptContext,
): AssistantMessage {
  const content: AssistantMessage["content"] = []
  const kept = toolCalls.map((call) => context.thoughts.recall(context.vendor, call))
  const thought = kept.find((found): found is Kept => found !== null && found.thinking.length > 0)
  if (thought) content.push(...thought.thinking)
  if (text) content.push({ type: "text", text })
  for (const [index, call] of toolCalls.entries())
    content.push(callPart(call, { kept: kept[index] ?? null, shortIds: context.vendor.quirks.shortCallIds }))
  return { role: "assistant", content }
}

function callPart(call: ModelToolCall, { kept, shortIds }: { kept: Kept | null; shortIds: boolean }) {
  return {
    type: "tool-call" as const,
    toolCallId: shortIds ? shortId(call.id) : call.id,
    toolName: call.name,
    input: call.arguments ?? {},
    ...(kept?.metadata ? { providerOptions: kept.metadata } : {}),
  }
}

/** Nine letters and digits that stand for an id of any length. */
function shortId(id: string): string {
  return Bun.hash(id).toString(36).padStart(9, "0").slice(-9)
}
