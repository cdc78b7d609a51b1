/** /api/models: which models there are, how they do, and which one is used. */
import { Elysia } from "elysia"
import { t } from "#core/schema.ts"
import type { ModelFailure } from "#core/llm/model.ts"
import { type Calls, demandHome } from "../caller.ts"
import type { GatewayDeps } from "../deps.ts"
import { body, query } from "../shape.ts"

const strict = { additionalProperties: false }
const model = t.String({ minLength: 1, maxLength: 200, description: "As <vendor>/<model>" })
const ListQuery = t.Object(
  { live: t.Optional(t.Boolean({ description: "Ask the vendors for their lists too" })) },
  strict,
)
const DefaultBody = t.Object({ model }, strict)
const candidate = {
  backend: t.String({ minLength: 1, maxLength: 64, description: "Whose model, such as anthropic or ollama" }),
  baseUrl: t.Optional(t.String({ maxLength: 2_000, description: "Where it is not the vendor's own address" })),
  key: t.Optional(t.String({ minLength: 1, maxLength: 10_000, description: "Used for this request, and not kept" })),
}
const AvailableBody = t.Object(candidate, strict)
const TestBody = t.Object(
  {
    model: t.Optional(model),
    candidate: t.Optional(
      t.Object(
        { ...candidate, model: t.String({ minLength: 1, maxLength: 200, description: "As its vendor names it" }) },
        { ...strict, description: "A model that is not set up, to see that it answers before it is" },
      ),
    ),
  },
  strict,
)

/** Long enough to see that the model answers, too short to cost anything; models that think first need the room. */
const TEST_OUTPUT_TOKENS = 256
const TEST_TIMEOUT_MS = 60_000 // a local model that has to be loaded first

export function modelRoutes({ models, candidates, setDefaultModel, usage, clock }: GatewayDeps, calls: Calls) {
  return new Elysia({ prefix: "/api/models" })
    .get(
      "/",
      async ({ query: { live = false }, request }) => {
        if (live) calls.of(request).meta.holdOpen()
        return { default: models.defaultId, items: await models.list({ live, signal: request.signal }) }
      },
      { query: query(ListQuery), detail: { operationId: "models.list", summary: "Models by vendor, with prices" } },
    )
    .get("/status", () => ({ default: models.defaultId, items: models.status() }), {
      detail: { operationId: "models.status", summary: "How the models used since the start do" },
    })
    .get("/local", async ({ request }) => ({ items: await candidates.local({ signal: request.signal }) }), {
      detail: { operationId: "models.local", summary: "Model servers that answer on this machine" },
    })
    .post(
      "/available",
      async ({ body: { backend, baseUrl = null, key = null }, request }) => {
        const call = calls.of(request)
        demandHome(call, "Asking a server that is not set up") // a key would go wherever the caller says
        call.meta.holdOpen()
        return { names: await candidates.available({ backend, baseUrl, key }, { signal: request.signal }) }
      },
      {
        body: body(AvailableBody),
        detail: { operationId: "models.available", summary: "What a vendor that is not set up yet lists" },
      },
    )
    .put(
      "/default",
      async ({ body: { model: id } }) => {
        models.get(id) // throws model.unknown, model.no_key
        return setDefaultModel(id)
      },
      {
        body: body(DefaultBody),
        detail: { operationId: "models.set-default", summary: "Choose the model of everything that names none" },
      },
    )
    .post(
      "/test",
      async ({ body: { model: id = null, candidate: tried }, request }) => {
        const call = calls.of(request)
        if (tried) demandHome(call, "Asking a model that is not set up")
        await usage.check({ agentId: "main", sessionId: null, turnId: null })
        const asked = tried
          ? candidates.model(
              { backend: tried.backend, baseUrl: tried.baseUrl ?? null, key: tried.key ?? null },
              tried.model,
            )
          : models.get(id)
        call.meta.holdOpen()
        const startedMs = clock.monotonicMs()
        let text = ""
        let failure: ModelFailure | null = null
        let answered = asked.id
        const answer = asked.stream(
          {
            system: [],
            messages: [{ role: "user", content: [{ type: "text", text: "Answer with the single word: ready" }] }],
            tools: [],
            maxOutputTokens: TEST_OUTPUT_TOKENS,
            trusted: true,
          },
          { signal: AbortSignal.any([request.signal, AbortSignal.timeout(TEST_TIMEOUT_MS)]) },
        )
        for await (const event of answer) {
          if (event.type === "text") text += event.text
          if (event.type !== "finished" && event.type !== "failed") continue
          answered = event.model
          if (event.type === "failed") failure = event.failure
          await usage.record({ agentId: "main", purpose: "test", model: event.model, usage: event.usage })
        }
        return {
          model: answered,
          ok: failure === null,
          text: text.trim().slice(0, 200),
          failure,
          durationMs: Math.round(clock.monotonicMs() - startedMs),
        }
      },
      { body: body(TestBody), detail: { operationId: "models.test", summary: "Ask a model for one word" } },
    )
}
