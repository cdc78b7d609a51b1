/** `ironclaw status`: never opens the database. A running service says how it is; without one the lock, the configuration and the files speak. */
import { type Dirent, readdirSync, statSync } from "node:fs"
import { join } from "node:path"
import { type Config, loadConfig } from "#core/config.ts"
import { withoutPassword } from "#core/config-problems.ts"
import { AppError, type ErrorBody } from "#core/errors.ts"
import { readLock } from "#core/home-lock.ts"
import type { Home } from "#core/home.ts"
import { findService } from "./lib/connect.ts"
import { openSetting, type Setting } from "./lib/setting.ts"
import { type Ui, visible } from "./lib/ui.ts"
import { defineVerb } from "./lib/verb.ts"
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
    const setting = openSetting({ flags, ui })
    const { home } = setting
    const service = await findService({ home, signal })
    const running = service === null ? null : await service.client.api.status.get({ signal })
    const lock = readLock(home)
    const configuration = await configFact(setting)
    const files = fileFacts(home)
    return {
      data: { version, home: home.root, service: running, lock, configuration, files },
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
      },
    }
  },
})

type Running = {
  pid: number
  startedAt: string
  addresses: string[]
  died: { startedAt: string } | null
  database: { kind: string; ok: boolean; detail: string }
  model: string
  turns: { running: number; queued: number; suspended: number }
}

function serviceLines(running: Running, ui: Ui): [string, string][] {
  const { red, green } = ui.style
  const { turns, database } = running
  return [
    ["service", `${green("running")} with pid ${running.pid} since ${running.startedAt}`],
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
    ["turns", `${turns.running} running, ${turns.queued} queued, ${turns.suspended} waiting for an approval`],
  ]
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
