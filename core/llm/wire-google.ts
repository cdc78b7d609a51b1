/** Google's streamGenerateContent. */
import { createGoogle } from "@ai-sdk/google"
import type { LanguageModelV4 } from "@ai-sdk/provider"
import { NO_KEY, type WireSpec } from "./wire.ts"

export function open({ modelName, baseUrl, fetch }: WireSpec): LanguageModelV4 {
  // The package calls it with a URL text and an init object, which is all that our fetch takes.
  return createGoogle({ baseURL: baseUrl, apiKey: NO_KEY, fetch: fetch as unknown as typeof globalThis.fetch })(
    modelName,
  )
}
