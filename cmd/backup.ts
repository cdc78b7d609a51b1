/** `ironclaw backup`: everything into one file that only its passphrase opens, while the service runs or without one. */
import { resolve } from "node:path"
import { systemClock } from "#core/clock.ts"
import { judgePassphrase } from "#core/db/backup-cipher.ts"
import { requestBackup } from "./lib/backup-request.ts"
import { readPassphrase } from "./lib/hidden-text.ts"
import { defineVerb } from "./lib/verb.ts"
import { listVerb, timeText, withClient } from "./lib/verbs.ts"

/** How often the way it has come is asked for, to be shown. */
const LOOK_EVERY_MS = 300

type Listed = { path: string; bytes: number; createdAt: string; version: string }

const list = listVerb({
  meta: {
    description: "Lists the backups in the home's backups folder, the newest first",
    examples: ["ironclaw backup list"],
  },
  args: {},
  page: async ({ client, signal }, { limit }) => {
    const { items } = await client.api.backups.get({ signal })
    return { items: items.toSorted((a, b) => b.createdAt.localeCompare(a.createdAt)).slice(0, limit) }
  },
  columns: [
    { title: "made", value: (row: Listed) => timeText(row.createdAt) },
    { title: "size", value: ({ bytes }) => `${(bytes / 1e6).toFixed(1)} MB`, align: "right" },
    { title: "version", value: ({ version }) => version },
    { title: "file", value: ({ path }) => path, shrinks: true },
  ],
  whenEmpty:
    "There is none: `ironclaw backup` makes one, `ironclaw secret set BACKUP_PASSPHRASE` has the service make them.",
})

const backup = defineVerb({
  meta: {
    description:
      "Writes everything into one encrypted file: conversations, memory, secrets, the master key, the configuration",
    examples: [
      "ironclaw backup",
      "ironclaw backup list",
      "ironclaw backup --output /mnt/usb/ironclaw.backup",
      "ironclaw backup --passphrase-stdin < passphrase.txt",
    ],
  },
  args: {
    output: {
      type: "string",
      alias: "o",
      description: "The new file (default: in the home's backups folder)",
      valueHint: "file",
    },
    "passphrase-stdin": { type: "boolean", description: "Read the passphrase from stdin instead of asking" },
  },
  async run(context) {
    const { args, ui, signal } = context
    const passphrase = await readPassphrase({
      fromStdin: args["passphrase-stdin"] ?? false,
      again: "Once more",
      judge: judgePassphrase,
      ui,
      signal,
    })
    judgePassphrase(passphrase)
    const body = { passphrase, ...(args.output === undefined ? {} : { output: resolve(args.output) }) }
    const made = await withClient(context, "backup", (client) => {
      const watched = async <T>(work: () => Promise<T>): Promise<T> => {
        const progress = ui.progress("Backing up")
        const done = new AbortController()
        const look = async () => {
          while (!done.signal.aborted) {
            await systemClock.sleep(LOOK_EVERY_MS, done.signal).catch(() => {}) // the end of the backup is the end of looking
            if (done.signal.aborted) return
            const { running } = await client.api.backups.get()
            if (running) progress.update(`Backing up ${running.table}: ${running.rows} rows`)
          }
        }
        // Only to show; what is wrong with the service is told by the request that matters.
        const looking = look().catch(() => {})
        try {
          return await work()
        } finally {
          done.abort()
          await looking
          progress.stop()
        }
      }
      return requestBackup(client, body, { watched, signal })
    })
    const show = () => {
      ui.print(`${made.path} holds ${made.rows} rows in ${(made.bytes / 1e6).toFixed(made.bytes < 1e6 ? 2 : 1)} MB`)
      ui.note("Without the passphrase nobody can open it, you included. Keep both, apart from each other.")
    }
    return { data: made, show }
  },
})

export default { ...backup, subCommands: { list } }
