/** What a restore would do: the file checked whole, the home only looked at; no database is opened and nothing is changed. */
import { existsSync, statSync } from "node:fs"
import { join } from "node:path"
import type { LoadedConfig } from "#core/config.ts"
import { proveBackup } from "#core/db/backup-read.ts"
import { readLock } from "#core/home-lock.ts"
import { targetKey } from "./restore.ts"
import type { Setting } from "./setting.ts"

export type RestorePlan = {
  createdAt: string
  version: string
  bytes: number
  rows: number
  tables: { name: string; rows: number }[]
  database: "embedded" | "postgres"
  /** There is one already: it takes --force, unless it is empty. A server's is not looked at. */
  replaces: boolean
  /** Who holds the home, as a command; null where nobody does. */
  inUse: string | null
  key: "backup" | "environment"
  config: boolean
  plugins: string[]
  skills: string[]
}

export type PlanRequest = {
  setting: Setting
  loaded: LoadedConfig
  path: string
  passphrase: string
  signal: AbortSignal
  onProgress: (text: string) => void
}

/** Throws `backup.…`, and `key.weak` for a key in the environment that could not be used. */
export async function planRestore({
  setting,
  loaded,
  path,
  passphrase,
  signal,
  onProgress,
}: PlanRequest): Promise<RestorePlan> {
  const { home } = setting
  const rowsOf = new Map<string, number>()
  const about = await proveBackup({
    path,
    passphrase,
    signal,
    onProgress({ table, rows }) {
      rowsOf.set(table, rows)
      onProgress(`Checking ${table}: ${rows} rows`)
    },
  })
  const tables = [...rowsOf].map(([name, rows]) => ({ name, rows }))
  const holder = existsSync(home.root) ? readLock(home) : null
  const { kind } = loaded.config.database
  return {
    createdAt: about.createdAt,
    version: about.version,
    bytes: statSync(path).size,
    rows: tables.reduce((sum, { rows }) => sum + rows, 0),
    tables,
    database: kind,
    replaces: kind === "embedded" && existsSync(join(home.paths.db, "pgdata/data")),
    inUse: holder === null ? null : `\`ironclaw ${holder.what}\``,
    key: targetKey(about, loaded).to.source === "environment" ? "environment" : "backup",
    config: about.config !== null && !existsSync(home.configFile),
    plugins: about.plugins,
    skills: about.skills,
  }
}
