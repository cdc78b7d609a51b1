/** `ironclaw status`: never opens the database. A running service says how it is; without one the lock, the configuration and the files speak. */
import { type Dirent, existsSync, readdirSync, statfsSync, statSync } from "node:fs"
import { join } from "node:path"
import { systemClock } from "#core/clock.ts"
import { type Config, loadConfig } from "#core/config.ts"
import { withoutPassword } from "#core/config-problems.ts"
import { AppError, type ErrorBody } from "#core/errors.ts"
import { type LockHolder, readDied, readLock } from "#core/home-lock.ts"
import { type Home, judgePrivateFolder } from "#core/home.ts"
import type { ServiceStatus } from "#gateway/deps.ts"
import { findService } from "./lib/connect.ts"
import { seeSetting, type Setting } from "./lib/setting.ts"
import { type Ui, visible } from "./lib/ui.ts"
import { defineVerb } from "./lib/verb.ts"
import { usdText } from "./lib/verbs.ts"
import { version } from "./lib/version.ts"

type FileFact = { name: string; path: string; exists: boolean; bytes: number }
type ConfigFact =
  | {
      ok: true
      model: { backend: string | null; name: string | null }
      database: string
      gateway: string
      approvals: string
      dayUsd: number | "none"
    }
  | { ok: false; error: ErrorBody }

export default defineVerb({
  meta: {
    description: "Shows what runs, where, and with which configuration; never opens the database",
    examples: ["ironclaw status", "ironclaw status --json"],
  },
  args: {},
  async run({ flags, ui, signal }) {
    const setting = seeSetting(flags)
    const { home } = setting
    const problem = homeProblem(home)
    // Nobody is asked through a home that others can change.
    const service = problem === null ? await findService({ home, signal }) : null
    const running = service === null ? null : await service.client.api.status.get({ signal })
    const lock = problem === null ? readLock(home) : null
    const died = problem === null ? readDied(home) : null
    const configuration = await configFact(setting)
    const files = fileFacts(home)
    const warnings = [
      ...(problem === null ? [] : [problem]),
      ...(running?.warnings ?? []),
      ...diedWarning(died),
      ...roomWarnings(home),
    ]
    return {
      data: { version, home: home.root, service: running, lock, configuration, files, warnings },
      show() {
        const lines: [string, string][] = [
          ["ironclaw", version],
          ["home", home.root],
          ...(running
            ? serviceLines(running, ui)
            : ([
                [
                  "service",
                  lock
                    ? `starting, or not answering: ${holderText(lock)}`
                    : "not running (start it with `ironclaw serve`, or just `ironclaw`)",
                ],
              ] satisfies [string, string][])),
          ...configLines(configuration, ui),
          ...files
            .filter(({ exists }) => exists)
            .map(({ name, path, bytes }): [string, string] => [name, `${path} (${sizeText(bytes)})`]),
        ]
        const width = Math.max(...lines.map(([name]) => name.length))
        for (const [name, text] of lines) ui.print(`${ui.style.bold(name.padEnd(width))}  ${text}`)
        for (const line of warnings) ui.print(`${ui.style.yellow("warning".padEnd(width))}  ${visible(line)}`)
        if (warnings.length > 0) ui.note("`ironclaw doctor` says more.")
      },
    }
  },
})

function serviceLines(running: ServiceStatus, ui: Ui): [string, string][] {
  const { red, green, yellow } = ui.style
  const { turns, database, jobs, approvals, today } = running
  const failed = jobs.failedToday > 0 ? `, ${red(`${jobs.failedToday} failed today`)}` : ""
  return [
    ["service", `${green("running")} with pid ${running.pid} for ${uptimeText(running.startedAt)}`],
    ...(running.died
      ? ([
          [
            "came back",
            `the service before, started ${running.died.startedAt}, ended without a stop; what it had begun goes on`,
          ],
        ] satisfies [string, string][])
      : []),
    ["address", running.addresses.map(visible).join(", ") || "its socket only"],
    ["database", `${database.ok ? green("ok") : red("failing")} (${database.kind}) ${visible(database.detail)}`],
    ["model", visible(running.model)],
    [
      "turns",
      `${turns.running} running, ${turns.queued} queued, ${turns.suspended} suspended, in ${running.sessions} sessions`,
    ],
    ["jobs", `${jobs.running} running, ${jobs.queued} queued${failed}`],
    [
      "approvals",
      approvals === 0 ? "nothing waits for you" : `${yellow(`${approvals} wait for you`)}: \`ironclaw approval list\``,
    ],
    ["today", `${usdText(today.costUsdMicros)} for ${today.calls} model calls`],
  ]
}

/** By the wall clock, which is all that two processes share; one that jumped tells a wrong span, never a negative one. */
function uptimeText(startedAt: string): string {
  const seconds = Math.max(0, Math.floor((systemClock.nowMs() - Date.parse(startedAt)) / 1_000))
  const [days, hours, minutes] = [seconds / 86_400, (seconds / 3_600) % 24, (seconds / 60) % 60].map(Math.floor)
  if (days) return `${days} d ${hours} h`
  if (hours) return `${hours} h ${minutes} min`
  return minutes ? `${minutes} min` : `${seconds} s`
}

function homeProblem(home: Home): string | null {
  if (!existsSync(home.root)) return null
  try {
    judgePrivateFolder(home.root)
    return null
  } catch (error) {
    if (error instanceof AppError) return error.message
    throw error
  }
}

function diedWarning(died: LockHolder | null): string[] {
  if (died === null) return []
  return [
    `The service that started at ${died.startedAt} ended without a stop; what it had begun goes on at the next start`,
  ]
}

/** Below it the database soon cannot write: the doctor's own measure. */
const LEAST_BYTES = 200e6

function roomWarnings(home: Home): string[] {
  if (!existsSync(home.root)) return []
  const { bavail, bsize } = statfsSync(home.root)
  return bavail * bsize < LEAST_BYTES ? [`Only ${sizeText(bavail * bsize)} are free where the home is`] : []
}

function configLines(fact: ConfigFact, ui: Ui): [string, string][] {
  if (!fact.ok) return [["config", `${ui.style.red("wrong")}: ${visible(fact.error.message)}`]]
  const model = [fact.model.backend, fact.model.name].filter((part) => part !== null).join("/")
  return [
    [
      "config",
      `model ${visible(model) || "chosen by the keys that are there"}, ${visible(fact.database)} database, ${fact.approvals} approvals`,
    ],
    ["gateway", visible(fact.gateway)],
    ["limit", fact.dayUsd === "none" ? "no limit by day" : `$${fact.dayUsd} a day`],
  ]
}

async function configFact(setting: Setting): Promise<ConfigFact> {
  let config: Config
  try {
    config = (await loadConfig(setting)).config
  } catch (error) {
    if (error instanceof AppError) return { ok: false, error: error.toBody() }
    throw error
  }
  const { model, database, gateway, approvals, limits } = config
  return {
    ok: true,
    model: { backend: model.backend, name: model.name },
    database: database.kind === "postgres" ? withoutPassword(database.url ?? "") : "embedded",
    gateway: `${gateway.host}:${gateway.port}`,
    approvals: approvals.level,
    dayUsd: limits.day_usd,
  }
}

function fileFacts(home: Home): FileFact[] {
  return [
    { name: "config.toml", path: home.configFile },
    { name: ".env", path: home.envFile },
    ...Object.entries(home.paths).map(([name, path]) => ({ name, path })),
  ].map(({ name, path }) => {
    const stat = statSync(path, { throwIfNoEntry: false })
    return {
      name,
      path,
      exists: stat !== undefined,
      bytes: stat === undefined ? 0 : stat.isDirectory() ? folderBytes(path) : stat.size,
    }
  })
}

/** Sizes by name, not by what links point to; a file that goes away meanwhile counts nothing. */
function folderBytes(path: string): number {
  let entries: Dirent[]
  try {
    entries = readdirSync(path, { withFileTypes: true, recursive: true })
  } catch {
    return 0 // unreadable or gone: the size is a remark, not worth failing for
  }
  return entries
    .filter((entry) => entry.isFile())
    .reduce(
      (sum, entry) => sum + (statSync(join(entry.parentPath, entry.name), { throwIfNoEntry: false })?.size ?? 0),
      0,
    )
}

function holderText({ what, pid }: { what: string; pid: number | null }): string {
  return `\`ironclaw ${visible(what)}\`${pid === null ? "" : ` with pid ${pid}`}`
}

function sizeText(bytes: number): string {
  const units = ["B", "KB", "MB", "GB", "TB"]
  let size = bytes
  let unit = 0
  while (size >= 1_000 && unit < units.length - 1) {
    size /= 1_000
    unit++
  }
  return `${unit === 0 ? size : size.toFixed(1)} ${units[unit] ?? ""}`
}
