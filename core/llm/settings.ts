/** What the owner set about models, and which model answers when nothing else is said. */
import type { ThinkingLevel } from "../db/schema.ts"
import { AppError } from "../errors.ts"
import { findVendor, type Vendor, vendorNamed, vendorOfModel, vendors } from "./catalogue.ts"
import type { ModelId } from "./model.ts"

export type LlmSettings = {
  /** A vendor's name or alias; null: whoever's key is there, else demo. */
  backend: string | null
  /** The address of the backend's API where it is not the vendor's own. Without a backend it is an OpenAI-compatible server's. */
  baseUrl: string | null
  /** As the vendor names it, or `<vendor>/<model>`; null: the backend's default. */
  model: string | null
  /** Tried in this order when a model fails before it has said anything. */
  fallbacks: readonly ModelId[]
  thinking: ThinkingLevel
  /** The window of the backend's models where the catalogue cannot know it; null: the catalogue's word. */
  contextTokens: number | null
}

/** A vendor's key, with the name under which it was found: the name goes into the audit, the value only to the egress gate. */
export type Key = { name: string; value: string }
/** The key of a vendor, or null. Asked anew with every request, so that a changed key counts at once. */
export type KeyFor = (vendor: Vendor) => Key | null

/** Looks a vendor's names up, best first. `lookup` knows the environment and the secrets; an empty value counts as none. */
export function createKeyFor({
  settings,
  lookup,
}: {
  settings: () => LlmSettings
  lookup: (name: string) => string | null
}): KeyFor {
  return (vendor) => {
    for (const name of keyNames(vendor, settings())) {
      const value = lookup(name)?.trim()
      if (value) return { name, value }
    }
    return null
  }
}

/** Names under which a vendor's key may be set, best first. LLM_API_KEY is the key of whichever backend is configured. */
export function keyNames(vendor: Vendor, settings: LlmSettings): string[] {
  const isBackend = configuredVendor(settings) === vendor
  return [...new Set([...vendor.keyNames, ...(isBackend && vendor.format !== "demo" ? ["LLM_API_KEY"] : [])])]
}

/** The vendor that the owner configured, or null. Throws `model.unknown`, `model.unsupported`. */
export function configuredVendor({ backend, baseUrl, model }: LlmSettings): Vendor | null {
  if (backend !== null) return vendorNamed(backend)
  if (baseUrl !== null) return vendorNamed("openai_compatible")
  if (model === null) return null
  const slash = model.indexOf("/")
  return (slash === -1 ? null : findVendor(model.slice(0, slash))) ?? vendorOfModel(model)
}

/**
 * Configured, else a key in the environment, else demo. Local servers are never chosen silently.
 * Throws `model.unknown` where the backend has no usual model and none is named, `model.unsupported` for a backend we do not serve.
 */
export function chooseDefault(settings: LlmSettings, keyFor: KeyFor): ModelId {
  const configured = configuredVendor(settings)
  const vendor = configured ?? vendors.find((row) => !row.local && keyFor(row) !== null) ?? vendorNamed("demo")
  const name = modelName(vendor, configured === null ? null : settings.model)
  if (name !== null) return `${vendor.name}/${name}`
  throw new AppError("model.unknown", `${vendor.title} has no usual model, and none is named`, {
    hint: "Name one: `ironclaw config set model.name NAME`, or LLM_MODEL; `ironclaw model list` shows what the server has.",
  })
}

function modelName(vendor: Vendor, model: string | null): string | null {
  if (model === null) return vendor.defaultModel
  const slash = model.indexOf("/")
  // OpenRouter has models of its own named openrouter/…; there the vendor's name is part of the model's.
  const isOwnPrefix =
    slash !== -1 && findVendorQuietly(model.slice(0, slash)) === vendor && model !== vendor.defaultModel
  return isOwnPrefix ? model.slice(slash + 1) : model
}

function findVendorQuietly(name: string): Vendor | null {
  try {
    return findVendor(name)
  } catch {
    return null // a backend we do not serve is not the one in question
  }
}
