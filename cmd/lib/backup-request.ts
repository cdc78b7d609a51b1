/** Asks the service for a backup, and the owner for a code where the service wants one. */
import type { BackupResult } from "#core/db/backup.ts"
import { AppError } from "#core/errors.ts"
import type { Client } from "#gateway/client.ts"
import { withPresence } from "./presence.ts"

/** `watched` runs each request, so that it can be shown how far it is. Throws `presence.…` and what the service refuses it with. */
export async function requestBackup(
  client: Client,
  body: { passphrase: string; output?: string },
  { watched, signal }: { watched: <T>(work: () => Promise<T>) => Promise<T>; signal: AbortSignal },
): Promise<BackupResult> {
  try {
    return await withPresence(
      (presence) => watched(() => client.api.backups.post({ body: { ...body, presence }, signal })),
      signal,
    )
  } catch (error) {
    if (!(error instanceof AppError) || error.code !== "presence.no_terminal") throw error
    throw new AppError(error.code, error.message, {
      cause: error,
      hint: "Run it at a terminal. For scripts: `ironclaw secret set BACKUP_PASSPHRASE` once; with that passphrase, and without --output, nobody is asked.",
    })
  }
}
