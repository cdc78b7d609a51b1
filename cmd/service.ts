/** `ironclaw service`: the assistant in the background, kept running by the system, or by itself where the system would not. */
import { systemClock } from "#core/clock.ts"
import { loadConfig, processEnvironment } from "#core/config.ts"
import { AppError } from "#core/errors.ts"
import { homeLocked, readLock, takeLock } from "#core/home-lock.ts"
import type { Home } from "#core/home.ts"
import { startUnderSupervisor, stopHolders } from "./lib/detached.ts"
import { findInitSystem, type InitSystem } from "./lib/init-system.ts"
import { offerLingering } from "./lib/lingering.ts"
import { lastErrorSince, logArgs, showLog } from "./lib/log-view.ts"
import { openSetting } from "./lib/setting.ts"
import { supervise } from "./lib/supervisor.ts"
import { runTool, startOwn } from "./lib/system-tool.ts"
import { visible } from "./lib/ui.ts"
import { type ArgValues, defineVerb, defineVerbGroup, type VerbContext } from "./lib/verb.ts"

const systemArgs = {
  system: { type: "boolean", description: "The machine's own unit, started without a login; needs root" },
  user: { type: "string", valueHint: "name", description: "With --system: the user that the service runs as" },
} as const
type SystemContext = VerbContext<typeof systemArgs>

/** Names in the environment that a service would not see, though a person may count on them. */
const ownNames = /^(?:.*_API_KEY|LLM_.*|DATABASE_URL|SECRETS_MASTER_KEY|IRONCLAW_KEY_PASSPHRASE|GATEWAY_.*|OLLAMA_.*)$/

function homeOf({ flags, ui }: Pick<VerbContext, "flags" | "ui">): Home {
  return openSetting({ flags, ui }).home
}

function initSystem(home: Home, args: ArgValues<typeof systemArgs>): Promise<InitSystem | null> {
  return findInitSystem({ home, env: processEnvironment() }, { system: args.system === true, account: args.user })
}

/** What a service without a terminal is told, where a person has to type the passphrase of its master key. */
async function passphraseFor(
  home: Home,
  { flags, ui, signal }: Pick<VerbContext, "flags" | "ui" | "signal">,
): Promise<Record<string, string>> {
  const { isKeySealed, PASSPHRASE_NAME } = await import("#core/secrets/master-key.ts")
  if (!isKeySealed(home)) return {} // the configuration may be what is wrong, and the service says so better
  const { findPassphrase } = await import("./lib/key-passphrase.ts")
  const loaded = await loadConfig({ home, env: processEnvironment(), flags: flags.set })
  const typed = (await findPassphrase({ home, loaded, ui, signal }))?.typed ?? null
  return typed === null ? {} : { [PASSPHRASE_NAME]: typed }
}

async function requireInitSystem(home: Home, args: ArgValues<typeof systemArgs>): Promise<InitSystem> {
  const init = await initSystem(home, args)
  if (init) return init
  throw new AppError("service.no_manager", "Nobody here takes services of a user: there is no systemd for your login")
}

/** Where no unit is installed, what was started detached or by hand is meant. */
async function installed(home: Home, args: ArgValues<typeof systemArgs>): Promise<InitSystem | null> {
  const init = await initSystem(home, args)
  return init && (await init.state()).installed ? init : null
}

const install = defineVerb({
  meta: {
    description: "Installs the service: it starts with your login, and is started again when it fails",
    examples: [
      "ironclaw service install",
      "ironclaw service install --linger",
      "sudo ironclaw service install --system --user ann --home /home/ann/.ironclaw",
    ],
  },
  args: {
    ...systemArgs,
    linger: { type: "boolean", description: "Let it run while you are not logged in (systemd)" },
    "no-start": { type: "boolean", description: "Do not start it now" },
  },
  async run({ args, flags, ui, signal }) {
    const home = homeOf({ flags, ui })
    const init = await requireInitSystem(home, args)
    const { remarks } = await init.install()
    const unseen = Object.keys(processEnvironment()).filter((name) => ownNames.test(name))
    if (unseen.length > 0)
      remarks.push(
        `The service does not see your shell's ${unseen.join(", ")}: put keys into \`ironclaw secret set\`, the rest into ${home.envFile} or \`ironclaw config set\``,
      )
    if (!args.system) remarks.push(...(await offerLingering({ init, asked: args.linger, ui, run: runTool })))
    const started = args["no-start"] !== true
    if (started) {
      const progress = ui.progress("Starting the service")
      try {
        await restartBy(init, { home, signal })
      } finally {
        progress.stop()
      }
    }
    return {
      data: { unit: init.unit, manager: init.name, started, address: readLock(home)?.address ?? null, remarks },
      show() {
        ui.print(`Installed: ${init.unit} (${init.name})`)
        if (started) ui.print(`Running${addressText(home)}`)
        for (const remark of remarks) ui.note(remark)
        ui.note("`ironclaw service status` shows how it is, `ironclaw service logs -f` what it does.")
      },
    }
  },
})

/** A service that was started by hand, or by another keeper, has the home and would keep this one from it. */
async function restartBy(init: InitSystem, { home, signal }: { home: Home; signal: AbortSignal }): Promise<void> {
  if (!(await init.state()).running) await stopHolders({ home, clock: systemClock, signal })
  await withReason(home, () => init.restart())
}

/** The system says only that it failed; our log says why. */
async function withReason(home: Home, work: () => Promise<void>): Promise<void> {
  const since = systemClock.iso()
  try {
    await work()
  } catch (error) {
    const why = error instanceof AppError ? lastErrorSince(home, since) : ""
    if (why === "") throw error
    throw new AppError("service.failed", why, { cause: error })
  }
}

const start = defineVerb({
  meta: {
    description: "Starts the service; --detach keeps it running without the system's help, until the machine stops",
    examples: ["ironclaw service start", "ironclaw service start --detach"],
  },
  args: {
    ...systemArgs,
    detach: { type: "boolean", description: "Under ironclaw's own supervisor, where the system keeps no services" },
  },
  async run({ args, flags, ui, signal }) {
    const home = homeOf({ flags, ui })
    const holder = readLock(home)
    if (holder?.as === "service") throw homeLocked(home, holder)
    const init = args.detach ? null : await installed(home, args)
    if (!init && !args.detach) {
      throw new AppError("service.not_installed", "The service is not installed", {
        hint: "`ironclaw service install` has the system keep it; `ironclaw service start --detach` starts it without that.",
      })
    }
    const env = init ? {} : await passphraseFor(home, { flags, ui, signal })
    const progress = ui.progress("Starting the service")
    try {
      if (init) await withReason(home, () => init.start())
      else await startUnderSupervisor({ home, clock: systemClock, env, signal })
    } finally {
      progress.stop()
    }
    const address = readLock(home)?.address ?? null
    return { data: { running: true, address }, show: () => ui.print(`Running${addressText(home)}`) }
  },
})

const stop = defineVerb({
  meta: {
    description: "Stops the service; what it was doing goes on at the next start",
    examples: ["ironclaw service stop"],
  },
  args: systemArgs,
  async run({ args, flags, ui, signal }) {
    const home = homeOf({ flags, ui })
    const stopped = await stopService({ home, args, signal, ui })
    return {
      data: { stopped },
      show: () => ui.print(stopped ? "Stopped" : "The service was not running"),
    }
  },
})

async function stopService({
  home,
  args,
  signal,
  ui,
}: {
  home: Home
  args: ArgValues<typeof systemArgs>
  signal: AbortSignal
  ui: SystemContext["ui"]
}): Promise<boolean> {
  const progress = ui.progress("Stopping the service")
  try {
    const init = await installed(home, args)
    const wasRunning = init !== null && (await init.state()).running
    // Stopped all the same: the manager may be waiting to start it again.
    if (init) await init.stop()
    return (await stopHolders({ home, clock: systemClock, signal })) || wasRunning
  } finally {
    progress.stop()
  }
}

const restart = defineVerb({
  meta: { description: "Stops the service and starts it again", examples: ["ironclaw service restart"] },
  args: systemArgs,
  async run({ args, flags, ui, signal }) {
    const home = homeOf({ flags, ui })
    const init = await installed(home, args)
    const wasDetached = readLock(home, "supervisor") !== null
    if (!init && !wasDetached)
      throw new AppError("service.not_installed", "Nothing would start the service again after a stop")
    const env = init ? {} : await passphraseFor(home, { flags, ui, signal }) // before anything is stopped
    const progress = ui.progress("Restarting the service")
    try {
      if (init) await restartBy(init, { home, signal })
      else {
        await stopHolders({ home, clock: systemClock, signal })
        await startUnderSupervisor({ home, clock: systemClock, env, signal })
      }
    } finally {
      progress.stop()
    }
    return {
      data: { running: true, address: readLock(home)?.address ?? null },
      show: () => ui.print(`Running${addressText(home)}`),
    }
  },
})

const status = defineVerb({
  meta: { description: "Shows who keeps the service, and whether it runs", examples: ["ironclaw service status"] },
  args: systemArgs,
  async run({ args, flags, ui }) {
    const home = homeOf({ flags, ui })
    const init = await initSystem(home, args)
    const state = init === null ? null : await init.state()
    const supervisor = readLock(home, "supervisor")
    const holder = readLock(home)
    const running = holder?.as === "service"
    const keeper = state?.installed ? (init?.name ?? null) : supervisor ? "supervisor" : null
    return {
      data: { running, keeper, unit: state?.installed ? init?.unit : null, state, supervisor, holder },
      status: running ? 0 : 1,
      show() {
        const { green, red } = ui.style
        const pid = holder?.pid ? ` with pid ${holder.pid}` : ""
        ui.print(running ? `${green("running")}${pid}${addressText(home)}` : red("not running"))
        if (state?.installed && init)
          ui.print(
            `kept by ${init.name} (${init.unit}), ${state.enabled ? "starts by itself" : "does not start by itself"}`,
          )
        else if (supervisor)
          ui.print(`kept by ironclaw's own supervisor${supervisor.pid ? `, pid ${supervisor.pid}` : ""}`)
        else ui.print(running ? "nobody starts it again when it ends" : "not installed: `ironclaw service install`")
        if (state?.restarts) ui.print(`started again ${state.restarts} times after a failure`)
        if (state?.why) ui.print(`${red("why")}: ${visible(state.why)}; \`ironclaw service logs\` says more`)
      },
    }
  },
})

const logs = defineVerb({
  meta: {
    description: "Shows the log; the same as `ironclaw logs`",
    examples: ["ironclaw service logs -f"],
    ownsInterrupt: true,
  },
  args: logArgs,
  run: showLog,
})

const uninstall = defineVerb({
  meta: {
    description: "Stops the service and takes its unit away; everything in the home stays",
    examples: ["ironclaw service uninstall"],
  },
  args: systemArgs,
  async run({ args, flags, ui, signal }) {
    const home = homeOf({ flags, ui })
    await stopService({ home, args, signal, ui })
    const init = await installed(home, args)
    if (init) await init.uninstall()
    return {
      data: { uninstalled: init !== null, unit: init?.unit ?? null },
      show() {
        ui.print(init ? `Uninstalled: ${init.unit}` : "The service was not installed")
        ui.note(`Everything in ${home.root} is as it was.`)
      },
    }
  },
})

const superviseVerb = defineVerb({
  meta: {
    description: "Keeps the service running from this process; `service start --detach`, launchd and containers use it",
    examples: ["ironclaw service supervise"],
    ownsInterrupt: true,
  },
  args: {},
  async run({ flags, ui }) {
    const home = homeOf({ flags, ui })
    const lock = takeLock({ home, clock: systemClock, name: "supervisor", what: "service supervise", as: "service" })
    if (lock === null) throw homeLocked(home, readLock(home, "supervisor"))
    const told = new AbortController()
    for (const signal of ["SIGINT", "SIGTERM"] as const) process.on(signal, () => told.abort())
    try {
      const ended = await supervise({
        clock: systemClock,
        start: () => startOwn(["serve", "--home", home.root]),
        signal: told.signal,
        say: (line) => ui.warn(`${systemClock.iso()} ${line}`),
      })
      return { data: { status: ended }, show() {}, status: ended }
    } finally {
      lock.release()
    }
  },
})

function addressText(home: Home): string {
  const address = readLock(home)?.address
  return address ? ` at ${visible(address)}` : ""
}

export default defineVerbGroup(
  {
    description: "The assistant in the background: install, start, stop, watch",
    examples: ["ironclaw service install", "ironclaw service start --detach", "ironclaw service status"],
  },
  { install, start, stop, restart, status, logs, uninstall, supervise: superviseVerb },
)
