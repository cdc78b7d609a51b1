/** `ironclaw tool config`: what can be set of a plugin, read and changed. */
import { AppError } from "#core/errors.ts"
import type { PluginSetting } from "#sandbox/plugin-config.ts"
import { withPresence } from "../lib/presence.ts"
import { type Ui, visible } from "../lib/ui.ts"
import { askVerb } from "../lib/verbs.ts"

export const config = askVerb({
  meta: {
    description:
      "Shows what can be set of a plugin, or one setting; with a value sets it, at this terminal: the code that appears here is typed back",
    examples: [
      "ironclaw tool config web-search",
      "ironclaw tool config web-search searxng_url http://127.0.0.1:8888",
      "ironclaw tool config web-search --unset searxng_url",
    ],
  },
  args: {
    name: { type: "positional", description: "The plugin's name" },
    key: { type: "positional", required: false, description: "The setting" },
    value: { type: "positional", required: false, description: "What to set it to" },
    unset: { type: "string", valueHint: "key", description: "A setting to put back to its default" },
  },
  async ask({ client, args: { name, key, value, unset }, signal }) {
    const at = client.api.plugins({ name }).config
    if (unset !== undefined && key !== undefined) throw new AppError("usage.wrong", "Either a key, or --unset with one")
    if (unset === undefined && value === undefined)
      return { items: (await at.get()).items, key: key ?? null, changed: false }
    const values = unset === undefined ? { [key ?? ""]: value ?? "" } : { [unset]: null }
    const { items } = await withPresence((presence) => at.patch({ body: { values, presence } }), signal)
    return { items, key: unset ?? key ?? null, changed: true }
  },
  show({ items, key, changed }, { ui, args }) {
    const shown = key === null ? items : items.filter((one) => one.key === key)
    if (key !== null && shown.length === 0) {
      if (!changed) ui.warn(`${args.name} has no setting "${visible(key)}"`)
      return
    }
    showSettings(shown, ui)
  },
  status: ({ items, key, changed }) => (key !== null && !changed && !items.some((one) => one.key === key) ? 1 : 0),
})

export function showSettings(settings: readonly PluginSetting[], ui: Ui): void {
  ui.table(
    settings,
    [
      { title: "key", value: ({ key }) => key },
      { title: "value", value: (one) => valueWords(one), shrinks: true },
      { title: "what it is", value: (one) => visible(aboutOf(one)), shrinks: true },
    ],
    "It has no settings.",
  )
}

function valueWords({ value, default: standard, isRequired }: PluginSetting): string {
  if (value !== null) return visible(String(value))
  if (standard !== null) return `${visible(String(standard))} (default)`
  return isRequired ? "not set, and needed" : "not set"
}

function aboutOf({ description, choices, isEndpoint }: PluginSetting): string {
  if (choices) return `${description} (${choices.join(", ")})`
  return isEndpoint ? `${description} (an address that it may then reach)` : description
}
