/**
 * Hooks that come with plugins: what the chain needs of whoever holds them, which stands above it. They are asked after the owner's own
 * hooks of the same point, and what they make comes from outside, whatever it says of itself: the owner agreed to code, and wrote none
 * of its words.
 */
import type { HookOutput } from "./program.ts"
import type { Hook } from "./store.ts"

/** `problem`: the owner agreed to it, and it is not there as they did: it is asked nothing, and nothing passes it. */
export type HookPlugin = { kind: "plugin"; plugin: string; sha256: string; problem: string | null }
/** Its name is `plugin:NAME:POINT`, which no hook of the owner's can be called. */
export type PluginHook = Omit<Hook, "form" | "position"> & { form: HookPlugin }
export type AnyHook = Hook | PluginHook

export type PluggedHooks = {
  /** Those of active plugins, by name; one that nothing happened to is the same object. */
  current(): readonly PluginHook[]
  /** Never throws. */
  ask(hook: PluginHook, how: { input: string; signal: AbortSignal }): Promise<HookOutput>
}

/** For a house without plugins. */
export const noPluggedHooks: PluggedHooks = {
  current: () => [],
  ask: async () => ({ ok: false, fault: "there are no plugins", detail: "" }),
}

export function isPluginHook(hook: AnyHook): hook is PluginHook {
  return hook.form.kind === "plugin"
}

/** What its words are labelled with as their source. */
export function hookSource({ name, form }: AnyHook): string {
  return form.kind === "plugin" ? `plugin:${form.plugin}` : `hook:${name}`
}

/** The owner's way to be rid of a hook of this name. */
export function wayOut(name: string): string {
  const [kind, plugin = ""] = name.split(":")
  return kind === "plugin" ? `ironclaw tool disable ${plugin}` : `ironclaw hook remove ${name}`
}
