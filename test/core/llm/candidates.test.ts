import { describe, expect, test } from "bun:test"
import { systemClock } from "#core/clock.ts"
import { createCandidates } from "#core/llm/candidates.ts"
import type { FetchFor } from "#core/llm/wire.ts"
import { startModelServer } from "#test/fakes/model-server.ts"
import { ask, fetchTo, settings } from "./rig.ts"

const { signal } = new AbortController()

function rig({ fetchFor, lookup = () => null }: { fetchFor: FetchFor; lookup?: (name: string) => string | null }) {
  return createCandidates({
    settings: () => ({ ...settings, backend: "anthropic", model: "claude-x", fallbacks: ["demo/demo"] }),
    lookup,
    addressOf: () => null,
    fetchFor,
    clock: systemClock,
    jitter: () => 0,
    redact: (text) => text,
    onFailure() {},
    waits: null,
  })
}

describe("servers on this machine", () => {
  test("every usual loopback address is asked, no key is shown there, and what answers with models is listed", async () => {
    const asked: { vendor: string; baseUrl: string; credential: unknown }[] = []
    const candidates = rig({
      lookup: () => "sk-stored-key",
      fetchFor: ({ vendor, baseUrl, credential }) => {
        asked.push({ vendor: vendor.name, baseUrl, credential })
        return async () => {
          if (vendor.name === "ollama") return Response.json({ data: [{ id: "qwen3" }] })
          if (vendor.name === "vllm") return new Response("<html>a page of somebody's own", { status: 200 })
          throw new Error("ECONNREFUSED")
        }
      },
    })
    expect(await candidates.local({ signal })).toEqual([
      { vendor: "ollama", title: "Ollama", baseUrl: "http://127.0.0.1:11434/v1", models: ["qwen3"] },
    ])
    expect(asked.map(({ vendor }) => vendor)).toEqual(["ollama", "lmstudio", "vllm", "llamacpp"])
    expect(
      asked.every(({ baseUrl, credential }) => credential === null && baseUrl.startsWith("http://127.0.0.1:")),
    ).toBe(true)
  })
})

describe("a model that is not set up", () => {
  test("is asked at its own address with its own key, and so is the list of its vendor", async () => {
    const server = startModelServer()
    const seen: unknown[] = []
    const candidates = rig({
      lookup: () => "sk-stored-key",
      fetchFor: (to) => {
        seen.push([to.vendor.name, to.baseUrl, to.credential])
        return fetchTo(server.url)(to)
      },
    })
    const candidate = { backend: "openai", baseUrl: `${server.url}/v1`, key: "sk-typed-key" }
    expect(await candidates.available(candidate, { signal })).toContain("fake-model")
    const events = await Array.fromAsync(candidates.model(candidate, "fake-model").stream(ask("hello"), { signal }))
    expect(events.at(-1)).toMatchObject({ type: "finished", model: "openai/fake-model" })
    const credential = { header: "authorization", value: "Bearer sk-typed-key", secretName: "OPENAI_API_KEY" }
    expect(seen).toEqual(seen.map(() => ["openai", `${server.url}/v1`, credential]))
    await server.stop()
  })

  test("fails as itself: no other model answers for it, and its key is in no message", async () => {
    const server = startModelServer()
    server.script({ status: 401, message: "no such key: sk-typed-key", times: 9 })
    const candidate = { backend: "openai", baseUrl: `${server.url}/v1`, key: "sk-typed-key" }
    const model = rig({ fetchFor: fetchTo(server.url) }).model(candidate, "fake-model")
    const events = await Array.fromAsync(model.stream(ask("hello"), { signal }))
    expect(events.at(-1)).toMatchObject({ type: "failed", model: "openai/fake-model", failure: { kind: "auth" } })
    expect(JSON.stringify(events)).not.toContain("sk-typed-key")
    await server.stop()
  })
})
