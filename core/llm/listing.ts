/** Asks a vendor which models it has. A vendor that does not answer has an empty list: a list is no reason to fail. */
import { int, judgeShape, t } from "../schema.ts"
import type { Vendor } from "./catalogue.ts"
import { type Fetch, readBounded } from "./wire.ts"

/** OpenAI and Anthropic say `data`, Google says `models` with names like "models/gemini-2.5-pro". */
const Answer = t.Object({
  data: t.Optional(t.Array(t.Object({ id: t.String({ maxLength: 300 }) }))),
  models: t.Optional(t.Array(t.Object({ name: t.String({ maxLength: 300 }), inputTokenLimit: t.Optional(int()) }))),
})

const MAX_LIST_BYTES = 8_388_608 // OpenRouter's list of several hundred models with descriptions is about 1 MB
const MAX_MODELS = 2_000
const TIMEOUT_MS = 10_000 // a list comes in under a second; ten covers a bad line

export async function askVendor({
  vendor,
  baseUrl,
  fetch,
  signal,
}: {
  vendor: Vendor
  baseUrl: string
  fetch: Fetch
  signal: AbortSignal
}): Promise<string[]> {
  try {
    const headers: Record<string, string> = { accept: "application/json", "user-agent": "ironclaw" }
    if (vendor.format === "anthropic") headers["anthropic-version"] = "2023-06-01"
    const response = await fetch(`${baseUrl}/models`, {
      headers,
      redirect: "error",
      signal: AbortSignal.any([signal, AbortSignal.timeout(TIMEOUT_MS)]),
    })
    const body = await readBounded(response, MAX_LIST_BYTES)
    if (!response.ok) return []
    const judged = judgeShape(Answer, JSON.parse(body))
    if (!judged.ok) return []
    const { data = [], models = [] } = judged.value
    return [...data.map(({ id }) => id), ...models.map(({ name }) => name.replace(/^models\//, ""))].slice(
      0,
      MAX_MODELS,
    )
  } catch {
    return [] // unreachable, refused, stopped or not JSON: `model test` tells why
  }
}
