/**
 * Which tools a model is shown with a request. Up to twenty: all. Beyond that a few that nearly every turn needs, what this conversation has
 * used or found, and the search. To be shown is no authority and not to be shown is no refusal: a call of any tool goes through the one
 * pipeline, and is judged there.
 */
import type { ModelMessage, ToolOffer } from "../llm/model.ts"
import type { Registry } from "../tools/registry.ts"
import { findTools, MAX_SHOWN_WHOLE, searchedFor, TOOL_SEARCH } from "../tools/tool-search.ts"

/** What is shown at once, and why a search for it would be paid for in most conversations. */
const ALWAYS: Readonly<Record<string, string>> = {
  agent_spawn: "text from outside is read by it, and the rules of the prompt say so",
  file_list: "with the next, how the project's files are looked at; what changes them is found when it is wanted",
  file_read: "see above",
  memory_append: "what the owner tells is remembered at once, or not at all",
  memory_list: "an own memory that one would have to look for is none",
  memory_read: "see above",
  memory_search: "asked before the model says that it does not know",
  result_read: "what is left out of a long text is named by its handle, and this reads it",
  time_now: "the prompt has the day and no clock",
  web_fetch: "an address in the owner's message is the most common errand",
  [TOOL_SEARCH]: "everything else",
}
/** Besides those: the ones used or found last. What falls out is found again. */
const MAX_MORE = 24

export type OfferedInput = {
  /** What the turn may use; null: every tool. */
  allowed: readonly string[] | null
  /** What the model is sent: nothing that is out of its sight, after a summary or a fresh start, has a say in what it is shown. */
  messages: readonly ModelMessage[]
}

/** Stable for vendors' prompt caches: the few first, in the order of their names, then the others as they came up. */
export function createOffered({ registry }: { registry: Pick<Registry, "offers" | "rank"> }) {
  return function offered({ allowed, messages }: OfferedInput): ToolOffer[] {
    const all = registry.offers(allowed)
    const whole = all.filter(({ name }) => name !== TOOL_SEARCH)
    if (whole.length <= MAX_SHOWN_WHOLE) return whole
    // Without the search the others would be out of reach.
    if (whole.length === all.length) return all
    const byName = new Map(all.map((offer) => [offer.name, offer]))
    /** In the order in which they came up, with the place where each did so last. */
    const more = new Map<string, number>()
    for (const [at, name] of namesIn(messages, { allowed }).entries())
      if (byName.has(name) && !Object.hasOwn(ALWAYS, name)) more.set(name, at)
    const oldest = [...more.values()].sort((a, b) => b - a)[MAX_MORE - 1] ?? 0
    const first = all.filter(({ name }) => Object.hasOwn(ALWAYS, name))
    const later = [...more].flatMap(([name, at]) => (at < oldest ? [] : (byName.get(name) ?? [])))
    return [...first, ...later]
  }

  /** What was called, and what a search found; told by what was looked for, as the tools are now. */
  function namesIn(messages: readonly ModelMessage[], { allowed }: Pick<OfferedInput, "allowed">): string[] {
    const calls = messages.flatMap((message) => (message.role === "assistant" ? message.toolCalls : []))
    return calls.flatMap(({ name, arguments: given }) => {
      const query = name === TOOL_SEARCH ? searchedFor(given) : null
      return query === null ? [name] : findTools(registry, { query, allowed })
    })
  }
}
