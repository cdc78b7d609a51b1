/** The work of `ironclaw update`: what the newest release is, fetching it, trying it, putting it in place, and going back. */
import { existsSync, readFileSync, rmSync } from "node:fs"
import { createHash } from "node:crypto"
import { promisify } from "node:util"
import { gunzip } from "node:zlib"
import { systemClock } from "#core/clock.ts"
import { loadConfig } from "#core/config.ts"
import { judgePassphrase } from "#core/db/backup-cipher.ts"
import { AppError } from "#core/errors.ts"
import {
  judgeRelease,
  type Release,
  type ReleaseFile,
  releaseFileFor,
  releasePath,
  releasePins,
} from "#core/release.ts"
import type { Client } from "#gateway/client.ts"
import { requestBackup } from "./backup-request.ts"
import { readPassphrase } from "./hidden-text.ts"
import { sweepTrials, tryVersion, versionOf } from "./new-version.ts"
import { type OwnProgram, ownProgram, stageProgram, sweep, switchBack, switchTo } from "./own-program.ts"
import { restartService, type RunningService, runningService, stopSuccessor } from "./restart.ts"
import { openSetting, type Setting } from "./setting.ts"
import type { Ui } from "./ui.ts"
import { holdUpdate, readUpdateState, writeUpdateState } from "./update-state.ts"
import type { Outcome, VerbContext } from "./verb.ts"
import { withClient } from "./verbs.ts"
import { isBuilt, releaseNumber, target, version } from "./version.ts"

/** How often a download or a backup is asked how far it is. */
const LOOK_EVERY_MS = 300

type Context = VerbContext<UpdateArgs>
export type UpdateArgs = {
  check: { type: "boolean" }
  rollback: { type: "boolean" }
  "without-backup": { type: "boolean" }
  "passphrase-stdin": { type: "boolean" }
  "keep-running": { type: "boolean" }
}

export async function runUpdate(context: Context): Promise<Outcome> {
  const setting = openSetting(context)
  if (context.args.check) return check(context, setting)
  const own = ownProgram({ path: process.execPath, isBuilt })
  const letGo = holdUpdate(setting.home)
  try {
    sweep(own)
    sweepTrials(setting.home.folder("run"))
    return await (context.args.rollback ? goBack(context, setting, own) : update(context, setting, own))
  } finally {
    letGo()
  }
}

async function newestRelease(context: Context, setting: Setting, client: Client): Promise<Release> {
  const { config } = await loadConfig(setting)
  const { text } = await client.api.update.release.get({ signal: context.signal })
  const release = judgeRelease({
    text,
    keys: [...releasePins.keys, ...config.update.keys],
    nowMs: systemClock.nowMs(),
    newestSeen: Math.max(releaseNumber, readUpdateState(setting.home).newestSeen),
  })
  const state = readUpdateState(setting.home)
  if (release.number > state.newestSeen) writeUpdateState(setting.home, { ...state, newestSeen: release.number })
  return release
}

async function check(context: Context, setting: Setting): Promise<Outcome> {
  const release = await withClient(context, "update --check", (client) => newestRelease(context, setting, client))
  const available = release.number > releaseNumber
  const { ui } = context
  return {
    data: { current: { version, number: releaseNumber }, newest: factsOf(release), available },
    show() {
      if (available)
        ui.print(`ironclaw ${release.version} is there (this is ${version}): \`ironclaw update\` installs it`)
      else ui.print(`ironclaw ${version} is the newest release`)
    },
  }
}

function factsOf({ version: name, number, created, expires }: Release) {
  return { version: name, number, created, expires }
}

async function update(context: Context, setting: Setting, own: OwnProgram): Promise<Outcome> {
  const { ui, signal } = context
  const { home } = setting
  const staged = await withClient(context, "update", async (client) => {
    const release = await newestRelease(context, setting, client)
    if (release.number <= releaseNumber) return { release, path: null, backup: null }
    const file = releaseFileFor(release, target)
    const backup = await backUp(context, client)
    return { release, path: await fetchProgram(context, client, { own, release, file }), backup }
  })
  const { release, path, backup } = staged
  if (path === null) {
    const show = () => ui.print(`ironclaw ${version} is the newest release`)
    return { data: { updated: false, version, number: releaseNumber }, show }
  }
  const progress = ui.progress("Trying the new version")
  try {
    const says = `ironclaw ${release.version} (`
    await tryVersion({
      program: path,
      folder: home.folder("run"),
      says,
      backup,
      signal,
      onProgress: (text) => progress.update(text),
    })
    const before = await runningService({ home, signal })
    signal.throwIfAborted() // the last moment in which leaving changes nothing
    switchTo(own, path)
    const last = { from: version, to: release.version, at: systemClock.iso(), backup: backup?.path ?? null }
    writeUpdateState(home, { newestSeen: release.number, last })
    if (before) progress.update("Restarting the service")
    const service = await takeOver(context, setting, { own, before, backup: backup?.path ?? null, to: release.version })
    const data = { updated: true, from: version, ...factsOf(release), backup: last.backup, service }
    return { data, show: () => tell(ui, `ironclaw ${release.version} is in the place of ${version}`, service) }
  } finally {
    rmSync(path, { force: true })
    progress.stop()
  }
}

async function backUp(context: Context, client: Client): Promise<{ path: string; passphrase: string } | null> {
  const { ui, signal } = context
  if (context.args["without-backup"]) return null
  if (!context.args["passphrase-stdin"]) ui.note("A backup is made first; --without-backup leaves it out.")
  const passphrase = await readPassphrase({
    fromStdin: context.args["passphrase-stdin"] ?? false,
    again: "Once more",
    judge: judgePassphrase,
    ui,
    signal,
  })
  const look = async () => {
    const { running } = await client.api.backups.get()
    return running ? `Backing up ${running.table}: ${running.rows} rows` : null
  }
  const { path } = await requestBackup(
    client,
    { passphrase },
    { watched: (work) => watched(ui, "Backing up", look, work), signal },
  )
  return { path, passphrase }
}

const unpack = promisify(gunzip)

/** Beside this program, verified, whole. The bytes that are judged are the bytes that are written. */
async function fetchProgram(
  { ui, signal }: Context,
  client: Client,
  { own, release, file }: { own: OwnProgram; release: Release; file: ReleaseFile },
): Promise<string> {
  const megabytes = (bytes: number) => (bytes / 1e6).toFixed(bytes < 1e6 ? 2 : 1)
  const packed = await watched(
    ui,
    `Downloading ironclaw ${release.version}`,
    async () => {
      const { running } = await client.api.update.get()
      const share = `${megabytes(running?.bytes ?? 0)} of ${megabytes(file.bytes)} MB`
      return running ? `Downloading ironclaw ${release.version}: ${share}` : null
    },
    () => client.api.update.download.post({ body: { file: releasePath(release, file), maxBytes: file.bytes }, signal }),
  )
  try {
    const bytes = readFileSync(packed.path)
    const damaged = (why: string) => new AppError("release.damaged", `${file.name} ${why}`)
    if (bytes.byteLength < file.bytes) throw damaged(`was cut short: ${bytes.byteLength} of ${file.bytes} bytes came`)
    if (createHash("sha256").update(bytes).digest("hex") !== file.sha256) throw damaged("is not what was signed")
    const program = await unpack(bytes, { maxOutputLength: file.unpacked }).catch((cause: unknown) => {
      throw new AppError("release.damaged", `${file.name} cannot be unpacked`, { cause })
    })
    return stageProgram(own, program)
  } finally {
    rmSync(packed.path, { force: true })
  }
}

/** Runs `work` beside a spinner that says how far it is. */
async function watched<T>(
  ui: Ui,
  text: string,
  look: () => Promise<string | null>,
  work: () => Promise<T>,
): Promise<T> {
  const progress = ui.progress(text)
  const done = new AbortController()
  const looking = (async () => {
    while (!done.signal.aborted) {
      await systemClock.sleep(LOOK_EVERY_MS, done.signal)
      const now = await look()
      if (now !== null) progress.update(now)
    }
  })().catch(() => {}) // only to show; what is wrong is told by the work itself
  try {
    return await work()
  } finally {
    done.abort()
    await looking
    progress.stop()
  }
}

type ServiceFate = "none" | "restarted" | "restart needed"
type TakeOver = { own: OwnProgram; before: RunningService | null; backup: string | null; to: string }

/** Has the service run as the new version; where that does not become ready, everything goes back. Throws `update.went_back`. */
async function takeOver(
  context: Context,
  { home }: Setting,
  { own, before, backup, to }: TakeOver,
): Promise<ServiceFate> {
  // From here on Ctrl-C would leave the service down; a second one ends this process all the same.
  const { signal } = new AbortController()
  if (before === null) return "none"
  // A chat on somebody's terminal, another program, a system that does not tell how it was started: not ours to end.
  const isOurs = before.what === "serve" && (before.how?.program === own.path || before.keeper === "system")
  if (context.args["keep-running"] || !isOurs) return "restart needed"
  const restart = { home, program: own.path, before, signal }
  if (await restartService(restart)) return "restarted"
  switchBack(own)
  await stopSuccessor({ home, signal }, before)
  const isBack = await restartService(restart)
  const data =
    backup === null
      ? ""
      : ` Its data from before is in ${backup}, should the old version not open what the new one left: \`ironclaw restore ${backup} --force\`.`
  throw new AppError(
    "update.went_back",
    `The service did not become ready as ${to}, so ${version} was put back and ${isBack ? "runs again" : "does not become ready either"}.${data}`,
  )
}

async function goBack(context: Context, setting: Setting, own: OwnProgram): Promise<Outcome> {
  const { ui, signal } = context
  const { home } = setting
  const before = await runningService({ home, signal })
  const { last } = readUpdateState(home)
  const to = existsSync(own.previous) ? await versionOf(own.previous, signal) : ""
  signal.throwIfAborted() // as in an update
  switchBack(own)
  const service = await takeOver(context, setting, { own, before, backup: last?.backup ?? null, to })
  const data = { rolledBack: true, from: version, to, backup: last?.backup ?? null, service }
  return {
    data,
    show() {
      tell(ui, `ironclaw ${to} is in the place of ${version}; once more --rollback changes them again`, service)
      if (last?.backup) ui.note(`Should it not open what the newer one left: ironclaw restore ${last.backup} --force`)
    },
  }
}

function tell(ui: Ui, what: string, service: ServiceFate): void {
  ui.print(what)
  if (service === "restarted") ui.print("The service runs as that version, and is ready")
  if (service === "restart needed") ui.warn("The running service stays the old version until it is restarted.")
}
