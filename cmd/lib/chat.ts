import type { LoadedConfig } from "#core/config.ts"
import type { Setting } from "./setting.ts"
import type { Ui } from "./ui.ts"
export async function runChat(_: {
  setting: Setting
  loaded: LoadedConfig
  session: string | undefined
  agent: string | undefined
  model: string | undefined
  verbose: boolean
  ui: Ui
}): Promise<void> {}
