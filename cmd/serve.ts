/** `ironclaw serve`: the service without a terminal, until it is told to stop. */
import { systemClock } from "#core/clock.ts"
import { loadConfig, processEnvironment } from "#core/config.ts"
import { AppError, type ErrorCode } from "#core/errors.ts"
import { createReadyNotice } from "./lib/ready-notice.ts"
import { NEEDS_A_PERSON } from "./lib/service-unit.ts"
import { openSetting } from "./lib/setting.ts"
import { exitStatus } from "./lib/ui.ts"
import { defineVerb } from "./lib/verb.ts"

/** What a stop may take before the process ends anyway: a checkpoint of the database on a slow disk. */
const STOP_WITHIN_MS = 20_000

/** What another try would not mend: whoever keeps the service running must not start it again and again. */
const lasting: ReadonlySet<ErrorCode> = new Set<ErrorCode>([
  "config.unknown_key",
  "config.invalid",
  "config.unreadable",
  "config.secret",
  "usage.wrong",
  "home.not_yours",
  "home.too_open",
  "home.unsafe_file",
  "gateway.insecure_address",
  "key.weak",
  "key.missing",
  "key.wrong",
  "key.passphrase_missing",
  "key.passphrase_wrong",
  "key.damaged",
  "db.bad_url",
  "db.auth_failed",
  "db.no_database",
  "db.permission_denied",
  "db.too_old",
  "db.newer",
  "db.migration_changed",
])

export default defineVerb({
  meta: {
    description: "Runs the service without a terminal: gateway and channels; prints its address when it is ready",
    examples: ["ironclaw serve", "ironclaw serve --port 0", "ironclaw serve --set gateway.host=127.0.0.1 -v"],
    ownsInterrupt: true,
    failureStatus: (error) => (error instanceof AppError && lasting.has(error.code) ? NEEDS_A_PERSON : undefined),
  },
  args: {
    host: { type: "string", description: "The address to listen on (gateway.host)", valueHint: "address" },
    port: { type: "string", description: "The port to listen on; 0 takes any free one (gateway.port)", valueHint: "n" },
  },
  async run({ args, flags, ui }) {
    const set = {
      ...flags.set,
      ...(args.host === undefined ? {} : { "gateway.host": args.host }),
      ...(args.port === undefined ? {} : { "gateway.port": args.port }),
    }
    const setting = openSetting({ flags: { ...flags, set }, ui })
    const loaded = await loadConfig(setting)
    const stop = Promise.withResolvers<NodeJS.Signals>()
    for (const signal of ["SIGINT", "SIGTERM"] as const) process.on(signal, () => stop.resolve(signal))
    const { startService } = await import("./lib/service.ts")
    const service = await startService({ setting, loaded, what: "serve", verbose: flags.verbose, ui })
    const notice = createReadyNotice({
      env: processEnvironment(),
      clock: systemClock,
      onFault: (error) => service.log.warn("systemd could not be told how the service is", { error }),
    })
    notice.ready()
    const quiet = notice.keepAlive(service.isAlive)
    if (ui.json) ui.document({ address: service.address, home: setting.home.root, pid: process.pid })
    else ui.print(`ironclaw is ready at ${service.address}`)
    const signal = await stop.promise
    // Whoever asks twice, or waits too long, gets the end: nothing is lost by it, only the next start takes longer.
    const force = () => process.exit(signal === "SIGINT" ? exitStatus.interrupted : exitStatus.done)
    for (const name of ["SIGINT", "SIGTERM"] as const) process.on(name, force)
    AbortSignal.timeout(STOP_WITHIN_MS).addEventListener("abort", force)
    quiet()
    notice.stopping()
    service.log.info("The service is stopping", { signal })
    await service.close()
  },
})
