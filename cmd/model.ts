/** `ironclaw model`: which models there are, which one answers, and whether it does. */
import type { ModelListing, ModelStatus } from "#core/llm/model.ts"
import { visible } from "./lib/ui.ts"
import { defineVerbGroup } from "./lib/verb.ts"
import { askVerb, timeText, usdText } from "./lib/verbs.ts"

const list = askVerb({
  meta: {
    description: "Lists models with their prices; those of vendors whose key is there are marked",
    examples: ["ironclaw model list", "ironclaw model list --live", "ironclaw model list --all"],
  },
  args: {
    live: { type: "boolean", description: "Ask the vendors for their own lists too" },
    all: { type: "boolean", description: "Those of vendors without a key too" },
  },
  waiting: "Asking for models",
  async ask({ client, args }) {
    const answer = await client.api.models.get({ query: args.live ? { live: true } : {} })
    return {
      default: answer.default,
      items: args.all ? answer.items : answer.items.filter((row) => row.configured || row.id === answer.default),
    }
  },
  show({ default: used, items }, { ui }) {
    ui.table(
      items,
      [
        { title: "", value: (row: ModelListing) => (row.id === used ? "*" : row.configured ? "" : "-") },
        { title: "model", value: (row: ModelListing) => row.id, shrinks: true },
        { title: "context", value: (row: ModelListing) => row.contextTokens.toLocaleString("en"), align: "right" },
        { title: "in $/M", value: (row: ModelListing) => usdText(row.inputUsdMicrosPerMillion), align: "right" },
        { title: "out $/M", value: (row: ModelListing) => usdText(row.outputUsdMicrosPerMillion), align: "right" },
      ],
      "No vendor's key is there: --all lists what there is.",
    )
    ui.note("* answers when nothing else is said; - has no key")
  },
})

const set = askVerb({
  meta: {
    live: { model: "models" },
    description: "Chooses the model that answers",
    examples: ["ironclaw model set anthropic/claude-sonnet-4-5", "ironclaw model set ollama/qwen3"],
  },
  args: { model: { type: "positional", description: "As vendor/model" } },
  ask: async ({ client, args }) => client.api.models.default.put({ body: { model: args.model } }),
  show(change, { ui }) {
    if (change.problem !== null) ui.warn(visible(change.problem))
    ui.print(`The model is ${visible(String(change.value))}`)
    if (change.source && change.source.from !== "file")
      ui.warn(`${change.source.name} (${change.source.from}) sets it, and goes before config.toml`)
    else if (change.restartNeeded) ui.warn("Restart needed")
  },
})

const test = askVerb({
  meta: {
    live: { model: "models" },
    description: "Asks a model for one word, and says how long it took",
    examples: ["ironclaw model test", "ironclaw model test openai/gpt-5"],
  },
  args: {
    model: { type: "positional", description: "As vendor/model; without it, the one that answers", required: false },
  },
  waiting: "Asking the model",
  ask: async ({ client, args }) =>
    client.api.models.test.post({ body: args.model === undefined ? {} : { model: args.model } }),
  show({ model, ok, text, failure, durationMs }, { ui }) {
    if (ok) ui.print(`${ui.style.green("ok")}  ${visible(model)} answered "${visible(text)}" in ${durationMs} ms`)
    else ui.print(`${ui.style.red("failed")}  ${visible(model)}: ${visible(failure?.message ?? "no answer")}`)
  },
  status: ({ ok }) => (ok ? 0 : 1),
})

const status = askVerb({
  meta: { description: "Shows how the models used since the service started do", examples: ["ironclaw model status"] },
  args: {},
  ask: async ({ client }) => client.api.models.status.get(),
  show({ default: used, items }, { ui }) {
    ui.print(`${visible(used)} answers when nothing else is said`)
    ui.table(
      items,
      [
        { title: "model", value: (row: ModelStatus) => row.id, shrinks: true },
        { title: "state", value: (row: ModelStatus) => row.state },
        { title: "failures", value: (row: ModelStatus) => String(row.failuresInARow), align: "right" },
        { title: "until", value: (row: ModelStatus) => (row.coolingUntil === null ? "" : timeText(row.coolingUntil)) },
        { title: "last failure", value: (row: ModelStatus) => row.lastFailure ?? "", shrinks: true },
      ],
      "None was used yet.",
    )
  },
})

export default defineVerbGroup(
  { description: "Models: list, set, test, status", examples: ["ironclaw model list", "ironclaw model test"] },
  { list, set, test, status },
)
