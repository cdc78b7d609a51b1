/** The channels that are inside this program, one row for each folder here: installed by name, and like any other from then on. */
import type { BundledRow } from "#sandbox/bundled.ts"

export const bundledChannels: Readonly<Record<string, BundledRow>> = {
  relay: async () => ({
    "plugin.json": await import("./relay/plugin.json", { with: { type: "text" } }),
    "plugin.ts": await import("./relay/plugin.ts", { with: { type: "text" } }),
  }),
}
