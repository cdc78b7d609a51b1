/** A Plugin: an installed folder of a manifest and code that nobody here vetted. What it is called, what it may do, and how far it got. */
import type { HookPoint } from "#core/hooks.ts"
import type { GuestKind } from "./child/guest.ts"
import type { Manifest } from "./manifest.ts"
import type { ConfigValues, PluginSetting } from "./plugin-config.ts"
import type { PluginSecret } from "./plugin-credentials.ts"

/** A tool as its plugin described it when the owner agreed, and never as it describes it later. */
export type PluginTool = {
  name: string
  description: string
  /** JSON Schema, as the plugin wrote it. */
  inputSchema: Record<string, unknown>
  /** MCP's hint that it does harm: it counts as the worst, whatever the manifest says of it. */
  destructive: boolean
}

/** A folder as it was read once: every byte that is judged is a byte that was hashed. */
export type PluginFolder = {
  /** Of names and bytes of all its files. */
  sha256: string
  files: ReadonlyMap<string, Uint8Array>
}

/** What lies in a folder and could be run. */
export type PluginCode = { kind: GuestKind; sha256: string; bytes: Uint8Array }

/** The owner's yes to one version: see the table `plugins`. */
export type PluginPin = {
  name: string
  version: string
  sha256: string
  manifest: Manifest
  tools: readonly PluginTool[]
  state: "active" | "disabled"
  /** What the owner set of it: no part of a version. */
  config: ConfigValues
  /** The key that signed it, and signs whatever is to take its place by itself; null: the owner gave none. */
  publisher: string | null
  createdAt: string
}

/**
 * `inactive`: the owner has not agreed to it, or agreed to another version. `broken`: it cannot be a plugin, or somebody changed its row.
 * `missing`: agreed to, and its folder is not there.
 */
export type PluginState = "active" | "inactive" | "disabled" | "broken" | "missing"

export type PluginStatus = {
  name: string
  kind: "tool" | "channel"
  state: PluginState
  version: string
  sha256: string | null
  description: string
  /** Names of the tools that the owner agreed to. */
  tools: readonly string[]
  /** Where it judges what passes, as the owner agreed to; as it says itself, where nobody knows that any more. */
  hooks: readonly HookPoint[]
  /** What it asks for, in sentences. */
  asks: readonly string[]
  /** What is different from what the owner agreed to; empty where nothing was, or nothing is. */
  changes: readonly string[]
  /** The key that signed what lies there, where that was proved when it was installed. */
  publisher: string | null
  /** What can be set of it, and what was; empty until its owner agreed to it. */
  settings: readonly PluginSetting[]
  /** Which of the owner's secrets its requests are given, and which are not set. */
  secrets: readonly PluginSecret[]
  problems: readonly string[]
}

/** Who acts where this version of a plugin does. */
export function pluginPrincipal({ name, sha256 }: { name: string; sha256: string }): string {
  return `plugin:${name}@${sha256}`
}
