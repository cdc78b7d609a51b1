import { describe, expect, test } from "bun:test"
import { AppError } from "#core/errors.ts"
import { vendorNamed, vendors } from "#core/llm/catalogue.ts"
import { chooseDefault, createKeyFor, keyNames, type KeyFor, type LlmSettings } from "#core/llm/settings.ts"
import { settings } from "./rig.ts"

const noKeys: KeyFor = () => null
const keyOf =
  (...names: string[]): KeyFor =>
  (vendor) =>
    names.includes(vendor.name) ? { name: "X", value: "x" } : null
const set = (more: Partial<LlmSettings>): LlmSettings => ({ ...settings, ...more })

function thrownBy(work: () => unknown): AppError {
  try {
    work()
  } catch (error) {
    if (error instanceof AppError) return error
  }
  throw new Error("no AppError was thrown")
}

describe("the default model", () => {
  test("is the demo when nothing is configured and no key is there", () => {
    expect(chooseDefault(settings, noKeys)).toBe("demo/demo")
  })
  test("is that of a vendor whose key is in the environment", () => {
    expect(chooseDefault(settings, keyOf("groq"))).toBe("groq/openai/gpt-oss-120b")
    expect(chooseDefault(settings, keyOf("openai", "anthropic"))).toBe("anthropic/claude-sonnet-5")
  })
  test("is what is configured, whatever keys are there", () => {
    expect(chooseDefault(set({ backend: "openai", model: "gpt-4o" }), keyOf("anthropic"))).toBe("openai/gpt-4o")
    expect(chooseDefault(set({ backend: "demo" }), keyOf("anthropic"))).toBe("demo/demo")
    expect(chooseDefault(set({ backend: "ollama", model: "qwen3:8b" }), noKeys)).toBe("ollama/qwen3:8b")
  })
  test("is never a local server that nobody configured", () => {
    expect(chooseDefault(settings, keyOf("ollama", "vllm", "openai_compatible"))).toBe("demo/demo")
  })
  test("may be named with its vendor", () => {
    expect(chooseDefault(set({ model: "gemini/gemini-2.5-pro" }), noKeys)).toBe("gemini/gemini-2.5-pro")
    expect(chooseDefault(set({ backend: "google", model: "gemini/gemini-2.5-pro" }), noKeys)).toBe(
      "gemini/gemini-2.5-pro",
    )
    expect(chooseDefault(set({ model: "claude-sonnet-4-5" }), noKeys)).toBe("anthropic/claude-sonnet-4-5")
  })
  test("keeps a model's own slashes", () => {
    expect(chooseDefault(set({ backend: "openrouter", model: "anthropic/claude-sonnet-4.5" }), noKeys)).toBe(
      "openrouter/anthropic/claude-sonnet-4.5",
    )
    expect(chooseDefault(set({ backend: "openrouter" }), noKeys)).toBe("openrouter/openrouter/auto")
  })
  test("of an address without a backend is an OpenAI-compatible server's", () => {
    expect(chooseDefault(set({ baseUrl: "http://127.0.0.1:9/v1", model: "any" }), noKeys)).toBe("openai_compatible/any")
  })
  test("must be named where the backend has none of its own", () => {
    expect(thrownBy(() => chooseDefault(set({ backend: "vllm" }), noKeys))).toMatchObject({ code: "model.unknown" })
  })
})

test("bedrock is refused with the way that works", () => {
  const error = thrownBy(() => chooseDefault(set({ backend: "bedrock" }), noKeys))
  expect(error.code).toBe("model.unsupported")
  expect(error.hint).toContain("LLM_BACKEND=openai_compatible")
})

test("a backend that does not exist is refused with those that do", () => {
  const error = thrownBy(() => chooseDefault(set({ backend: "opnai" }), noKeys))
  expect(error.code).toBe("model.unknown")
  expect(error.hint).toContain("openai_compatible")
})

test("LLM_API_KEY is the key of the configured backend alone", () => {
  const groq = set({ backend: "groq" })
  expect(keyNames(vendorNamed("groq"), groq)).toEqual(["GROQ_API_KEY", "LLM_API_KEY"])
  expect(keyNames(vendorNamed("openai"), groq)).toEqual(["OPENAI_API_KEY"])
  const keyFor = createKeyFor({ settings: () => groq, lookup: (name) => (name === "LLM_API_KEY" ? " secret " : null) })
  expect(keyFor(vendorNamed("groq"))).toEqual({ name: "LLM_API_KEY", value: "secret" })
  expect(keyFor(vendorNamed("openai"))).toBeNull()
})

test("an empty key is none", () => {
  const keyFor = createKeyFor({ settings: () => settings, lookup: () => "" })
  expect(vendors.map(keyFor).every((key) => key === null)).toBe(true)
})
