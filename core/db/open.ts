/** Opens the one database of a process, whichever engine the configuration names, with every migration applied. */
import type { Clock } from "../clock.ts"
import type { AppError } from "../errors.ts"
import type { Db } from "./db.ts"
import { createDb, type Driver } from "./driver.ts"
import { openEmbedded, spawnEngine } from "./embedded.ts"
import { migrate } from "./migrate.ts"
import { migrations } from "./migrations.ts"
import { openPostgres } from "./postgres.ts"

export type DbConfig =
  /** "memory" is for tests and for looking: everything is gone when it is closed. */
  { kind: "embedded"; dir: string | "memory" } | { kind: "postgres"; url: string; poolSize: number; caFile?: string }

export type OpenDbDeps = {
  config: DbConfig
  clock: Clock
  /** Told of what works less well than it could: no pgvector, no right to create it. */
  onWarning: (warning: AppError) => void
  /** The migrated data directory to begin with (see snapshot.ts), or null. */
  loadSnapshot: () => Promise<Uint8Array<ArrayBuffer> | null>
}

export async function openDb({ config, clock, onWarning, loadSnapshot }: OpenDbDeps): Promise<Db> {
  const driver = await openDriver({ config, clock, loadSnapshot })
  try {
    const { hasVector, warnings } = await migrate({ driver, migrations })
    for (const warning of warnings) onWarning(warning)
    return createDb({ driver, hasVector, clock })
  } catch (error) {
    await driver.close()
    throw error
  }
}

function openDriver({ config, clock, loadSnapshot }: Omit<OpenDbDeps, "onWarning">): Promise<Driver> {
  if (config.kind === "postgres") return openPostgres({ config, clock })
  const dir = config.dir === "memory" ? null : config.dir
  return openEmbedded({
    dir,
    clock,
    spawn: spawnEngine,
    loadImage: dir === null ? () => memoryImage(loadSnapshot, clock) : loadSnapshot,
  })
}

// A constant of this build, so it may be shared: databases in memory begin as copies of the first one.
let image: Promise<Uint8Array<ArrayBuffer>> | undefined

function memoryImage(loadSnapshot: OpenDbDeps["loadSnapshot"], clock: Clock): Promise<Uint8Array<ArrayBuffer>> {
  return (image ??= loadSnapshot().then((snapshot) => snapshot ?? migratedImage(clock)))
}

/** A migrated data directory as a tar, made from nothing. */
export async function migratedImage(clock: Clock): Promise<Uint8Array<ArrayBuffer>> {
  const driver = await openEmbedded({ dir: null, clock, spawn: spawnEngine, loadImage: async () => null })
  try {
    await migrate({ driver, migrations })
    // Nobody makes databases in here: without the templates there are 700 files less to write and to sync at a first start.
    await driver.run([
      { sql: "update pg_database set datistemplate = false where datname like 'template%'", params: [] },
    ])
    for (const name of ["template0", "template1"]) await driver.run([{ sql: `drop database ${name}`, params: [] }])
    await driver.run([{ sql: "vacuum analyze", params: [] }])
    await driver.run([{ sql: "checkpoint", params: [] }])
    return await driver.dump()
  } finally {
    await driver.close()
  }
}
