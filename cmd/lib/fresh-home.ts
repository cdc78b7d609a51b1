/** Whether a home is one on which nothing was set up: looked at before every chat, so it loads nothing of the wizard. */
import { existsSync } from "node:fs"
import { join } from "node:path"
import type { LoadedConfig } from "#core/config.ts"
import { vendors } from "#core/llm/catalogue.ts"
import type { Setting } from "./setting.ts"
import { progressOf } from "./wizard-progress.ts"

/** Nobody has set anything up yet, in no way: a chat would begin with the stand-in, and not by the owner's choice. */
export function isFresh({ home }: Setting, { config, environment }: LoadedConfig): boolean {
  if (progressOf(home).read() !== null) return true
  if (existsSync(home.configFile) || existsSync(join(home.paths.db, "pgdata"))) return false
  const keys = ["model.backend", "model.name", "model.base_url", "database.url"] as const
  if (keys.some((key) => config.sources[key].from !== "default")) return false
  return !vendors.some(({ keyNames }) => keyNames.some((name) => environment.get(name) !== undefined))
}
