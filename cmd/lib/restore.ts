/** Puts a backup in the place of what a home has: all of it or nothing. Called with the home's lock held and no service running. */
import { existsSync } from "node:fs"
import { join } from "node:path"
import { forgetAuditHead } from "#core/audit-head.ts"
import type { Clock } from "#core/clock.ts"
import type { LoadedConfig } from "#core/config.ts"
import { unsetConfigValue } from "#core/config-edit.ts"
import { type BackupAbout, writeBackup } from "#core/db/backup.ts"
import { proveBackup } from "#core/db/backup-read.ts"
import { isEmptyDatabase, type Loaded, loadBackup } from "#core/db/backup-restore.ts"
import { finishReplacement, prepareReplacement, replaceDatabase } from "#core/db/backup-swap.ts"
import type { Db } from "#core/db/db.ts"
import { type DbConfig, openDb } from "#core/db/open.ts"
import { loadSnapshot } from "#core/db/snapshot.ts"
import { AppError } from "#core/errors.ts"
import { createPrivateFile, writePrivateFile } from "#core/home-file.ts"
import { resealAuthority } from "#core/safety/reseal.ts"
import type { KeyLock } from "#core/secrets/key-lock.ts"
import { type Keychain, systemKeychain } from "#core/secrets/keychain.ts"
import {
  ENVIRONMENT_NAME,
  knownKeyId,
  type MasterKey,
  masterKeyOf,
  openMasterKey,
  promoteKey,
  stageKey,
} from "#core/secrets/master-key.ts"
import { keyChangeStatements } from "#core/secrets/rotation.ts"
import { backupPath, contentsOf } from "./backups.ts"
import { databaseOf } from "./from-config.ts"
import type { Setting } from "./setting.ts"
import { version } from "./version.ts"

export type RestoreRequest = {
  setting: Setting
  loaded: LoadedConfig
  clock: Clock
  path: string
  passphrase: string
  /** Opens this home's master key where that is sealed by a passphrase of its own; the backup's key is sealed by it then. */
  keyLock: KeyLock | null
  force: boolean
  onProgress: (text: string) => void
  onWarning: (warning: AppError) => void
  signal: AbortSignal
}

export type Restored = Loaded & {
  createdAt: string
  database: Db["kind"]
  /** Where the state before is; null where there was none. */
  kept: string | null
  /** config.toml was brought back, because the home had none. */
  config: boolean
  /** What was installed there and has to be installed here. */
  plugins: string[]
  skills: string[]
}

/** Throws `backup.…`, `key.…`, and what the database throws; then nothing is changed. */
export async function restoreBackup(request: RestoreRequest): Promise<Restored> {
  const { setting, loaded, clock, path, passphrase, keyLock: lock, onProgress, signal } = request
  const { home } = setting
  const count = (what: string) => (progress: { table: string; rows: number }) =>
    onProgress(`${what} ${progress.table}: ${progress.rows} rows`)
  const about = await proveBackup({ path, passphrase, signal, onProgress: count("Checking") })
  const keychain = systemKeychain({ place: home.root, clock })
  const key = targetKey(about, loaded)
  const target = databaseOf(loaded.config, home)
  const place = { ...request, keychain, target }
  const load = (db: Db) =>
    loadBackup({
      db,
      clock,
      path,
      passphrase,
      signal,
      onProgress: count("Restoring"),
      // Rows that were sealed under the backup's key are sealed under ours where it is another one, and ended approvals in any case.
      finish: async (tx) => {
        const changes =
          key.to.id === key.from.id
            ? await resealAuthority(tx, key)
            : (await keyChangeStatements({ db: tx, ...key, reseal: [resealAuthority] })).statements
        for (const statement of changes) await tx.query(statement)
        if (key.to.source !== "environment") await stageKey({ home, lock }, key.to)
      },
    })

  const { done, kept } =
    target.kind === "embedded"
      ? await restoreEmbedded({ ...place, dir: target.dir }, load)
      : await restorePostgres(place, load)
  if (key.to.source !== "environment") await promoteKey({ home, keychain, lock }, key.to)
  forgetAuditHead(home)
  const config = await restoreConfig(request, about)
  return {
    ...done,
    createdAt: about.createdAt,
    database: target.kind,
    kept,
    config,
    plugins: about.plugins,
    skills: about.skills,
  }
}

/** The backup's own key comes back with it, unless the owner's environment says another one: then everything is sealed under that. */
export function targetKey(about: BackupAbout, loaded: LoadedConfig): { from: MasterKey; to: MasterKey } {
  const from = masterKeyOf(about.masterKey, "file")
  const environment = loaded.environment.get(ENVIRONMENT_NAME)
  return { from, to: environment === undefined ? from : masterKeyOf(environment, "environment") }
}

type Place = RestoreRequest & { keychain: Keychain; target: DbConfig }
type Load = (db: Db) => Promise<Loaded>
type Outcome = { done: Loaded; kept: string | null }

/** Built beside the old one, which need not even open, and then put in its place. */
async function restoreEmbedded({ dir, ...place }: Place & { dir: string }, load: Load): Promise<Outcome> {
  const { setting, clock, force, keychain } = place
  const { home } = setting
  finishReplacement(dir)
  const isThere = existsSync(join(dir, "data"))
  if (isThere && !force) await refuseUsed(place)
  const built = prepareReplacement(dir)
  const db = await openDb({ config: { kind: "embedded", dir: built }, clock, onWarning: () => {}, loadSnapshot })
  let done: Loaded
  try {
    done = await load(db)
  } finally {
    await db.close()
  }
  const kept = join(home.folder("backups"), `before-restore-${clock.iso().replaceAll(/[:.]/g, "-")}`)
  const before = isThere ? await storedKeyText(home.root, keychain) : null
  replaceDatabase({ dir, kept })
  // The key goes where its database went: without it, what was kept could not be read.
  if (before !== null && existsSync(kept)) writePrivateFile(join(kept, "master.key"), before)
  return { done, kept: isThere ? kept : null }
}

/** One transaction in the database itself; what was there before goes into a backup of its own, under the same passphrase. */
async function restorePostgres(place: Place, load: Load): Promise<Outcome> {
  const { setting, loaded, clock, passphrase, force, target, signal, onWarning, keychain, onProgress } = place
  const { home } = setting
  const db = await openDb({ config: target, clock, onWarning, loadSnapshot })
  try {
    if (await isEmptyDatabase(db)) return { done: await load(db), kept: null }
    if (!force) throw notEmpty("The database")
    if ((await knownKeyId(db)) === null) return { done: await load(db), kept: null }
    const key = await openMasterKey({
      db,
      clock,
      home,
      keychain,
      environment: loaded.environment.get(ENVIRONMENT_NAME),
      lock: place.keyLock,
    })
    const kept = backupPath(home, clock, "before-restore")
    await writeBackup({
      db,
      clock,
      path: kept,
      passphrase,
      version,
      contents: contentsOf(home, key),
      signal,
      onProgress: ({ table, rows }) => onProgress(`Keeping ${table}: ${rows} rows`),
    })
    return { done: await load(db), kept }
  } finally {
    await db.close()
  }
}

/** Throws where the database that is there was used, or cannot be looked into. */
async function refuseUsed({ clock, target }: Place): Promise<void> {
  const db = await openDb({ config: target, clock, onWarning: () => {}, loadSnapshot }).catch((cause: unknown) => {
    throw new AppError("backup.not_empty", "The home has a database, and it does not open", { cause })
  })
  try {
    if (!(await isEmptyDatabase(db))) throw notEmpty("The home")
  } finally {
    await db.close()
  }
}

function notEmpty(what: string): AppError {
  return new AppError("backup.not_empty", `${what} has conversations, documents or secrets already`)
}

async function storedKeyText(root: string, keychain: Keychain): Promise<string | null> {
  const file = Bun.file(join(root, "master.key"))
  return (await file.exists()) ? file.text() : keychain.read()
}

/** Only where there is none: what this machine says of itself stays. Where the database is, is never taken over. */
async function restoreConfig({ setting, onWarning }: RestoreRequest, { config }: BackupAbout): Promise<boolean> {
  const { home } = setting
  if (config === null || existsSync(home.configFile)) return false
  if (!createPrivateFile(home.configFile, config)) return false
  for (const key of ["database.kind", "database.url", "database.ca_file"]) {
    try {
      await unsetConfigValue({ ...setting, key })
    } catch (error) {
      if (!(error instanceof AppError)) throw error
      onWarning(error)
    }
  }
  return true
}
