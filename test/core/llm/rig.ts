/** What the model tests share: models over the fake server on loopback, and everything a stream says in one list. */
import { systemClock, type Clock } from "#core/clock.ts"
import type { Model, ModelEvent, ModelFailure, ModelId, ModelRequest, Models } from "#core/llm/model.ts"
import { createModels, type ModelsDeps } from "#core/llm/models.ts"
import type { KeyFor, LlmSettings } from "#core/llm/settings.ts"
import type { FetchFor } from "#core/llm/wire.ts"

export const settings: LlmSettings = {
  backend: null,
  baseUrl: null,
  model: null,
  fallbacks: [],
  thinking: "off",
  contextTokens: null,
}

/** Every vendor has a key, and it is this one. */
export const TEST_KEY = "sk-test-0123456789abcdef"
export const everyKey: KeyFor = (vendor) => ({ name: vendor.keyNames[0] ?? "LLM_API_KEY", value: TEST_KEY })

/** Sends what is meant for any vendor's host to the fake server, and does what the egress gate does: puts the credential in. */
export function fetchTo(url: string): FetchFor {
  const { host } = new URL(url)
  return ({ credential }) =>
    (asked, init) => {
      const target = new URL(asked)
      target.protocol = "http:"
      target.host = host
      const headers = new Headers(init?.headers)
      if (credential) headers.set(credential.header, credential.value)
      return fetch(target, { ...init, headers })
    }
}

export type Failed = { model: ModelId; failure: ModelFailure; next: ModelId | null }

export function modelsAt(
  url: string,
  given: Partial<Omit<ModelsDeps, "settings">> & { settings?: Partial<LlmSettings> } = {},
): { models: Models; failures: Failed[] } {
  const failures: Failed[] = []
  const { settings: own, ...rest } = given
  const models = createModels({
    settings: () => ({ ...settings, ...own }),
    keyFor: everyKey,
    fetchFor: fetchTo(url),
    clock: systemClock,
    jitter: () => 0,
    redact: (text) => text,
    onFailure: (failed) => failures.push(failed),
    waits: null,
    ...rest,
  })
  return { models, failures }
}

/** Time that runs a hundred times as fast for sleeps, so that back-off is real and takes no time. */
export const hastyClock: Clock = {
  ...systemClock,
  sleep: (delayMs, signal) => systemClock.sleep(delayMs / 100, signal),
}

export function ask(text: string, more: Partial<ModelRequest> = {}): ModelRequest {
  return {
    system: [{ text: "You are a test.", cache: true }],
    messages: [{ role: "user", content: [{ type: "text", text }] }],
    tools: [],
    trusted: true,
    ...more,
  }
}

export const lookUp = {
  name: "look_up",
  description: "Looks a word up",
  parameters: {
    type: "object",
    properties: { word: { type: "string" } },
    required: ["word"],
    additionalProperties: false,
  },
}

export async function hear(
  model: Model,
  request: ModelRequest,
  signal: AbortSignal = new AbortController().signal,
): Promise<ModelEvent[]> {
  const events: ModelEvent[] = []
  for await (const event of model.stream(request, { signal })) events.push(event)
  return events
}

export function textOf(events: readonly ModelEvent[], type: "text" | "thinking" = "text"): string {
  return events.map((event) => (event.type === type ? event.text : "")).join("")
}

export function callsOf(events: readonly ModelEvent[]) {
  return events.filter((event) => event.type === "tool_call")
}

export function endOf(events: readonly ModelEvent[]): Extract<ModelEvent, { type: "finished" | "failed" }> {
  const last = events.at(-1)
  if (last?.type === "finished" || last?.type === "failed") return last
  throw new Error(`The stream ended with ${JSON.stringify(last)}`)
}

export function failureOf(events: readonly ModelEvent[]): ModelFailure {
  const end = endOf(events)
  if (end.type === "failed") return end.failure
  throw new Error("The stream finished, and should have failed")
}
