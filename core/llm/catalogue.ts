/**
 * Who serves models: one row a vendor, and how its models are found. A new vendor is one more row here; models of its own that differ
 * from the default row stand in catalogue-models.ts.
 */
import { AppError } from "../errors.ts"
import { type ModelRow, modelRows } from "./catalogue-models.ts"
import type { ModelId } from "./model.ts"

export type WireFormat = "openai" | "anthropic" | "google" | "demo"

/** How a vendor wants to be told how much to think, where its wire is OpenAI's. */
export type ThinkingShape =
  | "reasoning_effort" // OpenAI, Groq, xAI, Gemini-like: one word
  | "reasoning_object" // OpenRouter: {"reasoning": {"effort"}}
  | "thinking_type" // DeepSeek: {"thinking": {"type": "enabled" | "disabled"}}
  | "template_switch" // vLLM, llama.cpp: {"chat_template_kwargs": {"enable_thinking"}}
  | "none"

export type Quirks = {
  /** OpenAI renamed the field, and its reasoning models refuse the old name; most others know only the old one. */
  maxTokensField: "max_tokens" | "max_completion_tokens"
  /** Understands `stream_options: {include_usage: true}`; where not, usage is estimated. */
  streamUsage: boolean
  thinking: ThinkingShape
  /** Mistral refuses tool call ids that are not nine letters or digits. */
  shortCallIds: boolean
  /** Thinks for minutes before the first byte of text, or loads a model first: the first wait is longer. */
  slowFirstByte: boolean
}

export type Vendor = {
  name: string
  title: string
  /** Null: there is no usual address, the owner gives one. */
  baseUrl: string | null
  format: WireFormat
  /** Environment variables and secret names that hold the key, best first. Empty: works without one. */
  keyNames: readonly string[]
  /** Works without a key (one may still be set), on the owner's own machine; never chosen silently. */
  local: boolean
  /** Null: the owner must name a model. */
  defaultModel: string | null
  /** Where a key comes from and what models cost, for people. */
  keyUrl: string | null
  quirks: Quirks
}

const plain: Quirks = {
  maxTokensField: "max_tokens",
  streamUsage: true,
  thinking: "none",
  shortCallIds: false,
  slowFirstByte: false,
}
const effort: Quirks = { ...plain, thinking: "reasoning_effort" }
const ownMachine: Quirks = { ...plain, slowFirstByte: true }

/** In the order in which a key in the environment decides the default. */
export const vendors: readonly Vendor[] = [
  {
    name: "anthropic",
    title: "Anthropic",
    baseUrl: "https://api.anthropic.com/v1",
    format: "anthropic",
    keyNames: ["ANTHROPIC_API_KEY"],
    local: false,
    defaultModel: "claude-sonnet-5",
    keyUrl: "https://console.anthropic.com/settings/keys",
    quirks: plain,
  },
  {
    name: "openai",
    title: "OpenAI",
    baseUrl: "https://api.openai.com/v1",
    format: "openai",
    keyNames: ["OPENAI_API_KEY"],
    local: false,
    defaultModel: "gpt-5-mini",
    keyUrl: "https://platform.openai.com/api-keys",
    quirks: { ...effort, maxTokensField: "max_completion_tokens", slowFirstByte: true },
  },
  {
    name: "gemini",
    title: "Google Gemini",
    baseUrl: "https://generativelanguage.googleapis.com/v1beta",
    format: "google",
    keyNames: ["GEMINI_API_KEY", "GOOGLE_API_KEY"],
    local: false,
    defaultModel: "gemini-3.5-flash",
    keyUrl: "https://aistudio.google.com/apikey",
    quirks: plain,
  },
  {
    name: "nearai",
    title: "NEAR AI",
    baseUrl: "https://cloud-api.near.ai/v1",
    format: "openai",
    keyNames: ["NEARAI_API_KEY"],
    local: false,
    defaultModel: "openai/gpt-oss-120b",
    keyUrl: "https://cloud.near.ai",
    quirks: plain,
  },
  {
    name: "openrouter",
    title: "OpenRouter",
    baseUrl: "https://openrouter.ai/api/v1",
    format: "openai",
    keyNames: ["OPENROUTER_API_KEY"],
    local: false,
    defaultModel: "openrouter/auto",
    keyUrl: "https://openrouter.ai/keys",
    quirks: { ...plain, thinking: "reasoning_object", slowFirstByte: true },
  },
  {
    name: "groq",
    title: "Groq",
    baseUrl: "https://api.groq.com/openai/v1",
    format: "openai",
    keyNames: ["GROQ_API_KEY"],
    local: false,
    defaultModel: "openai/gpt-oss-120b",
    keyUrl: "https://console.groq.com/keys",
    quirks: { ...effort, maxTokensField: "max_completion_tokens" },
  },
  {
    name: "mistral",
    title: "Mistral",
    baseUrl: "https://api.mistral.ai/v1",
    format: "openai",
    keyNames: ["MISTRAL_API_KEY"],
    local: false,
    defaultModel: "mistral-medium-latest",
    keyUrl: "https://console.mistral.ai/api-keys",
    quirks: { ...plain, streamUsage: false, shortCallIds: true },
  },
  {
    name: "xai",
    title: "xAI",
    baseUrl: "https://api.x.ai/v1",
    format: "openai",
    keyNames: ["XAI_API_KEY"],
    local: false,
    defaultModel: "grok-4.3",
    keyUrl: "https://console.x.ai",
    quirks: effort,
  },
  {
    name: "deepseek",
    title: "DeepSeek",
    baseUrl: "https://api.deepseek.com/v1",
    format: "openai",
    keyNames: ["DEEPSEEK_API_KEY"],
    local: false,
    defaultModel: "deepseek-v4-flash",
    keyUrl: "https://platform.deepseek.com/api_keys",
    quirks: { ...plain, thinking: "thinking_type" },
  },
  {
    name: "together",
    title: "Together AI",
    baseUrl: "https://api.together.xyz/v1",
    format: "openai",
    keyNames: ["TOGETHER_API_KEY"],
    local: false,
    defaultModel: "openai/gpt-oss-120b",
    keyUrl: "https://api.together.ai/settings/api-keys",
    quirks: effort,
  },
  {
    name: "tinfoil",
    title: "Tinfoil",
    baseUrl: "https://inference.tinfoil.sh/v1",
    format: "openai",
    keyNames: ["TINFOIL_API_KEY"],
    local: false,
    defaultModel: "gpt-oss-120b",
    keyUrl: "https://dash.tinfoil.sh",
    quirks: plain,
  },
  {
    name: "ollama",
    title: "Ollama",
    baseUrl: "http://127.0.0.1:11434/v1",
    format: "openai",
    keyNames: ["OLLAMA_API_KEY"],
    local: true,
    defaultModel: "llama3.1",
    keyUrl: null,
    quirks: { ...ownMachine, thinking: "reasoning_effort" },
  },
  {
    name: "lmstudio",
    title: "LM Studio",
    baseUrl: "http://127.0.0.1:1234/v1",
    format: "openai",
    keyNames: [],
    local: true,
    defaultModel: null,
    keyUrl: null,
    quirks: ownMachine,
  },
  {
    name: "vllm",
    title: "vLLM",
    baseUrl: "http://127.0.0.1:8000/v1",
    format: "openai",
    keyNames: ["VLLM_API_KEY"],
    local: true,
    defaultModel: null,
    keyUrl: null,
    quirks: { ...ownMachine, thinking: "template_switch" },
  },
  {
    name: "llamacpp",
    title: "llama.cpp",
    baseUrl: "http://127.0.0.1:8080/v1",
    format: "openai",
    keyNames: [],
    local: true,
    defaultModel: "default",
    keyUrl: null,
    quirks: { ...ownMachine, thinking: "template_switch" },
  },
  {
    name: "openai_compatible",
    title: "OpenAI-compatible server",
    baseUrl: null,
    format: "openai",
    keyNames: ["LLM_API_KEY"],
    local: true,
    defaultModel: null,
    keyUrl: null,
    quirks: { ...ownMachine },
  },
  {
    name: "demo",
    title: "Demo (no model)",
    baseUrl: null,
    format: "demo",
    keyNames: [],
    local: true,
    defaultModel: "demo",
    keyUrl: null,
    quirks: plain,
  },
]

/** Other spellings in use, by what they mean. */
const aliases: Readonly<Record<string, string>> = {
  claude: "anthropic",
  google: "gemini",
  near: "nearai",
  near_ai: "nearai",
  grok: "xai",
  lm_studio: "lmstudio",
  llama_cpp: "llamacpp",
  "llama.cpp": "llamacpp",
  together_ai: "together",
  compatible: "openai_compatible",
  "openai-compatible": "openai_compatible",
}

/** Backends that people ask for and that are not there, with the way that works instead. */
const unsupported: Readonly<Record<string, string>> = {
  bedrock:
    "Amazon signs Bedrock requests in a way of its own. Use its OpenAI-compatible address with a Bedrock API key: LLM_BACKEND=openai_compatible, LLM_BASE_URL=https://bedrock-runtime.<region>.amazonaws.com/openai/v1, LLM_API_KEY=…; for Claude, LLM_BACKEND=anthropic.",
  azure:
    "Use its OpenAI-compatible address: LLM_BACKEND=openai_compatible, LLM_BASE_URL=https://<resource>.openai.azure.com/openai/v1, LLM_API_KEY=….",
  vertex: "Use LLM_BACKEND=gemini with a key from Google AI Studio.",
  github_copilot: "Use another vendor, or LLM_BACKEND=openai_compatible with a server that speaks for it.",
}

const vendorsByName = new Map(vendors.map((vendor) => [vendor.name, vendor]))

/** The vendor of this name or alias; null where there is none. Throws `model.unsupported` for those we know and do not serve. */
export function findVendor(name: string): Vendor | null {
  const known = name.toLowerCase()
  const why = unsupported[known]
  if (why !== undefined) {
    throw new AppError("model.unsupported", `The model backend "${name}" is not supported`, { hint: why })
  }
  return vendorsByName.get(aliases[known] ?? known) ?? null
}

/** Like {@link findVendor}; throws `model.unknown` naming every backend. */
export function vendorNamed(name: string): Vendor {
  const vendor = findVendor(name)
  if (vendor) return vendor
  const names = vendors.map((row) => row.name).join(", ")
  throw new AppError("model.unknown", `There is no model backend "${name}"`, { hint: `Use one of: ${names}.` })
}

/** Taken for a model that no row describes: small enough to be safe, without a price, so that its cost is recorded as 0. */
const hostedDefault = { contextTokens: 128_000, maxOutputTokens: 8_192 }
/** A server on one's own machine seldom has memory for more; `model.context_tokens` says otherwise. */
const localDefault = { contextTokens: 32_768, maxOutputTokens: 4_096 }
const FREE = {
  inputUsdMicros: 0,
  cachedInputUsdMicros: 0,
  cacheWriteUsdMicros: 0,
  outputUsdMicros: 0,
  long: null,
  source: "runs on your own machine",
  asOf: "",
}

/** The row of a vendor's model: exact, else the longest prefix that a row with "*" names, else the default row. */
export function modelRow(vendor: Vendor, name: string): ModelRow {
  const family = vendor.local && vendor.name !== "demo" ? "local" : vendor.name
  let best: ModelRow | null = null
  for (const row of modelRows) {
    if (row.vendor !== vendor.name && row.vendor !== family) continue
    const isPrefix = row.name.endsWith("*")
    const matches = isPrefix ? name.startsWith(row.name.slice(0, -1)) : row.name === name
    if (matches && (best === null || row.name.length > best.name.length)) best = row
  }
  // An address of the owner's own choice may well cost money; only what surely runs at home is free.
  if (best) return vendor.name === "openai_compatible" ? { ...best, price: null } : best
  return {
    vendor: vendor.name,
    name,
    ...(vendor.local ? localDefault : hostedDefault),
    sees: { images: false, thinking: true, tools: true },
    price: vendor.local && vendor.name !== "openai_compatible" ? FREE : null,
    thinkingOff: null,
    thinkingWithTools: true,
    sampling: true,
    textCalls: false,
  }
}

/** Rows of one vendor that name one model each, for lists. */
export function rowsOf(vendor: Vendor): ModelRow[] {
  return modelRows.filter((row) => row.vendor === vendor.name)
}

/** `openrouter/openai/gpt-5` → openrouter and `openai/gpt-5`; null where the first part names no vendor. */
export function splitModelId(id: ModelId): { vendor: Vendor; name: string } | null {
  const slash = id.indexOf("/")
  if (slash === -1) return null
  const vendor = findVendor(id.slice(0, slash))
  return vendor && slash + 1 < id.length ? { vendor, name: id.slice(slash + 1) } : null
}

/** A name without its vendor, where a row knows it: `gpt-5` → openai. */
export function vendorOfModel(name: string): Vendor | null {
  for (const vendor of vendors) {
    if (vendor.local) continue
    const isKnown = modelRows.some(
      (row) =>
        row.vendor === vendor.name &&
        (row.name.endsWith("*") ? name.startsWith(row.name.slice(0, -1)) : row.name === name),
    )
    if (isKnown) return vendor
  }
  return null
}

/** The versioned path of each wire, for an address that is given without one (OLLAMA_BASE_URL=http://localhost:11434). */
const versionPaths: Record<WireFormat, string> = { openai: "/v1", anthropic: "/v1", google: "/v1beta", demo: "" }

export function withVersionPath(baseUrl: string, format: WireFormat): string {
  const trimmed = baseUrl.replace(/\/+$/, "")
  return URL.parse(trimmed)?.pathname === "/" ? trimmed + versionPaths[format] : trimmed
}
