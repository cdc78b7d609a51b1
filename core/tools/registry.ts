/** Which tools exist. Their bodies are kept apart from their cards: only the authorize gate can take one. */
import type { ToolOffer } from "../llm/model.ts"
import type { Tool } from "./tool.ts"
import { createToolRank, type ToolRank } from "./tool-rank.ts"

export type ToolCard = Omit<Tool, "run">
export type ToolBody = Tool["run"]

export type Registry = {
  find(name: string): ToolCard | undefined
  list(): ToolCard[]
  /** As the model is shown them, in a stable order (a changed order would break vendors' prompt caches). null: all. */
  offers(allowed: readonly string[] | null): ToolOffer[]
  /** All that fit a need in plain words, best first: whoever shows them leaves out what the turn may not use. */
  rank: ToolRank
}

/** Bounds that a model seldom comes near, or that a description names. The shape gate judges them all the same, and its refusal names the one that was passed. */
const UNSHOWN: readonly string[] = ["minLength", "maxLength", "minItems", "maxItems", "minimum", "maximum"]

/** The schema as a model needs it, for every request carries every tool: without those bounds, and literals as one list. */
function shownSchema(schema: unknown): unknown {
  if (Array.isArray(schema)) return schema.map(shownSchema)
  if (schema === null || typeof schema !== "object") return schema
  const entries = Object.entries(schema).filter(
    ([key, value]) =>
      !(UNSHOWN.includes(key) && typeof value === "number") &&
      !(key === "pattern" && typeof value === "string") &&
      !(key === "additionalProperties" && value === false),
  )
  const shown = Object.fromEntries(
    // A record says so with a pattern that every name matches; vendors know the other way.
    entries.map(([key, value]) =>
      key === "patternProperties" ? ["additionalProperties", shownSchema(recordOf(value))] : [key, shownSchema(value)],
    ),
  )
  const { anyOf, ...rest } = shown
  const literals = Array.isArray(anyOf) ? anyOf.flatMap((one: unknown) => literalOf(one) ?? []) : []
  return Array.isArray(anyOf) && anyOf.length === literals.length ? { type: "string", enum: literals, ...rest } : shown
}

function recordOf(patterns: unknown): unknown {
  const values: unknown[] = Object.values(patterns ?? {})
  return values.length === 1 ? values[0] : true
}

function literalOf(schema: unknown): string | null {
  return schema !== null && typeof schema === "object" && "const" in schema && typeof schema.const === "string"
    ? schema.const
    : null
}

/** Tools of others come and go while builtin ones stay. */
export type OpenRegistry = {
  registry: Registry
  /** The body of this provider's tool; undefined where somebody else has the name by now. */
  take: (name: string, provider: string) => ToolBody | undefined
  /** From now on these are the tools that are not builtin: all at once, in place of those before. Throws where two share a name. */
  supply(tools: readonly Tool[]): void
}

export function createRegistry(builtins: readonly Tool[]): OpenRegistry {
  let shelf = shelve(builtins)
  return {
    registry: {
      find: (name) => shelf.cards.get(name),
      list: () => [...shelf.cards.values()],
      offers: (allowed) => (allowed ? shelf.offers.filter(({ name }) => allowed.includes(name)) : shelf.offers),
      rank: (query) => shelf.rank()(query),
    },
    take(name, provider) {
      const tool = shelf.byName.get(name)
      return tool?.provider === provider ? tool.run : undefined
    },
    supply(tools) {
      shelf = shelve([...builtins, ...tools])
    },
  }
}

function shelve(tools: readonly Tool[]) {
  const byName = new Map<string, Tool>()
  for (const tool of [...tools].sort((a, b) => (a.name < b.name ? -1 : 1))) {
    if (byName.has(tool.name)) throw new Error(`Two tools are called ${tool.name}`)
    byName.set(tool.name, tool)
  }
  const card = ({ run: _run, ...shown }: Tool): ToolCard => shown
  const cards = new Map([...byName].map(([name, tool]) => [name, card(tool)]))
  const offers = [...byName.values()].map(({ name, description, input }): ToolOffer => ({
    name,
    description,
    parameters: shownSchema(JSON.parse(JSON.stringify(input))) as ToolOffer["parameters"], // an object stays one
  }))
  // Made when somebody looks for the first time, once for these tools.
  let ranks: ToolRank | null = null
  const rank = () => (ranks ??= createToolRank([...byName.values()]))
  return { byName, cards, offers, rank }
}
