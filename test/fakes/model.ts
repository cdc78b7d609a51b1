/** A Model that follows a script, in the process: what it was asked is kept, what it answers is given step by step. */
import type { Model, ModelEvent, ModelFailure, ModelRequest, ModelToolCall, Models } from "#core/llm/model.ts"

export type ScriptStep =
  | { say: string; thenCall?: ModelToolCall[] }
  | { call: ModelToolCall[] }
  | { fail: Partial<ModelFailure> }
  /** Says this, then waits until it is aborted. */
  | { hang: string }
  | ((request: ModelRequest) => ScriptStep | Promise<ScriptStep>)

export type ScriptedModel = Model & { requests: ModelRequest[] }

const usage = { inputTokens: 10, cachedInputTokens: 0, outputTokens: 5, costUsdMicros: 7 }

/** After the last step it repeats it. */
export function scriptedModel(steps: ScriptStep[], { contextTokens = 100_000 } = {}): ScriptedModel {
  const requests: ModelRequest[] = []
  let next = 0
  async function* stream(request: ModelRequest, { signal }: { signal: AbortSignal }): AsyncGenerator<ModelEvent> {
    requests.push(structuredClone(request))
    let step = steps[Math.min(next++, steps.length - 1)]
    while (typeof step === "function") step = await step(request)
    if (!step) throw new Error("The script is empty")
    if ("hang" in step) {
      if (step.hang) yield { type: "text", text: step.hang }
      if (!signal.aborted)
        await new Promise<void>((resolve) => signal.addEventListener("abort", () => resolve(), { once: true }))
      yield { type: "failed", failure: failure({ kind: "aborted", message: "Aborted" }), model: "fake/fake", usage }
      return
    }
    if ("fail" in step) {
      yield { type: "failed", failure: failure(step.fail), model: "fake/fake", usage }
      return
    }
    const calls = "call" in step ? step.call : (step.thenCall ?? [])
    if ("say" in step) for (const word of step.say.match(/\S+\s*/g) ?? []) yield { type: "text", text: word }
    for (const call of calls) yield { type: "tool_call", call }
    yield { type: "finished", reason: calls.length > 0 ? "tool_calls" : "stop", model: "fake/fake", usage }
  }
  return {
    id: "fake/fake",
    contextTokens,
    maxOutputTokens: 4_096,
    sees: { images: true, thinking: true, tools: true },
    stream,
    requests,
  }
}

export function oneModel(model: Model): Models {
  return { get: () => model, defaultId: model.id, list: async () => [], status: () => [] }
}

function failure(given: Partial<ModelFailure>): ModelFailure {
  return { message: "It failed", kind: "bad_request", status: 400, retryable: false, retryAfterMs: null, ...given }
}
