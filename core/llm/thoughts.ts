/**
 * What a vendor wants to see again beside a tool call of its own: Anthropic's signed thinking, Gemini's thought signatures. It is no
 * part of a message as we keep it, and only serves the loop that goes on at once; so it is kept in memory, and after a restart the
 * vendors do without (Anthropic thinks no further in that turn, for Gemini the package sends the documented stand-in).
 *
 * Found again by the call's name and canonical arguments: ids are given anew when a call becomes a row, and jsonb reorders keys.
 */
import type { LanguageModelV4ReasoningPart, SharedV4ProviderMetadata } from "@ai-sdk/provider"
import { canonicalJson } from "../safety/fingerprint.ts"
import type { Vendor } from "./catalogue.ts"
import type { ModelToolCall } from "./model.ts"

export type Kept = { thinking: LanguageModelV4ReasoningPart[]; metadata: SharedV4ProviderMetadata | null }

export type ThoughtMemory = {
  keep(vendor: Vendor, call: Pick<ModelToolCall, "name" | "arguments">, kept: Kept): void
  recall(vendor: Vendor, call: Pick<ModelToolCall, "name" | "arguments">): Kept | null
}

const MAX_KEPT = 500 // calls of the running turns; a thought is a few KB, so a few MB at most

export function createThoughtMemory(): ThoughtMemory {
  const memory = new Map<bigint | number, Kept>()
  const keyOf = (vendor: Vendor, call: Pick<ModelToolCall, "name" | "arguments">) =>
    Bun.hash(`${vendor.name}\n${call.name}\n${canonicalJson(call.arguments ?? {})}`)
  return {
    keep(vendor, call, kept) {
      const key = keyOf(vendor, call)
      memory.delete(key) // so that the newest stands last
      memory.set(key, kept)
      const oldest = memory.size > MAX_KEPT ? memory.keys().next().value : undefined
      if (oldest !== undefined) memory.delete(oldest)
    },
    // OpenAI's wire has nothing of the kind: there history costs no hashing.
    recall: (vendor, call) =>
      memory.size === 0 || vendor.format === "openai" ? null : (memory.get(keyOf(vendor, call)) ?? null),
  }
}
