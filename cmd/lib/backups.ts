/** Backups as the API makes and lists them: what of the home goes into one, where it is put, one at a time. */
import { existsSync, readdirSync, readFileSync, rmSync, statSync } from "node:fs"
import { isAbsolute, join } from "node:path"
import type { Clock } from "#core/clock.ts"
import { type BackupContents, type BackupProgress, type BackupResult, writeBackup } from "#core/db/backup.ts"
import { judgePassphrase } from "#core/db/backup-cipher.ts"
import { readBackupHeader } from "#core/db/backup-file.ts"
import { proveBackup } from "#core/db/backup-read.ts"
import type { Db, Writer } from "#core/db/db.ts"
import { AppError } from "#core/errors.ts"
import type { Home } from "#core/home.ts"
import type { MasterKey } from "#core/secrets/master-key.ts"
import type { BackupFace } from "#gateway/deps.ts"
import { version } from "./version.ts"

export const BACKUP_ENDING = ".ironclaw-backup"

export type BackupsDeps = { db: Db; writer: Writer; clock: Clock; home: Home; masterKey: () => MasterKey }

export type Backups = BackupFace & {
  /** One that the service makes by itself, read back whole before it counts. Throws what `create` throws, and `backup.damaged`. */
  createByItself(request: { passphrase: string; signal: AbortSignal }): Promise<BackupResult>
}

export function createBackups({ db, writer, clock, home, masterKey }: BackupsDeps): Backups {
  let running: BackupProgress | null = null

  type Request = { passphrase: string; path: string; by: "owner" | "host"; signal: AbortSignal }
  async function make({ passphrase, path, by, signal }: Request): Promise<BackupResult> {
    if (running) throw new AppError("conflict", "A backup is being made already", { hint: "Wait until it is done." })
    judgePassphrase(passphrase)
    running = { table: "", rows: 0 }
    const onProgress = (progress: BackupProgress) => void (running = progress)
    try {
      const contents = contentsOf(home, masterKey())
      const made = await writeBackup({ db, clock, path, passphrase, version, contents, signal, onProgress })
      if (by === "host") await proveOrRemove({ path, passphrase, signal, onProgress })
      const audit = {
        agentId: "main",
        act: "owner.change",
        principal: by,
        subject: "backup",
        outcome: "done",
        preview: `${made.rows} rows, ${made.bytes} bytes`,
        source: by,
      } as const
      await writer.commit({ statements: [], audit: [{ ...audit, labels: [] }] })
      return made
    } finally {
      running = null
    }
  }

  return {
    async list() {
      const folder = home.paths.backups
      const names = existsSync(folder) ? readdirSync(folder).filter((name) => name.endsWith(BACKUP_ENDING)) : []
      const items = names.toSorted().map(async (name) => {
        const path = join(folder, name)
        const { createdAt, version: madeBy } = await readBackupHeader(path)
        return { path, bytes: statSync(path).size, createdAt, version: madeBy }
      })
      // A file that is no backup, or goes while we look, is none to list.
      return (await Promise.allSettled(items)).flatMap((each) => (each.status === "fulfilled" ? [each.value] : []))
    },
    running: () => running,
    async create({ passphrase, output, signal }) {
      const path = output ?? backupPath(home, clock)
      if (!isAbsolute(path)) throw new AppError("input.invalid", "/output: is no absolute path")
      return make({ passphrase, path, by: "owner", signal })
    },
    createByItself: ({ passphrase, signal }) =>
      make({ passphrase, path: backupPath(home, clock, "scheduled"), by: "host", signal }),
  }
}

/** What cannot be read back is no backup: the file goes, for it would be taken for one. */
async function proveOrRemove(request: Parameters<typeof proveBackup>[0]): Promise<void> {
  try {
    await proveBackup(request)
  } catch (error) {
    rmSync(request.path, { force: true })
    throw error
  }
}

/** The default place: the home's `backups`, named by the moment. */
export function backupPath(home: Home, clock: Clock, what = "ironclaw"): string {
  return join(home.folder("backups"), `${what}-${clock.iso().slice(0, 23).replaceAll(/[:.]/g, "-")}${BACKUP_ENDING}`)
}

/** Not `.env` and not the tokens in `run`: they open this house from outside. Plugins and skills are named, for they are installed anew. */
export function contentsOf(home: Home, key: MasterKey): BackupContents {
  const folders = (path: string) =>
    existsSync(path)
      ? readdirSync(path, { withFileTypes: true })
          .filter((entry) => entry.isDirectory())
          .map(({ name }) => name)
      : []
  return {
    masterKey: key.reveal(),
    config: existsSync(home.configFile) ? readFileSync(home.configFile, "utf8") : null,
    plugins: folders(home.paths.plugins),
    skills: folders(home.paths.skills),
  }
}
