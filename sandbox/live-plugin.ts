/** A plugin that runs, for those who do more with it than call its tools. */
import type { GuestCode } from "./child/guest.ts"
import type { PluginPin } from "./plugin.ts"

/** A version that the owner agreed to and that is there, with its code. */
export type LivePlugin = { pin: PluginPin; code: GuestCode }
export type PluginWatcher = {
  tookUp(): void
  /** Its last moment with all that it was granted. Throws where what belongs to it could not be taken away: then it stays. */
  removing(plugin: { name: string; live: LivePlugin | null }): Promise<void>
  /** It is gone, and none of its calls is under way: what those left goes too. Never throws. */
  removed(name: string): Promise<void>
}
