/** `ironclaw usage`: what the models have cost, through the API. */
import type { UsageGroup } from "#gateway/deps.ts"
import { askVerb, usdText } from "./lib/verbs.ts"

const groupings = ["day", "model", "agent", "session", "purpose"] as const
type Grouping = (typeof groupings)[number]

export default askVerb({
  meta: {
    description: "Shows calls, tokens and costs of the models",
    examples: ["ironclaw usage", "ironclaw usage --by model", "ironclaw usage --since 2026-11-01 --by session --json"],
  },
  args: {
    by: { type: "enum", options: [...groupings], default: "day", description: "What to group by" },
    since: { type: "string", valueHint: "date", description: "From this ISO date or time on" },
    until: { type: "string", valueHint: "date", description: "Up to this ISO date or time" },
  },
  ask: async ({ client, args }) => {
    const by: Grouping = groupings.find((grouping) => grouping === args.by) ?? "day"
    return client.api.usage.get({
      query: { by, ...(args.since ? { since: args.since } : {}), ...(args.until ? { until: args.until } : {}) },
    })
  },
  show({ items }, { ui, args }) {
    const total: UsageGroup = {
      group: "total",
      calls: sum(items, (row) => row.calls),
      inputTokens: sum(items, (row) => row.inputTokens),
      cachedInputTokens: sum(items, (row) => row.cachedInputTokens),
      outputTokens: sum(items, (row) => row.outputTokens),
      costUsdMicros: sum(items, (row) => row.costUsdMicros),
    }
    const number = (value: number) => value.toLocaleString("en")
    ui.table(
      items.length > 1 ? [...items, total] : items,
      [
        { title: args.by, value: (row: UsageGroup) => row.group, shrinks: true },
        { title: "calls", value: (row: UsageGroup) => number(row.calls), align: "right" },
        { title: "input", value: (row: UsageGroup) => number(row.inputTokens), align: "right" },
        { title: "cached", value: (row: UsageGroup) => number(row.cachedInputTokens), align: "right" },
        { title: "output", value: (row: UsageGroup) => number(row.outputTokens), align: "right" },
        { title: "cost", value: (row: UsageGroup) => usdText(row.costUsdMicros), align: "right" },
      ],
      "No model was called in that time.",
    )
  },
})

function sum(items: readonly UsageGroup[], value: (row: UsageGroup) => number): number {
  return items.reduce((all, row) => all + value(row), 0)
}
