import { describe, expect, test } from "bun:test"
import { modelRows } from "#core/llm/catalogue-models.ts"
import {
  findVendor,
  modelRow,
  splitModelId,
  vendorNamed,
  vendorOfModel,
  vendors,
  withVersionPath,
} from "#core/llm/catalogue.ts"

describe("the rows", () => {
  test("name every vendor once, with an address or a reason to have none", () => {
    const names = vendors.map(({ name }) => name)
    expect(new Set(names).size).toBe(names.length)
    for (const name of [
      "openai",
      "anthropic",
      "gemini",
      "nearai",
      "openrouter",
      "groq",
      "mistral",
      "xai",
      "deepseek",
      "together",
      "tinfoil",
      "ollama",
      "lmstudio",
      "vllm",
      "llamacpp",
      "openai_compatible",
      "demo",
    ]) {
      expect(names).toContain(name)
    }
    for (const { name, baseUrl, local } of vendors) {
      if (!local) expect(baseUrl).toMatch(/^https:\/\//)
      else if (baseUrl) expect(baseUrl).toMatch(/^http:\/\/127\.0\.0\.1:/)
      else expect(["openai_compatible", "demo"]).toContain(name)
    }
  })

  test("have whole prices with a source and a date, and windows that make sense", () => {
    for (const { name, price, contextTokens, maxOutputTokens } of modelRows) {
      expect(contextTokens).toBeGreaterThan(maxOutputTokens)
      if (!price) continue
      for (const one of [
        price.inputUsdMicros,
        price.cachedInputUsdMicros,
        price.cacheWriteUsdMicros,
        price.outputUsdMicros,
      ])
        expect(Number.isInteger(one)).toBe(true)
      expect(price.cachedInputUsdMicros, name).toBeLessThanOrEqual(price.inputUsdMicros)
      expect(price.source.length).toBeGreaterThan(0)
      if (price.inputUsdMicros > 0) expect(price.asOf).toMatch(/^20\d\d-\d\d-\d\d$/)
    }
  })

  test("belong to vendors that exist", () => {
    for (const row of modelRows) if (row.vendor !== "local") expect(findVendor(row.vendor)).not.toBeNull()
  })
})

describe("a model's row", () => {
  const named = (vendor: string, name: string) => modelRow(vendorNamed(vendor), name)
  test("is the longest that fits", () => {
    expect(named("openai", "gpt-5-mini-2025-08-07").name).toBe("gpt-5-mini*")
    expect(named("openai", "gpt-5-2025-08-07").name).toBe("gpt-5*")
    expect(named("openai", "gpt-5.4-mini").name).toBe("gpt-5.4-mini*")
    expect(named("anthropic", "claude-sonnet-4-5-20250929").price?.inputUsdMicros).toBe(3_000_000)
  })
  test("that nobody knows has no price and a modest window", () => {
    expect(named("openrouter", "some/new-model")).toMatchObject({
      price: null,
      contextTokens: 128_000,
      sees: { tools: true },
    })
  })
  test("on one's own machine is free, at an address of one's own choice it is unknown", () => {
    expect(named("ollama", "anything").price?.inputUsdMicros).toBe(0)
    expect(named("openai_compatible", "anything").price).toBeNull()
    expect(named("openai_compatible", "llama3.1").price).toBeNull()
  })
  test("writes calls as text only where it says so", () => {
    expect(modelRows.filter(({ textCalls }) => textCalls).every(({ vendor }) => vendor === "local")).toBe(true)
    expect(named("openai", "hermes3").textCalls).toBe(false)
  })
})

test("an id is split at its vendor, and a model's own slashes stay", () => {
  expect(splitModelId("openrouter/openai/gpt-5")).toMatchObject({
    vendor: { name: "openrouter" },
    name: "openai/gpt-5",
  })
  expect(splitModelId("meta-llama/Llama-3")).toBeNull()
  expect(splitModelId("openai/")).toBeNull()
  expect(vendorOfModel("claude-opus-4-5")?.name).toBe("anthropic")
  expect(vendorOfModel("llama3.1")).toBeNull()
})

test("an address without a path gets the wire's version; one with a path is left alone", () => {
  expect(withVersionPath("http://localhost:11434", "openai")).toBe("http://localhost:11434/v1")
  expect(withVersionPath("http://localhost:11434/", "openai")).toBe("http://localhost:11434/v1")
  expect(withVersionPath("https://x.example/openai/v1/", "openai")).toBe("https://x.example/openai/v1")
  expect(withVersionPath("https://x.example", "google")).toBe("https://x.example/v1beta")
})
