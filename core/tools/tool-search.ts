/** tool_search: the tools that are not shown with every request, found in plain words. It offers; what a call may do is judged as ever. */
import { t } from "../schema.ts"
import type { Registry } from "./registry.ts"
import { defineTool, type Tool } from "./tool.ts"

export const TOOL_SEARCH = "tool_search"
/** So many are shown whole; beyond it a model is shown a few, and this. Every one of them is paid for with every request. */
export const MAX_SHOWN_WHOLE = 20

const MAX_FOUND = 8
/** Of an answer: below what a model sees of one text, so that none is ever cut in the middle. */
const MAX_ANSWER_CHARACTERS = 12_000
/** Names alone, where nothing fits. */
const MAX_NAMES = 60

const Input = t.Object(
  {
    query: t.String({ minLength: 1, maxLength: 300, description: "What is to be done, in English, or a tool's name" }),
  },
  { additionalProperties: false },
)

/** It shows nothing that is not in the list, so whoever may use more than can be shown may look for them. null: all. */
export function withToolSearch(allowed: readonly string[] | null): readonly string[] | null {
  return allowed === null || allowed.length <= MAX_SHOWN_WHOLE ? allowed : [...new Set([...allowed, TOOL_SEARCH])]
}

/** What a call of the search found, read from its arguments, which come from a model. */
export function searchedFor(given: unknown): string | null {
  const query = typeof given === "object" && given !== null && "query" in given ? given.query : null
  return typeof query === "string" ? query.slice(0, 300) : null
}

/** The names that `query` finds among those that a turn may use; the same as long as the tools are. */
export function findTools(
  registry: Pick<Registry, "rank">,
  { query, allowed }: { query: string; allowed: readonly string[] | null },
): string[] {
  return registry
    .rank(query)
    .filter(({ name }) => name !== TOOL_SEARCH && (allowed?.includes(name) ?? true))
    .slice(0, MAX_FOUND)
    .map(({ name }) => name)
}

/** What a model is told that called a tool which nobody has. */
export function unknownTool(name: string, registry: Pick<Registry, "find">): string {
  const search = registry.find(TOOL_SEARCH) ? `, or look for one with ${TOOL_SEARCH}` : ""
  return `There is no tool called "${name}". Use one of those offered${search}.`
}

export function toolSearchTools({ registry }: { registry: () => Pick<Registry, "rank" | "offers" | "find"> }): Tool[] {
  const search = defineTool({
    name: TOOL_SEARCH,
    description: "Find tools that are not listed here: there are more. Those it finds can be called from then on.",
    input: Input,
    effect: () => "read",
    needs: () => [],
    timeoutMs: 5_000, // a pass over some hundred descriptions
    async run({ query }, { allowedTools: allowed }) {
      const offers = registry().offers(allowed)
      const found = findTools(registry(), { query, allowed }).flatMap(
        (name) => offers.find((offer) => offer.name === name) ?? [],
      )
      // Their words were read by the owner when they agreed to them, as those of the tools that are shown unasked.
      const labels = ["vetted" as const]
      if (found.length === 0) {
        const names = offers.map(({ name }) => name).filter((name) => name !== TOOL_SEARCH)
        const data = {
          tools: [],
          note: "Nothing fits. Say it in other words, or take one of these",
          names: names.slice(0, MAX_NAMES),
        }
        return { data, labels, source: `tool:${TOOL_SEARCH}` }
      }
      let left = MAX_ANSWER_CHARACTERS
      const tools = found.map(({ name, description, parameters }) => {
        const size = JSON.stringify(parameters).length
        const fits = size <= left
        left -= fits ? size : 0
        const from = registry().find(name)?.provider.replace(/@.*$/, "")
        return {
          name,
          ...(from === undefined || from === "builtin" ? {} : { from }),
          description,
          parameters: fits ? parameters : "too long for here: they are listed with the tool from the next step on",
        }
      })
      return { data: { tools }, labels, source: `tool:${TOOL_SEARCH}` }
    },
  })
  return [search]
}
