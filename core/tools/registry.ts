/** Which tools exist. Their bodies are kept apart from their cards: only the authorize gate can take one. */
import type { ToolOffer } from "../llm/model.ts"
import type { Tool } from "./tool.ts"

export type ToolCard = Omit<Tool, "run">
export type ToolBody = Tool["run"]

export type Registry = {
  find(name: string): ToolCard | undefined
  list(): ToolCard[]
  /** As the model is shown them, in a stable order (a changed order would break vendors' prompt caches). null: all. */
  offers(allowed: readonly string[] | null): ToolOffer[]
}

export function createRegistry(tools: readonly Tool[]): {
  registry: Registry
  take: (name: string) => ToolBody | undefined
} {
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
    parameters: JSON.parse(JSON.stringify(input)),
  }))
  return {
    registry: {
      find: (name) => cards.get(name),
      list: () => [...cards.values()],
      offers: (allowed) => (allowed ? offers.filter(({ name }) => allowed.includes(name)) : offers),
    },
    take: (name) => byName.get(name)?.run,
  }
}
