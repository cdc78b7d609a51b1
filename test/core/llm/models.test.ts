import { afterAll, afterEach, describe, expect, test } from "bun:test"
import { AppError } from "#core/errors.ts"
import { startModelServer } from "#test/fakes/model-server.ts"
import { ask, endOf, hear, modelsAt, textOf } from "./rig.ts"

const server = startModelServer()
afterAll(() => server.stop())
afterEach(() => server.reset())

function thrownBy(work: () => unknown): AppError {
  try {
    work()
  } catch (error) {
    if (error instanceof AppError) return error
  }
  throw new Error("no AppError was thrown")
}

describe("get", () => {
  test("gives a model with what its row says", () => {
    const model = modelsAt(server.url).models.get("anthropic/claude-sonnet-4-5-20250929")
    expect(model).toMatchObject({
      id: "anthropic/claude-sonnet-4-5-20250929",
      contextTokens: 200_000,
      maxOutputTokens: 64_000,
      sees: { images: true, thinking: true, tools: true },
    })
  })
  test("takes a name without its vendor where the catalogue or the backend knows it", () => {
    expect(modelsAt(server.url).models.get("gpt-4o").id).toBe("openai/gpt-4o")
    const { models } = modelsAt(server.url, {
      settings: { backend: "openai_compatible", baseUrl: server.url, model: "mine" },
    })
    expect(models.get("meta-llama/Llama-3").id).toBe("openai_compatible/meta-llama/Llama-3")
    expect(models.get(null).id).toBe("openai_compatible/mine")
  })
  test("refuses what does not exist", () => {
    expect(thrownBy(() => modelsAt(server.url).models.get("nonsense/x")).code).toBe("model.unknown")
    expect(thrownBy(() => modelsAt(server.url).models.get("nonsense")).code).toBe("model.unknown")
    expect(thrownBy(() => modelsAt(server.url).models.get("bedrock/claude")).code).toBe("model.unsupported")
  })
  test("refuses a vendor without a key, naming the key and where to get one", () => {
    const error = thrownBy(() => modelsAt(server.url, { keyFor: () => null }).models.get("openai/gpt-4o"))
    expect(error.code).toBe("model.no_key")
    expect(error.hint).toContain("OPENAI_API_KEY")
    expect(error.hint).toContain("https://platform.openai.com/api-keys")
  })
  test("needs no key for a server on one's own machine", () => {
    expect(modelsAt(server.url, { keyFor: () => null }).models.get("ollama/llama3.1").id).toBe("ollama/llama3.1")
  })
  test("refuses an OpenAI-compatible model without an address", () => {
    expect(thrownBy(() => modelsAt(server.url).models.get("openai_compatible/x")).hint).toContain("LLM_BASE_URL")
  })
})

test("the owner's address is used for the backend, with the version path it lacks", async () => {
  const asked: string[] = []
  const { models } = modelsAt(server.url, {
    settings: { backend: "ollama", baseUrl: server.url, model: "llama3.1" },
    keyFor: () => null,
    fetchFor: ({ baseUrl, credential }) => {
      expect(credential).toBeNull()
      asked.push(baseUrl)
      return (url, init) => fetch(url, init)
    },
  })
  expect(textOf(await hear(models.get(null), ask("hi")))).toBe("echo: hi")
  expect(asked).toEqual([`${server.url}/v1`])
  expect(server.requests[0]?.path).toBe("/v1/chat/completions")
})

test("one model can be asked many times at once", async () => {
  server.decide(() => ({ text: "yes", delayMs: 20 }))
  const model = modelsAt(server.url).models.get("openai/gpt-4o")
  const all = await Promise.all(Array.from({ length: 30 }, () => hear(model, ask("hi"))))
  expect(all.every((events) => endOf(events).type === "finished")).toBe(true)
})

describe("list", () => {
  const signal = new AbortController().signal
  test("shows every row with its price, and asks nobody", async () => {
    const rows = await modelsAt(server.url).models.list({ live: false, signal })
    expect(rows.find(({ id }) => id === "openai/gpt-4o")).toEqual({
      id: "openai/gpt-4o",
      vendor: "openai",
      contextTokens: 128_000,
      inputUsdMicrosPerMillion: 2_500_000,
      outputUsdMicrosPerMillion: 10_000_000,
      configured: true,
    })
    expect(rows.some(({ id }) => id === "demo/demo")).toBe(true)
    expect(server.requests).toEqual([])
  })
  test("live, adds what vendors with a key say they have", async () => {
    const { models } = modelsAt(server.url, {
      keyFor: (vendor) => (["openai", "gemini"].includes(vendor.name) ? { name: "K", value: "k" } : null),
    })
    const rows = await models.list({ live: true, signal })
    const live = rows.filter(({ id }) => /(fake|other)-model/.test(id)).map(({ id }) => id)
    expect(live).toEqual(["openai/fake-model", "openai/other-model", "gemini/fake-model"])
    expect(rows.find(({ id }) => id === "openai/fake-model")).toMatchObject({
      inputUsdMicrosPerMillion: null,
      configured: true,
    })
  })
  test("live, goes without vendors that do not answer", async () => {
    const { models } = modelsAt(server.url, { fetchFor: () => () => Promise.reject(new Error("down")) })
    expect((await models.list({ live: true, signal })).length).toBeGreaterThan(50)
  })
})
