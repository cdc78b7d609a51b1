/**
 * What is known of single models: window, longest answer, prices, what they see. Prices are micros of a US dollar per million tokens.
 * A name that ends in "*" describes every model that begins so (dated snapshots). "local" rows describe models by their names,
 * whichever server on one's own machine runs them.
 *
 * Prices and windows: the list that the LiteLLM project keeps (MIT), read on its date below; a vendor's own page decides.
 */

export type ModelPrice = {
  inputUsdMicros: number
  /** For input that the vendor had in its cache. */
  cachedInputUsdMicros: number
  /** For input that the vendor wrote to its cache. */
  cacheWriteUsdMicros: number
  outputUsdMicros: number
  /** What a call costs whose input is longer than `aboveTokens`: the whole call, not the rest. */
  long: { aboveTokens: number; inputFactor: number; outputFactor: number } | null
  source: string
  asOf: string
}

export type ModelRow = {
  vendor: string
  name: string
  contextTokens: number
  maxOutputTokens: number
  sees: { images: boolean; thinking: boolean; tools: boolean }
  /** Null: not known; the call is recorded at cost 0 and `model list` says so. */
  price: ModelPrice | null
  /** The word that switches thinking off, where it thinks unless told otherwise and the wire is OpenAI's. */
  thinkingOff: "none" | "minimal" | "low" | null
  /** False: the vendor refuses thinking together with tools on this wire, so tools win. */
  thinkingWithTools: boolean
  /** Takes temperature, top_p and stop; reasoning models of OpenAI refuse them. */
  sampling: boolean
  /** Writes tool calls as text. They count only as the whole message, with nothing untrusted in play. */
  textCalls: boolean
}

const SOURCE = "https://github.com/BerriAI/litellm/blob/main/model_prices_and_context_window.json"
const AS_OF = "2026-08-06"

type Facts = Partial<Omit<ModelRow, "vendor" | "name" | "contextTokens" | "maxOutputTokens" | "price">>
/** [input, cached input, output], and [cache write] where the vendor charges for it. */
type Prices = readonly [number, number, number, number?]

function row(
  vendor: string,
  name: string,
  [contextTokens, maxOutputTokens]: [number, number],
  prices: Prices,
  facts: Facts & { long?: ModelPrice["long"] } = {},
): ModelRow {
  const { long = null, ...rest } = facts
  const [inputUsdMicros, cachedInputUsdMicros, outputUsdMicros, cacheWriteUsdMicros = inputUsdMicros] = prices
  const price = {
    inputUsdMicros,
    cachedInputUsdMicros,
    cacheWriteUsdMicros,
    outputUsdMicros,
    long,
    source: SOURCE,
    asOf: AS_OF,
  }
  const sees = { images: true, thinking: true, tools: true }
  return {
    vendor,
    name,
    contextTokens,
    maxOutputTokens,
    price,
    sees,
    thinkingOff: null,
    thinkingWithTools: true,
    sampling: true,
    textCalls: false,
    ...rest,
  }
}

function local(name: string, facts: Facts & { contextTokens?: number }): ModelRow {
  const price = {
    inputUsdMicros: 0,
    cachedInputUsdMicros: 0,
    cacheWriteUsdMicros: 0,
    outputUsdMicros: 0,
    long: null,
    source: "runs on your own machine",
    asOf: "",
  }
  const sees = { images: false, thinking: false, tools: true }
  return {
    vendor: "local",
    name,
    contextTokens: 32_768,
    maxOutputTokens: 4_096,
    price,
    sees,
    thinkingOff: null,
    thinkingWithTools: true,
    sampling: true,
    textCalls: false,
    ...facts,
  }
}

const text = { images: false, thinking: false, tools: true }
const sight = { images: true, thinking: false, tools: true }
const thought = { images: false, thinking: true, tools: true }

/** OpenAI's o and gpt-5 families: no temperature; the words for little thinking differ. */
const o: Facts = { sampling: false, thinkingOff: "low" }
const gpt5: Facts = { sampling: false, thinkingOff: "minimal" }
const gpt51: Facts = { sampling: false, thinkingOff: "none" }
/** From 5.2 on, chat completions refuse function tools unless the effort is "none" (openai/openai-openapi issue 541). */
const gpt52: Facts = { ...gpt51, thinkingWithTools: false }
const over272k = { aboveTokens: 272_000, inputFactor: 2, outputFactor: 1.5 }
const over200k = { aboveTokens: 200_000, inputFactor: 2, outputFactor: 1.5 }

export const modelRows: readonly ModelRow[] = [
  // OpenAI
  row("openai", "gpt-5.6*", [1_050_000, 128_000], [5_000_000, 500_000, 30_000_000, 6_250_000], {
    ...gpt52,
    long: over272k,
  }),
  row("openai", "gpt-5.6-terra*", [1_050_000, 128_000], [2_000_000, 200_000, 12_000_000, 2_500_000], {
    ...gpt52,
    long: over272k,
  }),
  row("openai", "gpt-5.6-luna*", [1_050_000, 128_000], [200_000, 20_000, 1_200_000, 250_000], {
    ...gpt52,
    long: over272k,
  }),
  row("openai", "gpt-5.5*", [1_050_000, 128_000], [5_000_000, 500_000, 30_000_000], { ...gpt52, long: over272k }),
  row("openai", "gpt-5.4*", [1_050_000, 128_000], [2_500_000, 250_000, 15_000_000], { ...gpt52, long: over272k }),
  row("openai", "gpt-5.4-mini*", [272_000, 128_000], [750_000, 75_000, 4_500_000], gpt52),
  row("openai", "gpt-5.4-nano*", [272_000, 128_000], [200_000, 20_000, 1_250_000], gpt52),
  row("openai", "gpt-5.2*", [272_000, 128_000], [1_750_000, 175_000, 14_000_000], gpt52),
  row("openai", "gpt-5.1*", [272_000, 128_000], [1_250_000, 125_000, 10_000_000], gpt51),
  row("openai", "gpt-5*", [272_000, 128_000], [1_250_000, 125_000, 10_000_000], gpt5),
  row("openai", "gpt-5-mini*", [272_000, 128_000], [250_000, 25_000, 2_000_000], gpt5),
  row("openai", "gpt-5-nano*", [272_000, 128_000], [50_000, 5_000, 400_000], gpt5),
  row("openai", "gpt-4.1*", [1_047_576, 32_768], [2_000_000, 500_000, 8_000_000], { sees: sight }),
  row("openai", "gpt-4.1-mini*", [1_047_576, 32_768], [400_000, 100_000, 1_600_000], { sees: sight }),
  row("openai", "gpt-4.1-nano*", [1_047_576, 32_768], [100_000, 25_000, 400_000], { sees: sight }),
  row("openai", "gpt-4o*", [128_000, 16_384], [2_500_000, 1_250_000, 10_000_000], { sees: sight }),
  row("openai", "gpt-4o-mini*", [128_000, 16_384], [150_000, 75_000, 600_000], { sees: sight }),
  row("openai", "o3*", [200_000, 100_000], [2_000_000, 500_000, 8_000_000], o),
  row("openai", "o4-mini*", [200_000, 100_000], [1_100_000, 275_000, 4_400_000], o),
  // Anthropic
  row("anthropic", "claude-opus-5*", [1_000_000, 128_000], [5_000_000, 500_000, 25_000_000, 6_250_000]),
  row("anthropic", "claude-sonnet-5*", [1_000_000, 128_000], [2_000_000, 200_000, 10_000_000, 2_500_000]),
  row("anthropic", "claude-fable-5*", [1_000_000, 128_000], [10_000_000, 1_000_000, 50_000_000, 12_500_000]),
  row("anthropic", "claude-opus-4-8*", [1_000_000, 128_000], [5_000_000, 500_000, 25_000_000, 6_250_000]),
  row("anthropic", "claude-opus-4-7*", [1_000_000, 128_000], [5_000_000, 500_000, 25_000_000, 6_250_000]),
  row("anthropic", "claude-opus-4-6*", [1_000_000, 128_000], [5_000_000, 500_000, 25_000_000, 6_250_000]),
  row("anthropic", "claude-sonnet-4-6*", [1_000_000, 64_000], [3_000_000, 300_000, 15_000_000, 3_750_000]),
  row("anthropic", "claude-opus-4-5*", [200_000, 64_000], [5_000_000, 500_000, 25_000_000, 6_250_000]),
  row("anthropic", "claude-haiku-4-5*", [200_000, 64_000], [1_000_000, 100_000, 5_000_000, 1_250_000]),
  row("anthropic", "claude-sonnet-4-5*", [200_000, 64_000], [3_000_000, 300_000, 15_000_000, 3_750_000]),
  row("anthropic", "claude-opus-4-1*", [200_000, 32_000], [15_000_000, 1_500_000, 75_000_000, 18_750_000]),
  // Gemini
  row("gemini", "gemini-3.6-flash*", [1_048_576, 65_536], [1_500_000, 150_000, 7_500_000]),
  row("gemini", "gemini-3.5-flash*", [1_048_576, 65_535], [1_500_000, 150_000, 9_000_000]),
  row("gemini", "gemini-3.5-flash-lite*", [1_048_576, 65_536], [300_000, 30_000, 2_500_000]),
  row("gemini", "gemini-3.1-pro-preview*", [1_048_576, 65_536], [2_000_000, 200_000, 12_000_000], { long: over200k }),
  row("gemini", "gemini-3-flash-preview*", [1_048_576, 65_535], [500_000, 50_000, 3_000_000]),
  row("gemini", "gemini-3.1-flash-lite*", [1_048_576, 65_536], [250_000, 25_000, 1_500_000]),
  row("gemini", "gemini-2.5-pro*", [1_048_576, 65_535], [1_250_000, 125_000, 10_000_000], { long: over200k }),
  row("gemini", "gemini-2.5-flash*", [1_048_576, 65_535], [300_000, 30_000, 2_500_000]),
  row("gemini", "gemini-2.5-flash-lite*", [1_048_576, 65_535], [100_000, 10_000, 400_000]),
  // Groq
  row("groq", "openai/gpt-oss-120b", [131_072, 32_766], [150_000, 75_000, 600_000], {
    sees: thought,
    thinkingOff: "low",
  }),
  row("groq", "openai/gpt-oss-20b", [131_072, 32_768], [75_000, 37_500, 300_000], {
    sees: thought,
    thinkingOff: "low",
  }),
  row("groq", "llama-3.3-70b-versatile", [128_000, 32_768], [590_000, 590_000, 790_000], { sees: text }),
  row("groq", "llama-3.1-8b-instant", [128_000, 8_192], [50_000, 50_000, 80_000], { sees: text }),
  row("groq", "meta-llama/llama-4-maverick-17b-128e-instruct", [131_072, 8_192], [200_000, 200_000, 600_000], {
    sees: sight,
  }),
  row("groq", "moonshotai/kimi-k2-instruct-0905", [262_144, 16_384], [1_000_000, 500_000, 3_000_000], { sees: text }),
  row("groq", "qwen/qwen3-32b", [131_000, 65_500], [290_000, 290_000, 590_000], { sees: thought, thinkingOff: "none" }),
  // Mistral
  row("mistral", "mistral-medium-latest", [262_144, 131_072], [1_500_000, 1_500_000, 7_500_000], { sees: sight }),
  row("mistral", "mistral-large-latest", [262_144, 131_072], [500_000, 500_000, 1_500_000], { sees: sight }),
  row("mistral", "mistral-large-2512", [262_144, 131_072], [500_000, 500_000, 1_500_000], { sees: sight }),
  row("mistral", "mistral-small-latest", [131_072, 65_536], [60_000, 60_000, 180_000], { sees: sight }),
  row("mistral", "codestral-latest", [256_000, 128_000], [300_000, 300_000, 900_000], { sees: text }),
  row("mistral", "devstral-latest", [256_000, 128_000], [400_000, 400_000, 2_000_000], { sees: text }),
  row("mistral", "ministral-8b-latest", [262_144, 131_072], [150_000, 150_000, 150_000], { sees: sight }),
  // xAI
  row("xai", "grok-4.5*", [500_000, 32_768], [2_000_000, 500_000, 6_000_000]),
  row("xai", "grok-4.3*", [1_000_000, 32_768], [1_250_000, 200_000, 2_500_000]),
  row("xai", "grok-4-1-fast*", [2_000_000, 32_768], [200_000, 50_000, 500_000]),
  row("xai", "grok-4", [256_000, 32_768], [3_000_000, 3_000_000, 15_000_000], { sees: sight }),
  row("xai", "grok-code-fast*", [256_000, 32_768], [200_000, 20_000, 1_500_000], { sees: text }),
  // DeepSeek
  row("deepseek", "deepseek-v4-flash", [1_000_000, 8_192], [140_000, 2_800, 280_000], { sees: thought }),
  row("deepseek", "deepseek-v4-pro", [1_000_000, 8_192], [435_000, 3_625, 870_000], { sees: thought }),
  row("deepseek", "deepseek-chat", [131_072, 8_192], [280_000, 28_000, 420_000], { sees: text }),
  row("deepseek", "deepseek-reasoner", [131_072, 65_536], [280_000, 28_000, 420_000], { sees: thought }),
  // Together AI
  row("together", "openai/gpt-oss-120b", [131_072, 65_536], [150_000, 150_000, 600_000], {
    sees: thought,
    thinkingOff: "low",
  }),
  row("together", "openai/gpt-oss-20b", [128_000, 8_192], [50_000, 50_000, 200_000], {
    sees: thought,
    thinkingOff: "low",
  }),
  row("together", "moonshotai/Kimi-K2.5", [256_000, 128_000], [500_000, 500_000, 2_800_000]),
  row("together", "deepseek-ai/DeepSeek-V3.1", [128_000, 16_384], [600_000, 600_000, 1_700_000], { sees: text }),
  row("together", "zai-org/GLM-4.7", [200_000, 100_000], [450_000, 450_000, 2_000_000], { sees: text }),
  row("together", "Qwen/Qwen3.5-397B-A17B", [262_144, 8_192], [600_000, 600_000, 3_600_000], { sees: text }),
  row("together", "meta-llama/Llama-3.3-70B-Instruct-Turbo", [131_072, 8_192], [880_000, 880_000, 880_000], {
    sees: text,
  }),
  // On one's own machine, by the model's name
  local("llama3.1*", { contextTokens: 131_072 }),
  local("llama3.2*", { contextTokens: 131_072 }),
  local("qwen3*", { contextTokens: 40_960, sees: thought, thinkingOff: "none" }),
  local("gpt-oss*", { contextTokens: 131_072, sees: thought, thinkingOff: "low" }),
  local("gemma3*", { sees: { images: true, thinking: false, tools: false } }),
  local("llava*", { sees: { images: true, thinking: false, tools: false } }),
  local("mistral-nemo*", { textCalls: true }),
  local("hermes*", { textCalls: true }),
  local("qwen2.5-coder*", { textCalls: true }),
  // The stand-in
  {
    ...local("demo", { contextTokens: 100_000, sees: { images: false, thinking: false, tools: true } }),
    vendor: "demo",
  },
]
