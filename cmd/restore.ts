/** `ironclaw restore`: brings everything back from a backup, into an empty home, or with --force in the place of what is there. */
import { resolve } from "node:path"
import { systemClock } from "#core/clock.ts"
import { loadConfig } from "#core/config.ts"
import { homeLocked, readLock, takeLock } from "#core/home-lock.ts"
import { readPassphrase } from "./lib/hidden-text.ts"
import type { Restored } from "./lib/restore.ts"
import type { RestorePlan } from "./lib/restore-plan.ts"
import { openSetting, seeSetting } from "./lib/setting.ts"
import { type Ui, visible } from "./lib/ui.ts"
import { defineVerb } from "./lib/verb.ts"

export default defineVerb({
  meta: {
    description:
      "Brings everything back from a backup: into an empty home, or with --force in the place of what is there",
    examples: [
      "ironclaw restore ironclaw.backup",
      "ironclaw restore ironclaw.backup --dry-run",
      "ironclaw restore ironclaw.backup --home ~/other",
      "ironclaw restore ironclaw.backup --force --passphrase-stdin < passphrase.txt",
    ],
  },
  args: {
    file: { type: "positional", description: "The file that `ironclaw backup` made" },
    "dry-run": { type: "boolean", description: "Check the file whole and say what would happen; change nothing" },
    force: { type: "boolean", description: "Replace what is there; the state before is kept in backups/" },
    "passphrase-stdin": { type: "boolean", description: "Read the passphrase from stdin instead of asking" },
  },
  async run({ args, flags, ui, signal }) {
    const path = resolve(args.file)
    const { readBackupHeader } = await import("#core/db/backup-file.ts")
    await readBackupHeader(path) // what is no backup is said before anybody types
    const dryRun = args["dry-run"] ?? false
    // A look makes no home.
    const setting = dryRun ? seeSetting(flags) : openSetting({ flags, ui })
    const { home } = setting
    const loaded = await loadConfig(setting)
    for (const warning of loaded.warnings) ui.warn(warning)
    const passphrase = await readPassphrase({
      fromStdin: args["passphrase-stdin"] ?? false,
      judge: () => {},
      ui,
      signal,
    })
    if (dryRun) {
      const progress = ui.progress("Checking the backup")
      const onProgress = (text: string) => progress.update(text)
      const { planRestore } = await import("./lib/restore-plan.ts")
      const plan = await planRestore({ setting, loaded, path, passphrase, signal, onProgress }).finally(progress.stop)
      return { data: plan, show: () => showPlan(plan, ui) }
    }
    const { findKeyLock } = await import("./lib/key-passphrase.ts")
    const keyLock = await findKeyLock({ home, loaded, ui, signal })
    const lock = takeLock({ home, clock: systemClock, what: "restore", as: "verb" })
    if (!lock) throw homeLocked(home, readLock(home), ": stop it first")
    const progress = ui.progress("Checking the backup")
    try {
      const { restoreBackup } = await import("./lib/restore.ts")
      const restored = await restoreBackup({
        setting,
        loaded,
        clock: systemClock,
        path,
        passphrase,
        keyLock,
        force: args.force ?? false,
        signal,
        onProgress: (text) => progress.update(text),
        onWarning: (warning) => ui.warn(visible(warning.message)),
      })
      return { data: restored, show: () => show(restored, ui) }
    } finally {
      progress.stop()
      lock.release()
    }
  },
})

function show(
  { createdAt, rows, database, kept, auditIntact, withoutEmbeddings, ended, grants, config, plugins, skills }: Restored,
  ui: Ui,
): void {
  ui.print(
    `${rows} rows of the backup of ${visible(createdAt)} are back in the ${database === "embedded" ? "built-in database" : "Postgres server"}`,
  )
  if (kept !== null) ui.print(`What was there before is in ${kept}`)
  if (config) ui.print("config.toml is back too, without where the database is")
  ui.note(
    `API tokens were left out; ${ended.approvals} open approvals, ${ended.turns} turns and ${ended.jobs} jobs were ended.`,
  )
  if (grants > 0) ui.note(`${grants} grants hold again: what was allowed for good is allowed. Look at them.`)
  if (plugins.length + skills.length > 0)
    ui.note(`To be installed again: ${visible([...plugins, ...skills].join(", "))}`)
  if (withoutEmbeddings)
    ui.note("The server has no pgvector: what was known of meanings is made again where there is one.")
  if (!auditIntact) ui.warn("The audit log does not verify; it did not when the backup was made either.")
}

function showPlan(
  { createdAt, version, rows, bytes, database, replaces, inUse, key, config, plugins, skills }: RestorePlan,
  ui: Ui,
): void {
  const size = `${rows} rows, ${(bytes / 1e6).toFixed(1)} MB`
  ui.print(
    `The backup is whole: ${size}, made at ${visible(createdAt)} by version ${visible(version)}. Nothing was changed.`,
  )
  ui.print(`It would go into the ${database === "embedded" ? "built-in database" : "Postgres server"} of this home.`)
  if (replaces)
    ui.print("There is a database already: it would take --force unless that is empty, and it would be kept.")
  if (inUse !== null) ui.warn(`${inUse} uses the home: it has to be stopped first.`)
  ui.print(
    key === "backup"
      ? "The backup's own master key would come with it."
      : "Everything would be sealed under SECRETS_MASTER_KEY.",
  )
  if (config) ui.print("config.toml would come back too, for there is none.")
  if (plugins.length + skills.length > 0)
    ui.note(`To be installed again: ${visible([...plugins, ...skills].join(", "))}`)
  ui.note("API tokens, open approvals and what was running do not come back.")
}
