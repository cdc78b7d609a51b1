/** OpenAI's chat completions, and everyone who speaks them with an accent: the quirks of the catalogue become fields of the body. */
import { createOpenAICompatible } from "@ai-sdk/openai-compatible"
import type { LanguageModelV4 } from "@ai-sdk/provider"
import type { Vendor } from "./catalogue.ts"
import { NO_KEY, type WireSpec } from "./wire.ts"

export function open({ vendor, modelName, baseUrl, fetch }: WireSpec): LanguageModelV4 {
  const provider = createOpenAICompatible({
    name: vendor.name,
    baseURL: baseUrl,
    apiKey: NO_KEY,
    // The package calls it with a URL text and an init object, which is all that our fetch takes.
    fetch: fetch as unknown as typeof globalThis.fetch,
    includeUsage: vendor.quirks.streamUsage,
    transformRequestBody: (body) => withQuirks(body, vendor),
  })
  return provider.chatModel(modelName)
}

export function withQuirks(body: Record<string, unknown>, { quirks }: Vendor): Record<string, unknown> {
  const { max_tokens, reasoning_effort, ...rest } = body
  const out: Record<string, unknown> = rest
  if (max_tokens !== undefined) out[quirks.maxTokensField] = max_tokens
  if (reasoning_effort === undefined) return out
  const isOff = reasoning_effort === "none"
  switch (quirks.thinking) {
    case "reasoning_effort":
      out["reasoning_effort"] = reasoning_effort
      break
    case "reasoning_object":
      out["reasoning"] = isOff ? { enabled: false } : { effort: reasoning_effort }
      break
    case "thinking_type":
      out["thinking"] = { type: isOff ? "disabled" : "enabled" }
      break
    case "template_switch":
      out["chat_template_kwargs"] = { enable_thinking: !isOff }
      break
    case "none":
      break
  }
  return out
}
