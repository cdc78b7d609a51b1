/** The system's own keeper of services, behind one face: systemd (a user's or the machine's), launchd, or Windows' task scheduler. */
import { existsSync } from "node:fs"
import { AppError } from "#core/errors.ts"
import type { Home } from "#core/home.ts"
import { createLaunchd } from "./init-launchd.ts"
import { createSystemd } from "./init-systemd.ts"
import { createWindowsTasks } from "./init-windows.ts"
import { runTool, type Ran } from "./system-tool.ts"

export type ServiceState = {
  installed: boolean
  /** It is started with the user's session, or with the machine. */
  enabled: boolean
  running: boolean
  pid: number | null
  /** Starts after a failure since it was told to run; null where the system does not count. */
  restarts: number | null
  /** Why it does not run, in the system's words; "" where there is nothing to tell. */
  why: string
}

export type InitSystem = {
  readonly name: "systemd" | "launchd" | "windows"
  /** Where its description of the service is, or what it is called. */
  readonly unit: string
  /** Writes the unit and enables it. `remarks`: what a person should know of it. */
  install(): Promise<{ remarks: string[] }>
  /** Stops it and takes the unit away. */
  uninstall(): Promise<void>
  /** Resolves once it is ready, where the system can tell; else once it was told to start. */
  start(): Promise<void>
  stop(): Promise<void>
  restart(): Promise<void>
  state(): Promise<ServiceState>
}

export type InitDeps = {
  home: Home
  program: string
  env: Readonly<Record<string, string | undefined>>
  run: (argv: readonly [string, ...string[]]) => Promise<Ran>
}

/** The keeper of this machine; null where there is none that would take a user's service. `system`: the machine's, for all its users. */
export async function findInitSystem(
  { home, env }: Pick<InitDeps, "home" | "env">,
  { system, account }: { system: boolean; account: string | undefined },
): Promise<InitSystem | null> {
  const deps: InitDeps = { home, env, program: process.execPath, run: runTool }
  if (system && process.platform !== "linux")
    throw new AppError("usage.wrong", "--system is for Linux machines with systemd", {
      hint: "Without it the service belongs to your own user and starts when you log in.",
    })
  if (process.platform === "darwin") return createLaunchd(deps)
  if (process.platform === "win32") return createWindowsTasks(deps)
  if (system) return createSystemd(deps, { account: systemAccount(env, account) })
  return (await hasUserManager(deps)) ? createSystemd(deps, { account: null }) : null
}

/** A system unit names the user that it runs as: never root by default, for nothing here needs it. */
function systemAccount(env: InitDeps["env"], asked: string | undefined): string {
  if (!existsSync("/run/systemd/system"))
    throw new AppError("service.no_manager", "This machine was not started by systemd")
  if (process.getuid?.() !== 0)
    throw new AppError("usage.wrong", "A unit of the machine's can be installed by root alone", {
      hint: "Run it with sudo, or leave --system out: the service then belongs to your own user.",
    })
  const account = asked ?? env["SUDO_USER"]
  if (account === undefined || !/^[a-z_][a-z0-9_-]*\$?$/i.test(account))
    throw new AppError("usage.wrong", "It has to be said which user the service runs as", {
      hint: "Add --user NAME, and --home with that user's home of ironclaw.",
    })
  return account
}

async function hasUserManager({ run }: InitDeps): Promise<boolean> {
  const { status } = await run(["systemctl", "--user", "show-environment"])
  return status === 0
}
