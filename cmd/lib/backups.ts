/** Backups as the API makes and lists them: what of the home goes into one, where it is put, one at a time. */
import { timingSafeEqual } from "node:crypto"
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
import { sha256Hex } from "#core/safety/fingerprint.ts"
import type { BackupFace, BackupRequest } from "#gateway/deps.ts"
import { version } from "./version.ts"

export const BACKUP_ENDING = ".ironclaw-backup"

/** Wrong passphrases within an hour, after which none is compared with the owner's: trying out must not be cheaper here than on a file. */
const MAX_WRONG = 10
const WRONG_WINDOW_MS = 3_600_000

export type BackupsDeps = {
  db: Db
  writer: Writer
  clock: Clock
  home: Home
  masterKey: () => Pick<MasterKey, "reveal">
  /** The passphrase that the owner has set for backups; null where there is none. */
  passphrase: () => string | null
}

export type Backups = BackupFace & {
  /** One that the service makes by itself, read back whole before it counts. Throws what `create` throws, and `backup.damaged`. */
  createByItself(request: { passphrase: string; signal: AbortSignal }): Promise<BackupResult>
}

export function createBackups({
  db,
  writer,
  clock,
  home,
  masterKey,
  passphrase: ownersPassphrase,
}: BackupsDeps): Backups {
  let running: BackupProgress | null = null
  const wrongAtMs: number[] = []

  function judge({ passphrase, output }: BackupRequest): void {
    if (output !== null && !isAbsolute(output)) throw new AppError("input.invalid", "/output: is no absolute path")
    judgePassphrase(passphrase)
  }

  type Request = { passphrase: string; path: string; by: "owner" | "host"; signal: AbortSignal }
  async function make({ passphrase, path, by, signal }: Request): Promise<BackupResult> {
    if (running) throw new AppError("conflict", "A backup is being made already", { hint: "Wait until it is done." })
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
    judge,
    needsNoProof({ passphrase, output }) {
      const known = ownersPassphrase()
      if (output !== null || known === null) return false
      while (wrongAtMs[0] !== undefined && wrongAtMs[0] <= clock.monotonicMs() - WRONG_WINDOW_MS) wrongAtMs.shift()
      if (wrongAtMs.length >= MAX_WRONG) return false
      const isRight = timingSafeEqual(Buffer.from(sha256Hex(passphrase)), Buffer.from(sha256Hex(known)))
      if (!isRight) wrongAtMs.push(clock.monotonicMs())
      return isRight
    },
    async create({ signal, ...request }) {
      judge(request)
      const path = request.output ?? backupPath(home, clock)
      return make({ passphrase: request.passphrase, path, by: "owner", signal })
    },
    async createByItself({ passphrase, signal }) {
      judge({ passphrase, output: null })
      return make({ passphrase, path: backupPath(home, clock, "scheduled"), by: "host", signal })
    },
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
export function contentsOf(home: Home, key: Pick<MasterKey, "reveal">): BackupContents {
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
