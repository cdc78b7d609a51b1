/** systemd: the unit of a user's own manager, or of the machine's. */
import { existsSync, mkdirSync, rmSync, writeFileSync } from "node:fs"
import { homedir } from "node:os"
import { dirname, join } from "node:path"
import { AppError } from "#core/errors.ts"
import { reasonOf } from "#core/home.ts"
import type { InitDeps, InitSystem } from "./init-system.ts"
import { isolationOf, systemdUnit } from "./service-unit.ts"

const UNIT = "ironclaw.service"

/** `account`: the user of a system unit; null: the user's own manager. */
export function createSystemd(
  { home, program, env, run }: InitDeps,
  { account }: { account: string | null },
): InitSystem {
  const scope = account === null ? ["--user"] : []
  const folder =
    account === null
      ? join(env["XDG_CONFIG_HOME"] || join(env["HOME"] || homedir(), ".config"), "systemd/user")
      : "/etc/systemd/system"
  const path = join(folder, UNIT)

  async function systemctl(...words: string[]): Promise<string> {
    const { status, stdout, stderr } = await run(["systemctl", ...scope, ...words])
    if (status === 0) return stdout
    const said = (stderr || stdout).trim().split("\n")[0] ?? ""
    throw new AppError("service.failed", `systemctl ${words.join(" ")} ended with ${status}: ${said}`)
  }

  async function version(): Promise<number> {
    const { stdout } = await run(["systemctl", "--version"])
    return Number(/^systemd (\d+)/.exec(stdout)?.[1] ?? 0)
  }

  /** Which of these the manager can do: a user's needs a kernel that lets users make namespaces, and a container may forbid some. */
  async function possible(properties: readonly string[]): Promise<string[]> {
    const probes = properties.map(async (property) => {
      const { status } = await run(["systemd-run", ...scope, "--wait", "--quiet", "-p", property, "true"])
      return status === 0 ? [property] : []
    })
    return (await Promise.all(probes)).flat()
  }

  return {
    name: "systemd",
    unit: path,
    async install() {
      const of = { program, home: home.root }
      const wanted = isolationOf(of)
      const isolation = await possible(wanted)
      const unit = systemdUnit(of, { account, isolation, systemdVersion: await version() })
      try {
        mkdirSync(dirname(path), { recursive: true })
        writeFileSync(path, unit, { mode: 0o644 })
      } catch (cause) {
        throw new AppError("service.failed", `${path} could not be written: ${reasonOf(cause)}`, { cause })
      }
      await systemctl("daemon-reload")
      await systemctl("enable", UNIT)
      const missing = wanted.filter((property) => !isolation.includes(property))
      return {
        remarks:
          missing.length === 0 ? [] : [`This machine cannot do ${missing.join(", ")}, so the unit leaves that out`],
      }
    },
    async uninstall() {
      if (existsSync(path)) await systemctl("disable", "--now", UNIT)
      rmSync(path, { force: true })
      await systemctl("daemon-reload")
    },
    start: async () => {
      await systemctl("start", UNIT)
    },
    stop: async () => {
      await systemctl("stop", UNIT)
    },
    restart: async () => {
      await systemctl("restart", UNIT)
    },
    async state() {
      const shown = await systemctl(
        "show",
        UNIT,
        "--property=LoadState,UnitFileState,ActiveState,SubState,MainPID,NRestarts,Result,ExecMainStatus",
      )
      const facts = new Map(
        shown.split("\n").map((line) => [line.split("=")[0] ?? "", line.slice(line.indexOf("=") + 1)]),
      )
      const fact = (name: string) => facts.get(name) ?? ""
      const running = fact("ActiveState") === "active"
      const failed = fact("ActiveState") === "failed"
      const waits = fact("SubState") === "auto-restart"
      return {
        installed: fact("LoadState") === "loaded",
        enabled: fact("UnitFileState") === "enabled",
        running,
        pid: Number(fact("MainPID")) || null,
        restarts: Number(fact("NRestarts")) || 0,
        why: failed || waits ? `${fact("Result")}, exit status ${fact("ExecMainStatus")}` : "",
      }
    },
  }
}
